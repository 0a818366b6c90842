//! A key on its way out of the platform.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::Secret;

/// The bytes of a secret as base64, for somebody who reads an export elsewhere. Wiped when dropped.
///
/// Whoever asks [`Secret::disclose`] for one has decided that the file it opens may be read outside
/// for good: what was read can be revoked no more.
pub struct DisclosedKey(Zeroizing<String>);

impl Secret {
    /// The bytes, in the form in which they leave the platform.
    #[must_use]
    pub fn disclose(&self) -> DisclosedKey {
        DisclosedKey(Zeroizing::new(self.expose(|bytes| BASE64.encode(bytes))))
    }
}

impl DisclosedKey {
    /// The bytes as base64. Copies are the caller's to wipe.
    #[must_use]
    pub fn base64(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisclosedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisclosedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disclosed_key_is_the_secret_and_debug_shows_nothing_of_it() {
        let secret = Secret::from_bytes(&[7; 32]);
        let disclosed = secret.disclose();
        assert_eq!(BASE64.decode(disclosed.base64()).unwrap(), [7; 32]);
        assert_eq!(format!("{disclosed:?}"), "DisclosedKey(..)");
    }
}
