//! Functions that make much of little, held to what a statement may have.
//!
//! The engine counts the memory of its operators and not that of functions: `repeat('x', n)` is as
//! long as its caller likes before anybody could refuse it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::QueryError;
use crate::replaced::{self, Instead};

/// What one call for one batch of rows may make, in bytes of texts and in values of all else.
const MADE_MAX: u64 = 256 << 20;

/// What it may make for one row: a plan holds copies of what is the same for all.
const VALUE_MAX: u64 = 16 << 20;

const DAY_NANOS: i128 = 86_400_000_000_000;

/// Functions that make texts, and where they are told how much to make.
const TEXTS: [(&str, Amount); 3] =
    [("lpad", Amount::Second), ("repeat", Amount::Times), ("rpad", Amount::Second)];

/// The same of lists. One that is the same for all rows would stand in the plan, which tells of it in
/// words, so they are not computed before rows are.
const LISTS: [(&str, Amount); 5] = [
    ("array_repeat", Amount::Times),
    ("array_resize", Amount::Second),
    ("gen_series", Amount::Range),
    ("generate_series", Amount::Range),
    ("range", Amount::Range),
];

/// How much a call makes of one row.
#[derive(Debug, Clone, Copy)]
enum Amount {
    /// As much as the second argument says.
    Second,
    /// The first argument as many times as the second says.
    Times,
    /// All from the first argument to the second by steps of the third, or up to the only one.
    Range,
}

/// Puts a function that is held to the limit in the place of the engine's, if this is one that needs
/// it.
pub(crate) fn replace(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let of = |functions: &[(&str, Amount)]| {
        let found = functions.iter().find(|(name, _)| *name == function.name());
        found.map(|(_, amount)| Bounded(*amount))
    };
    match (of(&TEXTS), of(&LISTS)) {
        (Some(texts), _) => replaced::function(function, texts),
        (None, Some(lists)) => replaced::unplanned(function, lists),
        (None, None) => function,
    }
}

#[derive(Debug)]
struct Bounded(Amount);

impl Bounded {
    /// Whether a call would make too much. What is of a type that the function does not take is for
    /// the function to refuse.
    fn is_too_much(&self, args: &ScalarFunctionArgs) -> Result<bool> {
        let values = args.args.iter().map(|value| value.to_array(args.number_rows));
        let values = values.collect::<Result<Vec<_>>>()?;
        let amounts: Vec<u64> = match (self.0, &values[..]) {
            (Amount::Second, [_, count, ..]) => counts(count),
            (Amount::Times, [what, count, ..]) => {
                let both = sizes(what)?.into_iter().zip(counts(count));
                both.map(|(size, count)| size.saturating_mul(count)).collect()
            }
            (Amount::Range, [end]) => counts(end),
            (Amount::Range, [start, end, step @ ..]) => steps(start, end, step.first()),
            _ => Vec::new(),
        };
        Ok(amounts.iter().any(|made| *made > VALUE_MAX)
            || amounts.into_iter().fold(0, u64::saturating_add) > MADE_MAX)
    }
}

/// Numbers of which less than none is none.
fn counts(array: &ArrayRef) -> Vec<u64> {
    let Ok(numbers) = cast(array, &DataType::Int64) else { return Vec::new() };
    let numbers = numbers.as_primitive::<Int64Type>();
    numbers.iter().map(|number| number.unwrap_or(0).try_into().unwrap_or(0)).collect()
}

/// The bytes of texts, the values of lists, and one of all else.
fn sizes(array: &ArrayRef) -> Result<Vec<u64>> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast(array, &DataType::LargeUtf8)?;
            let texts = texts.as_string::<i64>().iter();
            Ok(texts.map(|text| text.map_or(0, str::len) as u64).collect())
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let bytes = |row| {
                let bytes = array.slice(row, 1).to_data().get_slice_memory_size();
                bytes.map_or(u64::MAX, |bytes| bytes as u64)
            };
            Ok((0..array.len()).map(bytes).collect())
        }
        _ => Ok(vec![1; array.len()]),
    }
}

/// How many steps lead from starts to ends.
fn steps(start: &ArrayRef, end: &ArrayRef, step: Option<&ArrayRef>) -> Vec<u64> {
    let (Some(starts), Some(ends)) = (places(start), places(end)) else { return Vec::new() };
    let lengths = step.and_then(places).unwrap_or_else(|| vec![1; starts.len()]);
    let both = starts.into_iter().zip(ends).zip(lengths);
    let count = |((start, end), length): ((i128, i128), i128)| {
        // A step of nothing is for the function to refuse.
        let count = end.abs_diff(start) / length.unsigned_abs().max(1);
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    both.map(count).collect()
}

/// Numbers as they are; times and spans in nanoseconds, of a span's months the shortest.
fn places(array: &ArrayRef) -> Option<Vec<i128>> {
    if let DataType::Interval(_) = array.data_type() {
        let spans = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano)).ok()?;
        let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
        let nanos = |span: IntervalMonthDayNano| {
            let days = i128::from(span.months) * 28 + i128::from(span.days);
            days * DAY_NANOS + i128::from(span.nanoseconds)
        };
        return Some(spans.iter().map(|span| span.map_or(0, nanos)).collect());
    }
    let unit = match array.data_type() {
        DataType::Date32 => DAY_NANOS,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1,
    };
    let plain = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32).ok()?,
        _ => ArrayRef::clone(array),
    };
    let numbers = cast(&plain, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive::<Int64Type>();
    Some(numbers.iter().map(|number| i128::from(number.unwrap_or(0)) * unit).collect())
}

impl Instead for Bounded {
    fn invoke(&self, engine: &ScalarUDF, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.is_too_much(&args)? {
            return Err(QueryError::TooLarge.into_engine());
        }
        engine.invoke_with_args(args)
    }
}

#[cfg(test)]
mod tests {
    use crate::QueryError;
    use crate::governor::tests::{World, sorted};

    #[tokio::test]
    async fn what_makes_too_much_is_refused_before_it_does() {
        let world = World::with_rows(10).await;
        let doors = world.doors(world.limits()).await;
        for call in [
            "repeat('x', 2000000000)",
            "repeat(canary_text, 20000000)",
            "repeat('x', 16777217)",
            "repeat('x', n - n + 30000000)",
            "repeat(repeat('x', 100000), 100000)",
            "lpad('x', 2000000000, 'y')",
            "array_repeat(1, 2000000000)",
            "array_repeat(n, 200000000)",
            "array_repeat(repeat('x', 100000), 100000)",
            "array_repeat(array_repeat(n, 100000), 100000)",
            "range(2000000000)",
            "range(0, 4000000000, 2)",
            "range(4000000000, 0, -2)",
            "generate_series(timestamp '2000-01-01', timestamp '2026-01-01', interval '1 microsecond')",
        ] {
            let refused = doors.rows(&format!("SELECT {call} AS made FROM people")).await;
            assert!(matches!(refused, Err(QueryError::TooLarge)), "{call}: {refused:?}");
        }
        for (call, count) in [
            ("length(repeat('x', 3))", 3),
            ("length(rpad('x', 9, 'y'))", 9),
            ("array_length(array_repeat(n, 2))", 2),
            ("array_length(range(1, 9, 2))", 4),
            ("array_length(range(1700000000, 1700000010))", 10),
            (
                "array_length(generate_series(date '1970-01-01', date '2026-01-01', interval '1 year'))",
                57,
            ),
            (
                "array_length(generate_series(timestamp '2000-01-01', timestamp '2026-01-01', interval '1 month'))",
                313,
            ),
            ("length(repeat('x', -1))", 0),
        ] {
            let sql = format!("SELECT CAST(max({call}) AS BIGINT) AS made FROM people");
            assert_eq!(sorted(&doors.rows(&sql).await.unwrap()), [count.to_string()], "{call}");
        }
    }

    #[tokio::test]
    async fn no_list_stands_in_a_plan() {
        let world = World::with_rows(10).await;
        let doors = world.doors(world.limits()).await;
        for call in ["range(0, 9000)", "generate_series(1, 9000)", "array_repeat(1, 9000)"] {
            let sql = format!("EXPLAIN SELECT {call} AS made FROM people");
            let plan = doors.rows(&sql).await.unwrap();
            let plan = arrow::util::pretty::pretty_format_batches(&plan).unwrap().to_string();
            assert!(plan.len() < 5_000, "{call}: {} characters", plan.len());
        }
    }
}
