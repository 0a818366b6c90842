//! Secret bytes in plain form.

use std::fmt;

use hmac::Mac;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::KeyError;
use crate::mac::keyed;

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

/// A key of 256 bits. Wiped when dropped.
///
/// It cannot be cloned, compared, printed or serialised, so that each use of its bytes is a call
/// of [`Secret::expose`].
///
/// ```compile_fail
/// let secret = custos_keys::Secret::random().unwrap();
/// let copy = secret.clone();
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new secret out of random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0).map_err(KeyError::Random)?;
        Ok(secret)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    /// Lends the bytes. Copies made inside `f` are the caller's to wipe.
    pub fn expose<R>(&self, f: impl FnOnce(&[u8; 32]) -> R) -> R {
        f(&self.0)
    }

    /// The secret that follows from this one for `label`: HKDF-SHA256 without salt.
    ///
    /// Equal labels give equal secrets; from one the others cannot be computed.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        // RFC 5869 for one block of output; written out because it cannot fail at this length.
        let extracted = Zeroizing::new(mac(&[0; 32], &[&self.0]));
        Self(mac(&extracted, &[label.as_bytes(), &[1]]))
    }
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use hkdf::Hkdf;
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;

    proptest! {
        #[test]
        fn derivation_is_hkdf_as_others_compute_it(bytes: [u8; 32], label in ".{0,80}") {
            let mut expected = [0; 32];
            Hkdf::<Sha256>::new(None, &bytes).expand(label.as_bytes(), &mut expected).unwrap();
            Secret::from_bytes(&bytes).derive(&label).expose(|derived| {
                assert_eq!(*derived, expected);
            });
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::random().unwrap()), "Secret(..)");
    }

    #[test]
    fn random_secrets_differ() {
        let first = Secret::random().unwrap().expose(|bytes| *bytes);
        let second = Secret::random().unwrap().expose(|bytes| *bytes);
        assert_ne!(first, second);
        assert_ne!(random_bytes::<16>().unwrap(), [0; 16]);
    }
}
