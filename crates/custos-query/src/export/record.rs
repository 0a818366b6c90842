//! What is known of an export.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use custos_core::{FileId, PrincipalId, Purpose, Timestamp};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::{ExportError, ExportFormat, StoredExport};

/// How an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Its file is being written, or never was to the end.
    Begun,
    /// It can be read.
    Open,
    /// Its time is over.
    Expired,
    /// It was revoked, and its key is destroyed.
    Revoked,
}

impl ExportState {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// An export, for those who may know of it.
#[derive(Debug, Clone, Serialize)]
pub struct Export {
    /// Its id.
    pub id: FileId,
    /// How it stands.
    pub state: ExportState,
    /// Who received it.
    pub recipient: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Who made it.
    pub principal: PrincipalId,
    /// The version of the policies that it was made under.
    pub policy: String,
    /// The form of its file.
    pub format: ExportFormat,
    /// How many rows it has.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<String>,
    /// How many accounts it may hold rows of.
    pub subjects: u64,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When its key is given out no more.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// All of an export that is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) recipient: String,
    pub(super) purpose: Purpose,
    pub(super) principal: PrincipalId,
    pub(super) policy: String,
    pub(super) format: ExportFormat,
    pub(super) rows: u64,
    pub(super) columns: Vec<String>,
    /// The accounts whose rows may be in it, as a serialised bitmap; never too few.
    subjects: String,
}

impl Record {
    /// What is known when an export begins.
    pub(super) fn begun(
        recipient: String,
        purpose: Purpose,
        principal: PrincipalId,
        policy: String,
        format: ExportFormat,
    ) -> Self {
        let (columns, subjects) = (Vec::new(), String::new());
        Self { recipient, purpose, principal, policy, format, rows: 0, columns, subjects }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, ExportError> {
        serde_json::to_vec(self).map_err(|_| ExportError::Record)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ExportError> {
        serde_json::from_slice(bytes).map_err(|_| ExportError::Record)
    }

    pub(super) fn set_subjects(&mut self, subjects: &RoaringBitmap) -> Result<(), ExportError> {
        let mut bytes = Vec::with_capacity(subjects.serialized_size());
        subjects.serialize_into(&mut bytes).map_err(|_| ExportError::Record)?;
        self.subjects = BASE64.encode(bytes);
        Ok(())
    }

    pub(super) fn subjects(&self) -> Result<RoaringBitmap, ExportError> {
        if self.subjects.is_empty() {
            return Ok(RoaringBitmap::new());
        }
        let bytes = BASE64.decode(&self.subjects).map_err(|_| ExportError::Record)?;
        RoaringBitmap::deserialize_from(&bytes[..]).map_err(|_| ExportError::Record)
    }

    pub(super) fn export(
        &self,
        stored: &StoredExport,
        now: Timestamp,
    ) -> Result<Export, ExportError> {
        Ok(Export {
            id: stored.id,
            state: state(stored, now),
            recipient: self.recipient.clone(),
            purpose: self.purpose.clone(),
            principal: self.principal.clone(),
            policy: self.policy.clone(),
            format: self.format,
            rows: self.rows,
            columns: self.columns.clone(),
            subjects: self.subjects()?.len(),
            begun_at: stored.begun_at,
            expires_at: stored.expires_at,
            revoked_at: stored.revoked_at,
        })
    }
}

/// How a stored export stands now.
pub(super) fn state(stored: &StoredExport, now: Timestamp) -> ExportState {
    match stored {
        StoredExport { revoked_at: Some(_), .. } => ExportState::Revoked,
        StoredExport { complete: false, .. } => ExportState::Begun,
        StoredExport { expires_at, .. } if *expires_at <= now => ExportState::Expired,
        _ => ExportState::Open,
    }
}
