//! `type:value` and `type@scope:value`, as people name somebody.

use custos_core::{ErrorKind, Redacted};
use custos_erasure::SubjectRef;

use crate::failure::Failure;

/// Reads how somebody is named. The value is in no message.
pub(super) fn parse(text: &str) -> Result<SubjectRef, Failure> {
    let wrong = |message: String| {
        Failure::new(ErrorKind::Invalid, message).with_hint(
            "write it as `email:ana@example.com`, `phone:+8613812345678` or `customer_id@pos:M-17`",
        )
    };
    let (kind, value) =
        text.split_once(':').ok_or_else(|| wrong("the subject has no type".to_owned()))?;
    let (kind, scope) = match kind.split_once('@') {
        Some((kind, scope)) => (kind, Some(scope.to_owned())),
        None => (kind, None),
    };
    let kind = kind
        .parse()
        .map_err(|error: custos_core::IdentifierTypeError| wrong(error.to_string()))?;
    Ok(SubjectRef { kind, scope, value: Redacted::new(value.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_type_a_scope_and_a_value() {
        let subject = parse("customer_id@pos:M:17").unwrap();
        assert_eq!(subject.scope.as_deref(), Some("pos"));
        assert_eq!(subject.value.expose(), "M:17");
        for text in ["canary@example.com", "mail:canary@example.com"] {
            let failure = parse(text).unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"));
        }
    }
}
