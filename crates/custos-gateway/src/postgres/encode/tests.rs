//! Against the recorded answers of PostgreSQL 15; see `testdata/cases.sql`.

mod copies;
mod faults;
mod nested;
mod scalars;

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::*;

/// The messages that PostgreSQL sent for a case, in one format.
macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/", $name, ".bin")).as_slice()
    };
}
use recorded;

/// The values of the `DataRow` messages of an answer, row by row.
fn cells(mut messages: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    fn take<'a>(from: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = from.split_at(count);
        *from = rest;
        taken
    }
    let mut rows = Vec::new();
    while !messages.is_empty() {
        assert_eq!(take(&mut messages, 1), b"D");
        take(&mut messages, 4);
        let columns = i16::from_be_bytes(take(&mut messages, 2).try_into().unwrap());
        let mut row = Vec::new();
        for _ in 0..columns {
            let length = i32::from_be_bytes(take(&mut messages, 4).try_into().unwrap());
            let length = usize::try_from(length).ok();
            row.push(length.map(|length| take(&mut messages, length).to_vec()));
        }
        rows.push(row);
    }
    rows
}

/// The values of the first column, which has no nulls.
fn first_cells(messages: &[u8]) -> Vec<Vec<u8>> {
    cells(messages).into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn first_texts(messages: &[u8]) -> Vec<String> {
    first_cells(messages).into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect()
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = (0..columns.len()).map(|at| format!("c{at}"));
    RecordBatch::try_from_iter(
        names
            .zip(columns)
            .map(|(name, array)| (name, array, true))
            .map(|(name, array, _)| (name, array)),
    )
    .unwrap()
}

fn encoded(batch: &RecordBatch, format: Format, zone: Tz) -> Vec<u8> {
    let mut out = BytesMut::new();
    let encoder = RowEncoder::new(batch.schema(), &[format], zone);
    encoder.data_rows(batch, 0..batch.num_rows(), &mut out).unwrap();
    out.to_vec()
}

/// Compares both formats with what PostgreSQL sent.
#[track_caller]
fn check(columns: Vec<ArrayRef>, text: &[u8], binary: &[u8], zone: Tz) {
    let batch = batch(columns);
    let shown = |messages: &[u8]| -> Vec<Vec<Option<String>>> {
        let text = |cell: Vec<u8>| String::from_utf8_lossy(&cell).into_owned();
        let row = |row: Vec<Option<Vec<u8>>>| row.into_iter().map(|c| c.map(text)).collect();
        cells(messages).into_iter().map(row).collect()
    };
    for (ours, theirs) in shown(&encoded(&batch, Format::Text, zone)).iter().zip(shown(text)) {
        assert_eq!(*ours, theirs);
    }
    assert_eq!(encoded(&batch, Format::Text, zone), text);
    assert_eq!(cells(&encoded(&batch, Format::Binary, zone)), cells(binary));
    assert_eq!(encoded(&batch, Format::Binary, zone), binary);
}

fn array<T>(values: T) -> ArrayRef
where
    T: Array + 'static,
{
    Arc::new(values)
}
