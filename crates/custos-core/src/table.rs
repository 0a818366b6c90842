//! What tables are made of.

use serde::{Deserialize, Serialize};

/// A region whose data does not leave it: lake prefix, KMS root, control store and vault each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell(pub String);

/// What a contract says a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Names or reaches a person; goes to the vault.
    Identifier,
    /// Describes a person: segment, gender, city.
    Attribute,
    /// Says what happened: amount, product, score.
    Fact,
    /// Free text, URL or JSON; may hold anything, withheld outside service purposes.
    Content,
}

/// Which of a file's secrets seals a column. Each can be destroyed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyClass {
    /// The footer, the subject column and technical columns; every reader needs it.
    Core,
    /// Facts and attributes.
    Fact,
    /// Free text.
    Content,
    /// Direct identifiers.
    Identifier,
    /// Special categories of personal data.
    Sensitive,
}

impl KeyClass {
    /// All classes. Five, so that a file never has more secrets than that.
    pub const ALL: [Self; 5] =
        [Self::Core, Self::Fact, Self::Content, Self::Identifier, Self::Sensitive];

    /// The name in the control store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Fact => "fact",
            Self::Content => "content",
            Self::Identifier => "identifier",
            Self::Sensitive => "sensitive",
        }
    }

    /// The class with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}
