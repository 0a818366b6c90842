//! Cells of delimited text, by the names in its header or by their places.

use serde_json::{Map, Value as Json};

use custos_core::Redacted;

use super::splitter::{Row, SplitError, Splitter};
use super::{row_text, split_error};
use crate::contract::{Contract, CsvFormat, Format, Header};
use crate::error::ReadError;
use crate::row::{ParsedRow, RowFault, RowProblem, Value, check_value, parse_text};

/// Which cell of a row belongs to which column.
pub(super) struct Layout {
    /// The cell of each column of the contract.
    places: Vec<usize>,
    /// The cells that no column lists, and the names they go by.
    extras: Vec<(usize, String)>,
    width: usize,
    /// The header as it was read, in UTF-8.
    pub(super) header: Option<Vec<u8>>,
}

/// Why there is no layout.
pub(super) enum LayoutError {
    Split(SplitError),
    Header(ReadError),
}

impl LayoutError {
    pub(super) fn into_read_error(self, file: &str, is_compressed: bool) -> ReadError {
        match self {
            Self::Split(error) => split_error(error, file, is_compressed, 0),
            Self::Header(error) => error,
        }
    }
}

/// Reads the header if there is one, and finds every column's cell.
pub(super) fn layout(
    contract: &Contract,
    csv: &CsvFormat,
    file: &str,
    splitter: &mut Splitter,
) -> Result<Layout, LayoutError> {
    if csv.header == Header::Positions {
        return Ok(by_position(contract));
    }
    let row = splitter.next_row().map_err(LayoutError::Split)?;
    let Some(row) = row else {
        return Err(LayoutError::Header(ReadError::Empty { file: file.to_owned() }));
    };
    let names = header_names(&row).map_err(|fault| {
        LayoutError::Header(ReadError::BadHeader { file: file.to_owned(), fault })
    })?;
    let header = row.bytes.to_vec();
    let layout = by_name(contract, csv, file, names).map_err(LayoutError::Header)?;
    Ok(Layout { header: Some(header), ..layout })
}

fn by_position(contract: &Contract) -> Layout {
    let place =
        |(index, column): (usize, &crate::contract::Column)| column.position.unwrap_or(index);
    let places: Vec<usize> = contract.columns.iter().enumerate().map(place).collect();
    let width = places.iter().max().map_or(0, |last| last + 1);
    let extras = (0..width)
        .filter(|place| !places.contains(place))
        .map(|place| (place, format!("column_{}", place + 1)))
        .collect();
    Layout { places, extras, width, header: None }
}

fn header_names(row: &Row<'_>) -> Result<Vec<String>, RowFault> {
    let text = row_text(row)?;
    let cells = (0..row.len()).filter_map(|index| row.cell(text, index));
    Ok(cells.map(|cell| cell.trim().to_owned()).collect())
}

fn by_name(
    contract: &Contract,
    csv: &CsvFormat,
    file: &str,
    names: Vec<String>,
) -> Result<Layout, ReadError> {
    let find = |wanted: &str| names.iter().position(|name| name == wanted);
    let mut places = Vec::with_capacity(contract.columns.len());
    let mut missing = None;
    for column in &contract.columns {
        match find(&column.source_name) {
            Some(place) => places.push(place),
            None => missing = missing.or(Some(column)),
        }
    }
    if places.is_empty() {
        return Err(ReadError::NoHeader {
            file: file.to_owned(),
            found: names.len(),
            expected: contract.columns.len(),
            delimiter: char::from(csv.delimiter),
        });
    }
    if let Some(column) = missing {
        return Err(ReadError::MissingColumn {
            file: file.to_owned(),
            column: column.source_name.clone(),
            found: names.into_iter().map(shown).collect(),
        });
    }
    for (second, name) in names.iter().enumerate() {
        if let Some(first) = find(name).filter(|first| *first < second && !name.is_empty()) {
            return Err(ReadError::DuplicateColumn {
                file: file.to_owned(),
                first: first + 1,
                second: second + 1,
            });
        }
    }
    let width = names.len();
    let extras = names
        .into_iter()
        .enumerate()
        .filter(|(place, _)| !places.contains(place))
        .map(|(place, name)| {
            (place, if name.is_empty() { format!("column_{}", place + 1) } else { name })
        })
        .collect();
    Ok(Layout { places, extras, width, header: None })
}

/// A name of a header as an error may show it: a value among the names must not be.
fn shown(name: String) -> String {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let is_odd = name.contains('@') || name.contains(char::is_control);
    if is_odd || digits >= 5 || name.chars().count() > 40 { "?".to_owned() } else { name }
}

impl Layout {
    /// The values of a row.
    pub(super) fn parse<'a>(
        &self,
        contract: &Contract,
        row: &Row<'a>,
        text: &'a str,
    ) -> Result<ParsedRow, RowProblem> {
        if row.len() != self.width {
            return Err(RowProblem::of_row(RowFault::WrongColumnCount));
        }
        let null_values = match &contract.format {
            Format::Csv(csv) => csv.null_values.as_slice(),
            Format::Ndjson(_) => &[],
        };
        let mut values = Vec::with_capacity(contract.columns.len());
        for (column, place) in contract.columns.iter().zip(&self.places) {
            let cell = row.cell(text, *place).unwrap_or_default();
            let value = if null_values.iter().any(|null| *null == cell) {
                Ok(Value::Null)
            } else {
                parse_text(column.logical_type, &column.moment, contract.time_zone, &cell)
            };
            let checked = value.and_then(|value| check_value(column, &value).map(|()| value));
            values.push(checked.map_err(|fault| RowProblem::of_column(column, fault))?);
        }
        Ok(ParsedRow { values, extra: self.extra(row, text) })
    }

    /// What no column lists and is not empty, as a JSON object.
    fn extra<'a>(&self, row: &Row<'a>, text: &'a str) -> Option<Redacted<String>> {
        let mut extra = Map::new();
        for (place, name) in &self.extras {
            if let Some(cell) = row.cell(text, *place).filter(|cell| !cell.is_empty()) {
                extra.insert(name.clone(), Json::String(cell.into_owned()));
            }
        }
        (!extra.is_empty()).then(|| Redacted::new(Json::Object(extra).to_string()))
    }

    /// Names the first column that a fault in a row's bytes concerns.
    pub(super) fn blame(&self, contract: &Contract, row: &Row<'_>, fault: RowFault) -> RowProblem {
        let is_bad = |place: usize| {
            let bytes = row.range(place).and_then(|range| row.bytes.get(range)).unwrap_or_default();
            match fault {
                RowFault::NulByte => bytes.contains(&0),
                RowFault::InvalidUtf8 => std::str::from_utf8(bytes).is_err(),
                RowFault::CellTooLarge | RowFault::BadQuoting => {
                    row.fault.is_some_and(|found| found.cell == place)
                }
                _ => false,
            }
        };
        let column = self.places.iter().position(|place| is_bad(*place));
        match column.and_then(|index| contract.columns.get(index)) {
            Some(column) => RowProblem::of_column(column, fault),
            None => RowProblem::of_row(fault),
        }
    }
}
