//! What a request is about and what was done for it: the part that is sealed.

use custos_core::{BatchId, FileId, IdentifierType, PrincipalId, Rid, TableName, Timestamp};
use custos_lake::rewrite::{AbsenceProof, Prepared};
use serde::{Deserialize, Serialize};

use crate::SuppressionEntry;

/// An identifier of the person, in clear.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PersonalValue {
    pub(crate) kind: IdentifierType,
    pub(crate) scope: String,
    pub(crate) value: String,
}

/// Who made sure that the person is who they say, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The person or service that made sure.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How far the rewriting of one table came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Replacements are written.
    Prepared,
    /// They are in the table.
    Committed,
    /// The secrets of the replaced files are destroyed and the table was read back.
    Done,
}

/// The rewriting of one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TableStep {
    pub(crate) table: TableName,
    pub(crate) phase: Phase,
    pub(crate) commit: BatchId,
    pub(crate) prepared: Prepared,
    pub(crate) absence: Option<AbsenceProof>,
    pub(crate) destroyed: Vec<FileId>,
}

/// All of a request that is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Dossier {
    pub(crate) regime: String,
    pub(crate) opened_by: PrincipalId,
    /// Dropped once it is known what bars the person's return.
    pub(crate) asked_for: Option<PersonalValue>,
    pub(crate) asked_type: IdentifierType,
    /// Makes the commitment in the certificate one that only who has it can check.
    pub(crate) salt: String,
    pub(crate) commitment: String,
    pub(crate) subjects: Vec<Rid>,
    /// What bars the person's return, once known.
    pub(crate) barred: Vec<SuppressionEntry>,
    pub(crate) barred_until: Timestamp,
    pub(crate) verified: Option<Verified>,
    pub(crate) steps: Vec<TableStep>,
    pub(crate) completed_at: Option<Timestamp>,
}

impl std::fmt::Debug for Dossier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dossier(..)")
    }
}

impl Dossier {
    pub(crate) fn step(&self, table: &TableName) -> Option<&TableStep> {
        self.steps.iter().find(|step| step.table == *table)
    }

    /// Puts a step in the place of what is known of its table.
    pub(crate) fn put(&mut self, step: TableStep) {
        match self.steps.iter_mut().find(|known| known.table == step.table) {
            Some(known) => *known = step,
            None => self.steps.push(step),
        }
    }

    pub(crate) fn remove(&mut self, table: &TableName) {
        self.steps.retain(|step| step.table != *table);
    }
}
