//! What the process lends to its statements: the one place that makes a runtime of the engine.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use custos_core::PrincipalId;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use crate::budget::Budget;
use crate::client_memory::{ClientMemories, ClientMemory};
use crate::fair_queue::Account;
use crate::memory::StatementMemory;
use crate::pace::Pace;
use crate::principal_share::{PrincipalShares, Turn};
use crate::shortage::Shortages;
use crate::spill::{SealedFiles, Space};
use crate::{Limits, QueryError};

/// Memory and temporary space of a process.
#[derive(Debug)]
pub(crate) struct Resources {
    limits: Arc<Limits>,
    principals: PrincipalShares,
    clients: ClientMemories,
    pace: Pace,
    space: Arc<Budget>,
    #[cfg(test)]
    taken: [Arc<Budget>; 2],
}

impl Resources {
    /// Resources within these limits; a folder that takes no temporary file is
    /// [`QueryError::SpillDisk`].
    pub(crate) fn new(limits: Limits) -> Result<Self, QueryError> {
        tempfile::tempfile_in(&limits.spill).map_err(|_| QueryError::SpillDisk)?;
        let memory = Arc::new(Budget::new(limits.memory_bytes));
        let space = Arc::new(Budget::new(limits.spill_bytes));
        let limits = Arc::new(limits);
        Ok(Self {
            #[cfg(test)]
            taken: [Arc::clone(&memory), Arc::clone(&space)],
            clients: ClientMemories::new(&limits, &memory),
            pace: Pace::new(limits.principal_statements_per_minute),
            principals: PrincipalShares::new(Arc::clone(&limits), memory, Arc::clone(&space)),
            space,
            limits,
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a statement that a principal begins, or is [`QueryError::TooFast`].
    pub(crate) fn count(&self, of: &PrincipalId) -> Result<(), QueryError> {
        self.pace.admit(of, Instant::now())
    }

    /// Memory for a connection or a call of a principal.
    pub(crate) fn client_memory(&self, of: &PrincipalId) -> ClientMemory {
        self.clients.of(of)
    }

    /// The temporary space of all.
    pub(crate) const fn space(&self) -> &Arc<Budget> {
        &self.space
    }

    /// What one statement of a principal runs with, once it is its turn.
    pub(crate) async fn statement(&self, of: &PrincipalId) -> Result<Statement, QueryError> {
        let turn = self.principals.turn(of).await?;
        let shortages = Arc::new(Shortages::default());
        let memory = StatementMemory::new(
            self.limits.statement_memory_bytes,
            turn.memory(),
            Arc::clone(&shortages),
        );
        let space = Arc::new(Space {
            statement: Budget::new(self.limits.statement_spill_bytes),
            principal: turn.space(),
            shortages: Arc::clone(&shortages),
        });
        let files = SealedFiles::new(self.limits.spill.clone(), space);
        let runtime = runtime(memory, files)?;
        Ok(Statement { runtime, shortages, limits: Arc::clone(&self.limits), turn })
    }

    /// Memory and temporary space that statements hold now, in bytes.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> (u64, u64) {
        let [memory, space] = &self.taken;
        (memory.taken(), space.taken())
    }
}

#[expect(clippy::disallowed_methods, reason = "no other place may make a runtime")]
fn runtime(memory: StatementMemory, files: SealedFiles) -> Result<Arc<RuntimeEnv>, QueryError> {
    let files = DiskManagerMode::Custom(Arc::new(files));
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(memory))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(files))
        .build_arc()
        .map_err(|_| QueryError::Internal)
}

/// What one statement runs with, and within.
///
/// Only [`Resources::statement`] makes one, so a statement that has one spills into sealed files.
pub(crate) struct Statement {
    runtime: Arc<RuntimeEnv>,
    shortages: Arc<Shortages>,
    limits: Arc<Limits>,
    /// Ends when all else of the statement did.
    turn: Turn,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Statement")
    }
}

impl Statement {
    pub(crate) const fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// For whom it computes.
    pub(crate) fn computes_for(&self) -> &Arc<Account> {
        self.turn.computed()
    }

    /// Whether a session runs with this and nothing else.
    pub(crate) fn is_of(&self, runtime: &Arc<RuntimeEnv>) -> bool {
        Arc::ptr_eq(&self.runtime, runtime)
    }

    /// The cause of a failure, where it lies in what the statement was refused.
    pub(crate) fn explain(&self, error: QueryError) -> QueryError {
        self.shortages.explain(error)
    }
}
