//! Values of parameters, as JSON has them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::ReaderBuilder;
use serde_json::{Value, json};

use crate::error::RequestError;

/// What the reader calls the one column of a value.
const COLUMN: &str = "value";

/// The values as arrays of one row each, of the types that the statement takes them for.
pub(super) fn bound(types: &[DataType], values: &[Value]) -> Result<Vec<ArrayRef>, RequestError> {
    if types.len() != values.len() {
        return Err(RequestError::ParameterCount { taken: types.len(), given: values.len() });
    }
    let numbered = types.iter().zip(values).zip(1..);
    let one = |((of, value), number): ((&DataType, &Value), usize)| {
        let of = match of {
            DataType::Null => own_type(value),
            other => other.clone(),
        };
        // The reader's own text quotes the value.
        read(&of, value).ok_or(RequestError::BadParameter { number, of })
    };
    numbered.map(one).collect()
}

/// The type of a value that any type would do for.
fn own_type(value: &Value) -> DataType {
    match value {
        Value::Null => DataType::Null,
        Value::Bool(_) => DataType::Boolean,
        Value::Number(number) if number.is_i64() => DataType::Int64,
        Value::Number(_) => DataType::Float64,
        Value::String(_) | Value::Array(_) | Value::Object(_) => DataType::Utf8,
    }
}

fn read(of: &DataType, value: &Value) -> Option<ArrayRef> {
    // The reader would leave out what comes after the point.
    if of.is_integer() && value.as_f64().is_some_and(|number| number.fract() != 0.0) {
        return None;
    }
    let schema = Schema::new(vec![Field::new(COLUMN, of.clone(), true)]);
    let mut reader = ReaderBuilder::new(Arc::new(schema)).build_decoder().ok()?;
    reader.serialize(&[json!({ COLUMN: value })]).ok()?;
    let rows = reader.flush().ok()??;
    rows.columns().first().cloned()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn shown(of: DataType, value: Value) -> Result<String, RequestError> {
        let bound = bound(&[of], &[value])?;
        Ok(array_value_to_string(&bound[0], 0).unwrap())
    }

    #[test]
    fn values_become_what_the_statement_takes_them_for() {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        for (of, value, expected) in [
            (DataType::Int64, json!(9_007_199_254_740_993_i64), "9007199254740993"),
            (DataType::Int64, json!("7"), "7"),
            (DataType::Boolean, json!(true), "true"),
            (DataType::Utf8, json!("茶"), "茶"),
            (DataType::Decimal128(12, 2), json!("123456789.10"), "123456789.10"),
            (DataType::Date32, json!("2026-02-28"), "2026-02-28"),
            (instant, json!("2026-02-28T08:00:00+08:00"), "2026-02-28T00:00:00Z"),
            (texts, json!(["a", null]), "[a, ]"),
            (DataType::Utf8, json!(null), ""),
            (DataType::Null, json!(1.5), "1.5"),
            (DataType::Null, json!("x"), "x"),
        ] {
            assert_eq!(shown(of.clone(), value).unwrap(), expected, "{of}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_without_its_text() {
        for (of, value) in [
            (DataType::Int64, json!("canary")),
            (DataType::Int64, json!(1.5)),
            (DataType::Int16, json!(70_000)),
            (DataType::Utf8, json!({"canary": 1})),
            (DataType::Date32, json!("2026-02-30")),
            (DataType::Boolean, json!("canary")),
        ] {
            let refused = shown(of, value).unwrap_err();
            assert!(matches!(refused, RequestError::BadParameter { number: 1, .. }));
            assert!(!refused.to_string().contains("canary"));
        }
        let refused = bound(&[DataType::Int64], &[]).unwrap_err();
        assert!(matches!(refused, RequestError::ParameterCount { taken: 1, given: 0 }));
    }
}
