//! The objects of a catalogue, and their numbers.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;

use super::shape::{self, INFORMATION_SCHEMA, PG_CATALOG};
use crate::governor::PUBLISHED;

/// The number of the schema [`PG_CATALOG`], in every PostgreSQL.
pub(super) const PG_CATALOG_OID: i32 = 11;
/// The number of the schema [`INFORMATION_SCHEMA`].
pub(super) const INFORMATION_SCHEMA_OID: i32 = 13_000;
/// The number of the role that owns all.
pub(super) const OWNER_OID: i32 = 10;
/// The name of that role.
pub(super) const OWNER: &str = "custos";

/// A published table.
#[derive(Debug)]
pub(super) struct PublishedTable {
    pub(super) oid: i32,
    pub(super) name: String,
    pub(super) schema: SchemaRef,
}

/// Published tables, numbered.
#[derive(Debug)]
pub(super) struct Objects {
    /// By name.
    pub(super) tables: Vec<PublishedTable>,
    pub(super) schema_oid: i32,
}

impl Objects {
    pub(super) fn new(mut tables: Vec<(String, SchemaRef)>) -> Self {
        tables.sort_by(|one, other| one.0.cmp(&other.0));
        let mut taken = BTreeSet::new();
        let schema_oid = number("schema", PUBLISHED, &mut taken);
        let tables = tables.into_iter().map(|(name, schema)| {
            let oid = number("table", &name, &mut taken);
            PublishedTable { oid, name, schema }
        });
        Self { tables: tables.collect(), schema_oid }
    }

    /// The number of a schema.
    pub(super) fn namespace(&self, schema: &str) -> i32 {
        match schema {
            PG_CATALOG => PG_CATALOG_OID,
            INFORMATION_SCHEMA => INFORMATION_SCHEMA_OID,
            _ => self.schema_oid,
        }
    }

    /// The number of a relation by a name that may name its schema and be quoted.
    pub(super) fn relation(&self, name: &str) -> Option<i32> {
        let mut parts = name.rsplit('.').map(|part| part.trim_matches('"'));
        let table = parts.next()?;
        let published =
            || self.tables.iter().find(|known| known.name == table).map(|known| known.oid);
        let system = |schema| shape::find(schema, table).map(|shape| shape.oid);
        match parts.next() {
            None => published().or_else(|| system(PG_CATALOG)),
            Some(PUBLISHED) => published(),
            Some(schema @ (PG_CATALOG | INFORMATION_SCHEMA)) => system(schema),
            Some(_) => None,
        }
    }

    /// The name of the relation of a number, with its schema if that is needed to find it.
    pub(super) fn shown_relation(&self, oid: &str) -> String {
        let number = oid.parse::<i32>().ok();
        if let Some(table) = self.tables.iter().find(|table| Some(table.oid) == number) {
            return table.name.clone();
        }
        match shape::all().iter().find(|shape| Some(shape.oid) == number) {
            Some(shape) if shape.schema == PG_CATALOG => shape.name.to_owned(),
            Some(shape) => format!("{}.{}", shape.schema, shape.name),
            None => oid.to_owned(),
        }
    }

    /// Whether the relation of this number, as text, is found by its name alone.
    pub(super) fn has_unqualified(&self, oid: &str) -> bool {
        let is = |known: i32| oid.parse() == Ok(known);
        self.tables.iter().any(|table| is(table.oid))
            || shape::all().iter().any(|shape| shape.schema == PG_CATALOG && is(shape.oid))
    }

    /// Whether a relation of this name or number is there; none for a name that is not known.
    pub(super) fn has_named(&self, relation: &str) -> Option<bool> {
        match relation.parse::<i32>() {
            Ok(oid) => Some(
                self.tables.iter().any(|table| table.oid == oid)
                    || shape::all().iter().any(|shape| shape.oid == oid),
            ),
            Err(_) => self.relation(relation).map(|_| true),
        }
    }
}

/// The number of an object that others are told from by its kind and name: the same in every
/// process, and beyond those that PostgreSQL keeps for itself.
pub(super) fn stable(kind: &str, name: &str) -> i32 {
    // FNV-1a, which is the same everywhere and forever.
    let bytes = kind.bytes().chain([b'.']).chain(name.bytes());
    let hash = bytes
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i32::try_from(hash >> 2).unwrap_or_default().max(16_384)
}

/// The same, but never one that another object has.
fn number(kind: &str, name: &str, taken: &mut BTreeSet<i32>) -> i32 {
    let mut oid = stable(kind, name);
    while !taken.insert(oid) {
        oid += 1;
    }
    oid
}
