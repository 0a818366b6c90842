//! `date_trunc` on instants in UTC, as fast as on times without a zone.
//!
//! The engine's own looks up the zone's offset for every value, which makes a query by day several
//! times slower. UTC has no offset to look up: such a column is truncated as if it had no zone,
//! and named UTC again. All else is left to the engine's function.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::replaced::{self, Instead};

const NAME: &str = "date_trunc";

/// Puts the fast function in the place of the engine's, if this is it.
pub(crate) fn replace(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match function.name() {
        NAME => replaced::function(function, DateTrunc),
        _ => function,
    }
}

#[derive(Debug)]
struct DateTrunc;

impl Instead for DateTrunc {
    fn invoke(&self, engine: &ScalarUDF, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [_, ColumnarValue::Array(instants)] = &*args.args else {
            return engine.invoke_with_args(args);
        };
        let Some(zone) = utc(instants.data_type()) else {
            return engine.invoke_with_args(args);
        };
        let instants = with_zone(instants, None);
        let naive = |field: &FieldRef| -> FieldRef {
            let data_type = DataType::Timestamp(TimeUnit::Microsecond, None);
            Arc::new(Field::clone(field).with_data_type(data_type))
        };
        args.arg_fields[1] = naive(&args.arg_fields[1]);
        args.return_field = naive(&args.return_field);
        args.args[1] = ColumnarValue::Array(instants);
        match engine.invoke_with_args(args)? {
            ColumnarValue::Array(truncated) => {
                Ok(ColumnarValue::Array(with_zone(&truncated, Some(zone))))
            }
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(value, _)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(value, Some(zone))))
            }
            other @ ColumnarValue::Scalar(_) => Ok(other),
        }
    }
}

/// The name of the zone of instants in UTC, the only type of instants that tables have.
fn utc(data_type: &DataType) -> Option<Arc<str>> {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            Some(Arc::clone(zone))
        }
        _ => None,
    }
}

/// The same numbers under another zone.
fn with_zone(instants: &ArrayRef, zone: Option<Arc<str>>) -> ArrayRef {
    match instants.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) => Arc::new(instants.clone().with_timezone_opt(zone)),
        None => Arc::clone(instants),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMicrosecondArray;
    use datafusion::config::ConfigOptions;
    use datafusion::execution::SessionStateDefaults;
    use proptest::prelude::*;

    use super::*;

    fn engine() -> Arc<ScalarUDF> {
        let functions = SessionStateDefaults::default_scalar_functions();
        functions.into_iter().find(|function| function.name() == NAME).unwrap()
    }

    fn truncate(function: &ScalarUDF, unit: &str, instants: &ArrayRef) -> Result<ArrayRef> {
        let field = |data_type: &DataType| Arc::new(Field::new("a", data_type.clone(), true));
        let args = ScalarFunctionArgs {
            args: vec![
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(unit.to_owned()))),
                ColumnarValue::Array(Arc::clone(instants)),
            ],
            arg_fields: vec![field(&DataType::Utf8), field(instants.data_type())],
            number_rows: instants.len(),
            return_field: field(instants.data_type()),
            config_options: Arc::new(ConfigOptions::default()),
        };
        function.invoke_with_args(args)?.into_array(instants.len())
    }

    proptest! {
        #[test]
        fn it_is_the_function_of_the_engine(
            values in prop::collection::vec(
                prop::option::of(-8_500_000_000_000_000_i64..8_800_000_000_000_000), 1..50),
            unit in prop::sample::select(vec![
                "microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
            ]),
            zone in prop::sample::select(vec![Some("UTC"), Some("Asia/Shanghai"), None]),
        ) {
            let instants: ArrayRef =
                Arc::new(TimestampMicrosecondArray::from(values).with_timezone_opt(zone));
            let ours = truncate(&replace(engine()), unit, &instants).unwrap();
            prop_assert_eq!(&ours, &truncate(&engine(), unit, &instants).unwrap());
            prop_assert_eq!(ours.data_type(), instants.data_type());
        }
    }
}
