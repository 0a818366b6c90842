//! `vault.persons` and `vault.links`: which subjects are one person, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use custos_core::{KeyClass, PersonMap, Rid};

use super::{read_all, shape};
use crate::{Access, ColumnRole, ColumnSpec, LakeError, Table, TableSpec};

const PERSON: &str = "_rid_person";
const OTHER: &str = "_rid_other";

/// Why two subjects are one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// One subject.
    pub rid: Rid,
    /// The other.
    pub other: Rid,
    /// The type of the identifier they share.
    pub kind: String,
    /// The rule that joined them.
    pub rule: String,
}

/// The name and columns of `vault.persons`.
pub fn persons_spec() -> Result<TableSpec, LakeError> {
    let name = "vault.persons".parse().map_err(|_| LakeError::NoSuchName)?;
    let person = ColumnSpec::technical(PERSON, DataType::Int64, ColumnRole::SecondarySubject);
    TableSpec::new(name, vec![person])
}

/// The name and columns of `vault.links`.
pub fn links_spec() -> Result<TableSpec, LakeError> {
    let name = "vault.links".parse().map_err(|_| LakeError::NoSuchName)?;
    let columns = vec![
        ColumnSpec::technical(OTHER, DataType::Int64, ColumnRole::SecondarySubject),
        ColumnSpec::value("type", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value("rule", DataType::Utf8, KeyClass::Core),
    ];
    TableSpec::new(name, columns)
}

/// The members of all persons of two and more subjects.
pub fn persons_batch(spec: &TableSpec, persons: &PersonMap) -> Result<RecordBatch, LakeError> {
    let (mut rids, mut heads) = (Vec::new(), Vec::new());
    for (person, members) in persons.clusters() {
        for &member in members {
            rids.push(i64::from(member));
            heads.push(person.0.column_value());
        }
    }
    batch(spec, vec![Arc::new(Int64Array::from(rids)), Arc::new(Int64Array::from(heads))])
}

/// The evidence as a batch.
pub fn links_batch(spec: &TableSpec, links: &[LinkRow]) -> Result<RecordBatch, LakeError> {
    let rids = |of: fn(&LinkRow) -> Rid| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(links.iter().map(|row| of(row).column_value())))
    };
    let text = |of: fn(&LinkRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(links.iter().map(of)))
    };
    let columns = vec![
        rids(|row| row.rid),
        rids(|row| row.other),
        text(|row| &row.kind),
        text(|row| &row.rule),
    ];
    batch(spec, columns)
}

fn batch(spec: &TableSpec, columns: Vec<ArrayRef>) -> Result<RecordBatch, LakeError> {
    RecordBatch::try_new(Arc::clone(spec.schema()), columns).map_err(|_| LakeError::Shape {
        table: spec.name().clone(),
        what: "rows do not fit its columns".into(),
    })
}

/// Reads who is whom.
pub async fn read_persons(table: &Table, access: Access<'_>) -> Result<PersonMap, LakeError> {
    let mut clusters: BTreeMap<i64, Vec<Rid>> = BTreeMap::new();
    read_all(table, access, &[TableSpec::SUBJECT, PERSON], |batch| {
        let rids = batch.column(0).as_primitive::<Int64Type>();
        let persons = batch.column(1).as_primitive::<Int64Type>();
        for (rid, person) in rids.values().iter().zip(persons.values()) {
            // A head that an erasure cleared joins nobody.
            if *person == 0 {
                continue;
            }
            let rid = Rid::from_column(*rid).ok_or_else(|| shape(table, "a subject is odd"))?;
            clusters.entry(*person).or_default().push(rid);
        }
        Ok(())
    })
    .await?;
    Ok(PersonMap::from_clusters(clusters.into_values()))
}
