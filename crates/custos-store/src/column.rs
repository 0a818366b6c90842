//! Values as columns hold them.

use custos_core::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn integrity(what: &str) -> StoreError {
    StoreError::Integrity { what: what.to_owned() }
}

/// A count as columns hold it, which are never unsigned.
pub(crate) fn to_column(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| integrity("a count is too large"))
}

pub(crate) fn from_column(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| integrity("a count is negative"))
}

/// A record, or a list that a statement takes as one parameter.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| integrity("a record cannot be written as JSON"))
}

/// The parser's own message can quote values, so only `what` is told.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| integrity(what))
}

pub(crate) fn parse<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| integrity(what))
}
