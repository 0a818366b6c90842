//! A KMS in the transit engine of OpenBao or HashiCorp Vault.

mod address;
mod client;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use custos_core::EpochId;
use reqwest::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::vault_transit::address::Address;
pub use crate::vault_transit::client::VaultToken;
use crate::vault_transit::client::{Answer, Transit};
use crate::{Destruction, KeyError, Kms, Secret};

/// Secrets in one call: servers count the texts of a request, and two belong to each secret.
const BATCH_MAX: usize = 200;

const WRAPPING: &str = "wrapping a secret";
const UNWRAPPING: &str = "unwrapping a secret";
const CREATING: &str = "creating an epoch";
const DESTROYING: &str = "destroying an epoch";

/// The transit engine of OpenBao or Vault: a key for each epoch, which never leaves it.
///
/// Epoch 7 is the key `<prefix>-epoch-7`, of type `aes256-gcm96` and derived, so that what it
/// wraps opens with its context only. Destroying it first makes the key `<prefix>-destroyed-7`,
/// which wraps nothing and stays: its name says for good that the epoch is not to come back, also
/// when a crash comes before the key itself is gone.
///
/// Give Custos an engine of its own: creating an epoch forbids the engine to make keys by the way
/// when something is encrypted, since that would bring a destroyed name back.
#[derive(Debug)]
pub struct VaultTransit {
    transit: Transit,
    prefix: String,
    tokens: VaultTokens,
}

/// The credentials of a process.
#[derive(Debug)]
pub struct VaultTokens {
    /// Wraps and unwraps, and can do no more.
    pub use_token: VaultToken,
    /// Creates and destroys epochs; only the program that rotates keys has it.
    pub destroy_token: Option<VaultToken>,
}

/// What an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EpochState {
    Live,
    Destroyed,
    Unknown,
}

#[derive(Deserialize)]
struct Names {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Ciphertext {
    ciphertext: String,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Plaintext {
    plaintext: String,
}

/// One result for each entry of a batch.
#[derive(Deserialize)]
struct Batch<T> {
    batch_results: Vec<T>,
}

impl VaultTransit {
    /// The engine at `address`, such as `vault+https://bao:8200/transit?prefix=custos`.
    ///
    /// Nothing is sent before the first call.
    pub fn new(address: &str, tokens: VaultTokens) -> Result<Self, KeyError> {
        let Address { mount, prefix } = Address::parse(address)?;
        Ok(Self { transit: Transit::new(mount)?, prefix, tokens })
    }

    fn key(&self, epoch: EpochId) -> String {
        format!("{}-epoch-{epoch}", self.prefix)
    }

    /// The key whose existence says that an epoch was destroyed.
    fn tombstone(&self, epoch: EpochId) -> String {
        format!("{}-destroyed-{epoch}", self.prefix)
    }

    fn destroy_token(&self) -> Result<&VaultToken, KeyError> {
        self.tokens.destroy_token.as_ref().ok_or(KeyError::NoDestroyToken)
    }

    async fn exists(&self, key: &str) -> Result<bool, KeyError> {
        let (path, operation) = (format!("keys/{key}"), "looking for an epoch");
        let token = &self.tokens.use_token;
        match self.transit.call(token, Method::GET, &path, None, operation).await? {
            Answer::Done(IgnoredAny) => Ok(true),
            Answer::Missing => Ok(false),
            Answer::Rejected => Err(KeyError::KmsAnswer { operation }),
        }
    }

    async fn state(&self, epoch: EpochId) -> Result<EpochState, KeyError> {
        if self.exists(&self.tombstone(epoch)).await? {
            return Ok(EpochState::Destroyed);
        }
        let live = self.exists(&self.key(epoch)).await?;
        Ok(if live { EpochState::Live } else { EpochState::Unknown })
    }

    /// Encrypts or decrypts. What was not done for want of the epoch is told from the rest by
    /// asking for the epoch, not from what the engine says in words; that is `otherwise`.
    async fn crypt<T: serde::de::DeserializeOwned>(
        &self,
        verb: &str,
        epoch: EpochId,
        body: &Value,
        operation: &'static str,
        otherwise: KeyError,
    ) -> Result<T, KeyError> {
        let path = format!("{verb}/{}", self.key(epoch));
        let token = &self.tokens.use_token;
        // A token that may not make keys is denied what would make one.
        let error = match self.transit.call(token, Method::POST, &path, Some(body), operation).await
        {
            Ok(Answer::Done(data)) => return Ok(data),
            Ok(Answer::Rejected | Answer::Missing) => otherwise,
            Err(KeyError::KmsDenied { operation }) => KeyError::KmsDenied { operation },
            Err(error) => return Err(error),
        };
        Err(match self.state(epoch).await? {
            EpochState::Live => error,
            EpochState::Destroyed => KeyError::EpochDestroyed { epoch },
            EpochState::Unknown => KeyError::EpochUnknown { epoch },
        })
    }

    /// Does something to a key that needs the other credential.
    async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        operation: &'static str,
    ) -> Result<Answer<IgnoredAny>, KeyError> {
        self.transit.call(self.destroy_token()?, method, path, body.as_ref(), operation).await
    }

    async fn make(
        &self,
        key: &str,
        derived: bool,
        operation: &'static str,
    ) -> Result<(), KeyError> {
        let body = json!({"type": "aes256-gcm96", "derived": derived});
        match self.change(Method::POST, &format!("keys/{key}"), Some(body), operation).await? {
            Answer::Done(IgnoredAny) => Ok(()),
            Answer::Missing | Answer::Rejected => Err(KeyError::KmsAnswer { operation }),
        }
    }
}

#[async_trait]
impl Kms for VaultTransit {
    async fn create_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.destroy_token()?;
        match self.state(epoch).await? {
            EpochState::Live => return Err(KeyError::EpochExists { epoch }),
            EpochState::Destroyed => return Err(KeyError::EpochDestroyed { epoch }),
            EpochState::Unknown => {}
        }
        let body = json!({"disable_upsert": true});
        match self.change(Method::POST, "config/keys", Some(body), CREATING).await? {
            Answer::Done(IgnoredAny) => self.make(&self.key(epoch), true, CREATING).await,
            Answer::Missing | Answer::Rejected => Err(KeyError::KmsAnswer { operation: CREATING }),
        }
    }

    async fn wrap(
        &self,
        epoch: EpochId,
        secret: &Secret,
        context: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let body = encrypt_body(secret, context);
        let otherwise = KeyError::KmsAnswer { operation: WRAPPING };
        let done: Ciphertext = self.crypt("encrypt", epoch, &body, WRAPPING, otherwise).await?;
        Ok(done.ciphertext.into_bytes())
    }

    async fn unwrap(
        &self,
        epoch: EpochId,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Secret, KeyError> {
        let body = decrypt_body(wrapped, context);
        let done: Plaintext =
            self.crypt("decrypt", epoch, &body, UNWRAPPING, KeyError::Unopened).await?;
        secret_of(&done)
    }

    async fn wrap_many(
        &self,
        epoch: EpochId,
        secrets: &[(&Secret, Vec<u8>)],
    ) -> Result<Vec<Vec<u8>>, KeyError> {
        let mut wrapped = Vec::with_capacity(secrets.len());
        for chunk in secrets.chunks(BATCH_MAX) {
            let batch: Vec<Value> =
                chunk.iter().map(|(secret, context)| encrypt_body(secret, context)).collect();
            let body = json!({"batch_input": batch});
            let otherwise = KeyError::KmsAnswer { operation: WRAPPING };
            let done: Batch<Ciphertext> =
                self.crypt("encrypt", epoch, &body, WRAPPING, otherwise).await?;
            if done.batch_results.len() != chunk.len() {
                return Err(KeyError::KmsAnswer { operation: WRAPPING });
            }
            wrapped.extend(done.batch_results.into_iter().map(|one| one.ciphertext.into_bytes()));
        }
        Ok(wrapped)
    }

    async fn unwrap_many(
        &self,
        epoch: EpochId,
        wrapped: &[(&[u8], Vec<u8>)],
    ) -> Result<Vec<Secret>, KeyError> {
        let mut secrets = Vec::with_capacity(wrapped.len());
        for chunk in wrapped.chunks(BATCH_MAX) {
            let batch: Vec<Value> =
                chunk.iter().map(|(wrapped, context)| decrypt_body(wrapped, context)).collect();
            let body = json!({"batch_input": batch});
            let done: Batch<Plaintext> =
                self.crypt("decrypt", epoch, &body, UNWRAPPING, KeyError::Unopened).await?;
            if done.batch_results.len() != chunk.len() {
                return Err(KeyError::KmsAnswer { operation: UNWRAPPING });
            }
            for one in &done.batch_results {
                secrets.push(secret_of(one)?);
            }
        }
        Ok(secrets)
    }

    async fn destroy_epoch(&self, epoch: EpochId) -> Result<(), KeyError> {
        self.destroy_token()?;
        let (key, tombstone) = (self.key(epoch), self.tombstone(epoch));
        let exists = self.exists(&key).await?;
        if !self.exists(&tombstone).await? {
            if !exists {
                return Err(KeyError::EpochUnknown { epoch });
            }
            self.make(&tombstone, false, DESTROYING).await?;
        }
        if !exists {
            return Ok(());
        }
        let body = json!({"deletion_allowed": true});
        let path = format!("keys/{key}/config");
        // Either may be rejected because somebody else destroyed it meanwhile; what counts is
        // that it is gone.
        self.change(Method::POST, &path, Some(body), DESTROYING).await?;
        self.change(Method::DELETE, &format!("keys/{key}"), None, DESTROYING).await?;
        if self.exists(&key).await? {
            return Err(KeyError::KmsAnswer { operation: DESTROYING });
        }
        Ok(())
    }

    async fn epochs(&self) -> Result<Vec<EpochId>, KeyError> {
        let operation = "listing epochs";
        let token = &self.tokens.use_token;
        let names = match self
            .transit
            .call::<Names>(token, Method::GET, "keys?list=true", None, operation)
            .await?
        {
            Answer::Done(names) => names.keys,
            Answer::Missing => Vec::new(),
            Answer::Rejected => return Err(KeyError::KmsAnswer { operation }),
        };
        let numbered = |kind: &str| -> Vec<EpochId> {
            let start = format!("{}-{kind}-", self.prefix);
            names.iter().filter_map(|name| epoch_of(name.strip_prefix(&start)?)).collect()
        };
        let destroyed = numbered("destroyed");
        let mut live = numbered("epoch");
        live.retain(|epoch| !destroyed.contains(epoch));
        live.sort_unstable();
        Ok(live)
    }

    fn destruction(&self) -> Destruction {
        Destruction {
            delay_seconds: 0,
            assurance: "OpenBao or Vault transit: the key is deleted from the KMS's storage at \
                        once, and its name stays marked so that it is not made anew. Nobody but \
                        the operator can say that no backup or snapshot of that storage, and no \
                        replica that lags behind, still holds the key: it is gone for good when \
                        the last of them has expired."
                .to_owned(),
        }
    }
}

/// The number in a key's name, as this program writes it: without signs and leading zeros.
fn epoch_of(text: &str) -> Option<EpochId> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(EpochId(number))
}

fn encrypt_body(secret: &Secret, context: &[u8]) -> Value {
    let plaintext = secret.expose(|bytes| STANDARD.encode(bytes));
    json!({"plaintext": plaintext, "context": context_of(context)})
}

/// What no engine wrapped cannot be opened by one, so its bytes need not survive being a text.
fn decrypt_body(wrapped: &[u8], context: &[u8]) -> Value {
    json!({"ciphertext": String::from_utf8_lossy(wrapped), "context": context_of(context)})
}

/// The engine takes no empty context.
fn context_of(context: &[u8]) -> String {
    STANDARD.encode([b"custos/wrap/1/", context].concat())
}

fn secret_of(one: &Plaintext) -> Result<Secret, KeyError> {
    let bytes = STANDARD.decode(one.plaintext.as_bytes()).map_err(|_| KeyError::Unopened)?;
    let bytes = Zeroizing::new(bytes);
    let bytes = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Unopened)?;
    Ok(Secret::from_bytes(bytes))
}

#[cfg(test)]
mod tests;
