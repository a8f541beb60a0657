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

/// Why `statement` is not known to answer each row of `table` by itself, and always the same: in words. None when it is.
pub fn past_row(statement: &str, table: &str) -> Option<String> {
    let Some(shape) = shape(statement) else {
        return Some(beyond(statement).unwrap_or_else(|| {
            "is more than one `select … from … where …` over one dataset".to_owned()
        }));
    };
    if !shape.table.eq_ignore_ascii_case(table) {
        return Some(format!("does not read `{table}` itself"));
    }
    let parts = shape.items.iter().chain(&shape.filter);
    let mut parts = parts.map(Vec::as_slice);
    (!parts.all(is_timeless)).then(|| {
        "asks `strftime` for a time that may be now (say `'unixepoch'` behind it)".to_owned()
    })
}

/// The word that makes a statement look past the row.
fn beyond(statement: &str) -> Option<String> {
    let all = tokens(statement)?;
    let first_from = all.iter().position(|token| token.is_word("from"));
    for (at, token) in all.iter().enumerate().skip(1) {
        let Token::Word(word) = token else { continue };
        let is = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(word));
        if Some(at) != first_from && is(&BEYOND) {
            return Some(format!("says `{}`", word.to_lowercase()));
        }
        let is_call = all.get(at + 1).is_some_and(|next| next.is_sign("("));
        if is_call && !is(&OF_ROW) && !is(&["from", "where", "as"]) {
            return Some(format!("calls `{}`", word.to_lowercase()));
        }
    }
    None
}

/// Whether nothing in it hangs on when it is asked, or where: `strftime` takes `now` for a time, and the machine's zone.
fn is_timeless(tokens: &[Token]) -> bool {
    let is_text = |token: &Token, wanted: &str| matches!(token, Token::Text(text) if text.trim().eq_ignore_ascii_case(wanted));
    tokens.iter().enumerate().all(|(at, token)| {
        if !token.is_word("strftime") {
            return true;
        }
        let arguments = tokens.get(at + 2..).and_then(call).and_then(parts);
        arguments.is_some_and(|arguments| {
            let is_number =
                |argument: &&[Token]| matches!(argument, [one] if is_text(one, "unixepoch"));
            let mut tokens = arguments.iter().copied().flatten();
            arguments.get(2).is_some_and(is_number)
                && !tokens.any(|token| is_text(token, "localtime") || is_text(token, "utc"))
        })
    })
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
    fn why_a_statement_looks_past_the_row_is_said() {
        let why = |statement: &str| past_row(statement, "t");
        assert_eq!(why("select *, (a / 2 -- half\n) as \"b\" from \"T\""), None);
        assert_eq!(
            why("select strftime('%H', a / 1000000, 'unixepoch') as h from t"),
            None
        );
        for (statement, part) in [
            ("select a, sum(b) over (order by a) from t", "`sum`"),
            ("select a from t order by a limit 3", "`order`"),
            ("select distinct a from t", "`distinct`"),
            ("select a from t join u on 1", "`join`"),
            ("select a from t, u", "over one dataset"),
            ("select a from u", "`t`"),
            ("select random() as a from t", "`random`"),
            ("select strftime('%Y', 'now') as y from t", "`strftime`"),
            (
                "select strftime('%Y', at, 'unixepoch', 'localtime') as y from t",
                "`strftime`",
            ),
        ] {
            let why = why(statement).unwrap_or_default();
            assert!(why.contains(part), "{statement}: {why}");
        }
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
