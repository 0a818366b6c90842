//! `vault.identifiers`: what reaches or names a subject.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use custos_core::{Assurance, IdentifierType, KeyClass, Redacted, Rid, SourceId, Timestamp};
use roaring::RoaringBitmap;

use super::{read_all, shape};
use crate::{Access, ColumnRole, ColumnSpec, LakeError, Table, TableSpec};

/// One identifier of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierRow {
    /// Where it belongs and how it compares.
    pub index: IndexRow,
    /// The event or version time of the row it came with.
    pub seen_at: Option<Timestamp>,
    /// The normalised value.
    pub value: Redacted<String>,
}

/// An identifier without its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexRow {
    /// The subject.
    pub rid: Rid,
    /// The source that gave it.
    pub source: SourceId,
    /// The role of the subject in the source's rows; empty for the one they are about.
    pub role: String,
    /// What it is.
    pub kind: IdentifierType,
    /// Within which numbering it is unique; empty if everywhere.
    pub scope: String,
    /// How sure the source is of it.
    pub assurance: Assurance,
    /// The keyed hash of kind, scope and normalised value.
    pub hash: [u8; 16],
}

/// The table's name and columns.
pub fn identifiers_spec() -> Result<TableSpec, LakeError> {
    let name = "vault.identifiers".parse().map_err(|_| LakeError::NoSuchName)?;
    let mut columns = vec![
        ColumnSpec::technical("_hash", DataType::Binary, ColumnRole::Key),
        ColumnSpec::value("source", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value("role", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value("type", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value("scope", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value("assurance", DataType::Utf8, KeyClass::Core),
        ColumnSpec::value(
            "seen_at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            KeyClass::Core,
        ),
    ];
    columns.extend(IdentifierType::ALL.into_iter().map(|kind| {
        let class = match kind {
            IdentifierType::NationalId => KeyClass::Sensitive,
            _ => KeyClass::Identifier,
        };
        ColumnSpec::value(kind.as_str(), DataType::Utf8, class)
    }));
    TableSpec::new(name, columns)
}

/// The rows as a batch of the table.
pub fn identifiers_batch(
    spec: &TableSpec,
    rows: &[IdentifierRow],
) -> Result<RecordBatch, LakeError> {
    let text = |of: fn(&IdentifierRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.index.rid.column_value()))),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| row.index.hash))),
        text(|row| row.index.source.as_str()),
        text(|row| &row.index.role),
        text(|row| row.index.kind.as_str()),
        text(|row| &row.index.scope),
        text(|row| row.index.assurance.as_str()),
        Arc::new(
            TimestampMicrosecondArray::from_iter(
                rows.iter().map(|row| row.seen_at.map(Timestamp::micros)),
            )
            .with_timezone("UTC"),
        ),
    ];
    for kind in IdentifierType::ALL {
        let mut values = StringBuilder::new();
        for row in rows {
            if row.index.kind == kind {
                values.append_value(row.value.expose());
            } else {
                values.append_null();
            }
        }
        columns.push(Arc::new(values.finish()));
    }
    RecordBatch::try_new(Arc::clone(spec.schema()), columns).map_err(|_| LakeError::Shape {
        table: spec.name().clone(),
        what: "identifiers do not fit its columns".into(),
    })
}

const INDEX_COLUMNS: [&str; 7] =
    [TableSpec::SUBJECT, "_hash", "source", "role", "type", "scope", "assurance"];

/// Reads all identifiers without their values.
pub async fn read_index(table: &Table, access: Access<'_>) -> Result<Vec<IndexRow>, LakeError> {
    let mut rows = Vec::new();
    read_all(table, access, &INDEX_COLUMNS, |batch| {
        for at in 0..batch.num_rows() {
            rows.push(index_row(batch, at).ok_or_else(|| shape(table, "an index row is odd"))?);
        }
        Ok(())
    })
    .await?;
    Ok(rows)
}

/// Reads the identifiers of some types, with their values, of some subjects or of all.
pub async fn read_values(
    table: &Table,
    access: Access<'_>,
    kinds: &[IdentifierType],
    subjects: Option<&RoaringBitmap>,
) -> Result<Vec<IdentifierRow>, LakeError> {
    let mut columns = INDEX_COLUMNS.to_vec();
    columns.push("seen_at");
    columns.extend(kinds.iter().map(|kind| kind.as_str()));
    let mut rows = Vec::new();
    read_all(table, access, &columns, |batch| {
        for at in 0..batch.num_rows() {
            let index = index_row(batch, at).ok_or_else(|| shape(table, "an index row is odd"))?;
            let wanted = kinds.contains(&index.kind)
                && subjects.is_none_or(|subjects| subjects.contains(index.rid.get()));
            if !wanted {
                continue;
            }
            let column = batch
                .column_by_name(index.kind.as_str())
                .ok_or_else(|| shape(table, "an identifier column is missing"))?;
            let values = column.as_string::<i32>();
            if values.is_null(at) {
                return Err(shape(table, "an identifier has no value"));
            }
            let seen = batch.column(INDEX_COLUMNS.len());
            let seen = seen.as_primitive::<TimestampMicrosecondType>();
            let seen_at = seen.is_valid(at).then(|| Timestamp::from_micros(seen.value(at)));
            let value = Redacted::new(values.value(at).to_owned());
            rows.push(IdentifierRow { index, seen_at, value });
        }
        Ok(())
    })
    .await?;
    Ok(rows)
}

fn index_row(batch: &RecordBatch, at: usize) -> Option<IndexRow> {
    let text = |column: usize| batch.column(column).as_string::<i32>().value(at);
    let assurance = match text(6) {
        "verified" => Assurance::Verified,
        "claimed" => Assurance::Claimed,
        _ => return None,
    };
    Some(IndexRow {
        rid: Rid::from_column(batch.column(0).as_primitive::<Int64Type>().value(at))?,
        hash: batch.column(1).as_binary::<i32>().value(at).try_into().ok()?,
        source: text(2).parse().ok()?,
        role: text(3).to_owned(),
        kind: text(4).parse().ok()?,
        scope: text(5).to_owned(),
        assurance,
    })
}
