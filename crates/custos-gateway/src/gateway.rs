//! What the doors work with.

use std::sync::Arc;

use axum::extract::FromRef;
use custos_audit::AuditLog;
use custos_core::Clock;
use custos_erasure::ErasureService;
use custos_query::{Executor, ExportService, Governor, Profiles};

use crate::Authenticator;
use crate::attempts::Attempts;
use crate::tasks::Tasks;

/// What the doors work with. All of it is shared: a clone is cheap and is the same gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Turns statements into governed plans.
    pub governor: Arc<Governor>,
    /// Runs them.
    pub executor: Arc<Executor>,
    /// Finds people by their identifiers.
    pub profiles: Arc<Profiles>,
    /// Handles privacy requests.
    pub erasure: Arc<ErasureService>,
    /// Gives out the keys of exports.
    pub exports: Arc<ExportService>,
    /// Tells who is asking.
    pub authenticator: Arc<dyn Authenticator>,
    /// Who guessed secrets lately.
    pub attempts: Arc<Attempts>,
    /// Where refused attempts at privacy requests are recorded.
    pub audit: Arc<AuditLog>,
    /// The time of those records.
    pub clock: Arc<dyn Clock>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) gateway: Gateway,
    pub(crate) tasks: Arc<Tasks>,
}

impl FromRef<App> for Arc<dyn Authenticator> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.gateway.authenticator)
    }
}
