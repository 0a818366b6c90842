//! How people name somebody: `email:ana@example.com`, `customer_id@pos:M-17`.

use std::str::FromStr;

use custos_core::{Classify, ErrorKind, IdentifierType, Redacted};
use custos_identity::normalise;
use custos_lake::vault::Sought;

/// An identifier that somebody gave to say who is meant.
#[derive(Debug, Clone)]
pub struct SubjectRef {
    /// Its type.
    pub kind: IdentifierType,
    /// The numbering it belongs to; without one, all that Custos knows.
    pub scope: Option<String>,
    /// The identifier.
    pub value: Redacted<String>,
}

/// A text does not name somebody. It is not repeated, since it may name somebody all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectRefError {
    /// It has no `type:` in front.
    #[error("the subject has no type")]
    NoType,
    /// Its type is none.
    #[error("the subject's type is not an identifier type")]
    UnknownType,
    /// It is no value of its type, or of a type that many people share.
    #[error("the subject is not an identifier by which somebody can be found")]
    FindsNobody,
    /// Nothing follows the type, or the scope is empty.
    #[error("the subject has no value, or an empty scope")]
    NoValue,
}

impl Classify for SubjectRefError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        let forms = "`email:ana@example.com`, `phone:+8613812345678` or `customer_id@pos:M-17`";
        let types = IdentifierType::ALL.into_iter();
        let types = types.filter(|kind| kind.links()).map(IdentifierType::as_str);
        let types = types.collect::<Vec<_>>().join(", ");
        Some(format!("write it as {forms}; types that find somebody are {types}"))
    }
}

impl SubjectRef {
    /// The identifier in its comparable form. Names, addresses and the like find nobody.
    pub fn sought(&self) -> Result<Sought, SubjectRefError> {
        let kind = self.kind;
        let value = normalise(kind, self.value.expose(), None);
        match value {
            Ok(value) if kind.links() => {
                Ok(Sought { kind, scope: self.scope.clone().unwrap_or_default(), value })
            }
            Ok(_) | Err(_) => Err(SubjectRefError::FindsNobody),
        }
    }
}

impl FromStr for SubjectRef {
    type Err = SubjectRefError;

    /// All after the first colon is the value, so it may hold colons and `@`.
    fn from_str(text: &str) -> Result<Self, SubjectRefError> {
        let (name, value) = text.split_once(':').ok_or(SubjectRefError::NoType)?;
        let (kind, scope) = match name.split_once('@') {
            Some((kind, scope)) => (kind, Some(scope)),
            None => (name, None),
        };
        if value.trim().is_empty() || scope.is_some_and(str::is_empty) {
            return Err(SubjectRefError::NoValue);
        }
        Ok(Self {
            kind: kind.parse().map_err(|_| SubjectRefError::UnknownType)?,
            scope: scope.map(str::to_owned),
            value: Redacted::new(value.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_type_a_scope_and_a_value() {
        let subject: SubjectRef = "customer_id@pos:M:17@x".parse().unwrap();
        assert_eq!(
            (subject.kind, subject.scope.as_deref()),
            (IdentifierType::CustomerId, Some("pos"))
        );
        assert_eq!(subject.value.expose(), "M:17@x");
    }

    #[test]
    fn what_names_nobody_is_not_repeated() {
        for (text, error) in [
            ("canary@example.com", SubjectRefError::NoType),
            ("mail:canary@example.com", SubjectRefError::UnknownType),
            ("email: ", SubjectRefError::NoValue),
            ("customer_id@:canary", SubjectRefError::NoValue),
        ] {
            let refused = text.parse::<SubjectRef>().unwrap_err();
            assert_eq!(refused, error);
            assert!(!format!("{refused} {:?}", refused.hint()).contains("canary"));
        }
    }
}
