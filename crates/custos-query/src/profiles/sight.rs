//! What decides what somebody sees of people, worked out once for many people.

use std::collections::BTreeSet;
use std::fmt::Write;

use custos_consent::SeparateConsent;
use custos_core::{DataCategory, KeyClass, Purpose, TableName, Timestamp};
use custos_policy::{
    ColumnRule, Dataset, DatasetColumn, Decision, LegalBasis, Principal, ReadGrant, Right,
};

use super::ProfilePart;
use crate::governor::SourceSeen;
use crate::population::{Asked, Visibility};
use crate::{Governor, QueryError};

/// The table of the lake that says who holds which identifier.
pub(super) const VAULT: &str = "vault.identifiers";

const DAY_MICROS: i64 = 86_400_000_000;

/// What the category is of what people said about purposes.
const CONSENT_CATEGORY: &str = "user.privacy_preferences";

/// What decides what a principal sees of people for a purpose, on one day.
#[derive(Debug)]
pub(super) struct Sight {
    /// Equal for all who see the same.
    pub(super) class: String,
    pub(super) purpose: Purpose,
    /// The day, in UTC: how old rows may be changes with it.
    pub(super) day: i64,
    pub(super) may_look_up: bool,
    /// The parts that there are.
    pub(super) parts: Vec<ProfilePart>,
    /// The tables of the lake that they come from.
    pub(super) tables: BTreeSet<TableName>,
    /// What is asked of people before something of them is shown.
    pub(super) asked: Vec<Asked>,
    vault: Option<VaultSight>,
    /// Whether what people said about the purpose may be shown.
    pub(super) shows_consent: bool,
}

/// Which identifiers somebody may find people by.
#[derive(Debug)]
struct VaultSight {
    asked: Asked,
    /// The sources whose identifiers the purpose may use, if not all.
    sources: Option<BTreeSet<String>>,
    basis: LegalBasis,
}

/// The number of the day of an instant, as retention counts: midnight belongs to the day that ends,
/// since a row whose term ends then is shown up to that moment.
pub(super) const fn day_of(at: Timestamp) -> i64 {
    (at.micros() - 1).div_euclid(DAY_MICROS)
}

impl Sight {
    pub(super) fn of(
        governor: &Governor,
        principal: &Principal,
        purpose: &Purpose,
        now: Timestamp,
    ) -> Result<Self, QueryError> {
        let published =
            |part: &ProfilePart| part.table().is_some_and(|table| governor.publishes(table));
        let parts: Vec<_> = ProfilePart::ALL.into_iter().filter(published).collect();
        let mut tables = BTreeSet::new();
        for view in parts.iter().filter_map(|part| part.table()) {
            tables.extend(governor.sources_of(&governor.below(view)?).into_iter().cloned());
        }
        let mut sight = Self {
            class: purpose.to_string(),
            purpose: purpose.clone(),
            day: day_of(now),
            may_look_up: may_look_up(governor, principal, purpose),
            tables,
            parts,
            asked: Vec::new(),
            vault: None,
            shows_consent: shows_consent(governor, principal, purpose, now)?,
        };
        for table in sight.tables.clone() {
            let seen = governor.source_seen(&table, principal, purpose)?;
            sight.add(&table, &seen);
        }
        let vault = VAULT.parse().map_err(|_| QueryError::Internal)?;
        sight.vault = vault_sight(&governor.source_seen(&vault, principal, purpose)?);
        sight.asked.extend(sight.vault.as_ref().map(|vault| vault.asked));
        sight.asked.sort_by_key(|asked| format!("{asked:?}"));
        sight.asked.dedup();
        Ok(sight)
    }

    /// Adds what is seen of a table.
    fn add(&mut self, table: &TableName, seen: &SourceSeen) {
        let Some(grant) = &seen.grant else { return };
        let rows = grant.rows();
        self.asked.push(rows.into());
        let needs_separate = |name: &str| grant.needs_separate_consent(name);
        if grant.columns().any(|(name, _)| needs_separate(name)) {
            let separate = rows.separate.with(SeparateConsent::SensitiveData);
            self.asked.push(Asked { basis: rows.basis, separate });
        }
        let columns: Vec<_> =
            grant.columns().map(|(name, rule)| (name, rule, needs_separate(name))).collect();
        // What is left of the rule about rows follows from the purpose, the columns and the day.
        let rows = (rows.basis, rows.separate, rows.unattributed_visible, rows.undated_visible);
        let seen = (table, columns, rows, grant.event_time(), &seen.sources);
        let _infallible = write!(self.class, " {seen:?}");
    }

    /// Whether a row of the vault about this subject from this source may be used.
    pub(super) fn finds(&self, shown: &Shown, rid: u32, source: &str) -> bool {
        self.vault.as_ref().is_some_and(|vault| {
            let is_of = vault.sources.as_ref().is_none_or(|sources| sources.contains(source));
            is_of && shown.holds(vault.asked, rid)
        })
    }

    /// The legal basis, where nothing is known of the person's jurisdiction.
    pub(super) fn basis(&self) -> &'static str {
        self.vault.as_ref().map_or("", |vault| vault.basis.as_str())
    }

    /// Which of these people's subjects may be shown, for each thing that is asked of people.
    pub(super) fn shown(&self, now: &Visibility, members: &roaring::RoaringBitmap) -> Shown {
        let of = |&asked: &Asked| (asked, now.shown(&self.purpose, asked, members));
        Shown(self.asked.iter().map(of).collect())
    }
}

/// The subjects, out of some, that may be shown for each thing that is asked of people.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Vec<(Asked, roaring::RoaringBitmap)>);

impl Shown {
    fn holds(&self, asked: Asked, rid: u32) -> bool {
        self.0.iter().any(|(of, subjects)| *of == asked && subjects.contains(rid))
    }

    /// The subjects of whom anything may be shown.
    pub(super) fn subjects(&self) -> roaring::RoaringBitmap {
        self.0.iter().fold(roaring::RoaringBitmap::new(), |all, (_, subjects)| all | subjects)
    }
}

fn vault_sight(seen: &SourceSeen) -> Option<VaultSight> {
    let grant = seen.grant.as_ref()?;
    Some(VaultSight {
        asked: grant.rows().into(),
        sources: seen.sources.as_ref().map(|(_, sources)| sources.clone()),
        basis: grant.basis(&seen.source.dataset().jurisdiction),
    })
}

/// Whether somebody may find people by an identifier, for any purpose or for this one.
fn may_look_up(governor: &Governor, principal: &Principal, purpose: &Purpose) -> bool {
    let permits = |purpose| governor.policy().permits(principal, Right::Lookup, purpose).is_ok();
    permits(None) || permits(Some(purpose))
}

/// Whether the access rules let what people said be seen, which is in no table of the lake.
fn shows_consent(
    governor: &Governor,
    principal: &Principal,
    purpose: &Purpose,
    now: Timestamp,
) -> Result<bool, QueryError> {
    const STATUS: &str = "status";
    let category: DataCategory = CONSENT_CATEGORY.parse().map_err(|_| QueryError::Internal)?;
    let dataset = Dataset {
        table: "control.consents".parse().map_err(|_| QueryError::Internal)?,
        columns: vec![DatasetColumn {
            name: STATUS.to_owned(),
            category: Some(category),
            kind: None,
            class: KeyClass::Core,
        }],
        purposes: vec![purpose.clone()],
        unattributed_visible: false,
        jurisdiction: String::new(),
        event_time: None,
    };
    let is_clear = |grant: ReadGrant| grant.column(STATUS) == ColumnRule::Clear;
    Ok(match governor.policy().decide(principal, purpose, &dataset, now) {
        Decision::Permit(grant) => is_clear(grant),
        Decision::Deny(_) => false,
    })
}
