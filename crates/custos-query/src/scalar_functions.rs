//! The engine's functions, as statements have them.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::ScalarUDF;

use crate::{allow, bounded, date_trunc};

/// Those that are offered, some of them in other words than the engine's own.
pub(crate) fn of_engine() -> Vec<Arc<ScalarUDF>> {
    SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|function| allow::function(function.name()))
        .map(date_trunc::replace)
        .map(bounded::replace)
        .collect()
}
