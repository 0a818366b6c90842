//! Device and browser ids.

use super::{is_one_repeated, not_all_zeros};
use crate::NormaliseError;

/// What a batch of phones once answered instead of an id of their own.
const SHARED_ANDROID_ID: &str = "9774d56d682e549c";

/// UUIDs in lower case, since systems differ in how they print them; other ids as they are.
pub(crate) fn normalise(value: String) -> Result<String, NormaliseError> {
    let value = if is_uuid(&value) { value.to_ascii_lowercase() } else { value };
    let significant: String = value.chars().filter(|c| c.is_alphanumeric()).collect();
    if is_one_repeated(&significant) || significant.eq_ignore_ascii_case(SHARED_ANDROID_ID) {
        return Err(NormaliseError::Blocked);
    }
    not_all_zeros(value)
}

fn is_uuid(value: &str) -> bool {
    let lengths = value.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}
