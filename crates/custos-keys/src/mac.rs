//! Keyed hashes.

use std::fmt;

use custos_core::Purpose;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Secret;

const BLOCK_BYTES: usize = 64;

/// HMAC-SHA256 that has taken in `key`.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a short key with zeros up to a block; a whole block is a key that cannot be refused.
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    block[..key.len()].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// What a keyed hash is for. Each has a key of its own, derived from the root secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamedKey {
    /// Normalised identifiers in the vault's index.
    VaultIndex,
    /// Record keys in the index that finds duplicates and older versions.
    RecordKey,
    /// Contents of records, to tell a duplicate from a contradiction.
    Content,
    /// Loads: file hashes and object versions.
    Load,
    /// Tombstones that bar erased people from coming back.
    Suppression,
    /// Heads of tables: which version of a log is the one this installation wrote.
    TableHead,
    /// Salts of logins by SCRAM.
    LoginSalt,
    /// Ids of requests that their senders gave a key.
    RequestId,
    /// Tokens in the place of values, for one purpose.
    Tokens(Purpose),
    /// Ids that are texts, for one purpose.
    Ids(Purpose),
    /// Subjects of certificates, which the person can find with their salt.
    CertificateSubject,
}

impl NamedKey {
    pub(crate) fn into_label(self) -> String {
        let (name, purpose) = match self {
            Self::VaultIndex => ("vault_index", None),
            Self::RecordKey => ("record_key", None),
            Self::Content => ("content", None),
            Self::Load => ("load", None),
            Self::Suppression => ("suppression", None),
            Self::TableHead => ("table_head", None),
            Self::LoginSalt => ("login_salt", None),
            Self::RequestId => ("request_id", None),
            Self::Tokens(purpose) => ("tokens", Some(purpose)),
            Self::Ids(purpose) => ("ids", Some(purpose)),
            Self::CertificateSubject => ("certificate_subject", None),
        };
        let purpose = purpose.as_ref().map_or("", Purpose::as_str);
        format!("custos/mac/1/{name}/{purpose}")
    }
}

/// A key for HMAC-SHA256 that has been taken in once, for many calls.
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(secret.expose(keyed))
    }

    /// The keyed hash of `parts`, each preceded by its length, so that no two lists collide.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The first 16 bytes of [`MacKey::mac`].
    pub fn mac16(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&self.mac(parts)[..16]);
        short
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_hash_is_that_of_rfc_4231() {
        let mut mac = keyed(&{
            let mut key = [0; 32];
            key[..4].copy_from_slice(b"Jefe");
            key
        });
        mac.update(b"what do ya want for nothing?");
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(
            crate::hex::encode(&digest),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        let key = MacKey::new(&Secret::from_bytes(&[7; 32]));
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
        assert_ne!(key.mac(&[b"abc"]), key.mac(&[b"abc", b""]));
        assert_eq!(key.mac(&[b"a", b"b"]), key.mac(&[b"a", b"b"]));
        assert_eq!(key.mac16(&[b"a"]), key.mac(&[b"a"])[..16]);
    }

    #[test]
    fn every_use_has_a_key_of_its_own() {
        let purpose = |text: &str| text.parse::<Purpose>().unwrap();
        let uses = [
            NamedKey::VaultIndex,
            NamedKey::RecordKey,
            NamedKey::Content,
            NamedKey::Load,
            NamedKey::Suppression,
            NamedKey::Tokens(purpose("analytics")),
            NamedKey::Tokens(purpose("marketing")),
            NamedKey::Ids(purpose("analytics")),
            NamedKey::Ids(purpose("marketing")),
            NamedKey::CertificateSubject,
        ];
        let labels: HashSet<String> = uses.iter().cloned().map(NamedKey::into_label).collect();
        assert_eq!(labels.len(), uses.len());
    }
}
