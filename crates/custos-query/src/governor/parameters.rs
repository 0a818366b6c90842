//! The parameters of statements: what types they have, and where a type has to be said.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    self, ArrayElemTypeDef, BinaryOperator, DataType as SqlType, ExactNumberInfo, Expr,
    FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause, Query, Statement, TimezoneInfo,
    Value, VisitMut, VisitorMut, visit_expressions_mut,
};

/// The types of values, where they say one.
pub(super) fn types_of(values: &[ArrayRef]) -> Vec<Option<DataType>> {
    let known = values.iter().map(|value| value.data_type().clone());
    known.map(|of| (of != DataType::Null).then_some(of)).collect()
}

/// Says in a statement what types its parameters have, for all else that follows from them.
pub(super) fn declare(statement: &mut Statement, types: &[Option<DataType>]) {
    let _never: ControlFlow<()> = visit_expressions_mut(statement, |expr| {
        let of = number(expr).and_then(|number| types.get(number - 1)).and_then(Option::as_ref);
        if let Some(sql) = of.and_then(sql_type) {
            *expr = cast(expr.clone(), sql);
        }
        ControlFlow::Continue(())
    });
    let _never = statement.visit(&mut Limits);
}

/// The numbers of rows to be left out and given, which the engine takes as `bigint` only.
struct Limits;

impl VisitorMut for Limits {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            let offset = offset.as_mut().map(|offset| &mut offset.value);
            for expr in limit.iter_mut().chain(offset) {
                let inner = match &*expr {
                    Expr::Cast { expr, .. } => Expr::clone(expr),
                    other => other.clone(),
                };
                if number(&inner).is_some() {
                    *expr = cast(inner, SqlType::BigInt(None));
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Numbers the parameters of a statement that say no number (`?`, as clients of ADBC and JDBC write
/// them), in the order in which they stand there. Beside others that say one they are left as they
/// are, which is refused: two could mean the same value.
pub(super) fn number_marks(statement: &mut Statement) {
    let is_mark = |value: &ast::ValueWithSpan| matches!(&value.value, Value::Placeholder(text) if text == "?");
    let mut places = BTreeSet::new();
    let mixed = visit_expressions_mut(statement, |expr| {
        if let Expr::Value(value) = expr
            && is_mark(value)
        {
            places.insert(value.span.start);
        }
        if number(expr).is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if mixed.is_break() {
        return;
    }
    let _never: ControlFlow<()> = visit_expressions_mut(statement, |expr| {
        if let Expr::Value(value) = expr
            && is_mark(value)
        {
            let number = places.range(..=value.span.start).count();
            value.value = Value::Placeholder(format!("${number}"));
        }
        ControlFlow::Continue(())
    });
}

/// Puts a comparison with one value in the place of each with all of an array that is a parameter,
/// from which the engine does not tell what type it has. Returns the numbers of those parameters,
/// from 1.
pub(super) fn single_out(statement: &mut Statement) -> BTreeSet<usize> {
    let mut arrays = BTreeSet::new();
    let _never: ControlFlow<()> = visit_expressions_mut(statement, |expr| {
        if let Some((array, value)) = contained(expr)
            && let Some(number) = number(&array)
        {
            arrays.insert(number);
            *expr = Expr::BinaryOp {
                left: Box::new(value),
                op: BinaryOperator::Eq,
                right: Box::new(array),
            };
        }
        ControlFlow::Continue(())
    });
    arrays
}

/// The array and the value of `array_contains(array, value)`, which `value = ANY (array)` becomes.
fn contained(expr: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_so = function.name.to_string().eq_ignore_ascii_case("array_contains");
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(array)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
    ] = &list.args[..]
    else {
        return None;
    };
    is_so.then(|| (array.clone(), value.clone()))
}

/// The number of a parameter, from 1.
fn number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

fn cast(expr: Expr, data_type: SqlType) -> Expr {
    Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

/// What SQL calls a type, if it has a name for it.
fn sql_type(of: &DataType) -> Option<SqlType> {
    Some(match of {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int16 => SqlType::SmallInt(None),
        DataType::Int32 => SqlType::Int(None),
        DataType::Int64 => SqlType::BigInt(None),
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::DoublePrecision,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            let (precision, scale) = (u64::from(*precision), i64::from(*scale));
            SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale))
        }
        DataType::Utf8 => SqlType::Text,
        DataType::Binary => SqlType::Bytea,
        DataType::Date32 => SqlType::Date,
        DataType::Time64(_) => SqlType::Time(None, TimezoneInfo::None),
        DataType::Timestamp(_, None) => SqlType::Timestamp(None, TimezoneInfo::None),
        DataType::Timestamp(_, Some(_)) => SqlType::Timestamp(None, TimezoneInfo::Tz),
        DataType::Interval(_) => SqlType::Interval { fields: None, precision: None },
        DataType::List(item) => {
            let item = Box::new(sql_type(item.data_type())?);
            SqlType::Array(ArrayElemTypeDef::SquareBracket(item, None))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn marks_are_numbered_as_they_stand() {
        for (sql, numbered) in [
            ("SELECT ? WHERE a = ? LIMIT ?", "SELECT $1 WHERE a = $2 LIMIT $3"),
            (
                "WITH a AS (SELECT ?)\nSELECT CASE WHEN ? THEN '?' ELSE ? END FROM a\nORDER BY ?",
                "WITH a AS (SELECT $1) SELECT CASE WHEN $2 THEN '?' ELSE $3 END FROM a ORDER BY $4",
            ),
            ("SELECT a BETWEEN ? AND ?, f(?)", "SELECT a BETWEEN $1 AND $2, f($3)"),
            ("SELECT $2, $1", "SELECT $2, $1"),
            ("SELECT ?, $1", "SELECT ?, $1"),
        ] {
            let mut statement = Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0);
            number_marks(&mut statement);
            assert_eq!(statement.to_string(), numbered);
        }
    }
}
