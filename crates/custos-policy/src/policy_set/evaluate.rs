//! One evaluation of the policies, from which decisions and explanations are both taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use custos_consent::{SeparateConsent, SeparateConsents};
use custos_core::{DataCategory, KeyClass, Purpose, Timestamp};

use super::PolicySet;
use crate::access::{Asking, Circumstances, Failure, Values};
use crate::basis::{LegalBasis, RowRule};
use crate::column_rule::ColumnRule;
use crate::dataset::{Dataset, DatasetColumn};
use crate::decision::{Denial, DenialReason};
use crate::grant::{ColumnGrant, EventTime, ReadGrant, rules_of};
use crate::principal::Principal;
use crate::purposes::PurposeNode;
use crate::retention::{Subject, Window};

/// A grant holds as long as the longest query does by default.
const GRANT_SECONDS: i64 = 60;

/// What the policies came to, and what was found on the way.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// The rules that let the principal act for the purpose, or kept it from doing so.
    pub(crate) usage: Arc<[String]>,
    pub(crate) outcome: Result<ReadGrant, Denial>,
}

/// A request whose principal may act for its purpose.
struct Granted<'a> {
    principal: &'a Principal,
    node: &'a PurposeNode,
    dataset: &'a Dataset,
    now: Timestamp,
    usage: &'a [String],
}

impl PolicySet {
    /// Asks all policies about one request.
    pub(crate) fn evaluate(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        dataset: &Dataset,
        now: Timestamp,
    ) -> Evaluation {
        let mut asking = self.access.ask(Circumstances {
            principal: principal.clone(),
            purpose: purpose.clone(),
            table: dataset.table.as_str().to_owned(),
            jurisdiction: dataset.jurisdiction.clone(),
        });
        let answer =
            self.open_leaf(principal, purpose).and_then(|node| Ok((node, asking.usage()?)));
        let (node, answer) = match answer {
            Ok(found) => found,
            Err(denial) => return Evaluation { usage: Arc::from([]), outcome: Err(denial) },
        };
        let usage = Arc::clone(&answer.determined_by);
        let outcome = if answer.permitted() {
            let granted = Granted { principal, node, dataset, now, usage: &usage };
            self.grant(&mut asking, &granted)
        } else {
            let rule = usage.first().cloned();
            Err(Denial { reason: DenialReason::PurposeNotAllowed, rule })
        };
        Evaluation { usage, outcome }
    }

    /// What retention rules look at.
    pub(crate) fn retention_subject<'a>(&self, dataset: &'a Dataset) -> Subject<'a> {
        let place = dataset.jurisdiction.as_str();
        let known = self.regimes.knows(place);
        Subject { table: &dataset.table, jurisdiction: known.then_some(place) }
    }

    fn grant(&self, asking: &mut Asking<'_>, granted: &Granted<'_>) -> Result<ReadGrant, Denial> {
        let Granted { principal, node, dataset, now, usage } = *granted;
        let basis = node.basis(&dataset.jurisdiction);
        // What the law demands needs no notice; everything else does.
        if basis != LegalBasis::LegalObligation && !self.covers(&dataset.purposes, &node.key) {
            return Err(Denial { reason: DenialReason::SourceNotNotified, rule: None });
        }
        let separate = self.separate_consents(basis, &dataset.jurisdiction);
        let sensitive = separate.contains(SeparateConsent::SensitiveData);
        let columns = self.columns(asking, &dataset.columns, sensitive)?;
        let is_shown = |column: &&DatasetColumn| {
            columns.get(&column.name).is_some_and(|grant| grant.rule != ColumnRule::Absent)
        };
        let shown = dataset.columns.iter().filter(is_shown);
        let shown: Vec<_> = shown.filter_map(|column| column.category.as_ref()).collect();
        let window = self.window(node, dataset, &shown, now)?;
        Ok(ReadGrant {
            reader: principal.id.clone(),
            purpose: node.key.clone(),
            table: dataset.table.clone(),
            output: node.output,
            determined_by: rules_of(usage, columns.values()),
            columns,
            bases: Arc::clone(&node.bases),
            rows: RowRule {
                basis: basis.rows(),
                separate: separate.and(node.separate),
                unattributed_visible: dataset.unattributed_visible,
                event_time_from: window.event_time_from,
                undated_visible: window.undated_visible,
            },
            event_time: dataset.event_time_column().map(|column| {
                Box::new(EventTime { column: column.name.clone(), class: column.class })
            }),
            retention: window.determined_by.into(),
            version: self.version.clone(),
            expires_at: now.plus_seconds(GRANT_SECONDS),
        })
    }

    /// The rows that retention lets be shown, given the categories of the columns that are.
    pub(crate) fn window(
        &self,
        node: &PurposeNode,
        dataset: &Dataset,
        shown: &[&DataCategory],
        now: Timestamp,
    ) -> Result<Window, Denial> {
        let duty = node.basis(&dataset.jurisdiction) == LegalBasis::LegalObligation;
        let held = dataset.categories();
        self.retention
            .window(self.retention_subject(dataset), &node.key, (shown, &held), duty, now)
            .ok_or(Denial { reason: DenialReason::RetentionMissing, rule: None })
    }

    /// What a purpose asks of people of a jurisdiction before it shows their rows: by its legal
    /// basis there, and as separate consents.
    pub fn asked(&self, node: &PurposeNode, jurisdiction: &str) -> (LegalBasis, SeparateConsents) {
        let basis = node.basis(jurisdiction);
        (basis, self.separate_consents(basis, jurisdiction).and(node.separate))
    }

    /// The separate consents that matter for a legal basis in a jurisdiction: where the law or a
    /// contract demands the processing, none is asked for.
    pub(crate) fn separate_consents(&self, basis: LegalBasis, place: &str) -> SeparateConsents {
        match basis {
            LegalBasis::LegalObligation | LegalBasis::Contract => SeparateConsents::NONE,
            LegalBasis::LegitimateInterest | LegalBasis::Consent => {
                self.regimes.separate_consents(place)
            }
        }
    }

    fn is_sensitive(&self, column: &DatasetColumn) -> bool {
        let node = column.category.as_ref().and_then(|key| self.category(key));
        node.is_some_and(|node| node.special) || column.class == KeyClass::Sensitive
    }

    fn columns(
        &self,
        asking: &mut Asking<'_>,
        columns: &[DatasetColumn],
        separate: bool,
    ) -> Result<BTreeMap<String, ColumnGrant>, Failure> {
        let mut granted: BTreeMap<String, ColumnGrant> = BTreeMap::new();
        for column in columns {
            let (rule, determined_by) = self.column(asking, column)?;
            let separate = separate && self.is_sensitive(column);
            let grant = ColumnGrant { rule, class: column.class, determined_by, separate };
            match granted.get_mut(&column.name) {
                // Of two columns by one name the less visible counts.
                Some(first) if !first.rule.shows_more_than(rule) => first.separate |= separate,
                Some(first) => {
                    let separate = separate || first.separate;
                    *first = ColumnGrant { separate, ..grant };
                }
                None => drop(granted.insert(column.name.clone(), grant)),
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
            sensitive: self.is_sensitive(column),
        })?;
        let rule = answer.level.map_or(ColumnRule::Absent, |level| level.shown(node.masked));
        Ok((rule, Arc::clone(&answer.determined_by)))
    }
}
