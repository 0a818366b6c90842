//! All policies together, and the decisions they give.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use custos_core::{DataCategory, KeyClass, Purpose, TableName, Timestamp};

use crate::access::{Access, Asking, Circumstances, Failure, Values};
use crate::basis::{LegalBasis, RowRule};
use crate::categories::{Categories, CategoryNode};
use crate::dataset::{Dataset, DatasetColumn};
use crate::decision::{Decision, Denial, DenialReason};
use crate::files::{PolicyFiles, PolicyVersion};
use crate::grant::{ColumnGrant, ColumnRule, ReadGrant, rules_of};
use crate::maintenance::{MaintenanceGrant, MaintenanceJob};
use crate::policy_test::{self, TestOutcome};
use crate::principal::{Principal, Right};
use crate::problem::{Problem, Reporter};
use crate::purposes::{PurposeNode, Purposes};
use crate::regimes::{Regime, Regimes};

/// A grant holds as long as the longest query does by default.
const GRANT_SECONDS: i64 = 60;

/// All policies of one version; gives decisions, and alone mints grants.
pub struct PolicySet {
    version: PolicyVersion,
    purposes: Purposes,
    categories: Categories,
    regimes: Regimes,
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
        if !problems.is_empty() {
            return Err(problems);
        }
        let regimes = Regimes::read(regimes_text, &mut problems);
        let purposes = Purposes::read(purposes_text, &regimes.jurisdictions(), &mut problems);
        let categories = Categories::read(categories_text, &mut problems);
        let access = Access::read(rules_text, schema_text, &purposes, &categories, &mut problems);
        if let Some(access) = access {
            let version = files.version();
            let policies = Self { version, purposes, categories, regimes, access };
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
        match self.grant(principal, purpose, dataset, now) {
            Ok(grant) => Decision::Permit(grant),
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Whether a principal may act for a purpose at all, whatever it reads.
    pub fn may_use(&self, principal: &Principal, purpose: &Purpose) -> Result<(), Denial> {
        self.leaf(purpose)?;
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

    /// The purpose a principal acts for unless they say otherwise: that of their first role with one.
    pub fn default_purpose(&self, principal: &Principal) -> Option<&Purpose> {
        let mut defaults =
            principal.roles.iter().filter_map(|role| self.purposes.defaults.get(role));
        defaults.next().map(|default| &default.purpose)
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

    /// The roles that access rules may name, in order of name.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.access.roles().iter().map(String::as_str)
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
        if let Some(purpose) = purpose {
            self.leaf(purpose)?;
        }
        let answer = self.access.permits(principal, right, purpose)?;
        if answer.permitted() {
            return Ok(answer.determined_by);
        }
        let rule = answer.determined_by.first().cloned();
        Err(Denial { reason: DenialReason::RightNotHeld, rule })
    }

    fn leaf(&self, purpose: &Purpose) -> Result<&PurposeNode, Denial> {
        let reason = match self.purpose(purpose) {
            Some(node) if node.leaf => return Ok(node),
            Some(_) => DenialReason::NotALeaf,
            None => DenialReason::UnknownPurpose,
        };
        Err(Denial { reason, rule: None })
    }

    fn grant(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        dataset: &Dataset,
        now: Timestamp,
    ) -> Result<ReadGrant, Denial> {
        let node = self.leaf(purpose)?;
        let mut asking = self.access.ask(Circumstances {
            principal: principal.clone(),
            purpose: purpose.clone(),
            table: dataset.table.as_str().to_owned(),
            jurisdiction: dataset.jurisdiction.clone(),
        });
        let usage = asking.usage()?;
        if !usage.permitted() {
            let rule = usage.determined_by.first().cloned();
            return Err(Denial { reason: DenialReason::PurposeNotAllowed, rule });
        }
        let basis = node.basis(&dataset.jurisdiction);
        // What the law demands needs no notice; everything else does.
        if basis != LegalBasis::LegalObligation && !self.covers(&dataset.purposes, purpose) {
            return Err(Denial { reason: DenialReason::SourceNotNotified, rule: None });
        }
        let columns = self.columns(&mut asking, &dataset.columns)?;
        Ok(ReadGrant {
            reader: principal.id.clone(),
            purpose: purpose.clone(),
            table: dataset.table.clone(),
            output: node.output,
            determined_by: rules_of(&usage.determined_by, columns.values()),
            columns,
            bases: Arc::clone(&node.bases),
            rows: RowRule {
                basis: basis.rows(),
                unattributed_visible: dataset.unattributed_visible,
            },
            version: self.version.clone(),
            expires_at: now.plus_seconds(GRANT_SECONDS),
        })
    }

    fn columns(
        &self,
        asking: &mut Asking<'_>,
        columns: &[DatasetColumn],
    ) -> Result<BTreeMap<String, ColumnGrant>, Failure> {
        let mut granted: BTreeMap<String, ColumnGrant> = BTreeMap::new();
        for column in columns {
            let (rule, determined_by) = self.column(asking, column)?;
            let grant = ColumnGrant { rule, class: column.class, determined_by };
            match granted.get(&column.name) {
                // Of two columns by one name the less visible counts.
                Some(first) if first.rule >= rule => {}
                _ => drop(granted.insert(column.name.clone(), grant)),
            }
        }
        Ok(granted)
    }

    fn column(
        &self,
        asking: &mut Asking<'_>,
        column: &DatasetColumn,
    ) -> Result<(ColumnRule, Arc<[String]>), Failure> {
        let unruled = |rule| Ok((rule, Arc::from([])));
        if column.is_technical() {
            return unruled(ColumnRule::Clear);
        }
        let Some(node) = column.category.as_ref().and_then(|key| self.category(key)) else {
            return unruled(ColumnRule::Absent);
        };
        let answer = asking.level(Values {
            category: node.key.clone(),
            content: column.is_content(),
            sensitive: node.special || column.class == KeyClass::Sensitive,
        })?;
        let rule = answer.level.map_or(ColumnRule::Absent, |level| level.shown(node.masked));
        Ok((rule, Arc::clone(&answer.determined_by)))
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
            principal: Principal { id, roles: vec![role.to_owned()] },
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
