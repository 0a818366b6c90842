//! What the gateway asks of the control store.

use std::fmt;

use async_trait::async_trait;
use custos_core::{PrincipalId, StoreError};
use custos_policy::Principal;

/// Rounds of PBKDF2 that make a salted password of a secret. Secrets are 256 random bits, which no
/// number of rounds makes harder to guess; fewer are not to be offered
/// ([RFC 7677, 4](https://www.rfc-editor.org/rfc/rfc7677#section-4)).
pub(crate) const SCRAM_ROUNDS: usize = 4096;

/// Knows principals by their secrets.
///
/// Guarantees: only active principals are found, and one that was revoked is not found by any call
/// that starts after the revocation.
#[async_trait]
pub trait Authenticator: std::fmt::Debug + Send + Sync {
    /// The principal whose secret has this SHA-256.
    async fn principal_by_secret(&self, sha256: &[u8; 32])
    -> Result<Option<Principal>, StoreError>;

    /// The principal of this name.
    async fn principal(&self, name: &PrincipalId) -> Result<Option<Principal>, StoreError>;

    /// Whether a principal of this name had access once and has none any more.
    async fn was_revoked(&self, name: &PrincipalId) -> Result<bool, StoreError>;

    /// The principal of this name who can log in by SCRAM.
    async fn login(&self, name: &PrincipalId) -> Result<Option<Login>, StoreError>;

    /// The salt of a name, the same at each call, also of a name that nobody has.
    fn salt(&self, name: &str) -> [u8; 16];
}

/// A principal, and what proves its secret by SCRAM-SHA-256
/// ([RFC 7677](https://www.rfc-editor.org/rfc/rfc7677)).
pub struct Login {
    /// Who it is.
    pub principal: Principal,
    /// Its secret, salted: see [`salted_password`].
    pub salted_password: Vec<u8>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// What is kept of a secret for logins by SCRAM. Whoever has it can log in, so it is kept sealed.
pub fn salted_password(secret: &str, salt: &[u8; 16]) -> Vec<u8> {
    pgwire::api::auth::sasl::scram::gen_salted_password(secret, salt, SCRAM_ROUNDS)
}
