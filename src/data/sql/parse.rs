//! Tokens -> an expression over the columns of one table, with SQLite's precedence. What is not certain to mean the same
//! is not parsed, and the statement is left to SQLite.

use super::shape::parts;
use super::tokens::Token;

/// Nesting beyond this is not parsed.
const DEPTH: usize = 60;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// A column, by place.
    Column(usize),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Nothing there.
    Null,
    /// `+x`, which is no column any more.
    Plus(Box<Self>),
    /// `-x`.
    Minus(Box<Self>),
    /// `not x`.
    Not(Box<Self>),
    /// Two values.
    Two(Two, Box<Self>, Box<Self>),
    /// `x in (…)`.
    In(Box<Self>, Vec<Self>),
    /// `case when … then … else … end`; conditions and values in turn, and the last value.
    Case(Vec<(Self, Self)>, Box<Self>),
    /// A function, by its name in lower case.
    Call(String, Vec<Self>),
    /// `cast(x as integer)`.
    ToInteger(Box<Self>),
    /// `cast(x as real)`.
    ToReal(Box<Self>),
}

/// What is done with two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Two {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    /// Null is null.
    Is,
    And,
    Or,
}

/// Columns that may be named.
pub(super) struct Names<'a> {
    /// Of the table, in order.
    pub(super) columns: &'a [String],
    /// What the table is called.
    pub(super) alias: &'a str,
}

/// The expression that all of `tokens` are.
pub(super) fn parse(tokens: &[Token], names: &Names<'_>) -> Option<Expression> {
    let mut parser = Parser {
        tokens,
        at: 0,
        names,
        depth: 0,
    };
    let parsed = parser.or()?;
    (parser.at == tokens.len()).then_some(parsed)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    names: &'a Names<'a>,
    depth: usize,
}

fn two(kind: Two, left: Expression, right: Expression) -> Expression {
    Expression::Two(kind, Box::new(left), Box::new(right))
}

fn not(negated: bool, expression: Expression) -> Expression {
    if negated {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> bool {
        let is = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.is_word(word));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token.is_sign(sign));
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut left = self.and()?;
        while self.word("or") {
            left = two(Two::Or, left, self.and()?);
        }
        self.depth -= 1;
        Some(left)
    }

    fn and(&mut self) -> Option<Expression> {
        let mut left = self.not()?;
        while self.word("and") {
            left = two(Two::And, left, self.not()?);
        }
        Some(left)
    }

    fn not(&mut self) -> Option<Expression> {
        let mut negated = 0;
        while self.word("not") {
            negated += 1;
        }
        let mut inner = self.equality()?;
        for _ in 0..negated {
            inner = not(true, inner);
        }
        Some(inner)
    }

    fn equality(&mut self) -> Option<Expression> {
        let mut left = self.comparison()?;
        loop {
            if self.sign("=") || self.sign("==") {
                left = two(Two::Equal, left, self.comparison()?);
            } else if self.sign("<>") || self.sign("!=") {
                left = two(Two::NotEqual, left, self.comparison()?);
            } else if self.word("isnull") {
                return Some(two(Two::Is, left, Expression::Null));
            } else if self.word("notnull") {
                return Some(not(true, two(Two::Is, left, Expression::Null)));
            } else if self.word("is") {
                let negated = self.word("not");
                if ["true", "false", "distinct"].iter().any(|word| {
                    self.tokens
                        .get(self.at)
                        .is_some_and(|token| token.is_word(word))
                }) {
                    return None;
                }
                return Some(not(negated, two(Two::Is, left, self.comparison()?)));
            } else {
                let negated = self.word("not");
                if negated && self.word("null") {
                    return Some(not(true, two(Two::Is, left, Expression::Null)));
                } else if self.word("between") {
                    let low = self.comparison()?;
                    if !self.word("and") {
                        return None;
                    }
                    let high = self.comparison()?;
                    let above = two(Two::GreaterOrEqual, left.clone(), low);
                    let below = two(Two::LessOrEqual, left, high);
                    return Some(not(negated, two(Two::And, above, below)));
                } else if self.word("in") {
                    if !self.sign("(") {
                        return None;
                    }
                    let list = self.list()?;
                    return (!list.is_empty())
                        .then(|| not(negated, Expression::In(Box::new(left), list)));
                } else if negated {
                    return None;
                }
                return Some(left);
            }
        }
    }

    fn comparison(&mut self) -> Option<Expression> {
        let mut left = self.sum()?;
        loop {
            let kind = if self.sign("<") {
                Two::Less
            } else if self.sign("<=") {
                Two::LessOrEqual
            } else if self.sign(">") {
                Two::Greater
            } else if self.sign(">=") {
                Two::GreaterOrEqual
            } else {
                return Some(left);
            };
            left = two(kind, left, self.sum()?);
        }
    }

    fn sum(&mut self) -> Option<Expression> {
        let mut left = self.product()?;
        loop {
            let kind = if self.sign("+") {
                Two::Add
            } else if self.sign("-") {
                Two::Subtract
            } else {
                return Some(left);
            };
            left = two(kind, left, self.product()?);
        }
    }

    fn product(&mut self) -> Option<Expression> {
        let mut left = self.unary()?;
        loop {
            let kind = if self.sign("*") {
                Two::Multiply
            } else if self.sign("/") {
                Two::Divide
            } else if self.sign("%") {
                Two::Remainder
            } else {
                return Some(left);
            };
            left = two(kind, left, self.unary()?);
        }
    }

    fn unary(&mut self) -> Option<Expression> {
        if self.sign("+") {
            return Some(Expression::Plus(Box::new(self.deeper(Self::unary)?)));
        }
        if self.sign("-") {
            return Some(match self.deeper(Self::unary)? {
                Expression::Integer(value) => Expression::Integer(-value),
                Expression::Real(value) => Expression::Real(-value),
                other => Expression::Minus(Box::new(other)),
            });
        }
        self.value()
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let found = inner(self)?;
        self.depth -= 1;
        Some(found)
    }

    fn value(&mut self) -> Option<Expression> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        Some(match token {
            Token::Integer(value) => Expression::Integer(value),
            Token::Real(value) => Expression::Real(value),
            Token::Text(text) => Expression::Text(text),
            Token::Sign("(") => {
                let inner = self.or()?;
                if !self.sign(")") {
                    return None;
                }
                inner
            }
            Token::Sign(_) => return None,
            Token::Name(name) => self.column(&name)?,
            Token::Word(word) if self.sign("(") => self.call(&word.to_ascii_lowercase())?,
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Expression::Null,
            Token::Word(word) if word.eq_ignore_ascii_case("case") => self.case()?,
            Token::Word(word) => self.column(&word)?,
        })
    }

    /// `name`, or `table.name` when the table was named.
    fn column(&mut self, name: &str) -> Option<Expression> {
        let named;
        let name = if self.sign(".") {
            if !name.eq_ignore_ascii_case(self.names.alias) {
                return None;
            }
            let (Token::Word(column) | Token::Name(column)) = self.tokens.get(self.at)? else {
                return None;
            };
            self.at += 1;
            named = column.clone();
            named.as_str()
        } else {
            name
        };
        let mut places = self
            .names
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.eq_ignore_ascii_case(name));
        let (place, _) = places.next()?;
        places.next().is_none().then_some(Expression::Column(place))
    }

    /// Expressions up to the parenthesis that closes.
    fn list(&mut self) -> Option<Vec<Expression>> {
        if self.sign(")") {
            return Some(Vec::new());
        }
        let mut list = Vec::new();
        loop {
            list.push(self.or()?);
            if self.sign(")") {
                return Some(list);
            }
            if !self.sign(",") {
                return None;
            }
        }
    }

    fn call(&mut self, name: &str) -> Option<Expression> {
        if name == "cast" {
            let inner = Box::new(self.or()?);
            if !self.word("as") {
                return None;
            }
            let cast = if self.word("integer") || self.word("int") || self.word("bigint") {
                Expression::ToInteger(inner)
            } else if self.word("real") || self.word("double") || self.word("float") {
                Expression::ToReal(inner)
            } else {
                return None;
            };
            return self.sign(")").then_some(cast);
        }
        let mut list = self.list()?;
        Some(match (name, list.len()) {
            ("ifnull", 2) | ("coalesce", 2..) => Expression::Call("coalesce".to_owned(), list),
            ("iif", 3) => {
                let (last, value, condition) = (list.pop()?, list.pop()?, list.pop()?);
                Expression::Case(vec![(condition, value)], Box::new(last))
            }
            ("ifnull" | "coalesce" | "iif", _) => return None,
            _ => Expression::Call(name.to_owned(), list),
        })
    }

    fn case(&mut self) -> Option<Expression> {
        let operand = if self.word("when") {
            None
        } else {
            let operand = self.or()?;
            if !self.word("when") {
                return None;
            }
            Some(operand)
        };
        let mut branches = Vec::new();
        loop {
            let condition = self.or()?;
            if !self.word("then") {
                return None;
            }
            let value = self.or()?;
            let condition = match &operand {
                None => condition,
                Some(operand) => two(Two::Equal, operand.clone(), condition),
            };
            branches.push((condition, value));
            if !self.word("when") {
                break;
            }
        }
        let last = if self.word("else") {
            self.or()?
        } else {
            Expression::Null
        };
        self.word("end")
            .then(|| Expression::Case(branches, Box::new(last)))
    }
}

/// The columns that `*` or `table.*` stands for, or the one expression.
pub(super) fn item(tokens: &[Token], names: &Names<'_>) -> Option<Vec<Expression>> {
    let every = || (0..names.columns.len()).map(Expression::Column).collect();
    match tokens {
        [star] if star.is_sign("*") => Some(every()),
        [Token::Word(table) | Token::Name(table), dot, star]
            if dot.is_sign(".") && star.is_sign("*") =>
        {
            table.eq_ignore_ascii_case(names.alias).then(every)
        }
        _ if parts(tokens)?.len() == 1 => Some(vec![parse(tokens, names)?]),
        _ => None,
    }
}
