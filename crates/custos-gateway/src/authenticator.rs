//! What the gateway asks of the control store.

use async_trait::async_trait;
use custos_core::StoreError;
use custos_policy::Principal;

/// Knows principals by their secrets.
///
/// Guarantees: only active principals are found, and one that was revoked is not found by any call
/// that starts after the revocation.
#[async_trait]
pub trait Authenticator: std::fmt::Debug + Send + Sync {
    /// The principal whose secret has this SHA-256.
    async fn principal_by_secret(&self, sha256: &[u8; 32])
    -> Result<Option<Principal>, StoreError>;
}
