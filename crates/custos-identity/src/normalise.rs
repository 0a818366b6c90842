//! Identifiers in their comparable form.

mod device;
mod email;
mod national_id;
mod phone;

use std::net::IpAddr;

use custos_core::IdentifierType;

use crate::fold::{collapse_spaces, fold_width};
use crate::{NormaliseError, name_key};

/// No identifier is longer, in bytes; what is has been taken from the wrong column.
const VALUE_BYTES_MAX: usize = 1024;

/// What sources write where they know nothing, in lower case.
const PLACEHOLDERS: [&str; 26] = [
    "",
    "-",
    "--",
    "---",
    "-1",
    ".",
    "?",
    "/",
    "null",
    "(null)",
    "none",
    "nil",
    "n/a",
    "#n/a",
    "na",
    "nan",
    "unknown",
    "undefined",
    "anonymous",
    "test",
    "\\n",
    "无",
    "空",
    "未知",
    "匿名",
    "测试",
];

/// The comparable form of an identifier: values that mean the same are equal afterwards.
///
/// `region` is the country, such as `CN`, that a phone number without prefix belongs to and whose
/// identity documents are checked.
pub fn normalise(
    kind: IdentifierType,
    raw: &str,
    region: Option<&str>,
) -> Result<String, NormaliseError> {
    if raw.len() > VALUE_BYTES_MAX {
        return Err(NormaliseError::Invalid);
    }
    let value = fold_width(raw);
    if is_placeholder(kind, &value) {
        return Err(NormaliseError::Blocked);
    }
    if kind != IdentifierType::Address && value.contains(char::is_control) {
        return Err(NormaliseError::Invalid);
    }
    match kind {
        IdentifierType::CustomerId | IdentifierType::SocialId => not_all_zeros(value),
        IdentifierType::Email => email::normalise(&value),
        IdentifierType::Phone => phone::normalise(&value, region),
        IdentifierType::Name => name(&value),
        IdentifierType::NationalId => national_id::normalise(&value, region),
        IdentifierType::Address => Ok(collapse_spaces(&value)),
        IdentifierType::DeviceId => device::normalise(value),
        IdentifierType::Ip => ip(&value),
    }
}

fn is_placeholder(kind: IdentifierType, value: &str) -> bool {
    let value = value.to_lowercase();
    // Somebody is called Na, and somebody Nan.
    let may_be_a_name = kind == IdentifierType::Name && matches!(value.as_str(), "na" | "nan");
    PLACEHOLDERS.contains(&value.as_str()) && !may_be_a_name
}

fn name(value: &str) -> Result<String, NormaliseError> {
    let key = name_key(value);
    if key.is_empty() { Err(NormaliseError::Invalid) } else { Ok(key) }
}

fn ip(value: &str) -> Result<String, NormaliseError> {
    let address: IpAddr = value.parse().map_err(|_| NormaliseError::Invalid)?;
    let address = address.to_canonical();
    if address.is_unspecified() {
        return Err(NormaliseError::Blocked);
    }
    Ok(address.to_string())
}

/// Refuses what consists of zeros and punctuation.
fn not_all_zeros(value: String) -> Result<String, NormaliseError> {
    let mut significant = value.chars().filter(|c| c.is_alphanumeric()).peekable();
    if significant.peek().is_none() || significant.all(|c| c == '0') {
        return Err(NormaliseError::Blocked);
    }
    Ok(value)
}

/// Whether these are the same character, four times and more.
fn is_one_repeated(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| chars.all(|c| c == first)) && text.chars().nth(3).is_some()
}

#[cfg(test)]
mod tests;
