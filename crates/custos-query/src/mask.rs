//! What is shown of an identifier that may not be shown whole.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder, new_null_array};
use arrow::datatypes::DataType;
use custos_keys::MacKey;
use custos_policy::{ColumnRule, Mask};

/// Applies a column rule. Rules other than clear apply to text; of other types nothing is shown.
pub(crate) fn apply(array: &ArrayRef, rule: ColumnRule, tokens: &MacKey) -> ArrayRef {
    let by_value: &dyn Fn(&str) -> String = match rule {
        ColumnRule::Clear => return Arc::clone(array),
        ColumnRule::Absent | ColumnRule::Masked(Mask::Null) => return nothing(array),
        ColumnRule::Masked(Mask::Email) => &email,
        ColumnRule::Masked(Mask::Phone) => &phone,
        ColumnRule::Masked(Mask::Name) => &name,
        ColumnRule::Masked(Mask::NationalId) => &national_id,
        ColumnRule::Masked(Mask::Address) => &address,
        ColumnRule::Tokenised => &|value| token(value, tokens),
    };
    if array.data_type() != &DataType::Utf8 {
        return nothing(array);
    }
    let mut masked = StringBuilder::new();
    let mut last: Option<(&str, String)> = None;
    for value in array.as_string::<i32>() {
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

fn nothing(array: &ArrayRef) -> ArrayRef {
    new_null_array(array.data_type(), array.len())
}

/// `z***@example.com`: the first letter and the domain.
fn email(value: &str) -> String {
    match value.split_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", first(local)),
        None => "***".to_owned(),
    }
}

/// `*******8000`: the last four digits.
fn phone(value: &str) -> String {
    let length = value.chars().count();
    if length < 8 {
        return "*".repeat(length);
    }
    let tail: String = value.chars().skip(length - 4).collect();
    format!("{}{tail}", "*".repeat(length - 4))
}

/// `张*`, `J*** S***`: the first character of each word, and no telling length for Latin names.
fn name(value: &str) -> String {
    let cjk = value.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c));
    if cjk {
        let rest = value.chars().count().saturating_sub(1);
        return format!("{}{}", first(value), "*".repeat(rest));
    }
    value.split_whitespace().map(|word| format!("{}***", first(word))).collect::<Vec<_>>().join(" ")
}

/// `11**************2X` keeps the province and the last two characters.
fn national_id(value: &str) -> String {
    let length = value.chars().count();
    if length < 8 {
        return "*".repeat(length);
    }
    let head: String = value.chars().take(2).collect();
    let tail: String = value.chars().skip(length - 2).collect();
    format!("{head}{}{tail}", "*".repeat(length - 4))
}

/// The first characters, which name the province or the house number, are hidden too.
fn address(_value: &str) -> String {
    "***".to_owned()
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

fn first(text: &str) -> &str {
    text.chars().next().map_or("", |c| &text[..c.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_what_helps_and_hide_what_identifies() {
        for (mask, raw, shown) in [
            (email as fn(&str) -> String, "zhang.wei@example.cn", "z***@example.cn"),
            (phone, "+8613800138000", "**********8000"),
            (phone, "12345", "*****"),
            (name, "欧阳娜娜", "欧***"),
            (name, "Jürgen Müller", "J*** M***"),
            (national_id, "11010519491231002X", "11**************2X"),
            (address, "上海市浦东新区世纪大道 1 号", "***"),
        ] {
            assert_eq!(mask(raw), shown);
        }
    }
}
