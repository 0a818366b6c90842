//! What the doors work with.

use std::sync::Arc;

use axum::extract::FromRef;
use custos_audit::AuditLog;
use custos_core::Clock;
use custos_erasure::ErasureService;
use custos_query::{Executor, ExportService, Governor, Profiles};

use crate::attempts::Attempts;
use crate::identity::Identity;
use crate::statements::Statements;
use crate::tasks::Tasks;
use crate::{Authenticator, Metrics, OidcProvider};

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
    /// Whose tokens are accepted, beside the secrets of principals.
    pub oidc: Option<Arc<OidcProvider>>,
    /// Who guessed secrets lately.
    pub attempts: Arc<Attempts>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
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
    pub(crate) statements: Arc<Statements>,
}

impl FromRef<App> for Identity {
    fn from_ref(app: &App) -> Self {
        Self::of(&app.gateway)
    }
}
