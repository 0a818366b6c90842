//! What the operator's own commands leave in the audit log.

use custos_audit::{Action, Entry, Outcome};

use crate::failure::Failure;
use crate::installation::Installation;

/// What a command does, and to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deed<'a> {
    pub(super) action: Action,
    pub(super) object: &'a str,
}

impl Deed<'_> {
    /// Writes what is about to be done, before it can no longer be taken back.
    pub(super) async fn intent(
        self,
        installation: &Installation,
        detail: &[(&str, String)],
    ) -> Result<u64, Failure> {
        self.record(installation, Outcome::Intent, None, detail).await
    }

    /// Writes what became of an intent; a failure is passed on when it is written.
    pub(super) async fn outcome<T>(
        self,
        installation: &Installation,
        intent: u64,
        result: Result<T, Failure>,
        detail: impl FnOnce(&T) -> Vec<(&'static str, String)>,
    ) -> Result<T, Failure> {
        let (outcome, detail) = match &result {
            Ok(done) => (Outcome::Done, detail(done)),
            Err(_) => (Outcome::Failed, Vec::new()),
        };
        self.record(installation, outcome, Some(intent), &detail).await?;
        result
    }

    async fn record(
        self,
        installation: &Installation,
        outcome: Outcome,
        tie: Option<u64>,
        detail: &[(&str, String)],
    ) -> Result<u64, Failure> {
        let entry = Entry {
            at: installation.clock.now(),
            actor: super::actor()?,
            action: self.action,
            object: self.object.to_owned(),
            purpose: None,
            outcome,
            tie,
            detail: detail.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect(),
        };
        Ok(installation.audit.append(entry).await?)
    }
}
