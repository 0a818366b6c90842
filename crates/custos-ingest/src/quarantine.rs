//! Rows that break their contract: kept sealed, with the reason, until somebody fixes it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use custos_core::{BatchId, Redacted, Timestamp};
use custos_lake::{Access, LakeError, Table, TableSpec, vault};
use serde::Serialize;

use crate::mentions::Mentions;
use crate::row::{Record, RowProblem};

/// Why a row is refused.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    column: Option<String>,
    fault: String,
    remedy: String,
}

impl Reason {
    /// Another row has its record key and version, but other content.
    pub(crate) fn conflicting_record() -> Self {
        Self {
            column: None,
            fault: "conflicting_record".to_owned(),
            remedy: "another row has this record key and version but other content: deliver the \
                     right one with a newer version, or choose a record key that tells them apart"
                .to_owned(),
        }
    }
}

impl From<&RowProblem> for Reason {
    fn from(problem: &RowProblem) -> Self {
        Self {
            column: problem.column.clone(),
            fault: problem.code.as_str().to_owned(),
            remedy: problem.remedy.clone(),
        }
    }
}

/// A refused row.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    row: u64,
    line: u64,
    reason: Reason,
    mentions: Mentions,
    pub(crate) raw: Redacted<Vec<u8>>,
}

impl Refused {
    pub(crate) fn new(record: &Record, reason: Reason, mentions: Mentions) -> Self {
        Self { row: record.number, line: record.line, reason, mentions, raw: record.raw.clone() }
    }
}

/// How many rows of a source are refused for one reason, for `custos ingest` to show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct QuarantineReason {
    /// What is wrong.
    pub fault: String,
    /// In which column.
    pub column: Option<String>,
    /// What to do about it.
    pub remedy: String,
    /// The first such row of the load.
    pub first_row: u64,
    /// How many there are.
    pub rows: u64,
}

/// Counts refused rows by reason, most frequent first.
pub(crate) fn reasons(refused: &[Refused]) -> Vec<QuarantineReason> {
    let mut reasons: Vec<QuarantineReason> = Vec::new();
    for row in refused {
        let Reason { column, fault, remedy } = &row.reason;
        match reasons.iter_mut().find(|reason| reason.fault == *fault && reason.column == *column) {
            Some(reason) => reason.rows += 1,
            None => reasons.push(QuarantineReason {
                fault: fault.clone(),
                column: column.clone(),
                remedy: remedy.clone(),
                first_row: row.row,
                rows: 1,
            }),
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.rows));
    reasons
}

/// The refused rows of a load as a batch of the quarantine table.
pub(crate) fn batch(
    spec: &TableSpec,
    id: BatchId,
    header: Option<&[u8]>,
    refused: &[(Refused, [u8; 16])],
    at: Timestamp,
) -> Result<RecordBatch, LakeError> {
    let text = |of: &dyn Fn(&Refused) -> Option<String>| -> ArrayRef {
        Arc::new(refused.iter().map(|(row, _)| of(row)).collect::<StringArray>())
    };
    let number = |of: fn(&Refused) -> u64| -> ArrayRef {
        let numbers = refused.iter().map(|(row, _)| i64::try_from(of(row)).ok());
        Arc::new(numbers.collect::<Int64Array>())
    };
    let hash: ArrayRef = Arc::new(BinaryArray::from_iter_values(refused.iter().map(|row| row.1)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![0; refused.len()])),
        Arc::clone(&hash),
        hash,
        text(&|_| Some(id.to_string())),
        number(|row| row.row),
        number(|row| row.line),
        text(&|row| row.reason.column.clone()),
        text(&|row| Some(row.reason.fault.clone())),
        text(&|row| Some(row.reason.remedy.clone())),
        Arc::new(
            TimestampMicrosecondArray::from(vec![at.micros(); refused.len()]).with_timezone("UTC"),
        ),
        Arc::new(BinaryArray::from_iter_values(
            refused.iter().map(|(row, _)| row.mentions.encode()),
        )),
        Arc::new(refused.iter().map(|_| header).collect::<BinaryArray>()),
        Arc::new(BinaryArray::from_iter_values(refused.iter().map(|(row, _)| row.raw.expose()))),
    ];
    RecordBatch::try_new(Arc::clone(spec.schema()), columns).map_err(|_| LakeError::Shape {
        table: spec.name().clone(),
        what: "refused rows do not fit its columns".into(),
    })
}

/// All refused rows of a source as a file that can be read again: those of one header together.
pub(crate) async fn as_files(
    table: &Table,
    access: Access<'_>,
) -> Result<Vec<Redacted<Vec<u8>>>, LakeError> {
    let mut rows: Vec<(Vec<u8>, i64, Vec<u8>)> = Vec::new();
    vault::read_all(table, access, &["header", "row", "raw"], |batch| {
        let headers = batch.column(0).as_binary::<i32>();
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        let raws = batch.column(2).as_binary::<i32>();
        for ((header, number), raw) in headers.iter().zip(numbers.values()).zip(raws.iter()) {
            rows.push((
                header.unwrap_or_default().to_vec(),
                *number,
                raw.unwrap_or_default().to_vec(),
            ));
        }
        Ok(())
    })
    .await?;
    rows.sort();
    let mut files: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (header, _, raw) in rows {
        match files.last_mut() {
            Some((same, file)) if *same == header => push_line(file, &raw),
            _ => {
                let mut file = Vec::new();
                if !header.is_empty() {
                    push_line(&mut file, &header);
                }
                push_line(&mut file, &raw);
                files.push((header, file));
            }
        }
    }
    Ok(files.into_iter().map(|(_, file)| Redacted::new(file)).collect())
}

fn push_line(file: &mut Vec<u8>, line: &[u8]) {
    file.extend(line);
    if !line.ends_with(b"\n") {
        file.push(b'\n');
    }
}
