//! Arithmetic with spans of time.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit,
};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::{Function, NAIVE, SPAN, out_of_range};

const DAYS_OF_MONTH: f64 = 30.0;
const SECONDS_OF_DAY: f64 = 86_400.0;
const MICROS_OF_SECOND: f64 = 1_000_000.0;
const NANOS_OF_MICRO: i64 = 1_000;

/// Plans a span times a number, a span by a number, and a date and a span, which are a time.
#[derive(Debug)]
pub(super) struct Spans;

impl ExprPlanner for Spans {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (left, right) = (kind(&raw.left, schema), kind(&raw.right, schema));
        let (function, span, number) = match (left, &raw.op, right) {
            (Kind::Span, BinaryOperator::Multiply, Kind::Number) => {
                ("custos_span_times", raw.left, raw.right)
            }
            (Kind::Number, BinaryOperator::Multiply, Kind::Span) => {
                ("custos_span_times", raw.right, raw.left)
            }
            (Kind::Span, BinaryOperator::Divide, Kind::Number) => {
                ("custos_span_by", raw.left, raw.right)
            }
            (Kind::Date, BinaryOperator::Plus | BinaryOperator::Minus, Kind::Span) => {
                let left = cast(raw.left, NAIVE);
                return Ok(PlannerResult::Original(RawBinaryExpr { left, ..raw }));
            }
            (Kind::Span, BinaryOperator::Plus, Kind::Date) => {
                let right = cast(raw.right, NAIVE);
                return Ok(PlannerResult::Original(RawBinaryExpr { right, ..raw }));
            }
            _ => return Ok(PlannerResult::Original(raw)),
        };
        let arguments = vec![cast(span, SPAN), cast(number, DataType::Float64)];
        let function = match function {
            "custos_span_by" => by(),
            _ => times(),
        };
        Ok(PlannerResult::Planned(function.call(arguments)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Span,
    Number,
    Date,
    Other,
}

fn kind(expr: &Expr, schema: &DFSchema) -> Kind {
    match expr.get_type(schema) {
        Ok(DataType::Interval(_) | DataType::Duration(TimeUnit::Microsecond)) => Kind::Span,
        Ok(DataType::Date32) => Kind::Date,
        Ok(of) if of.is_numeric() => Kind::Number,
        // A parameter of which nothing is known yet.
        _ if matches!(expr, Expr::Placeholder(_)) => Kind::Number,
        _ => Kind::Other,
    }
}

fn takes(_: &[DataType]) -> Option<Vec<DataType>> {
    Some(vec![SPAN, DataType::Float64])
}

fn times() -> Arc<ScalarUDF> {
    Function::make(
        "custos_span_times",
        takes,
        |_| SPAN,
        |args| scaled(&args, |amount, factor| amount * factor),
    )
}

fn by() -> Arc<ScalarUDF> {
    Function::make(
        "custos_span_by",
        takes,
        |_| SPAN,
        |args| scaled(&args, |amount, divisor| amount / divisor),
    )
}

fn scaled(args: &ScalarFunctionArgs, scale: fn(f64, f64) -> f64) -> Result<ColumnarValue> {
    let [spans, numbers] = &ColumnarValue::values_to_arrays(&args.args)?[..] else {
        return Ok(ColumnarValue::Scalar(SPAN.try_into()?));
    };
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let numbers = numbers.as_primitive::<Float64Type>();
    let scaled: PrimitiveArray<IntervalMonthDayNanoType> =
        try_binary(spans, numbers, |span, by| match scale(0.0, by).is_nan() && by == 0.0 {
            true => Err(ArrowError::DivideByZero),
            false => with_parts(span, |amount| scale(amount, by)),
        })?;
    Ok(ColumnarValue::Array(Arc::new(scaled) as ArrayRef))
}

/// A span whose parts are scaled. What is left of months goes to days of which a month has 30, and
/// what is left of days to hours, as PostgreSQL has it (`interval_mul` in its `timestamp.c`).
fn with_parts(
    span: IntervalMonthDayNano,
    scale: impl Fn(f64) -> f64,
) -> Result<IntervalMonthDayNano, ArrowError> {
    let whole = |amount: f64| match amount.trunc() {
        amount if amount.abs() <= f64::from(i32::MAX) => Ok(amount as i32),
        _ => Err(out_of_range()),
    };
    let to_micros =
        |seconds: f64| (seconds * MICROS_OF_SECOND).round_ties_even() / MICROS_OF_SECOND;
    let (months_scaled, days_scaled) = (scale(f64::from(span.months)), scale(f64::from(span.days)));
    let (months, mut days) = (whole(months_scaled)?, whole(days_scaled)?);
    let days_of_months = to_micros((months_scaled - f64::from(months)) * DAYS_OF_MONTH);
    let mut seconds = to_micros(
        (days_scaled - f64::from(days) + days_of_months - days_of_months.trunc()) * SECONDS_OF_DAY,
    );
    if seconds.abs() >= SECONDS_OF_DAY {
        let carried = (seconds / SECONDS_OF_DAY).trunc();
        days = days.checked_add(whole(carried)?).ok_or_else(out_of_range)?;
        seconds -= carried * SECONDS_OF_DAY;
    }
    days = days.checked_add(whole(days_of_months)?).ok_or_else(out_of_range)?;
    let micros = scale(span.nanoseconds as f64 / NANOS_OF_MICRO as f64);
    let micros = (micros + seconds * MICROS_OF_SECOND).round_ties_even();
    // The greatest that nanoseconds of 64 bits can tell.
    if micros.is_nan() || micros.abs() >= (i64::MAX / NANOS_OF_MICRO) as f64 {
        return Err(out_of_range());
    }
    Ok(IntervalMonthDayNano::new(months, days, micros as i64 * NANOS_OF_MICRO))
}
