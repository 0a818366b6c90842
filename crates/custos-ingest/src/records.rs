//! Which records a table has: what makes loading a file twice change nothing.

use std::collections::HashMap;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use custos_core::SourceId;
use custos_keys::{KeyService, MacKey, NamedKey};
use custos_lake::{Access, ColumnRole, LakeError, Table, TableSpec, vault};

use crate::contract::Contract;
use crate::row::{ParsedRow, Value};

/// A record's key, content and version; hashes are keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: [u8; 16],
    pub(crate) content: [u8; 16],
    pub(crate) version: i64,
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No record has its key.
    New,
    /// It is newer than the record with its key.
    Newer,
    /// It is there already, or a newer one is.
    Old,
    /// Another record has its key, and in an upsert its version.
    Conflict,
}

/// Computes the hashes of records.
#[derive(Debug)]
pub(crate) struct RecordHashes {
    key: MacKey,
    content: MacKey,
}

impl RecordHashes {
    pub(crate) fn new(keys: &KeyService) -> Self {
        Self { key: keys.mac_key(NamedKey::RecordKey), content: keys.mac_key(NamedKey::Content) }
    }

    /// The record in a row; nothing if the contract has no record key.
    pub(crate) fn record(&self, contract: &Contract, row: &ParsedRow) -> Option<Record> {
        if contract.record_key.is_empty() {
            return None;
        }
        let mut key = contract.id.as_str().as_bytes().to_vec();
        for &at in &contract.record_key {
            encode("", &row.values[at], &mut key);
        }
        // Null columns are left out, so that a contract that adds one does not change old records.
        let mut content = Vec::with_capacity(256);
        for (column, value) in contract.columns.iter().zip(&row.values) {
            if !value.is_null() {
                encode(&column.name, value, &mut content);
            }
        }
        if let Some(extra) = &row.extra {
            encode("", &Value::Text(extra.expose().clone()), &mut content);
        }
        let version = contract.version_column.map_or(0, |at| match row.values[at] {
            Value::Integer(number) => number,
            Value::Timestamp(micros) => micros,
            Value::Date(days) => i64::from(days),
            _ => i64::MIN,
        });
        Some(Record {
            key: self.key.mac16(&[&key]),
            content: self.content.mac16(&[&content]),
            version,
        })
    }

    /// A refused row as a record: the same bytes are the same record.
    pub(crate) fn refused(&self, source: &SourceId, raw: &[u8]) -> Record {
        let hash = self.content.mac16(&[source.as_str().as_bytes(), raw]);
        Record { key: hash, content: hash, version: 0 }
    }
}

/// An encoding that no two different values share.
fn encode(name: &str, value: &Value, into: &mut Vec<u8>) {
    let mut part = |tag: u8, bytes: &[u8]| {
        into.push(tag);
        for piece in [name.as_bytes(), bytes] {
            into.extend((piece.len() as u64).to_le_bytes());
            into.extend(piece);
        }
    };
    match value {
        Value::Null => part(0, &[]),
        Value::Text(text) => part(1, text.as_bytes()),
        Value::Integer(number) => part(2, &number.to_le_bytes()),
        Value::Float(number) => part(3, &number.to_bits().to_le_bytes()),
        Value::Decimal(number) => part(4, &number.to_le_bytes()),
        Value::Boolean(truth) => part(5, &[u8::from(*truth)]),
        Value::Date(days) => part(6, &days.to_le_bytes()),
        Value::Timestamp(micros) => part(7, &micros.to_le_bytes()),
    }
}

/// The newest content and version of each key of a table.
#[derive(Debug, Default)]
pub(crate) struct RecordIndex(HashMap<[u8; 16], ([u8; 16], i64)>);

impl RecordIndex {
    /// Reads the index of a table.
    pub(crate) async fn read(table: &Table, access: Access<'_>) -> Result<Self, LakeError> {
        let mut index = Self::default();
        if table.spec().position_of(ColumnRole::Key).is_none() {
            return Ok(index);
        }
        let mut columns = vec![TableSpec::KEY, TableSpec::CONTENT_HASH];
        let versioned = table.spec().position_of(ColumnRole::Version).is_some();
        if versioned {
            columns.push(TableSpec::VERSION);
        }
        let odd =
            || LakeError::Shape { table: table.name().clone(), what: "a record has no key".into() };
        vault::read_all(table, access, &columns, |batch| {
            let keys = batch.column(0).as_binary::<i32>();
            let contents = batch.column(1).as_binary::<i32>();
            for at in 0..batch.num_rows() {
                let version = match versioned {
                    true => batch.column(2).as_primitive::<Int64Type>().value(at),
                    false => 0,
                };
                let key = keys.value(at).try_into().map_err(|_| odd())?;
                let content = contents.value(at).try_into().map_err(|_| odd())?;
                index.learn(&Record { key, content, version });
            }
            Ok(())
        })
        .await?;
        Ok(index)
    }

    fn learn(&mut self, record: &Record) {
        let newest = self.0.entry(record.key).or_insert((record.content, record.version));
        if record.version > newest.1 {
            *newest = (record.content, record.version);
        }
    }

    /// Judges a record and remembers it if it is to be stored.
    pub(crate) fn judge(&mut self, record: &Record) -> Verdict {
        let verdict = match self.0.get(&record.key) {
            None => Verdict::New,
            Some((_, version)) if record.version > *version => Verdict::Newer,
            Some((_, version)) if record.version < *version => Verdict::Old,
            Some((content, _)) if *content == record.content => Verdict::Old,
            Some(_) => Verdict::Conflict,
        };
        if matches!(verdict, Verdict::New | Verdict::Newer) {
            self.learn(record);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: u8, content: u8, version: i64) -> Record {
        Record { key: [key; 16], content: [content; 16], version }
    }

    #[test]
    fn the_newest_version_wins_in_any_order() {
        let mut index = RecordIndex::default();
        assert_eq!(index.judge(&record(1, 1, 5)), Verdict::New);
        assert_eq!(index.judge(&record(1, 1, 5)), Verdict::Old);
        assert_eq!(index.judge(&record(1, 2, 5)), Verdict::Conflict);
        assert_eq!(index.judge(&record(1, 2, 6)), Verdict::Newer);
        assert_eq!(index.judge(&record(1, 3, 4)), Verdict::Old);
        assert_eq!(index.judge(&record(2, 1, 0)), Verdict::New);
    }

    #[test]
    fn values_that_join_differently_encode_differently() {
        let text = |a: &str, b: &str| {
            let mut bytes = Vec::new();
            encode("x", &Value::Text(a.into()), &mut bytes);
            encode("y", &Value::Text(b.into()), &mut bytes);
            bytes
        };
        assert_ne!(text("ab", "c"), text("a", "bc"));
    }
}
