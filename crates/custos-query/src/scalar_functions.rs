//! The engine's functions, as statements have them.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::ScalarUDF;

use crate::{allow, bounded, date_trunc, postgres_functions};

/// Those that are offered, some of them in other words than the engine's own.
pub(crate) fn of_engine() -> Vec<Arc<ScalarUDF>> {
    SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|function| allow::function(function.name()))
        .map(date_trunc::replace)
        .map(bounded::replace)
        .map(named)
        .chain(postgres_functions::all())
        .collect()
}

/// Adds the name that a function has in PostgreSQL, where that is another.
fn named(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match function.name() {
        "signum" => Arc::new(Arc::unwrap_or_clone(function).with_aliases(["sign"])),
        _ => function,
    }
}
