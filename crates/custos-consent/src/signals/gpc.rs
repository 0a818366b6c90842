//! [Global Privacy Control](https://www.w3.org/TR/gpc/).

use custos_core::Timestamp;
use serde::Serialize;

/// Whether the values of a request's `Sec-GPC` headers say so: one of them is exactly `1`.
pub fn gpc_of_headers<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> bool {
    values.into_iter().any(|value| value == b"1")
}

/// Whether `navigator.globalPrivacyControl`, as JSON that a page sent on, says so: it is `true`.
pub fn gpc_of_navigator(value: Option<&serde_json::Value>) -> bool {
    value == Some(&serde_json::Value::Bool(true))
}

/// What a site that heeds the signal serves as JSON at `/.well-known/gpc.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpcSupport {
    gpc: bool,
    last_update: String,
}

impl GpcSupport {
    /// States that the signal is heeded, as of a day in UTC.
    pub fn since(day: Timestamp) -> Self {
        let last_update = day.to_string().chars().take_while(|&c| c != 'T').collect();
        Self { gpc: true, last_update }
    }
}
