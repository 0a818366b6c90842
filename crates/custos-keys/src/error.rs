//! Why keys could not be had, used or destroyed.

use custos_core::{Classify, EpochId, ErrorKind, FileId, StoreError};

/// A failure around keys. No variant carries key bytes or anything that was sealed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// A file of the key ring could not be read or written.
    #[error("the key ring is not available: {operation}")]
    Ring {
        /// What was being done, in lower case.
        operation: &'static str,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// A key ring was to be created where one is already.
    #[error("the folder already holds `{file}` of a key ring")]
    RingExists {
        /// The file that is in the way.
        file: &'static str,
    },
    /// There is no complete key ring in the folder.
    #[error("the folder holds no `{file}`, so it is not a key ring")]
    RingMissing {
        /// The file that is not there.
        file: &'static str,
    },
    /// Others than the owner may read a file of the key ring.
    #[error("`{file}` of the key ring may be read by others than its owner")]
    RingExposed {
        /// The file with too wide permissions.
        file: &'static str,
    },
    /// A file of the key ring is not what this crate wrote.
    #[error("`{file}` of the key ring cannot be right: {what}")]
    RingMalformed {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The ring is sealed by a passphrase and none was given.
    #[error("the key ring is sealed by a passphrase")]
    PassphraseMissing,
    /// A passphrase was given for a ring that is not sealed by one.
    #[error("a passphrase was given, but the key ring is not sealed by one")]
    PassphraseUnused,
    /// The passphrase is not that of the ring.
    #[error("the passphrase is not that of the key ring")]
    WrongPassphrase,
    /// The address of a KMS cannot be used.
    #[error("the address of the kms cannot be used: {what}")]
    KmsAddress {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The KMS did not answer, or said that it cannot now.
    #[error("the kms is not available: {operation}")]
    KmsUnavailable {
        /// What was being done, in lower case.
        operation: &'static str,
        /// The client's error, or what the KMS said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The KMS did not let this process do it.
    #[error("the kms does not permit it: {operation}")]
    KmsDenied {
        /// What was being done, in lower case.
        operation: &'static str,
    },
    /// The KMS answered something that this program cannot use.
    #[error("the kms gave an answer of no use: {operation}")]
    KmsAnswer {
        /// What was being done, in lower case.
        operation: &'static str,
    },
    /// The process has no credential that may create and destroy epochs.
    #[error("this process may use epochs, but neither create nor destroy them")]
    NoDestroyToken,
    /// An epoch was to be destroyed that still wraps secrets.
    #[error("epoch {epoch} still wraps {secrets} secret(s)")]
    EpochInUse {
        /// The epoch.
        epoch: EpochId,
        /// How many secrets.
        secrets: u64,
    },
    /// An epoch was to be destroyed, but the backup that was verified is not under a newer one.
    #[error("epoch {epoch} is not older than the verified backup")]
    BackupNotNewer {
        /// The epoch.
        epoch: EpochId,
    },
    /// A file of a backup could not be read or written.
    #[error("the backup cannot be used: {operation}")]
    BackupFile {
        /// What was being done, in lower case.
        operation: &'static str,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// A file is no backup, or not as it was written.
    #[error("the backup is damaged or not one: {what}")]
    BackupMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The epoch that sealed a backup was destroyed, and the backup with it.
    #[error("epoch {epoch}, which sealed this backup, was destroyed: nothing opens it any more")]
    BackupDead {
        /// The epoch.
        epoch: EpochId,
    },
    /// A restored backup does not hold what it should.
    #[error("the restored backup is not the control store: {what}")]
    BackupDiffers {
        /// What differs.
        what: &'static str,
    },
    /// An epoch was to be created that is there already.
    #[error("epoch {epoch} exists already")]
    EpochExists {
        /// The epoch.
        epoch: EpochId,
    },
    /// The KMS never had this epoch.
    #[error("the kms does not know epoch {epoch}")]
    EpochUnknown {
        /// The epoch.
        epoch: EpochId,
    },
    /// The epoch's key-encryption key was destroyed; what it wrapped is gone for good.
    #[error("epoch {epoch} was destroyed")]
    EpochDestroyed {
        /// The epoch.
        epoch: EpochId,
    },
    /// The KMS has no epoch under which something could be sealed.
    #[error("the kms holds no epoch")]
    NoEpoch,
    /// Sealed bytes did not open: changed, moved to another place, or of another key.
    #[error("sealed bytes do not open: changed, moved, or sealed under another key")]
    Unopened,
    /// More was to be sealed at once than the cipher allows.
    #[error("too much to seal at once")]
    TooLarge,
    /// The root secret was sealed by another KMS.
    #[error("the root secret does not open with this key ring")]
    WrongKeyRing,
    /// The secret store has no root secret.
    #[error(
        "the control store holds no root secret: it was lost or belongs to another installation"
    )]
    RootMissing,
    /// A root secret was to be created where one is already.
    #[error("the control store holds a root secret already")]
    AlreadyInitialised,
    /// The root secret was to be destroyed together with files.
    #[error("the root secret is not destroyed as a file is")]
    RootProtected,
    /// There is no secret of this owner, nor a trace of its destruction.
    #[error("there is no secret for `{owner}`")]
    SecretMissing {
        /// Whose secret.
        owner: FileId,
    },
    /// The owner's secret was destroyed; what it sealed is gone for good.
    #[error("the secret of `{owner}` was destroyed")]
    SecretDestroyed {
        /// Whose secret.
        owner: FileId,
    },
    /// The store still gave secrets that it had said were destroyed.
    #[error("the secret of `{owner}` is still there after its destruction")]
    SecretSurvived {
        /// Whose secret.
        owner: FileId,
    },
    /// A signature was not made by this key over this message.
    #[error("the signature is not valid")]
    Signature,
    /// A text is not a public key.
    #[error("not a public key: use 32 bytes of ed25519 in base64url without padding")]
    PublicKey,
    /// The secret store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for KeyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Random(_)
            | Self::Ring { .. }
            | Self::KmsUnavailable { .. }
            | Self::BackupFile { .. } => ErrorKind::Unavailable,
            Self::RingExists { .. }
            | Self::EpochExists { .. }
            | Self::EpochInUse { .. }
            | Self::BackupNotNewer { .. }
            | Self::AlreadyInitialised => ErrorKind::Conflict,
            Self::RingMissing { .. }
            | Self::EpochUnknown { .. }
            | Self::EpochDestroyed { .. }
            | Self::BackupDead { .. }
            | Self::SecretDestroyed { .. } => ErrorKind::NotFound,
            Self::RingExposed { .. }
            | Self::RootProtected
            | Self::KmsDenied { .. }
            | Self::NoDestroyToken => ErrorKind::Denied,
            Self::PassphraseMissing | Self::WrongPassphrase => ErrorKind::Unauthenticated,
            Self::RingMalformed { .. }
            | Self::KmsAnswer { .. }
            | Self::BackupMalformed { .. }
            | Self::BackupDiffers { .. }
            | Self::NoEpoch
            | Self::Unopened
            | Self::WrongKeyRing
            | Self::RootMissing
            | Self::SecretMissing { .. }
            | Self::SecretSurvived { .. }
            | Self::Signature => ErrorKind::Integrity,
            Self::TooLarge => ErrorKind::TooLarge,
            Self::PublicKey | Self::PassphraseUnused | Self::KmsAddress { .. } => {
                ErrorKind::Invalid
            }
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::RingExists { .. } => {
                "Name another folder. If this ring is only half there, restore it from its backup; \
                 never write over it, for its keys open everything stored so far."
            }
            Self::RingMissing { .. } => {
                "Point to the folder of the key ring or restore it from its backup. \
                 A new installation creates one."
            }
            Self::RingExposed { .. } => {
                "Take the rights away with `chmod 600`, and find out who could read the file \
                 before going on."
            }
            Self::RingMalformed { .. } => "Restore the key ring from its backup.",
            Self::PassphraseMissing => {
                "Give the passphrase in CUSTOS_KEYS_PASSPHRASE, or a file that holds it in \
                 CUSTOS_KEYS_PASSPHRASE_FILE."
            }
            Self::PassphraseUnused => {
                "Unset CUSTOS_KEYS_PASSPHRASE and CUSTOS_KEYS_PASSPHRASE_FILE: whoever reads \
                 the folder of this ring can use it. A ring is sealed when it is made."
            }
            Self::WrongPassphrase => {
                "Give the passphrase that the ring was made with. Without it nothing opens."
            }
            Self::KmsAddress { .. } => {
                "Write it as `vault+https://HOST:PORT/transit?prefix=custos`; `vault+http` is for \
                 an address of this machine only, since secrets travel in clear."
            }
            Self::KmsUnavailable { .. } => {
                "Check that it runs, is unsealed and can be reached from here, then repeat."
            }
            Self::KmsDenied { .. } => {
                "Check that the token is valid and has the policy in `deploy/vault/`."
            }
            Self::KmsAnswer { .. } => {
                "Check that the address leads to the transit engine of OpenBao or Vault."
            }
            Self::NoDestroyToken => {
                "Give this one command the token for it in CUSTOS_VAULT_DESTROY_TOKEN."
            }
            Self::EpochInUse { .. } => {
                "Repeat `custos keys rotate`: it goes on where it stopped. If it stays so, end \
                 programs that were started before the rotation."
            }
            Self::BackupFile { .. } => {
                "Check that the path is right, that its folder may be written, and that there is \
                 space."
            }
            Self::BackupMalformed { .. } | Self::BackupDiffers { .. } => {
                "Use another copy of the backup, or an older one."
            }
            Self::BackupDead { .. } => {
                "Use a backup that was made after the newest rotation of keys: a rotation makes \
                 older ones useless, and leaves one in `backups/` beside the control store."
            }
            Self::WrongKeyRing => {
                "Key ring and control store belong to different installations. \
                 Point both to the same one."
            }
            Self::RootMissing => {
                "Restore the control store from its newest snapshot, or point to the right one. \
                 Without the root secret nothing stored so far can be used."
            }
            Self::NoEpoch => "Restore the key ring from its backup.",
            Self::Store(error) => return error.hint(),
            Self::Random(_)
            | Self::Ring { .. }
            | Self::EpochExists { .. }
            | Self::EpochUnknown { .. }
            | Self::EpochDestroyed { .. }
            | Self::BackupNotNewer { .. }
            | Self::Unopened
            | Self::TooLarge
            | Self::AlreadyInitialised
            | Self::RootProtected
            | Self::SecretMissing { .. }
            | Self::SecretDestroyed { .. }
            | Self::SecretSurvived { .. }
            | Self::Signature
            | Self::PublicKey => return None,
        };
        Some(hint.to_owned())
    }
}
