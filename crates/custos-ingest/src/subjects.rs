//! Who a row is about: from identifiers to subjects.

use std::collections::{HashMap, HashSet};

use custos_core::{Assurance, IdentifierType, Redacted, Rid, SourceId, Timestamp};
use custos_identity::normalise;
use custos_lake::vault::{IdentifierHashes, IdentifierRow, IndexRow, UNLINKED};
use roaring::RoaringBitmap;

use crate::contract::{Column, Contract, IdentifierSpec};
use crate::ledger::{Suppressed, Suppression};
use crate::row::Value;

/// One identifier found in a row.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) kind: IdentifierType,
    pub(crate) role: String,
    pub(crate) scope: String,
    pub(crate) assurance: Assurance,
    pub(crate) hash: [u8; 16],
    pub(crate) suppression: [u8; 16],
    pub(crate) value: Redacted<String>,
}

impl Found {
    /// Reads an identifier out of a cell; nothing if the cell is empty.
    pub(crate) fn read(
        spec: &IdentifierSpec,
        value: &Value,
        hashes: &IdentifierHashes,
    ) -> Option<Self> {
        let raw = as_text(value)?;
        let wanted_scope = spec.scope.clone().unwrap_or_default();
        let (scope, compared) = match normalise(spec.kind, &raw, spec.region.as_deref()) {
            Ok(value) => (wanted_scope, value),
            Err(_) => (UNLINKED.to_owned(), raw.trim().to_owned()),
        };
        // What joins nobody is kept as it is written: a name in its comparable form is no name.
        let value = if spec.kind.links() { compared.clone() } else { raw.trim().to_owned() };
        if value.is_empty() {
            return None;
        }
        Some(Self {
            kind: spec.kind,
            role: spec.role.clone().unwrap_or_default(),
            assurance: spec.assurance,
            hash: hashes.index(spec.kind, &scope, &compared),
            suppression: hashes.suppression(spec.kind, &scope, &compared),
            scope,
            value: Redacted::new(value),
        })
    }

    /// Whether an equal value elsewhere is about the same person.
    pub(crate) fn links(&self) -> bool {
        self.kind.links() && self.scope != UNLINKED
    }

    /// How well this names the account: what the source checked before what it was told, and
    /// what one person has before what a family may share.
    fn strength(&self) -> (Assurance, std::cmp::Reverse<usize>) {
        let order = match self.kind {
            IdentifierType::CustomerId => 0,
            IdentifierType::NationalId => 1,
            IdentifierType::SocialId => 2,
            IdentifierType::Email => 3,
            IdentifierType::Phone => 4,
            IdentifierType::DeviceId => 5,
            IdentifierType::Name | IdentifierType::Address | IdentifierType::Ip => 6,
        };
        (self.assurance, std::cmp::Reverse(order))
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Decimal(number) => Some(number.to_string()),
        Value::Null
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Timestamp(_) => None,
    }
}

/// The identifiers in a row.
pub(crate) fn identifiers(
    contract: &Contract,
    values: &[Value],
    hashes: &IdentifierHashes,
) -> Vec<Found> {
    let with_spec = |(column, value): (&Column, &Value)| {
        Found::read(column.identifier.as_ref()?, value, hashes)
    };
    contract.columns.iter().zip(values).filter_map(with_spec).collect()
}

type AccountKey = (String, IdentifierType, [u8; 16]);

/// The subjects that a source's accounts have, and what the vault knows of them.
#[derive(Debug)]
pub(crate) struct Accounts {
    source: SourceId,
    subject_of: HashMap<AccountKey, Rid>,
    known: HashSet<(Rid, [u8; 16])>,
    fresh: Vec<IdentifierRow>,
    leased: std::ops::Range<u32>,
    /// Hidden subjects: those of requests for erasure.
    hidden: RoaringBitmap,
    /// Identifiers that are barred; a row that is not barred with them is a new customer's.
    barred: HashSet<[u8; 16]>,
}

impl Accounts {
    /// The accounts of a source, from the vault's index.
    ///
    /// A subject that is hidden but not yet erased keeps its account, so that its new rows are
    /// hidden with it.
    pub(crate) fn new(source: &SourceId, index: &[IndexRow], suppression: &Suppression) -> Self {
        let mut accounts = Self {
            source: source.clone(),
            subject_of: HashMap::new(),
            known: HashSet::new(),
            fresh: Vec::new(),
            leased: 0..0,
            hidden: suppression.tombstones.clone(),
            barred: suppression.identifiers.keys().copied().collect(),
        };
        for row in index.iter().filter(|row| row.source == *source) {
            accounts.known.insert((row.rid, row.hash));
            accounts
                .subject_of
                .entry((row.role.clone(), row.kind, row.hash))
                .and_modify(|rid| *rid = (*rid).min(row.rid))
                .or_insert(row.rid);
        }
        accounts
    }

    /// Subjects that must be leased before the next row can be placed.
    pub(crate) fn wants_lease(&self, roles: usize) -> bool {
        self.leased.len() < roles + 1
    }

    /// Takes a leased block of consecutive subjects.
    pub(crate) fn lease(&mut self, first: Rid, count: u32) {
        self.leased = first.get()..first.get().saturating_add(count);
    }

    /// The subject of a role in a row, a new one if this account was never seen.
    ///
    /// Somebody of whom only a name is known is a new subject each time, since names join nobody.
    pub(crate) fn place(
        &mut self,
        role: &str,
        found: &[Found],
        seen_at: Option<Timestamp>,
    ) -> Option<Rid> {
        let of_role: Vec<_> = found.iter().filter(|found| found.role == role).collect();
        if of_role.is_empty() {
            return Some(Rid::NONE);
        }
        let account =
            of_role.iter().filter(|found| found.links()).max_by_key(|found| found.strength());
        let is_barred = account.is_some_and(|found| self.barred.contains(&found.suppression));
        let account = account.map(|found| (role.to_owned(), found.kind, found.hash));
        let known = account.as_ref().and_then(|account| self.subject_of.get(account)).copied();
        let known = known.filter(|rid| !(is_barred && self.hidden.contains(rid.get())));
        let rid = match known {
            Some(rid) => rid,
            None => Rid::new(self.leased.next()?),
        };
        if let Some(account) = account {
            self.subject_of.insert(account, rid);
        }
        for found in of_role {
            self.learn(rid, found, seen_at);
        }
        Some(rid)
    }

    fn learn(&mut self, rid: Rid, found: &Found, seen_at: Option<Timestamp>) {
        if !self.known.insert((rid, found.hash)) {
            return;
        }
        self.fresh.push(IdentifierRow {
            index: IndexRow {
                rid,
                source: self.source.clone(),
                role: found.role.clone(),
                kind: found.kind,
                scope: found.scope.clone(),
                assurance: found.assurance,
                hash: found.hash,
            },
            seen_at,
            value: found.value.clone(),
        });
    }

    /// What the vault does not know yet; asking again gives nothing.
    pub(crate) fn take_fresh(&mut self) -> Vec<IdentifierRow> {
        std::mem::take(&mut self.fresh)
    }
}

/// Whether a row is about somebody who was erased before it happened.
pub(crate) fn is_barred(
    found: &[Found],
    event_time: Option<Timestamp>,
    barred: &HashMap<[u8; 16], Suppressed>,
) -> bool {
    let primary = found.iter().filter(|found| found.role.is_empty() && found.links());
    bars(primary.map(|found| &found.suppression), event_time, barred)
}

/// Whether the identifiers of one row bar it: one that nobody else holds does, and ones that
/// living people share do if the row names nobody but the erased.
pub(crate) fn bars<'a>(
    mut identifiers: impl Iterator<Item = &'a [u8; 16]> + Clone,
    event_time: Option<Timestamp>,
    barred: &HashMap<[u8; 16], Suppressed>,
) -> bool {
    let entry = |hash: &[u8; 16]| {
        barred.get(hash).filter(|entry| event_time.is_none_or(|at| at <= entry.until))
    };
    let mut all = identifiers.clone().peekable();
    let names_somebody = all.peek().is_some();
    names_somebody
        && (all.all(|hash| entry(hash).is_some())
            || identifiers.any(|hash| entry(hash).is_some_and(|entry| !entry.shared)))
}

/// Leaves out those other people in a row who were erased before it happened.
pub(crate) fn without_erased_others(
    found: Vec<Found>,
    event_time: Option<Timestamp>,
    suppression: &Suppression,
) -> Vec<Found> {
    let barred_roles: HashSet<String> = found
        .iter()
        .filter(|found| !found.role.is_empty() && found.links())
        .filter(|found| {
            suppression
                .identifiers
                .get(&found.suppression)
                .is_some_and(|entry| event_time.is_none_or(|at| at <= entry.until))
        })
        .map(|found| found.role.clone())
        .collect();
    found.into_iter().filter(|found| !barred_roles.contains(&found.role)).collect()
}
