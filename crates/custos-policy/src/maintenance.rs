//! Leave to work on a table as a background job.

use custos_core::TableName;

use crate::files::PolicyVersion;

/// A background job that touches stored data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaintenanceJob {
    /// Landing data, comparing it with what is there.
    Ingest,
    /// Rewriting files without erased subjects.
    Erasure,
    /// Rewriting small files as large ones.
    Compaction,
    /// Clustering subjects into people.
    Resolution,
    /// Reading back that an erasure left nothing.
    Verification,
    /// Testing what a model built.
    ModelTest,
    /// Checking that stored data is whole.
    Doctor,
    /// Finding people by their identifiers.
    Lookup,
    /// Counting the people whom a change of the policies concerns.
    PolicyDiff,
}

impl MaintenanceJob {
    /// The name in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Erasure => "erasure",
            Self::Compaction => "compaction",
            Self::Resolution => "resolution",
            Self::Verification => "verification",
            Self::ModelTest => "model_test",
            Self::Doctor => "doctor",
            Self::Lookup => "lookup",
            Self::PolicyDiff => "policy_diff",
        }
    }
}

/// Leave to work on one table as one background job, audited like a read.
///
/// Only [`PolicySet::maintenance`](crate::PolicySet::maintenance) makes one; it can be neither
/// built nor copied.
///
/// ```
/// fn audit(grant: &custos_policy::MaintenanceGrant) -> &'static str {
///     grant.job().as_str()
/// }
/// ```
/// ```compile_fail
/// fn copy(grant: &custos_policy::MaintenanceGrant) -> custos_policy::MaintenanceGrant {
///     grant.clone()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a grant that opens nothing is probably a forgotten job"]
pub struct MaintenanceGrant {
    job: MaintenanceJob,
    table: TableName,
    version: PolicyVersion,
}

impl MaintenanceGrant {
    pub(crate) const fn new(job: MaintenanceJob, table: TableName, version: PolicyVersion) -> Self {
        Self { job, table, version }
    }

    /// The job it is for.
    pub const fn job(&self) -> MaintenanceJob {
        self.job
    }

    /// The table it is for.
    pub const fn table(&self) -> &TableName {
        &self.table
    }

    /// The policy it was given under.
    pub const fn version(&self) -> &PolicyVersion {
        &self.version
    }
}
