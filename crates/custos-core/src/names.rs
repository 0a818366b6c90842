//! Names that policies, contracts and people use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text is not a name of the wanted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: use {form}")]
pub struct NameError {
    what: &'static str,
    form: &'static str,
}

const NAME_BYTES_MAX: usize = 120;

fn is_snake(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_lowercase())
        && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_dotted_snake(text: &str) -> bool {
    text.split('.').all(is_snake)
}

/// What the names of those begin with whom a provider of identities vouches for.
const OF_PROVIDER: &str = "oidc:";

fn is_principal(text: &str) -> bool {
    let text = text.strip_prefix(OF_PROVIDER).unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@".contains(c))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if text.len() <= NAME_BYTES_MAX && valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { what: $what, form: $form })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// What an answer is for, as a path in the tree of purposes: `marketing.advertising.first_party`.
    ///
    /// The keys are those of [Fideslang](https://ethyca.github.io/fideslang/)'s data uses.
    Purpose, "purpose", "lower-case words joined by dots, such as `marketing.advertising`", is_dotted_snake
}
name! {
    /// What a value tells about a person, as a path: `user.contact.email`.
    ///
    /// The keys are those of [Fideslang](https://ethyca.github.io/fideslang/)'s data categories.
    DataCategory, "data category", "lower-case words joined by dots, such as `user.contact.email`", is_dotted_snake
}
name! {
    /// Who is asking: a person, a service or a tool with a secret of its own.
    PrincipalId, "principal name", "letters, digits and `_-.@`, starting with a letter or digit", is_principal
}
name! {
    /// A source of data; the id of its contract.
    SourceId, "source id", "lower-case letters, digits and `_`, starting with a letter", is_snake
}
name! {
    /// A table of the lake, such as `landing.pos_orders` or `vault.identifiers`.
    TableName, "table name", "`schema.table` in lower-case letters, digits and `_`", |text| text.contains('.') && is_dotted_snake(text)
}

impl Purpose {
    /// Whether this purpose is `ancestor` or lies below it in the tree.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        is_within(&self.0, &ancestor.0)
    }
}

impl DataCategory {
    /// Whether this category is `ancestor` or lies below it in the tree.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        is_within(&self.0, &ancestor.0)
    }
}

impl PrincipalId {
    /// The principal whom a provider of identities names so. None of the control store has its name.
    pub fn of_provider(name: &Self) -> Result<Self, NameError> {
        format!("{OF_PROVIDER}{name}").parse()
    }

    /// Whether a provider of identities vouches for this principal, and not the control store.
    pub fn is_of_provider(&self) -> bool {
        self.0.starts_with(OF_PROVIDER)
    }
}

impl SourceId {
    /// The table that this source's accepted rows land in.
    pub fn landing_table(&self) -> TableName {
        TableName(format!("landing.{}", self.0))
    }

    /// The table that holds this source's refused rows.
    pub fn quarantine_table(&self) -> TableName {
        TableName(format!("quarantine.{}", self.0))
    }
}

fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_lies_within_its_ancestors_only() {
        let child: Purpose = "marketing.advertising.first_party".parse().unwrap();
        assert!(child.is_within(&"marketing.advertising".parse().unwrap()));
        assert!(child.is_within(&child));
        assert!(!child.is_within(&"market".parse().unwrap()));
    }

    #[test]
    fn names_that_could_carry_a_path_or_sql_are_refused() {
        for text in ["", "../x", "a b", "a;drop", "A", "a..b", ".a", "a.", "1a"] {
            assert!(text.parse::<Purpose>().is_err(), "{text}");
            assert!(text.parse::<SourceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_from_a_provider_is_told_from_a_stored_one() {
        let ana: PrincipalId = "ana@example.test".parse().unwrap();
        let other = PrincipalId::of_provider(&ana).unwrap();
        assert_eq!(other.to_string(), "oidc:ana@example.test");
        assert!(other.is_of_provider() && !ana.is_of_provider());
        assert_eq!(other.as_str().parse(), Ok(other.clone()));
        assert!(PrincipalId::of_provider(&other).is_err(), "one prefix is enough");
        for text in ["oidc:", "oidc: ana", "oidc:../x", "other:ana", "oidc:a:b"] {
            assert!(text.parse::<PrincipalId>().is_err(), "{text}");
        }
    }
}
