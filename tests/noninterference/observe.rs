//! What an asker sees of a statement, down to the bytes.

use std::cmp::Ordering;

use arrow::array::{ArrayData, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use custos_core::Classify;
use custos_query::QueryError;
use futures::TryStreamExt;

use crate::rows::Asker;
use crate::world::{Doors, principal};

/// Relative difference of floats that stands for another order of adding.
const FLOAT_DIFFERENCE: f64 = 1e-9;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Float(f64),
    /// All that is no float, as text, which is exact.
    Other(String),
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Rows { schema: SchemaRef, rows: Vec<Vec<Cell>> },
    Error { kind: String, text: String, hint: Option<String> },
}

impl Doors {
    /// Asks, and looks at everything that comes back; `Err` is what must never come.
    pub(crate) async fn ask(&self, asker: Asker, sql: &str) -> Result<Seen, String> {
        let (answered, batches) = self.stream(asker, sql).await;
        for batch in &batches {
            if let Some(word) = forbidden_bytes(asker, batch) {
                return Err(format!("bytes of `{word}` are in an answer"));
            }
        }
        match answered {
            Ok(schema) => Ok(Seen::Rows { schema, rows: cells(&batches) }),
            Err(error) => error_seen(asker, &error),
        }
    }

    async fn stream(
        &self,
        asker: Asker,
        sql: &str,
    ) -> (Result<SchemaRef, QueryError>, Vec<RecordBatch>) {
        let purpose = asker.purpose().parse().unwrap();
        let mut batches = Vec::new();
        let answer = async {
            let governed = self.governor.govern(sql, &principal(asker), &purpose).await?;
            let mut stream = self.executor.run(governed).await?;
            let schema = SchemaRef::clone(stream.schema());
            while let Some(batch) = stream.try_next().await? {
                batches.push(batch);
            }
            Ok(schema)
        };
        let answered = answer.await;
        (answered, batches)
    }
}

fn error_seen(asker: Asker, error: &QueryError) -> Result<Seen, String> {
    let (text, hint) = (error.to_string(), error.hint());
    let all = format!("{text} {hint:?} {error:?}");
    if asker.forbidden().iter().any(|word| all.contains(word)) {
        return Err(format!("an error quotes a value: {all}"));
    }
    match error {
        // None of these follows from a statement.
        QueryError::Internal
        | QueryError::Lake(_)
        | QueryError::Store(_)
        | QueryError::Audit(_)
        | QueryError::SpillDamaged
        | QueryError::Busy
        | QueryError::Timeout => Err(format!("a failure of its own: {error:?}")),
        _ => {
            let kind = format!("{:?}", error.kind());
            Ok(Seen::Error { kind, text, hint })
        }
    }
}

/// The word out of what is forbidden whose bytes are in the buffers of a batch.
fn forbidden_bytes(asker: Asker, batch: &RecordBatch) -> Option<&'static str> {
    let mut found = None;
    for column in batch.columns() {
        each_buffer(&column.to_data(), &mut |bytes| {
            let holds = |word: &&&'static str| contains(bytes, word.as_bytes());
            found = found.or_else(|| asker.forbidden().iter().find(holds).copied());
        });
    }
    found
}

fn each_buffer(data: &ArrayData, each: &mut impl FnMut(&[u8])) {
    data.buffers().iter().for_each(|buffer| each(buffer.as_slice()));
    data.child_data().iter().for_each(|child| each_buffer(child, each));
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

pub(crate) fn cells(batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| (column, ArrayFormatter::try_new(column, &options).unwrap()))
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            let cell =
                |(column, formatter): &(&arrow::array::ArrayRef, ArrayFormatter<'_>)| match column
                    .data_type()
                {
                    DataType::Float64 if column.is_valid(row) => {
                        Cell::Float(column.as_primitive::<Float64Type>().value(row))
                    }
                    _ => Cell::Other(formatter.value(row).to_string()),
                };
            columns.iter().map(cell).collect()
        }));
    }
    rows
}

fn order(one: &[Cell], other: &[Cell]) -> Ordering {
    // A number is told apart from what is none in the same place.
    let exact = |row: &[Cell]| -> Vec<Option<String>> {
        let text = |cell: &Cell| match cell {
            Cell::Other(text) => Some(text.clone()),
            Cell::Float(_) => None,
        };
        row.iter().map(text).collect()
    };
    let float = |cell: &Cell| match cell {
        Cell::Float(float) => *float,
        Cell::Other(_) => 0.0,
    };
    exact(one).cmp(&exact(other)).then_with(|| {
        let pairs = one.iter().zip(other).map(|(one, other)| float(one).total_cmp(&float(other)));
        pairs.fold(Ordering::Equal, Ordering::then)
    })
}

fn is_same(one: &Cell, other: &Cell) -> bool {
    match (one, other) {
        (Cell::Float(one), Cell::Float(other)) => {
            let scale = one.abs().max(other.abs());
            one.total_cmp(other).is_eq() || (one - other).abs() <= scale * FLOAT_DIFFERENCE
        }
        _ => one == other,
    }
}

impl Seen {
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Rows { rows, .. } => rows.is_empty(),
            Self::Error { .. } => true,
        }
    }

    /// Whether memory or temporary space ran out; see EXCLUSIONS.md.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(self, Self::Error { kind, .. } if kind == "TooLarge")
    }

    /// In what two askers of the same see different things; `ordered` if the order is told.
    pub(crate) fn differs(&self, other: &Self, ordered: bool) -> Option<String> {
        match (self, other) {
            (
                Self::Rows { schema, rows },
                Self::Rows { schema: other_schema, rows: other_rows },
            ) => {
                if schema != other_schema {
                    return Some(format!("columns are {other_schema:?}, not {schema:?}"));
                }
                let (mut rows, mut others) = (rows.clone(), other_rows.clone());
                if !ordered {
                    rows.sort_by(|one, other| order(one, other));
                    others.sort_by(|one, other| order(one, other));
                }
                if rows.len() != others.len() {
                    let extra = |some: &[Vec<Cell>], all: &[Vec<Cell>]| {
                        let has = |row: &Vec<Cell>| {
                            let same = |(one, other): (&Cell, &Cell)| is_same(one, other);
                            all.iter().any(|it| it.iter().zip(row).all(same))
                        };
                        let extra: Vec<_> = some.iter().filter(|row| !has(row)).take(3).collect();
                        format!("{extra:?}")
                    };
                    return Some(format!(
                        "{} rows, not {}; new {}, missing {}",
                        others.len(),
                        rows.len(),
                        extra(&others, &rows),
                        extra(&rows, &others)
                    ));
                }
                let same = |(one, other): &(&Vec<Cell>, &Vec<Cell>)| {
                    one.iter().zip(*other).all(|(one, other)| is_same(one, other))
                };
                let first = rows.iter().zip(&others).find(|pair| !same(pair));
                first.map(|(one, other)| format!("{other:?}, not {one:?}"))
            }
            (Self::Error { kind, text, hint }, Self::Error { kind: k, text: t, hint: h }) => {
                let same = kind == k && text == t && hint == h;
                (!same).then(|| format!("`{t}`, not `{text}`"))
            }
            (Self::Rows { rows, .. }, Self::Error { text, .. }) => {
                Some(format!("`{text}`, not {} rows", rows.len()))
            }
            (Self::Error { text, .. }, Self::Rows { rows, .. }) => {
                Some(format!("{} rows, not `{text}`", rows.len()))
            }
        }
    }
}
