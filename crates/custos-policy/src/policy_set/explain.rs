//! Explanations, taken from the evaluation that decides.

use custos_consent::SeparateConsent;
use custos_core::{Purpose, Timestamp};

use super::PolicySet;
use super::evaluate::Evaluation;
use crate::access::Access;
use crate::basis::name_of;
use crate::column_rule::ColumnRule;
use crate::dataset::{Dataset, DatasetColumn};
use crate::decision::{Denial, DenialReason};
use crate::explanation::{
    ExplainedBasis, ExplainedColumn, ExplainedDenial, ExplainedRows, Explanation, Remedy,
    RuleEffect, RuleReference, TriedPurpose, Unruled,
};
use crate::grant::ReadGrant;
use crate::principal::Principal;
use crate::retention::Retention;

/// One request, and what is to be explained about it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    principal: &'a Principal,
    purpose: &'a Purpose,
    dataset: &'a Dataset,
    now: Timestamp,
}

impl PolicySet {
    /// Says why a principal sees of a table what they see, and what would let them see more.
    ///
    /// This asks for every role and every purpose, so it is for people who ask, not for each query.
    pub fn explain(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        dataset: &Dataset,
        now: Timestamp,
    ) -> Explanation {
        let asked = Asked { principal, purpose, dataset, now };
        let Evaluation { usage, outcome } = self.evaluate(principal, purpose, dataset, now);
        let purposes = self.tried(asked);
        let remedies = self.remedies(asked, &outcome, &purposes);
        let denial = outcome.as_ref().err().map(|denial| ExplainedDenial {
            reason: denial.to_string(),
            rule: denial.rule.as_deref().map(|rule| self.access_rule(rule)),
        });
        let columns = outcome.as_ref().map(|grant| self.explained_columns(grant, dataset));
        let rows = outcome.as_ref().ok().map(|grant| self.explained_rows(grant, dataset, now));
        Explanation {
            principal: principal.id.to_string(),
            roles: principal.roles.clone(),
            purpose: purpose.clone(),
            table: dataset.table.clone(),
            at: now,
            version: self.version.to_string(),
            denial,
            usage: self.access_rules(&usage),
            columns: columns.unwrap_or_default(),
            rows,
            legal_basis: self.explained_basis(purpose, dataset),
            purposes: purposes.into_iter().map(|(tried, _)| tried).collect(),
            remedies,
        }
    }

    fn access_rule(&self, id: &str) -> RuleReference {
        let stated = self.access.stated(id);
        let permits = stated.is_some_and(|stated| stated.permits);
        RuleReference {
            id: id.to_owned(),
            effect: if permits { RuleEffect::Permits } else { RuleEffect::Forbids },
            file: Access::RULES_FILE,
            line: stated.and_then(|stated| stated.line),
        }
    }

    fn access_rules(&self, ids: &[String]) -> Vec<RuleReference> {
        ids.iter().map(|id| self.access_rule(id)).collect()
    }

    fn retention_rules_of(&self, ids: &[String]) -> Vec<RuleReference> {
        let line = |id: &String| {
            let rule = self.retention.rules.iter().find(|rule| rule.id == *id);
            rule.map(|rule| rule.line)
        };
        let reference = |id: &String| RuleReference {
            id: id.clone(),
            effect: RuleEffect::Limits,
            file: Retention::FILE,
            line: line(id),
        };
        ids.iter().map(reference).collect()
    }

    fn explained_columns(&self, grant: &ReadGrant, dataset: &Dataset) -> Vec<ExplainedColumn> {
        let explained = |(name, shown): (&str, ColumnRule)| {
            let column = dataset.columns.iter().find(|column| column.name == name);
            let rules = self.access_rules(grant.column_determined_by(name));
            let unruled = rules.is_empty().then(|| self.unruled(column));
            let category = column.and_then(|column| column.category.clone());
            ExplainedColumn {
                name: name.to_owned(),
                category,
                shown,
                separate_consent: grant.needs_separate_consent(name),
                rules,
                unruled,
            }
        };
        grant.columns().map(explained).collect()
    }

    fn unruled(&self, column: Option<&DatasetColumn>) -> Unruled {
        let category = column.and_then(|column| column.category.as_ref());
        match category.map(|category| self.category(category)) {
            Some(Some(_)) => Unruled::NotPermitted,
            None if column.is_some_and(DatasetColumn::is_technical) => Unruled::Technical,
            None | Some(None) => Unruled::CategoryUnknown,
        }
    }

    fn explained_rows(
        &self,
        grant: &ReadGrant,
        dataset: &Dataset,
        now: Timestamp,
    ) -> ExplainedRows {
        let rows = grant.rows();
        let deletion = self.deletion(dataset, now).ok();
        let deletion_rules = deletion.as_ref().map(|deletion| deletion.determined_by.as_slice());
        ExplainedRows {
            people: name_of(rows.basis),
            separate: rows.separate.iter().map(SeparateConsent::as_str).collect(),
            unattributed: rows.unattributed_visible,
            event_time: grant.event_time().map(str::to_owned),
            event_time_from: rows.event_time_from,
            undated: rows.undated_visible,
            rules: self.retention_rules_of(grant.rows_determined_by()),
            deletion_rules: self.retention_rules_of(deletion_rules.unwrap_or_default()),
            deleted_before: deletion.and_then(|deletion| deletion.event_time_before),
        }
    }

    fn explained_basis(&self, purpose: &Purpose, dataset: &Dataset) -> Option<ExplainedBasis> {
        let node = self.purpose(purpose)?;
        let known = self.regimes.jurisdictions();
        let by_jurisdiction =
            known.into_iter().map(|place| (place.to_owned(), node.basis(place).as_str()));
        Some(ExplainedBasis {
            jurisdiction: dataset.jurisdiction.clone(),
            basis: node.basis(&dataset.jurisdiction).as_str(),
            by_jurisdiction: by_jurisdiction.collect(),
            elsewhere: node.bases.elsewhere().as_str(),
        })
    }

    /// Every purpose that can be asked for, with what it would show.
    fn tried(&self, asked: Asked<'_>) -> Vec<(TriedPurpose, Option<ReadGrant>)> {
        let Asked { principal, dataset, now, .. } = asked;
        let tried = |purpose: &Purpose| {
            let outcome = self.evaluate(principal, purpose, dataset, now).outcome;
            let denied = outcome.as_ref().err().map(ToString::to_string);
            let columns_shown = outcome.as_ref().map_or(0, shown_columns);
            (TriedPurpose { purpose: purpose.clone(), denied, columns_shown }, outcome.ok())
        };
        self.leaves().map(|node| tried(&node.key)).collect()
    }

    fn remedies(
        &self,
        asked: Asked<'_>,
        outcome: &Result<ReadGrant, Denial>,
        purposes: &[(TriedPurpose, Option<ReadGrant>)],
    ) -> Vec<Remedy> {
        let mut remedies = Vec::new();
        match outcome.as_ref().map_err(|denial| (denial.reason, denial.rule.as_deref())) {
            Ok(grant) => remedies.extend(self.uncategorised(grant, asked.dataset)),
            Err((DenialReason::SourceNotNotified, _)) => {
                remedies.push(Remedy::NotifyPurpose { purpose: asked.purpose.clone() });
            }
            Err((DenialReason::RetentionMissing, _)) => remedies.push(Remedy::AddRetentionRule),
            Err((DenialReason::EvaluationError, rule)) => {
                let rule = rule.map(|rule| self.access_rule(rule));
                remedies.push(Remedy::CorrectRule { rule });
            }
            Err(_) => {}
        }
        let now = outcome.as_ref().ok();
        for role in self.roles().filter(|role| !asked.principal.roles.iter().any(|r| r == role)) {
            let mut principal = asked.principal.clone();
            principal.roles.push(role.to_owned());
            let Asked { purpose, dataset, now: at, .. } = asked;
            let then = self.evaluate(&principal, purpose, dataset, at).outcome;
            let columns = then.map(|then| more(now, &then)).unwrap_or_default();
            if !columns.is_empty() {
                remedies.push(Remedy::GrantRole { role: role.to_owned(), columns });
            }
        }
        for (tried, then) in purposes {
            let columns = then.as_ref().map(|then| more(now, then)).unwrap_or_default();
            if !columns.is_empty() {
                remedies.push(Remedy::AskForPurpose { purpose: tried.purpose.clone(), columns });
            }
        }
        remedies
    }

    fn uncategorised(&self, grant: &ReadGrant, dataset: &Dataset) -> Vec<Remedy> {
        let columns = self.explained_columns(grant, dataset).into_iter();
        columns
            .filter(|column| column.unruled == Some(Unruled::CategoryUnknown))
            .map(|column| Remedy::CategoriseColumn { column: column.name })
            .collect()
    }
}

fn shown_columns(grant: &ReadGrant) -> usize {
    grant.columns().filter(|(_, rule)| *rule != ColumnRule::Absent).count()
}

/// The columns that one grant shows more of than another, or than none.
fn more(now: Option<&ReadGrant>, then: &ReadGrant) -> Vec<String> {
    let shown = |name: &str| now.map_or(ColumnRule::Absent, |grant| grant.column(name));
    then.columns()
        .filter(|(name, rule)| rule.shows_more_than(shown(name)))
        .map(|(name, _)| name.to_owned())
        .collect()
}
