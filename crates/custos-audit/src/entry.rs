//! What is recorded.

use std::collections::BTreeMap;

use custos_core::{Purpose, Timestamp};
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// What somebody did, or tried to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ran a statement.
    Query,
    /// Looked a person up by an identifier.
    Lookup,
    /// Landed data of a source.
    Ingest,
    /// Imported consent records.
    ConsentImport,
    /// Resolved which subjects are one person.
    Resolve,
    /// Opened a request of a person about their data.
    RequestOpened,
    /// Verified who is behind a request.
    RequestVerified,
    /// Hid a person from all queries.
    Suppressed,
    /// Cut a person's identifiers from their facts.
    Unlinked,
    /// Rewrote files without a person's rows.
    Rewritten,
    /// Made an epoch or secrets.
    KeysCreated,
    /// Destroyed an epoch or secrets.
    KeysDestroyed,
    /// Issued a certificate.
    CertificateIssued,
    /// Gave a principal access.
    PrincipalAdded,
    /// Took a principal's access away.
    PrincipalRevoked,
    /// Put a version of the policies into force.
    PolicyLoaded,
    /// Read or rewrote data in a background job.
    Maintenance,
    /// Took data out of the platform.
    Export,
    /// Gave out the key of an export, to read it.
    ExportOpened,
    /// Destroyed the key of an export.
    ExportRevoked,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to happen; the entry that says how it went is tied to this one.
    Intent,
    /// It happened.
    Done,
    /// It was not allowed, and nothing happened.
    Refused,
    /// It broke off.
    Failed,
}

/// One entry of the log.
///
/// No field ever holds a personal value: people appear by id of request, things by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: a principal's name, or that of a job.
    pub actor: String,
    /// What.
    pub action: Action,
    /// To what: a table, source, request, file or policy.
    pub object: String,
    /// For which purpose, where there is one.
    pub purpose: Option<Purpose>,
    /// How it went.
    pub outcome: Outcome,
    /// The index of the entry with the intent that this one concludes.
    pub tie: Option<u64>,
    /// What determined it: versions, counts, rules. Never a personal value.
    pub detail: BTreeMap<String, String>,
}

impl Entry {
    /// The leaf that stands for it in the log.
    pub fn to_leaf(&self) -> Result<Vec<u8>, AuditError> {
        serde_json::to_vec(self).map_err(AuditError::Encode)
    }
}
