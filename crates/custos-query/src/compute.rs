//! The threads that compute answers.
//!
//! They are apart from those that talk to clients: some operators of the engine (DataFusion 55, a
//! nested-loop join whose filter few rows pass) compute for minutes without a pause, and with one
//! such on every thread nobody could even cancel them.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{QueryError, STACK_BYTES};

static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();

/// Where statements run.
pub(crate) fn threads() -> Result<&'static Handle, QueryError> {
    let runtime = THREADS.get_or_init(|| {
        Builder::new_multi_thread()
            .thread_name("custos-compute")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .ok()
    });
    runtime.as_ref().map(Runtime::handle).ok_or(QueryError::Busy)
}
