//! How a person is named in a request.

use custos_core::Redacted;
use custos_erasure::SubjectRef;

use crate::error::RequestError;

/// Reads `email:VALUE` or, with the numbering that the value belongs to, `customer_id@pos:VALUE`.
///
/// All after the first colon is the value, so it may hold colons and `@`.
pub(super) fn parse(text: &str) -> Result<SubjectRef, RequestError> {
    let (name, value) = text.split_once(':').ok_or(RequestError::BadSubject)?;
    let (kind, scope) = match name.split_once('@') {
        Some((kind, scope)) => (kind, Some(scope)),
        None => (name, None),
    };
    if value.trim().is_empty() || scope.is_some_and(str::is_empty) {
        return Err(RequestError::BadSubject);
    }
    Ok(SubjectRef {
        kind: kind.parse().map_err(|_| RequestError::BadSubject)?,
        scope: scope.map(str::to_owned),
        value: Redacted::new(value.to_owned()),
    })
}
