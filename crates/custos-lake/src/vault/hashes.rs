//! Keyed hashes of identifiers.

use custos_core::IdentifierType;
use custos_keys::{KeyService, MacKey, NamedKey};

/// The scope of identifiers that are kept but join nobody: placeholders and values that are not
/// of their type.
pub const UNLINKED: &str = "unlinked";

/// Keyed hashes under which identifiers are compared.
#[derive(Debug)]
pub struct IdentifierHashes {
    index: MacKey,
    suppression: MacKey,
}

impl IdentifierHashes {
    /// The hashes of this installation.
    pub fn new(keys: &KeyService) -> Self {
        Self {
            index: keys.mac_key(NamedKey::VaultIndex),
            suppression: keys.mac_key(NamedKey::Suppression),
        }
    }

    /// The hash by which the vault finds a normalised value.
    pub fn index(&self, kind: IdentifierType, scope: &str, value: &str) -> [u8; 16] {
        self.index.mac16(&[kind.as_str().as_bytes(), scope.as_bytes(), value.as_bytes()])
    }

    /// The hash under which a normalised value is suppressed, which outlives the vault's.
    pub fn suppression(&self, kind: IdentifierType, scope: &str, value: &str) -> [u8; 16] {
        self.suppression.mac16(&[kind.as_str().as_bytes(), scope.as_bytes(), value.as_bytes()])
    }
}
