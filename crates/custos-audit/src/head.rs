//! Signed heads.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use custos_core::Timestamp;
use custos_keys::{PublicKey, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AuditError, TreeHash};

/// What the log was at some instant, under the installation's signature.
///
/// Kept outside the control store, in the lake and in certificates, it shows any later change of
/// the entries it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// How many entries it stands for.
    pub size: u64,
    /// The hash of all of them.
    pub root: TreeHash,
    /// When it was signed.
    pub at: Timestamp,
    /// The short name of the key.
    pub key_id: String,
    /// The Ed25519 signature; base64url without padding as text.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    pub signature: [u8; 64],
}

impl SignedHead {
    pub(crate) fn sign(size: u64, root: TreeHash, at: Timestamp, key: &SigningKey) -> Self {
        let signature = key.sign(&message(size, &root, at));
        Self { size, root, at, key_id: key.key_id(), signature }
    }

    /// Checks that the owner of `key` signed this head.
    pub fn verify(&self, key: &PublicKey) -> Result<(), AuditError> {
        let message = message(self.size, &self.root, self.at);
        let signed = self.key_id == key.key_id() && key.verify(&message, &self.signature).is_ok();
        if signed { Ok(()) } else { Err(AuditError::HeadSignature { size: self.size }) }
    }
}

/// What is signed: a name of the format, then fields of fixed length, integers big endian.
fn message(size: u64, root: &TreeHash, at: Timestamp) -> Vec<u8> {
    let mut message = b"custos audit head 1\n".to_vec();
    message.extend_from_slice(&size.to_be_bytes());
    message.extend_from_slice(&root.0);
    message.extend_from_slice(&at.micros().to_be_bytes());
    message
}

fn to_text<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
    let bytes = URL_SAFE_NO_PAD
        .decode(String::deserialize(deserializer)?)
        .map_err(serde::de::Error::custom)?;
    bytes.try_into().map_err(|_| serde::de::Error::custom("a signature has 64 bytes"))
}
