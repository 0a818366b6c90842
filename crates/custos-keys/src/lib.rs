//! Key management: KMS, epochs, file and record secrets, shredding; the only crate that sees key bytes.
//!
//! Every stored object has secrets of its own. They are sealed under the key-encryption key of an
//! *epoch*, which lives in a [`Kms`], and kept in a [`SecretStore`], never beside the object.
//! Destroying the sealed secrets makes every copy of the object unreadable; destroying the epoch
//! makes every copy of the secret store unreadable.
//!
//! This crate knows no table, no file format and no database: the control store implements
//! [`SecretStore`], and what the secrets seal is the business of the callers.
//!
//! Read first: [`KeyService`] (what callers hold), [`Secret`] (what they get) and [`Kms`].
//!
//! ```
//! use custos_keys::{Secret, aead};
//! let secret = Secret::random()?;
//! let sealed = aead::seal(&secret, b"where it belongs", b"what it says")?;
//! assert_eq!(*aead::open(&secret, b"where it belongs", &sealed)?, b"what it says");
//! assert!(aead::open(&secret, b"elsewhere", &sealed).is_err());
//! # Ok::<(), custos_keys::KeyError>(())
//! ```

pub mod aead;
mod backup;
pub mod conformance;
mod disclosed;
mod error;
mod file_secrets;
mod hex;
mod kms;
mod local_ring;
mod mac;
mod memory_store;
mod passphrase;
mod permutation;
mod record;
mod rotation;
mod secret;
mod secret_store;
mod service;
mod shred;
mod signing;
mod stream;
mod vault_transit;

pub use backup::{BackupHeader, BackupKey, OpenBackup, open_backup, read_backup_header};
pub use disclosed::DisclosedKey;
pub use error::KeyError;
pub use file_secrets::FileSecrets;
pub use kms::{Destruction, Kms};
pub use local_ring::LocalKeyRing;
pub use mac::{MacKey, NamedKey};
pub use memory_store::MemorySecretStore;
pub use passphrase::Passphrase;
pub use permutation::IdPermutation;
pub use record::SealedRecord;
pub use rotation::BackupVerified;
pub use secret::{Secret, random_bytes};
pub use secret_store::{DestructionCause, EpochRecord, Rewrapped, SealedSecret, SecretStore};
pub use service::KeyService;
pub use shred::ShredProof;
pub use signing::{PublicKey, SigningKey};
pub use stream::{SealedReader, SealedWriter, open_sealed_stream};
pub use vault_transit::{VaultToken, VaultTokens, VaultTransit};
