//! Whether a statement only looks at one row at a time: `select expressions from one_table [where condition]`, with
//! nothing that sees other rows. Such a statement may be answered in parts. What is in doubt is not of this shape.

use super::tokens::{Token, tokens};

/// Words that look past the row, or whose place in the grammar is not known here.
const BEYOND: [&str; 34] = [
    "all",
    "changes",
    "collate",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "distinct",
    "except",
    "exists",
    "fetch",
    "filter",
    "from",
    "full",
    "group",
    "having",
    "indexed",
    "inner",
    "intersect",
    "join",
    "last_insert_rowid",
    "left",
    "limit",
    "match",
    "natural",
    "offset",
    "oid",
    "order",
    "outer",
    "over",
    "select",
    "union",
    "values",
    "window",
];

/// Functions of the values of one row, and keywords that stand before a parenthesis.
const OF_ROW: [&str; 74] = [
    "abs",
    "acos",
    "and",
    "asin",
    "atan",
    "atan2",
    "between",
    "case",
    "cast",
    "cbrt",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "day",
    "degrees",
    "else",
    "epoch_us",
    "exp",
    "floor",
    "format",
    "glob",
    "hex",
    "hour",
    "ifnull",
    "iif",
    "in",
    "instr",
    "is",
    "length",
    "like",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "minute",
    "mod",
    "month",
    "not",
    "nullif",
    "or",
    "pi",
    "pow",
    "power",
    "printf",
    "radians",
    "replace",
    "round",
    "rtrim",
    "second",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "strftime",
    "substr",
    "substring",
    "tan",
    "tanh",
    "then",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "upper",
    "weekday",
    "when",
    "year",
];

/// A statement that looks at one row at a time.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    /// What is selected, without its `as name`.
    pub(super) items: Vec<Vec<Token>>,
    /// The table.
    pub(super) table: String,
    /// What the table is called in the statement.
    pub(super) alias: String,
    /// Which rows.
    pub(super) filter: Option<Vec<Token>>,
}

/// The shape of `statement`; none when it is, or may be, of another one.
pub(super) fn shape(statement: &str) -> Option<Shape> {
    let mut all = tokens(statement)?;
    while all.last().is_some_and(|token| token.is_sign(";")) {
        all.pop();
    }
    let (first, rest) = all.split_first()?;
    if !first.is_word("select") {
        return None;
    }
    let from = rest.iter().position(|token| token.is_word("from"))?;
    let (selected, source) = (&rest[..from], &rest[from + 1..]);
    let (table, mut source) = source.split_first()?;
    let table = name(table)?.to_owned();
    let mut alias = table.clone();
    if let Some((next, after)) = source.split_first()
        && !next.is_word("where")
    {
        let (called, after) = if next.is_word("as") {
            after.split_first()?
        } else {
            (next, after)
        };
        alias = name(called)?.to_owned();
        source = after;
    }
    let filter = match source.split_first() {
        None => None,
        Some((next, condition)) if next.is_word("where") && !condition.is_empty() => {
            Some(condition.to_vec())
        }
        Some(_) => return None,
    };
    let sees_row = of_row(selected) && filter.as_deref().is_none_or(of_row);
    if !sees_row {
        return None;
    }
    let items = parts(selected)?
        .into_iter()
        .map(|item| Some(unnamed(item)?.to_vec()))
        .collect::<Option<_>>()?;
    Some(Shape {
        items,
        table,
        alias,
        filter,
    })
}

/// Nothing here looks past the row.
fn of_row(tokens: &[Token]) -> bool {
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else {
            if token.is_sign(";") {
                return false;
            }
            continue;
        };
        let is = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(word));
        if is(&BEYOND) || is(&["rowid", "_rowid_"]) {
            return false;
        }
        if tokens.get(at + 1).is_some_and(|next| next.is_sign("(")) && !is(&OF_ROW) {
            // the least and the greatest of several values of the row
            let arguments = call(&tokens[at + 2..])
                .and_then(parts)
                .map_or(0, |parts| parts.len());
            if !(is(&["min", "max"]) && arguments > 1) {
                return false;
            }
        }
    }
    true
}

/// What stands before the parenthesis that closes.
fn call(tokens: &[Token]) -> Option<&[Token]> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_sign("(") {
            depth += 1;
        } else if token.is_sign(")") {
            if depth == 0 {
                return Some(&tokens[..at]);
            }
            depth -= 1;
        }
    }
    None
}

/// What stands between commas outside of parentheses.
pub(super) fn parts(tokens: &[Token]) -> Option<Vec<&[Token]>> {
    let (mut depth, mut start, mut parts) = (0i32, 0, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        if token.is_sign("(") {
            depth += 1;
        } else if token.is_sign(")") {
            depth -= 1;
        } else if token.is_sign(",") && depth == 0 {
            parts.push(&tokens[start..at]);
            start = at + 1;
        }
        if depth < 0 {
            return None;
        }
    }
    parts.push(&tokens[start..]);
    (depth == 0 && parts.iter().all(|part| !part.is_empty())).then_some(parts)
}

/// The expression without `as name`, or without a bare name behind it.
fn unnamed(item: &[Token]) -> Option<&[Token]> {
    match item {
        [expression @ .., as_word, last] if as_word.is_word("as") && !expression.is_empty() => {
            name(last).map(|_| expression)
        }
        [.., before, Token::Word(last)]
            if ends_value(before) && !last.eq_ignore_ascii_case("end") && !is_operator(last) =>
        {
            Some(&item[..item.len() - 1])
        }
        [.., before, Token::Name(_)] if ends_value(before) => Some(&item[..item.len() - 1]),
        _ => Some(item),
    }
}

/// A word behind a value that is no name of it.
fn is_operator(word: &str) -> bool {
    ["isnull", "notnull", "null"]
        .iter()
        .any(|one| one.eq_ignore_ascii_case(word))
}

/// Whether a value may end here, so that a name behind it is its name.
fn ends_value(token: &Token) -> bool {
    match token {
        Token::Sign(sign) => *sign == ")",
        Token::Word(word) => {
            let inside = [
                "and", "or", "not", "is", "in", "like", "glob", "between", "case", "when", "then",
                "else", "as", "null",
            ];
            word.eq_ignore_ascii_case("null")
                || !inside.iter().any(|one| one.eq_ignore_ascii_case(word))
        }
        _ => true,
    }
}

fn name(token: &Token) -> Option<&str> {
    match token {
        Token::Word(name) | Token::Name(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_looks_at_one_row_at_a_time_is_known() {
        let plain = shape("SELECT a + 1 AS x, max(a, b) y, t.\"c d\", * FROM flights t where a > 1 and b in (1, 2);").unwrap();
        assert_eq!(
            (plain.table.as_str(), plain.alias.as_str()),
            ("flights", "t")
        );
        assert_eq!(plain.items.len(), 4);
        assert_eq!(plain.items[0].len(), 3);
        assert_eq!(plain.items[1].len(), 6);
        assert_eq!(plain.items[2].len(), 3);
        assert!(plain.filter.is_some());
        assert!(shape("select case when a is null then 0 else a end from t").is_some());
    }

    #[test]
    fn what_may_look_past_the_row_is_not() {
        for statement in [
            "select count(*) from t",
            "select max(a) from t",
            "select distinct a from t",
            "select a from t order by a",
            "select a from t limit 1",
            "select a from t, u",
            "select a from t join u on 1",
            "select a from (select a from t)",
            "select a from t union all select a from t",
            "select sum(a) over () from t",
            "select rowid from t",
            "select random() from t",
            "select group_concat(a, b) from t",
            "select a from t group by a",
            "select a in (select b from u) from t",
            "select 1",
            "with t as (values (1)) select a from t",
        ] {
            assert_eq!(shape(statement), None, "{statement}");
        }
    }
}
