//! Functions that make much of little, held to what a statement may have.
//!
//! The engine counts the memory of its operators and not that of functions: `repeat('x', n)` is as
//! long as its caller likes before anybody could refuse it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::QueryError;

/// What one call for one batch of rows may make: values, or bytes of a text.
const MADE_MAX: u64 = 256 << 20;

/// The functions, and where they are told how much to make.
const FUNCTIONS: [(&str, Amount); 8] = [
    ("array_repeat", Amount::At(1)),
    ("array_resize", Amount::At(1)),
    ("gen_series", Amount::Range),
    ("generate_series", Amount::Range),
    ("lpad", Amount::At(1)),
    ("range", Amount::Range),
    ("repeat", Amount::Times),
    ("rpad", Amount::At(1)),
];

/// How much a call makes of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Amount {
    /// As much as this argument says.
    At(usize),
    /// The first argument as many times as the second says.
    Times,
    /// All numbers from the first argument to the second, or up to the only one.
    Range,
}

/// Puts a function that is held to the limit in the place of the engine's, if this is one that needs
/// it.
pub(crate) fn replace(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match FUNCTIONS.iter().find(|(name, _)| *name == function.name()) {
        Some((_, amount)) => {
            Arc::new(ScalarUDF::new_from_impl(Bounded { engine: function, amount: *amount }))
        }
        None => function,
    }
}

#[derive(Debug)]
struct Bounded {
    engine: Arc<ScalarUDF>,
    amount: Amount,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
    }
}

impl Bounded {
    /// How much a call would make of all rows.
    fn made(&self, args: &ScalarFunctionArgs) -> Result<u64> {
        let rows = args.number_rows;
        let column = |at: usize| -> Result<Option<Vec<u64>>> {
            let Some(value) = args.args.get(at) else { return Ok(None) };
            let array = value.to_array(rows)?;
            let is_text = matches!(
                array.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
            if is_text {
                let texts = cast(&array, &DataType::Utf8)?;
                let lengths = texts.as_string::<i32>().iter();
                return Ok(Some(lengths.map(|text| text.map_or(0, str::len) as u64).collect()));
            }
            // What is no number is for the function to refuse.
            let Ok(numbers) = cast(&array, &DataType::Int64) else { return Ok(None) };
            let numbers = numbers.as_primitive::<Int64Type>().iter();
            Ok(Some(numbers.map(|number| number.unwrap_or(0).unsigned_abs()).collect()))
        };
        let sum = |amounts: &mut dyn Iterator<Item = u64>| amounts.fold(0, u64::saturating_add);
        Ok(match self.amount {
            Amount::At(at) => column(at)?.map_or(0, |all| sum(&mut all.into_iter())),
            Amount::Times => match (column(0)?, column(1)?) {
                (Some(texts), Some(times)) => {
                    let both = texts.into_iter().zip(times);
                    sum(&mut both.map(|(text, times)| text.saturating_mul(times)))
                }
                _ => 0,
            },
            Amount::Range => {
                // A step makes fewer of them.
                let ends = column(1)?.or(column(0)?).unwrap_or_default();
                let starts = column(0)?.unwrap_or_default();
                let step = column(2)?.unwrap_or_else(|| vec![1; rows]);
                let all = ends.into_iter().zip(starts).zip(step);
                sum(&mut all.map(|((end, start), step)| end.saturating_add(start) / step.max(1)))
            }
        })
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        self.engine.aliases()
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.engine.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.engine.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.engine.inner().coerce_types(types)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.engine.output_ordering(inputs)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.made(&args)? > MADE_MAX {
            return Err(QueryError::TooLarge.into_engine());
        }
        self.engine.invoke_with_args(args)
    }
}

#[cfg(test)]
mod tests {
    use crate::QueryError;
    use crate::governor::tests::World;

    #[tokio::test]
    async fn what_makes_too_much_is_refused_before_it_does() {
        let world = World::with_rows(10).await;
        let doors = world.doors(world.limits()).await;
        for call in [
            "repeat('x', 2000000000)",
            "repeat(canary_text, 20000000)",
            "lpad('x', 2000000000, 'y')",
            "array_repeat(1, 2000000000)",
            "array_repeat(n, 200000000)",
            "range(2000000000)",
            "range(0, 4000000000, 2)",
        ] {
            let refused = doors.rows(&format!("SELECT {call} AS made FROM people")).await;
            let is_refused = matches!(
                refused,
                Err(QueryError::TooLarge | QueryError::Plan | QueryError::Compute)
            );
            assert!(is_refused, "{call}: {:?}", refused.err());
        }
        for call in ["repeat('x', 3)", "rpad('x', 9, 'y')", "array_repeat(n, 2)", "range(1, 9, 2)"]
        {
            let made = doors.rows(&format!("SELECT {call} AS made FROM people")).await;
            assert!(made.is_ok(), "{call}: {:?}", made.err());
        }
    }
}
