//! `age`: how far apart two times are, in years, months and days.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use super::{Function, NAIVE, SPAN, as_time, instant, out_of_range};

const NANOS_OF_DAY: i64 = 86_400_000_000_000;

pub(super) fn function() -> Arc<ScalarUDF> {
    Function::make("age", takes, |_| SPAN, |args| ages(&args))
}

/// Two times, of which both are instants if one is.
fn takes(given: &[DataType]) -> Option<Vec<DataType>> {
    let [one, other] = given else { return None };
    let (one, other) = (as_time(one)?, as_time(other)?);
    let both = if one == NAIVE && other == NAIVE { NAIVE } else { instant() };
    Some(vec![both.clone(), both])
}

fn ages(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let [later, earlier] = &arrays[..] else { return Ok(ColumnarValue::Scalar(SPAN.try_into()?)) };
    // Instants are compared as clocks of the session show them.
    let zone = match later.data_type() {
        DataType::Timestamp(_, Some(_)) => args.config_options.execution.time_zone.as_deref(),
        _ => None,
    };
    let zone: Option<Tz> = zone.map(str::parse).transpose()?;
    let clock = |micros: i64| -> Result<NaiveDateTime, ArrowError> {
        let at = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?;
        Ok(zone.map_or(at.naive_utc(), |zone| at.with_timezone(&zone).naive_local()))
    };
    let later = later.as_primitive::<TimestampMicrosecondType>();
    let earlier = earlier.as_primitive::<TimestampMicrosecondType>();
    let ages: PrimitiveArray<IntervalMonthDayNanoType> =
        try_binary(later, earlier, |later, earlier| Ok(age(clock(later)?, clock(earlier)?)))?;
    Ok(ColumnarValue::Array(Arc::new(ages) as ArrayRef))
}

/// The span between two times; negative if the first is earlier.
///
/// Days that a month lacks are those of the month of the earlier time, as PostgreSQL has it
/// (`timestamp_age` in its `timestamp.c`).
fn age(one: NaiveDateTime, other: NaiveDateTime) -> IntervalMonthDayNano {
    let (sign, late, early) = if one < other { (-1, other, one) } else { (1, one, other) };
    let mut months = (late.year() - early.year()) * 12 + late.month() as i32 - early.month() as i32;
    let mut days = late.day() as i32 - early.day() as i32;
    let nanos = |at: NaiveDateTime| {
        i64::from(at.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(at.nanosecond())
    };
    let mut rest = nanos(late) - nanos(early);
    if rest < 0 {
        rest += NANOS_OF_DAY;
        days -= 1;
    }
    while days < 0 {
        days += days_of_month(early.date());
        months -= 1;
    }
    IntervalMonthDayNano::new(sign * months, sign * days, i64::from(sign) * rest)
}

fn days_of_month(day: NaiveDate) -> i32 {
    let first = day.with_day(1).unwrap_or(day);
    let next = first.checked_add_months(Months::new(1));
    next.map_or(31, |next| (next - first).num_days() as i32)
}
