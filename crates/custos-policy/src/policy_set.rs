//! All policies together, and the decisions they give.

mod evaluate;
mod explain;

use std::fmt;
use std::sync::Arc;

use custos_consent::AgeRules;
use custos_core::{DataCategory, PrincipalId, Purpose, TableName, Timestamp};

use crate::access::{Access, Circumstances, Failure};
use crate::categories::{Categories, CategoryNode};
use crate::dataset::Dataset;
use crate::decision::{Decision, Denial, DenialReason};
use crate::files::{PolicyFiles, PolicyVersion};
use crate::maintenance::{MaintenanceGrant, MaintenanceJob};
use crate::policy_test::{self, TestOutcome};
use crate::principal::{Principal, Right};
use crate::problem::{Problem, Reporter};
use crate::purposes::{PurposeNode, Purposes};
use crate::regimes::{Regime, Regimes};
use crate::retention::{Deletion, Known, Retention, RetentionRule};

/// All policies of one version; gives decisions, and alone mints grants.
pub struct PolicySet {
    version: PolicyVersion,
    purposes: Purposes,
    categories: Categories,
    regimes: Regimes,
    retention: Retention,
    access: Access,
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("version", &self.version).finish_non_exhaustive()
    }
}

impl PolicySet {
    /// Reads and checks all policies. Whatever is wrong is reported at once, in order of place.
    pub fn load(files: &PolicyFiles) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut text = |name: &'static str| {
            let text = files.text(name);
            if text.is_none() {
                Reporter { file: name, problems: &mut problems }.report(
                    None,
                    "the file is missing",
                    "add it to the policies folder",
                );
            }
            text.unwrap_or_default()
        };
        let regimes_text = text(Regimes::FILE);
        let purposes_text = text(Purposes::FILE);
        let categories_text = text(Categories::FILE);
        let schema_text = text(Access::SCHEMA_FILE);
        let rules_text = text(Access::RULES_FILE);
        let retention_text = text(Retention::FILE);
        if !problems.is_empty() {
            return Err(problems);
        }
        let regimes = Regimes::read(regimes_text, &mut problems);
        let purposes = Purposes::read(purposes_text, &regimes.jurisdictions(), &mut problems);
        let categories = Categories::read(categories_text, &mut problems);
        let known = Known {
            purposes: &purposes,
            categories: &categories,
            jurisdictions: &regimes.jurisdictions(),
        };
        let retention = Retention::read(retention_text, known, &mut problems);
        let access = Access::read(rules_text, schema_text, &purposes, &categories, &mut problems);
        if let Some(access) = access {
            let version = files.version();
            let policies = Self { version, purposes, categories, regimes, retention, access };
            policies.check_default_purposes(&mut problems);
            if problems.is_empty() {
                return Ok(policies);
            }
        }
        problems.sort();
        Err(problems)
    }

    /// Decides whether and how a principal may read a table for a purpose.
    pub fn decide(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        dataset: &Dataset,
        now: Timestamp,
    ) -> Decision {
        match self.evaluate(principal, purpose, dataset, now).outcome {
            Ok(grant) => Decision::Permit(grant),
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Whether a principal may act for a purpose at all, whatever it reads.
    pub fn may_use(&self, principal: &Principal, purpose: &Purpose) -> Result<(), Denial> {
        self.open_leaf(principal, purpose)?;
        let mut asking = self.access.ask(Circumstances {
            principal: principal.clone(),
            purpose: purpose.clone(),
            table: String::new(),
            jurisdiction: String::new(),
        });
        let usage = asking.usage()?;
        if usage.permitted() {
            return Ok(());
        }
        let rule = usage.determined_by.first().cloned();
        Err(Denial { reason: DenialReason::PurposeNotAllowed, rule })
    }

    /// Whether a principal has a right: for a purpose, or without one for the installation.
    pub fn permits(
        &self,
        principal: &Principal,
        right: Right,
        purpose: Option<&Purpose>,
    ) -> Result<(), Denial> {
        self.right(principal, right, purpose).map(drop)
    }

    /// Leave for a background job to work on a table.
    pub fn maintenance(&self, job: MaintenanceJob, table: &TableName) -> MaintenanceGrant {
        MaintenanceGrant::new(job, table.clone(), self.version.clone())
    }

    /// Whether notified purposes include a purpose of the tree, by itself or by one above it.
    pub fn covers(&self, notified: &[Purpose], purpose: &Purpose) -> bool {
        self.purpose(purpose).is_some()
            && notified.iter().any(|notified| purpose.is_within(notified))
    }

    /// The purpose a principal acts for unless they say otherwise: that of their first role with one
    /// that is open to them.
    pub fn default_purpose(&self, principal: &Principal) -> Option<&Purpose> {
        let defaults = principal.roles.iter().filter_map(|role| self.purposes.defaults.get(role));
        let mut defaults = defaults.map(|default| &default.purpose);
        defaults.find(|purpose| principal.is_open_to(purpose))
    }

    /// The purposes that can be asked for, in order of key.
    pub fn leaves(&self) -> impl Iterator<Item = &PurposeNode> {
        self.purposes.by_key.values().filter(|node| node.leaf)
    }

    /// A purpose of the tree.
    pub fn purpose(&self, purpose: &Purpose) -> Option<&PurposeNode> {
        self.purposes.get(purpose)
    }

    /// A data category of the tree.
    pub fn category(&self, category: &DataCategory) -> Option<&CategoryNode> {
        self.categories.get(category)
    }

    /// All data categories, in order of key.
    pub fn categories(&self) -> impl Iterator<Item = &CategoryNode> {
        self.categories.by_key.values()
    }

    /// A regime, such as `gdpr`.
    pub fn regime(&self, key: &str) -> Option<&Regime> {
        self.regimes.by_key.get(key)
    }

    /// All regimes, in order of key.
    pub fn regimes(&self) -> impl Iterator<Item = &Regime> {
        self.regimes.by_key.values()
    }

    /// Who is too young to consent alone, by jurisdiction; nothing if no regime says so, and then
    /// ages count for nothing.
    pub fn age_rules(&self) -> Option<AgeRules> {
        self.regimes.age_rules()
    }

    /// The retention rules, in the order of the file.
    pub fn retention_rules(&self) -> &[RetentionRule] {
        &self.retention.rules
    }

    /// Which rows of a table are past their time and must be deleted.
    ///
    /// A table that no rule with `keep` covers is shown to nobody, and nothing is deleted from it:
    /// the denial is for whoever runs retention to report.
    pub fn deletion(&self, dataset: &Dataset, now: Timestamp) -> Result<Deletion, Denial> {
        let denial = Denial { reason: DenialReason::RetentionMissing, rule: None };
        self.retention
            .deletion(self.retention_subject(dataset), &dataset.categories(), now)
            .ok_or(denial)
    }

    /// The roles that access rules may name, in order of name.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.access.roles().iter().map(String::as_str)
    }

    /// One principal for each role, named like it, and those whom access rules name, with no role
    /// and with each.
    ///
    /// What a change of the policies opens to somebody with at most one role, it opens to one of
    /// these. Who has several is for the caller to add.
    pub fn representatives(&self) -> Vec<Principal> {
        let roles = self.access.roles();
        let of_role = |role: &String| {
            // A role may have a name that no principal can have.
            let id = role.parse().or_else(|_| "anybody".parse()).ok()?;
            Some(Principal::new(id, vec![role.clone()]))
        };
        let named = self.access.named().iter().filter_map(|id| id.parse().ok());
        let named = named.flat_map(|id: PrincipalId| {
            let ways = roles.iter().map(|role| vec![role.clone()]).chain([vec![]]);
            ways.map(move |roles| Principal::new(id.clone(), roles)).collect::<Vec<_>>()
        });
        roles.iter().filter_map(of_role).chain(named).collect()
    }

    /// The jurisdictions that some regime names, in order.
    pub(crate) fn jurisdictions(&self) -> impl Iterator<Item = &str> {
        self.regimes.jurisdictions().into_iter()
    }

    /// The version of the texts.
    pub const fn version(&self) -> &PolicyVersion {
        &self.version
    }

    /// Runs the tests among the files, those named `*.test.yaml`.
    pub fn run_tests(&self, files: &PolicyFiles) -> Vec<TestOutcome> {
        policy_test::run(self, files)
    }

    /// The rules that give the right.
    pub(crate) fn right(
        &self,
        principal: &Principal,
        right: Right,
        purpose: Option<&Purpose>,
    ) -> Result<Arc<[String]>, Denial> {
        match purpose {
            Some(purpose) => drop(self.open_leaf(principal, purpose)?),
            None if principal.purposes.is_some() => {
                return Err(Denial { reason: DenialReason::RightNotHeld, rule: None });
            }
            None => {}
        }
        let answer = self.access.permits(principal, right, purpose)?;
        if answer.permitted() {
            return Ok(answer.determined_by);
        }
        let rule = answer.determined_by.first().cloned();
        Err(Denial { reason: DenialReason::RightNotHeld, rule })
    }

    /// A purpose that can be asked for, and by this principal, as far as it is confined to some.
    fn open_leaf(&self, principal: &Principal, purpose: &Purpose) -> Result<&PurposeNode, Denial> {
        let node = self.leaf(purpose)?;
        if principal.is_open_to(purpose) {
            return Ok(node);
        }
        Err(Denial { reason: DenialReason::PurposeNotAllowed, rule: None })
    }

    fn leaf(&self, purpose: &Purpose) -> Result<&PurposeNode, Denial> {
        let reason = match self.purpose(purpose) {
            Some(node) if node.leaf => return Ok(node),
            Some(_) => DenialReason::NotALeaf,
            None => DenialReason::UnknownPurpose,
        };
        Err(Denial { reason, rule: None })
    }

    fn check_default_purposes(&self, problems: &mut Vec<Problem>) {
        let mut reporter = Reporter { file: Purposes::FILE, problems };
        for (role, default) in &self.purposes.defaults {
            let purpose = &default.purpose;
            if !self.access.roles().contains(role) {
                let known = crate::document::listed(self.roles());
                let message = format!("`{role}` is not a role of {}", Access::SCHEMA_FILE);
                reporter.report(default.at, message, format!("use one of {known}"));
            } else if self.leaf(purpose).is_err() {
                let leaves = self.leaves().map(|node| node.key.as_str());
                let known = crate::document::listed(leaves);
                let message = format!("`{purpose}` cannot be asked for");
                reporter.report(default.at, message, format!("use one of {known}"));
            } else if !self.role_uses(role, purpose) {
                let message = format!("role `{role}` may not act for `{purpose}`");
                let remedy = format!("permit `use` in {}", Access::RULES_FILE);
                reporter.report(default.at, message, remedy);
            }
        }
    }

    fn role_uses(&self, role: &str, purpose: &Purpose) -> bool {
        let Ok(id) = "anybody".parse() else {
            return false;
        };
        let circumstances = Circumstances {
            principal: Principal::new(id, vec![role.to_owned()]),
            purpose: purpose.clone(),
            table: String::new(),
            jurisdiction: String::new(),
        };
        self.access.ask(circumstances).usage().is_ok_and(|answer| answer.permitted())
    }
}

impl From<Failure> for Denial {
    fn from(failure: Failure) -> Self {
        Self { reason: DenialReason::EvaluationError, rule: failure.rule }
    }
}

#[cfg(test)]
mod tests;
