//! Evidence that secrets were destroyed.

use custos_core::{FileId, Timestamp};
use serde::Serialize;

use crate::DestructionCause;

/// The secrets of these files are destroyed, and reading back found none of them.
///
/// Only [`KeyService::destroy`](crate::KeyService::destroy) makes one.
///
/// ```compile_fail
/// # fn at() -> custos_core::Timestamp { custos_core::Timestamp::from_micros(0) }
/// let forged = custos_keys::ShredProof {
///     cause: custos_keys::DestructionCause::Replaced, files: vec![], at: at(),
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShredProof {
    #[serde(flatten)]
    cause: DestructionCause,
    files: Vec<FileId>,
    at: Timestamp,
}

impl ShredProof {
    pub(crate) fn new(cause: DestructionCause, mut files: Vec<FileId>, at: Timestamp) -> Self {
        files.sort_unstable();
        Self { cause, files, at }
    }

    /// Why the secrets were to be destroyed.
    pub fn cause(&self) -> DestructionCause {
        self.cause
    }

    /// The files whose secrets are gone, in order: those asked for that ever had secrets.
    pub fn files(&self) -> &[FileId] {
        &self.files
    }

    /// When reading back found none. The destruction was then or earlier.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}
