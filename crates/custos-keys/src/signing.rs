//! Signatures of audit heads and certificates: Ed25519.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{KeyError, Secret, hex};

/// The installation's key for signatures. Wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(secret.expose(ed25519_dalek::SigningKey::from_bytes))
    }

    /// Signs `message`. Callers name what kind of message it is inside it.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The key that others check signatures with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The short name of the public key.
    pub fn key_id(&self) -> String {
        self.public().key_id()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.key_id())
    }
}

/// A key to check signatures with; as text its 32 bytes in base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks that the owner of this key signed `message`, by the strict rules of Ed25519.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| KeyError::Signature)
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// A short name: the first 16 hexadecimal digits of the SHA-256 of the key.
    pub fn key_id(&self) -> String {
        hex::encode(&Sha256::digest(self.as_bytes())[..8])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::PublicKey)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::PublicKey)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| KeyError::PublicKey)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::new(&Secret::from_bytes(&[seed; 32]))
    }

    #[test]
    fn only_the_signed_message_verifies_with_the_right_key() {
        let signature = key(1).sign(b"head");
        assert!(key(1).public().verify(b"head", &signature).is_ok());
        assert!(key(1).public().verify(b"other", &signature).is_err());
        assert!(key(2).public().verify(b"head", &signature).is_err());
        let mut changed = signature;
        changed[3] ^= 1;
        assert!(key(1).public().verify(b"head", &changed).is_err());
    }

    #[test]
    fn a_public_key_survives_being_text() {
        let public = key(1).public();
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        assert_eq!(public.to_string().len(), 43);
        assert_eq!(public.key_id().len(), 16);
        assert_ne!(public.key_id(), key(2).key_id());
        for text in ["", "AAAA", "not base64!", &format!("{public}=")] {
            assert!(matches!(text.parse::<PublicKey>(), Err(KeyError::PublicKey)), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_name_of_a_signing_key_only() {
        assert_eq!(format!("{:?}", key(1)), format!("SigningKey({}, ..)", key(1).key_id()));
    }
}
