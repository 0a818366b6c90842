//! What PostgreSQL means where the engine means something else.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, SelectItem, Statement,
    TableAliasColumnDef, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use crate::catalogue::call;
use crate::time_format;

/// Functions that tell the time, which stands still while a statement runs.
const NOW: [&str; 3] = ["transaction_timestamp", "statement_timestamp", "clock_timestamp"];

/// Functions between times and texts, which take a pattern.
const TIMES_AS_TEXT: [&str; 3] = ["to_char", "to_date", "to_timestamp"];

/// Puts a statement into words that mean to the engine what they mean to PostgreSQL.
pub(crate) fn translate(statement: &mut Statement) {
    let _never = statement.visit(&mut Translate);
}

struct Translate;

impl VisitorMut for Translate {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                && is_small(expr)
            {
                *expr = cast(expr.clone(), DataType::Int(None));
            }
        }
        ControlFlow::Continue(())
    }

    /// The name of a function in FROM is that of its only column, too.
    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { alias: Some(alias), args: Some(_), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } = table
            && alias.columns.is_empty()
        {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                if NOW.contains(&name.as_str()) {
                    function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new("now"))]);
                }
                if TIMES_AS_TEXT.contains(&name.as_str()) {
                    in_engines_pattern(function);
                }
            }
            Expr::Cast { expr: inner, data_type, .. } => {
                if let Some(text) = literal(inner) {
                    if *data_type == DataType::Bytea {
                        if let Some(digits) = text.strip_prefix("\\x") {
                            *expr = decoded(digits.to_owned());
                        }
                    } else if matches!(data_type, DataType::Interval { .. }) {
                        **inner = Expr::value(Value::SingleQuotedString(spelled(text)));
                    } else if is_timestamp(data_type) {
                        **inner = Expr::value(Value::SingleQuotedString(whole_time(text)));
                    }
                }
            }
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                let escape = escape_char.take().and_then(|escape| escape.value.into_string());
                if let Some(escape) = escape.filter(|escape| escape != "\\") {
                    // The engine escapes by a backslash only.
                    let pattern_text = std::mem::replace(&mut **pattern, text(String::new()));
                    let arguments = vec![pattern_text, text(escape), text("\\".to_owned())];
                    **pattern = call("replace", arguments);
                }
            }
            Expr::Interval(interval) => {
                if let Some(text) = literal(&interval.value) {
                    let text = Value::SingleQuotedString(spelled(text));
                    *interval.value = Expr::value(text);
                }
            }
            Expr::TypedString(typed) if is_timestamp(&typed.data_type) => {
                if let Some(text) = typed.value.value.clone().into_string() {
                    typed.value.value = Value::SingleQuotedString(whole_time(&text));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Says the pattern of a time in the engine's words. A function whose pattern has none there gets a
/// name that no function has, since another time than was meant would be shown.
fn in_engines_pattern(function: &mut ast::Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))] = &mut list.args[..] else {
        return;
    };
    match literal(pattern).and_then(time_format::of_engine) {
        Some(said) => *pattern = text(said),
        None => {
            let name = format!("{}_with_this_pattern", function.name.to_string().to_lowercase());
            function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]);
        }
    }
}

/// Whether an expression is of whole numbers that fit 32 bits, which PostgreSQL computes with such.
fn is_small(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_small(expr),
        Expr::Nested(expr) => is_small(expr),
        Expr::BinaryOp {
            left,
            op:
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo,
            right,
        } => is_small(left) && is_small(right),
        _ => false,
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn literal(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
        _ => None,
    }
}

/// Bytes by their hexadecimal digits.
fn decoded(digits: String) -> Expr {
    call("decode", vec![text(digits), text("hex".to_owned())])
}

fn text(text: String) -> Expr {
    Expr::value(Value::SingleQuotedString(text))
}

/// A span whose hours, minutes and seconds are spelled out: the engine knows no colons in it.
fn spelled(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let (sign, digits) = match word.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", word.strip_prefix('+').unwrap_or(word)),
        };
        let parts: Vec<&str> = digits.split(':').collect();
        match parts[..] {
            [hours, minutes] => format!("{sign}{hours} hours {sign}{minutes} minutes"),
            [hours, minutes, seconds] => {
                format!("{sign}{hours} hours {sign}{minutes} minutes {sign}{seconds} seconds")
            }
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_timestamp(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..) => true,
        DataType::Custom(name, _) => name.to_string().to_lowercase().ends_with("timestamptz"),
        _ => false,
    }
}

/// A time that has seconds, and an offset, if it has one, that has minutes: the engine reads no other.
fn whole_time(text: &str) -> String {
    let whole = whole_offset(text);
    let Some((date, time)) = whole.split_once([' ', 'T']) else { return whole };
    let clock = time.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(time.len());
    match time[..clock].split(':').count() {
        2 => format!("{date} {}:00{}", &time[..clock], &time[clock..]),
        _ => whole,
    }
}

/// An instant whose offset has minutes.
fn whole_offset(text: &str) -> String {
    let bytes = text.as_bytes();
    match bytes {
        [.., b'+' | b'-', one, two]
            if one.is_ascii_digit() && two.is_ascii_digit() && text.contains(':') =>
        {
            format!("{text}:00")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn what_means_something_else_is_put_into_other_words() {
        for (sql, expected) in [
            (
                "SELECT 1, -2 + 3, 5000000000",
                "SELECT CAST(1 AS INT), CAST(-2 + 3 AS INT), 5000000000",
            ),
            ("SELECT a + 1 FROM t LIMIT 1", "SELECT a + 1 FROM t LIMIT 1"),
            (
                "SELECT n FROM generate_series(1, 2) AS n",
                "SELECT n FROM generate_series(1, 2) AS n (n)",
            ),
            ("SELECT '\\x00ff'::BYTEA", "SELECT decode('00ff', 'hex')"),
            (
                "SELECT TIMESTAMPTZ '2026-03-29 02:30:00+02'",
                "SELECT TIMESTAMPTZ '2026-03-29 02:30:00+02:00'",
            ),
            (
                "SELECT TIMESTAMP '2026-03-29 02:30', '2026-03-29T02:30Z'::timestamptz",
                "SELECT TIMESTAMP '2026-03-29 02:30:00', '2026-03-29 02:30:00Z'::TIMESTAMPTZ",
            ),
            (
                "SELECT TIMESTAMP '2026-03-29 02:30:05.5'",
                "SELECT TIMESTAMP '2026-03-29 02:30:05.5'",
            ),
            (
                "SELECT INTERVAL '1 day -02:03:04.5'",
                "SELECT INTERVAL '1 day -02 hours -03 minutes -04.5 seconds'",
            ),
            ("SELECT a LIKE b ESCAPE '/'", "SELECT a LIKE replace(b, '/', '\\')"),
            ("SELECT transaction_timestamp()", "SELECT now()"),
        ] {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            translate(&mut statement);
            assert_eq!(statement.to_string(), expected, "{sql}");
        }
    }
}
