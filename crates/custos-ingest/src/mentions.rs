//! Whom a refused row names, without its values.

use std::collections::{BTreeSet, HashMap};
use std::io::Cursor;

use custos_core::Timestamp;
use custos_lake::vault::IdentifierHashes;

use crate::Reader;
use crate::contract::{Column, Contract, Format};
use crate::ledger::Suppressed;
use crate::row::{ParsedRow, Record, Value, parse_text};
use crate::subjects::{Found, bars, identifiers};

/// Characters that stand between the values of a row whose cells cannot be told apart.
const BETWEEN_VALUES: [char; 13] =
    [',', ';', '|', '\t', '\r', '\n', '"', '\'', '{', '}', '[', ']', '\\'];

/// The suppression hashes of the identifiers in a refused row, and when its event happened.
///
/// They are asked before the row is kept, so that an erased person does not come back through
/// quarantine, and kept beside it, so that an erasure finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mentions {
    event_time: Option<Timestamp>,
    identifiers: BTreeSet<[u8; 16]>,
}

impl Mentions {
    /// What a row that splits into cells of the right types names.
    pub(crate) fn of_row(contract: &Contract, row: &ParsedRow, hashes: &IdentifierHashes) -> Self {
        let found = identifiers(contract, &row.values, hashes);
        let linking = found.iter().filter(|found| found.links());
        Self {
            event_time: row.event_time(contract),
            identifiers: linking.map(|found| found.suppression).collect(),
        }
    }

    /// Whether somebody named was erased, and the event was before that or at an unknown time.
    pub fn is_barred(&self, barred: &HashMap<[u8; 16], Suppressed>) -> bool {
        bars(self.identifiers.iter(), self.event_time, barred)
    }

    /// As it is kept: eight bytes of time, then sixteen for each identifier.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let time = self.event_time.map_or(i64::MIN, Timestamp::micros);
        let mut bytes = time.to_be_bytes().to_vec();
        self.identifiers.iter().for_each(|hash| bytes.extend(hash));
        bytes
    }

    /// What [`Mentions::encode`] made; nothing of other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, hashes) = bytes.split_first_chunk()?;
        let time = i64::from_be_bytes(*time);
        let (hashes, []) = hashes.as_chunks() else { return None };
        Some(Self {
            event_time: (time != i64::MIN).then(|| Timestamp::from_micros(time)),
            identifiers: hashes.iter().copied().collect(),
        })
    }
}

/// Finds the identifiers of rows that break their contract, whatever is wrong with them.
#[derive(Debug)]
pub(crate) struct RefusedRows {
    contract: Contract,
    /// The contract with every cell as text: splits rows whatever is in their cells.
    lenient: Contract,
}

impl RefusedRows {
    pub(crate) fn new(contract: &Contract) -> Self {
        let lenient = contract.clone().with_utf8().with_any_text();
        Self { contract: contract.clone(), lenient }
    }

    /// What a refused row names.
    pub(crate) fn mentions(
        &self,
        header: Option<&[u8]>,
        record: &Record,
        hashes: &IdentifierHashes,
    ) -> Mentions {
        if let Ok(row) = &record.cells {
            return Mentions::of_row(&self.contract, row, hashes);
        }
        let mut bytes = header.map(<[u8]>::to_vec).unwrap_or_default();
        if header.is_some() && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes.extend(record.raw.expose());
        match only_row(&self.lenient, bytes) {
            Some(row) => Mentions::of_row(&self.contract, &self.typed(row), hashes),
            None => self.of_pieces(record.raw.expose(), hashes),
        }
    }

    /// A row of text with those cells typed that have the type of their column.
    fn typed(&self, mut row: ParsedRow) -> ParsedRow {
        for (column, value) in self.contract.columns.iter().zip(&mut row.values) {
            if let Value::Text(text) = value {
                *value = self.value(column, text);
            }
        }
        row
    }

    fn value(&self, column: &Column, text: &str) -> Value {
        parse_text(column.logical_type, &column.moment, self.contract.time_zone, text)
            .unwrap_or_else(|_| Value::Text(text.to_owned()))
    }

    /// The identifiers of a row that has no cells: each piece of it may be any of them.
    fn of_pieces(&self, raw: &[u8], hashes: &IdentifierHashes) -> Mentions {
        let text = String::from_utf8_lossy(raw);
        let delimiter = match &self.contract.format {
            Format::Csv(csv) => char::from(csv.delimiter),
            Format::Ndjson(_) => ',',
        };
        let between = |c: char| c == delimiter || BETWEEN_VALUES.contains(&c);
        let pieces: BTreeSet<&str> = text
            .split(between)
            .map(|piece| piece.trim_matches(|c: char| c == ':' || c.is_whitespace()))
            .filter(|piece| !piece.is_empty())
            .collect();
        let mut mentioned = BTreeSet::new();
        for column in &self.contract.columns {
            let Some(spec) = &column.identifier else { continue };
            let read = |piece: &&str| Found::read(spec, &self.value(column, piece), hashes);
            let linking = pieces.iter().filter_map(read).filter(Found::links);
            mentioned.extend(linking.map(|found| found.suppression));
        }
        Mentions { event_time: None, identifiers: mentioned }
    }
}

/// The one row of a text, if it splits into cells.
fn only_row(contract: &Contract, bytes: Vec<u8>) -> Option<ParsedRow> {
    let mut reader = Reader::from_stream(contract, "row", Box::new(Cursor::new(bytes))).ok()?;
    let record = reader.next()?.ok()?;
    record.cells.ok()
}

#[cfg(test)]
mod tests;
