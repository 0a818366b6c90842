//! Who asks, and for what beyond reading.

use custos_core::{PrincipalId, Purpose};

/// Who is asking, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The name they authenticated as.
    pub id: PrincipalId,
    /// Their roles, the main one first. Roles that the access rules do not know give nothing.
    pub roles: Vec<String>,
    /// The purposes that they are confined to, with those below them; none confines them beyond
    /// what their roles do. Who is confined has no right that is not for a purpose.
    pub purposes: Option<Vec<Purpose>>,
}

impl Principal {
    /// Somebody with these roles, who is not confined to purposes.
    pub const fn new(id: PrincipalId, roles: Vec<String>) -> Self {
        Self { id, roles, purposes: None }
    }

    /// Whether they are not confined to other purposes. What their roles say is another question.
    pub(crate) fn is_open_to(&self, purpose: &Purpose) -> bool {
        let confined = self.purposes.as_ref();
        confined.is_none_or(|purposes| purposes.iter().any(|known| purpose.is_within(known)))
    }
}

/// What a principal may do beyond reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Find a person by an identifier.
    Lookup,
    /// Join the ids of two purposes.
    Link,
    /// Take rows out, to a file or another system.
    Export,
    /// Take rows out in clear, where nothing can revoke them. Counts only together with `export`.
    ExportPlain,
    /// Work erasure requests.
    Erase,
    /// Land data.
    Ingest,
    /// Manage principals and settings.
    Administer,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 7] = [
        Self::Lookup,
        Self::Link,
        Self::Export,
        Self::ExportPlain,
        Self::Erase,
        Self::Ingest,
        Self::Administer,
    ];

    /// The name of the action in the access rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Link => "link",
            Self::Export => "export",
            Self::ExportPlain => "export_plain",
            Self::Erase => "erase",
            Self::Ingest => "ingest",
            Self::Administer => "administer",
        }
    }
}
