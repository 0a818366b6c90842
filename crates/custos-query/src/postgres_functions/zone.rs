//! `timezone`: what clocks of a zone show, and when they show it.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use chrono::{DateTime, Days, LocalResult, NaiveDateTime, Offset, TimeZone};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::QueryError;

use super::{Function, NAIVE, as_time, instant, out_of_range};

pub(super) fn function() -> Arc<ScalarUDF> {
    let returns = |types: &[DataType]| match types.last() {
        Some(DataType::Timestamp(_, Some(_))) => NAIVE,
        _ => instant(),
    };
    Function::make("timezone", takes, returns, |args| told(&args))
}

/// A date is its midnight, which no zone is known of.
fn takes(given: &[DataType]) -> Option<Vec<DataType>> {
    let [zone, time] = given else { return None };
    let is_text = zone.is_string() || zone.is_null();
    is_text.then(|| as_time(time)).flatten().map(|time| vec![DataType::Utf8, time])
}

fn told(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let [zones, times] = &arrays[..] else { return Ok(ColumnarValue::Scalar(NAIVE.try_into()?)) };
    let is_instant = matches!(times.data_type(), DataType::Timestamp(_, Some(_)));
    let mut known: Option<(&str, Tz)> = None;
    let zones: &StringArray = zones.as_string();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let mut moved = Vec::with_capacity(times.len());
    for (name, micros) in zones.iter().zip(times) {
        let (Some(name), Some(micros)) = (name, micros) else {
            moved.push(None);
            continue;
        };
        let zone = match known {
            Some((same, zone)) if same == name => zone,
            _ => {
                let zone = name.parse().map_err(|_| unknown())?;
                known = Some((name, zone));
                zone
            }
        };
        let at = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?;
        let seconds = match is_instant {
            true => i64::from(at.with_timezone(&zone).offset().fix().local_minus_utc()),
            false => -offset_there(zone, at.naive_utc()).ok_or_else(out_of_range)?,
        };
        moved.push(Some(micros.checked_add(seconds * 1_000_000).ok_or_else(out_of_range)?));
    }
    let moved = TimestampMicrosecondArray::from(moved);
    let moved = if is_instant { moved } else { moved.with_timezone("UTC") };
    Ok(ColumnarValue::Array(Arc::new(moved) as ArrayRef))
}

/// How many seconds a zone's clocks are ahead of UTC when they show a time. One that they show twice
/// is the second time, and one that they leave out is counted as if they were not set forward.
fn offset_there(zone: Tz, clock: NaiveDateTime) -> Option<i64> {
    let offset = match zone.offset_from_local_datetime(&clock) {
        LocalResult::Single(offset) => offset,
        LocalResult::Ambiguous(one, other) => {
            let least = one.fix().local_minus_utc().min(other.fix().local_minus_utc());
            return Some(i64::from(least));
        }
        LocalResult::None => {
            let before = clock.checked_sub_days(Days::new(1))?;
            zone.offset_from_local_datetime(&before).latest()?
        }
    };
    Some(i64::from(offset.fix().local_minus_utc()))
}

fn unknown() -> DataFusionError {
    let what = "there is no such zone, or it is not written as in `Asia/Shanghai` or `+08:00`";
    QueryError::Argument { function: "timezone", what }.into_engine()
}
