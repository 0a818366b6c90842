//! A column's array, with its type found out once for all rows.

mod open;

use std::ops::Range;

use arrow::array::{Array, BinaryViewArray, BooleanArray, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, Float16Type, IntervalDayTime, IntervalMonthDayNano, TimeUnit, i256,
};

use super::calendar::{DAY_MICROS, EPOCH_DAYS, SECOND_MICROS};
use super::cell::{Cell, Fault, List};
use super::decimal::Numeric;
use super::interval::Interval;

/// The days of a `date`, from 4714-11-24 BC to 5874897-12-31, after 2000-01-01.
pub(crate) const DATES: Range<i64> = -2_451_545..2_145_031_949;

/// The microseconds of a `timestamp`, from 4714-11-24 BC to the end of 294276, after 2000-01-01.
pub(crate) const TIMESTAMPS: Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A column whose values can be asked for row by row.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
}

/// A field of a struct, or the keys or values of a map.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub name: &'a str,
    pub column: Column<'a>,
}

type Half = <Float16Type as ArrowPrimitiveType>::Native;

#[derive(Debug)]
enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a [Half]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    Text(Bytes<'a>, Nul),
    Bytea(Bytes<'a>),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp(&'a [i64], TimeUnit),
    Instant(&'a [i64], TimeUnit),
    Months(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    Duration(&'a [i64], TimeUnit),
    List {
        ranges: Ranges<'a>,
        items: Box<Column<'a>>,
        element: Option<u32>,
    },
    Struct(Vec<Member<'a>>),
    Map {
        ranges: Ranges<'a>,
        keys: Box<Member<'a>>,
        values: Box<Member<'a>>,
    },
    Union {
        ids: &'a [i8],
        offsets: Option<&'a [i32]>,
        children: Vec<(i8, Column<'a>)>,
    },
    /// Of dictionaries and runs: which row of other values each row is.
    Mapped(Vec<usize>, Box<Column<'a>>),
}

/// Whether there may be a NUL in some text. All of a column is searched at once, which costs little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nul {
    Absent,
    Possible,
}

/// Values of bytes, in each layout that Arrow has for them.
#[derive(Debug)]
enum Bytes<'a> {
    Small(&'a [i32], &'a [u8]),
    Large(&'a [i64], &'a [u8]),
    Fixed(usize, &'a [u8]),
    Views(&'a BinaryViewArray),
    TextViews(&'a StringViewArray),
}

/// Where the items of each list are.
#[derive(Debug)]
enum Ranges<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
    Views(&'a [i32], &'a [i32]),
    LargeViews(&'a [i64], &'a [i64]),
}

impl<'a> Column<'a> {
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self, Fault> {
        let values = open::values(array)?;
        // An array of nulls has no bitmap of its own, and a union's values have theirs.
        Ok(Self { nulls: array.nulls().cloned(), values })
    }

    /// The value of a row. A row that is not there is null.
    #[inline]
    pub(crate) fn cell(&'a self, row: usize) -> Result<Cell<'a>, Fault> {
        if let Some(nulls) = &self.nulls
            && (row >= nulls.len() || nulls.is_null(row))
        {
            return Ok(Cell::Null);
        }
        Ok(self.values.cell(row)?.unwrap_or(Cell::Null))
    }
}

impl<'a> Values<'a> {
    #[inline]
    fn cell(&'a self, row: usize) -> Result<Option<Cell<'a>>, Fault> {
        Ok(match self {
            Self::Null => None,
            Self::Bool(array) => (row < array.len()).then(|| Cell::Bool(array.value(row))),
            Self::Int8(values) => values.get(row).map(|value| Cell::Int2(i16::from(*value))),
            Self::Int16(values) => values.get(row).copied().map(Cell::Int2),
            Self::Int32(values) => values.get(row).copied().map(Cell::Int4),
            Self::Int64(values) => values.get(row).copied().map(Cell::Int8),
            Self::UInt8(values) => values.get(row).map(|value| Cell::Int2(i16::from(*value))),
            Self::UInt16(values) => values.get(row).map(|value| Cell::Int4(i32::from(*value))),
            Self::UInt32(values) => values.get(row).map(|value| Cell::Int8(i64::from(*value))),
            Self::UInt64(values) => numeric(values, row, 0),
            Self::Float16(values) => values.get(row).map(|value| Cell::Float4(value.to_f32())),
            Self::Float32(values) => values.get(row).copied().map(Cell::Float4),
            Self::Float64(values) => values.get(row).copied().map(Cell::Float8),
            Self::Decimal32(values, scale) => numeric(values, row, *scale),
            Self::Decimal64(values, scale) => numeric(values, row, *scale),
            Self::Decimal128(values, scale) => numeric(values, row, *scale),
            Self::Decimal256(values, scale) => {
                values.get(row).map(|value| Cell::Numeric(Numeric::wide(*value, *scale)))
            }
            Self::Text(bytes, nul) => {
                bytes.get(row).map(|text| text_cell(text, *nul)).transpose()?
            }
            Self::Bytea(bytes) => bytes.get(row).map(Cell::Bytea),
            Self::Date32(values) => {
                values.get(row).map(|days| date(i64::from(*days))).transpose()?
            }
            Self::Date64(values) => {
                values.get(row).map(|millis| date(millis.div_euclid(86_400_000))).transpose()?
            }
            _ => self.time_cell(row)?,
        })
    }

    #[inline]
    fn time_cell(&'a self, row: usize) -> Result<Option<Cell<'a>>, Fault> {
        Ok(match self {
            Self::Timestamp(values, unit) => match values.get(row) {
                Some(value) => Some(Cell::Timestamp(since_2000(*value, *unit)?)),
                None => None,
            },
            Self::Instant(values, unit) => match values.get(row) {
                Some(value) => Some(Cell::Instant(since_2000(*value, *unit)?)),
                None => None,
            },
            Self::Time32(values, unit) => {
                values.get(row).map(|value| time(i64::from(*value), *unit)).transpose()?
            }
            Self::Time64(values, unit) => {
                values.get(row).map(|value| time(*value, *unit)).transpose()?
            }
            Self::Months(values) => values
                .get(row)
                .map(|months| Cell::Interval(Interval { months: *months, days: 0, micros: 0 })),
            Self::DayTime(values) => values.get(row).map(|value| {
                let micros = i64::from(value.milliseconds) * 1_000;
                Cell::Interval(Interval { months: 0, days: value.days, micros })
            }),
            Self::MonthDayNano(values) => values.get(row).map(|value| {
                let micros = value.nanoseconds.div_euclid(1_000);
                Cell::Interval(Interval { months: value.months, days: value.days, micros })
            }),
            Self::Duration(values, unit) => match values.get(row) {
                Some(value) => {
                    let micros = micros(*value, *unit)?;
                    Some(Cell::Interval(Interval { months: 0, days: 0, micros }))
                }
                None => None,
            },
            _ => self.nested_cell(row)?,
        })
    }

    fn nested_cell(&'a self, row: usize) -> Result<Option<Cell<'a>>, Fault> {
        Ok(match self {
            Self::List { ranges, items, element } => {
                ranges.get(row).map(|range| Cell::List(List { items, range, element: *element }))
            }
            Self::Struct(members) => Some(Cell::Struct(members, row)),
            Self::Map { ranges, keys, values } => {
                ranges.get(row).map(|range| Cell::Map(keys, values, range))
            }
            Self::Union { ids, offsets, children } => variant(ids, *offsets, children, row),
            Self::Mapped(rows, values) => match rows.get(row) {
                Some(row) => Some(values.cell(*row)?),
                None => None,
            },
            _ => None,
        })
    }
}

impl<'a> Bytes<'a> {
    #[inline]
    fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::Small(offsets, data) => {
                let (start, end) = (*offsets.get(row)?, *offsets.get(row + 1)?);
                data.get(start as usize..end as usize)
            }
            Self::Large(offsets, data) => {
                let (start, end) = (*offsets.get(row)?, *offsets.get(row + 1)?);
                data.get(start as usize..end as usize)
            }
            Self::Fixed(size, data) => {
                let start = row.checked_mul(*size)?;
                data.get(start..start.checked_add(*size)?)
            }
            Self::Views(array) => (row < array.len()).then(|| array.value(row)),
            Self::TextViews(array) => (row < array.len()).then(|| array.value(row).as_bytes()),
        }
    }
}

impl Ranges<'_> {
    fn get(&self, row: usize) -> Option<Range<usize>> {
        let (start, end) = match self {
            Self::Small(offsets) => (*offsets.get(row)? as usize, *offsets.get(row + 1)? as usize),
            Self::Large(offsets) => (*offsets.get(row)? as usize, *offsets.get(row + 1)? as usize),
            Self::Fixed(size) => (row.checked_mul(*size)?, (row + 1).checked_mul(*size)?),
            Self::Views(starts, sizes) => {
                let start = *starts.get(row)? as usize;
                (start, start.checked_add(*sizes.get(row)? as usize)?)
            }
            Self::LargeViews(starts, sizes) => {
                let start = *starts.get(row)? as usize;
                (start, start.checked_add(*sizes.get(row)? as usize)?)
            }
        };
        Some(start..end)
    }
}

#[inline]
fn numeric<T: Copy + Into<i128>>(values: &[T], row: usize, scale: i8) -> Option<Cell<'static>> {
    values.get(row).map(|value| Cell::Numeric(Numeric::new((*value).into(), scale)))
}

#[inline]
fn text_cell(text: &[u8], nul: Nul) -> Result<Cell<'_>, Fault> {
    if nul == Nul::Possible && text.contains(&0) {
        return Err(Fault::NulInText);
    }
    Ok(Cell::Text(text))
}

fn variant<'a>(
    ids: &[i8],
    offsets: Option<&[i32]>,
    children: &'a [(i8, Column<'a>)],
    row: usize,
) -> Option<Cell<'a>> {
    let id = ids.get(row)?;
    let at = match offsets {
        Some(offsets) => *offsets.get(row)? as usize,
        None => row,
    };
    let (_, child) = children.iter().find(|(known, _)| known == id)?;
    Some(Cell::Variant(child, at))
}

#[inline]
fn date(days: i64) -> Result<Cell<'static>, Fault> {
    let days = days - EPOCH_DAYS;
    if !DATES.contains(&days) {
        return Err(Fault::OutOfRange);
    }
    Ok(Cell::Date(days as i32))
}

#[inline]
fn time(value: i64, unit: TimeUnit) -> Result<Cell<'static>, Fault> {
    let micros = micros(value, unit)?;
    if !(0..=DAY_MICROS).contains(&micros) {
        return Err(Fault::OutOfRange);
    }
    Ok(Cell::Time(micros))
}

#[inline]
fn since_2000(value: i64, unit: TimeUnit) -> Result<i64, Fault> {
    let micros = micros(value, unit)?.checked_sub(EPOCH_DAYS * DAY_MICROS);
    micros.filter(|micros| TIMESTAMPS.contains(micros)).ok_or(Fault::OutOfRange)
}

/// Microseconds, those of nanoseconds rounded down.
#[inline]
fn micros(value: i64, unit: TimeUnit) -> Result<i64, Fault> {
    match unit {
        TimeUnit::Second => value.checked_mul(SECOND_MICROS).ok_or(Fault::OutOfRange),
        TimeUnit::Millisecond => value.checked_mul(1_000).ok_or(Fault::OutOfRange),
        TimeUnit::Microsecond => Ok(value),
        TimeUnit::Nanosecond => Ok(value.div_euclid(1_000)),
    }
}
