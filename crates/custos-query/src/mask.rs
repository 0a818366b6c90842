//! What is shown of a value that may not be shown whole.

mod address;
mod date;
mod identifier;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder, new_null_array};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use custos_keys::MacKey;
use custos_policy::{ColumnRule, Mask};

use self::date::Grain;
use crate::mutants::{self, Mutant};

/// What is left of a value of which nothing may be told.
const HIDDEN: &str = "***";

/// Applies a column rule. Values keep their type: what a rule cannot hide part of is null.
pub(crate) fn apply(array: &ArrayRef, rule: ColumnRule, tokens: &MacKey) -> ArrayRef {
    let by_value: &dyn Fn(&str) -> String = match rule {
        ColumnRule::Clear => return Arc::clone(array),
        ColumnRule::Masked(_) if mutants::is_on(Mutant::MasksSkipped) => return Arc::clone(array),
        ColumnRule::Absent | ColumnRule::Masked(Mask::Null) => return nothing(array),
        ColumnRule::Masked(Mask::Email) => &identifier::email,
        ColumnRule::Masked(Mask::Phone) => &identifier::phone,
        ColumnRule::Masked(Mask::Name) => &identifier::name,
        ColumnRule::Masked(Mask::NationalId) => &identifier::national_id,
        ColumnRule::Masked(Mask::Address) => &address::address,
        ColumnRule::Masked(Mask::Month) => return truncated(array, Grain::Month),
        ColumnRule::Masked(Mask::Year) => return truncated(array, Grain::Year),
        ColumnRule::Tokenised => &|value| token(value, tokens),
    };
    texts(array, by_value)
}

/// Masks text value by value; of other types nothing is shown.
fn texts(array: &ArrayRef, by_value: &dyn Fn(&str) -> String) -> ArrayRef {
    if array.data_type() != &DataType::Utf8View {
        return nothing(array);
    }
    let mut masked = StringViewBuilder::with_capacity(array.len());
    let mut last: Option<(&str, String)> = None;
    for value in array.as_string_view() {
        let Some(value) = value else {
            masked.append_null();
            continue;
        };
        match &last {
            Some((same, shown)) if *same == value => masked.append_value(shown),
            _ => {
                let shown = by_value(value);
                masked.append_value(&shown);
                last = Some((value, shown));
            }
        }
    }
    Arc::new(masked.finish())
}

/// Masks dates and instants, whatever their type; of values that are neither nothing is shown.
fn truncated(array: &ArrayRef, grain: Grain) -> ArrayRef {
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            Arc::new(days.unary_opt::<_, Date32Type>(|days| date::days(days, grain)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let micros = micros
                .unary_opt::<_, TimestampMicrosecondType>(|micros| date::micros(micros, grain));
            Arc::new(micros.with_timezone_opt(zone.clone()))
        }
        _ => texts(array, &|value| date::text(value, grain)),
    }
}

fn nothing(array: &ArrayRef) -> ArrayRef {
    if mutants::is_on(Mutant::ValuesBelowNulls) {
        return mutants::null_above(array);
    }
    new_null_array(array.data_type(), array.len())
}

fn token(value: &str, tokens: &MacKey) -> String {
    let mac = tokens.mac16(&[value.as_bytes()]);
    let mut text = String::with_capacity(4 + 32);
    text.push_str("tok_");
    for byte in mac {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// Whether a character is a Chinese one.
fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Int64Array, StringViewArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn dates_and_instants_keep_their_type_and_lose_their_day() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(20_526), None]));
        let micros = TimestampMicrosecondArray::from(vec![Some(1_773_480_000_000_000), None]);
        let micros: ArrayRef = Arc::new(micros.with_timezone("UTC"));
        let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("2026-03-14"), None]));
        for array in [&days, &micros, &text] {
            for grain in [Grain::Month, Grain::Year] {
                let masked = truncated(array, grain);
                assert_eq!(masked.data_type(), array.data_type());
                assert_eq!((masked.len(), masked.null_count()), (2, 1));
            }
        }
        let month = truncated(&days, Grain::Month);
        assert_eq!(month.as_primitive::<Date32Type>().value(0), 20_513);
        let year = truncated(&micros, Grain::Year);
        let midnight = 1_767_225_600_000_000;
        assert_eq!(year.as_primitive::<TimestampMicrosecondType>().value(0), midnight);
        assert_eq!(truncated(&text, Grain::Year).as_string_view().value(0), "2026");
    }

    #[test]
    fn of_types_that_a_mask_does_not_know_nothing_is_shown() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1985]));
        assert_eq!(truncated(&numbers, Grain::Year).null_count(), 1);
        assert_eq!(texts(&numbers, &identifier::name).null_count(), 1);
        let seconds: ArrayRef = Arc::new(arrow::array::TimestampSecondArray::from(vec![1]));
        assert_eq!(truncated(&seconds, Grain::Year).null_count(), 1);
    }

    #[test]
    fn nulls_stay_null_and_equal_values_stay_equal() {
        let names = vec![Some("张三丰"), None, Some("张三丰"), Some("张三丰"), Some("李四")];
        let names: ArrayRef = Arc::new(StringViewArray::from(names));
        let masked = texts(&names, &identifier::name);
        let shown: Vec<_> = masked.as_string_view().iter().collect();
        assert_eq!(shown, [Some("张**"), None, Some("张**"), Some("张**"), Some("李*")]);
    }
}
