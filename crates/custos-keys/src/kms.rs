//! Where key-encryption keys live.

use std::fmt::Debug;

use async_trait::async_trait;
use custos_core::EpochId;
use serde::{Deserialize, Serialize};

use crate::{KeyError, Secret};

/// How a KMS destroys a key, in its own words. Certificates print it and targets follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destruction {
    /// Seconds from the order to destroy until the key is gone.
    pub delay_seconds: u64,
    /// What stands behind the destruction, and what does not.
    pub assurance: String,
}

/// Holds one key-encryption key an epoch and never gives it away.
///
/// Guarantees, checked by [`crate::conformance::kms`]:
///
/// - An epoch that was created wraps and unwraps until it is destroyed, in every process.
/// - What was wrapped unwraps to the same secret under the same epoch and context, and under no
///   other ([`KeyError::Unopened`]).
/// - Wrapping the same secret twice gives different bytes, which do not contain the secret.
/// - An epoch is created once: [`KeyError::EpochExists`].
/// - A destroyed epoch neither wraps nor unwraps nor comes back: [`KeyError::EpochDestroyed`].
///   Destroying it again succeeds and changes nothing; other epochs are not touched.
/// - An epoch that never was is [`KeyError::EpochUnknown`].
/// - `epochs` lists the live epochs in ascending order.
/// - `wrap_many` and `unwrap_many` do what `wrap` and `unwrap` do to each, in order; if one fails,
///   all do.
#[async_trait]
pub trait Kms: Debug + Send + Sync {
    /// Makes the key-encryption key of `epoch`; durable when it returns.
    async fn create_epoch(&self, epoch: EpochId) -> Result<(), KeyError>;

    /// Seals `secret` under `epoch`, bound to `context`.
    async fn wrap(
        &self,
        epoch: EpochId,
        secret: &Secret,
        context: &[u8],
    ) -> Result<Vec<u8>, KeyError>;

    /// Opens what `wrap` sealed under the same epoch and context.
    async fn unwrap(
        &self,
        epoch: EpochId,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Secret, KeyError>;

    /// Seals each secret under `epoch`, bound to the context beside it.
    async fn wrap_many(
        &self,
        epoch: EpochId,
        secrets: &[(&Secret, Vec<u8>)],
    ) -> Result<Vec<Vec<u8>>, KeyError> {
        let mut wrapped = Vec::with_capacity(secrets.len());
        for (secret, context) in secrets {
            wrapped.push(self.wrap(epoch, secret, context).await?);
        }
        Ok(wrapped)
    }

    /// Opens each of what was sealed under `epoch`, with the context beside it.
    async fn unwrap_many(
        &self,
        epoch: EpochId,
        wrapped: &[(&[u8], Vec<u8>)],
    ) -> Result<Vec<Secret>, KeyError> {
        let mut secrets = Vec::with_capacity(wrapped.len());
        for (wrapped, context) in wrapped {
            secrets.push(self.unwrap(epoch, wrapped, context).await?);
        }
        Ok(secrets)
    }

    /// Destroys the key-encryption key of `epoch`, as [`Kms::destruction`] states.
    async fn destroy_epoch(&self, epoch: EpochId) -> Result<(), KeyError>;

    /// The live epochs, oldest first.
    async fn epochs(&self) -> Result<Vec<EpochId>, KeyError>;

    /// What destroying an epoch means here.
    fn destruction(&self) -> Destruction;
}
