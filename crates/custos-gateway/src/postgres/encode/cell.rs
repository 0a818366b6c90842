//! One value, in the terms of PostgreSQL.

use std::ops::Range;

use super::column::{Column, Member};
use super::decimal::Numeric;
use super::interval::Interval;

/// Why a value cannot be sent, before it is known in which column it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    OutOfRange,
    NulInText,
    TooLarge,
    Unsupported,
}

/// A value that PostgreSQL can hold.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float4(f32),
    Float8(f64),
    Numeric(Numeric),
    /// UTF-8 without NUL.
    Text(&'a [u8]),
    Bytea(&'a [u8]),
    /// Days after 2000-01-01.
    Date(i32),
    /// Microseconds after midnight.
    Time(i64),
    /// Microseconds after 2000-01-01 00:00 on the wall clock.
    Timestamp(i64),
    /// Microseconds after 2000-01-01 00:00 UTC.
    Instant(i64),
    Interval(Interval),
    List(List<'a>),
    Struct(&'a [Member<'a>], usize),
    Map(&'a Member<'a>, &'a Member<'a>, Range<usize>),
    /// The value of a union: of whichever type it is, it is sent as JSON.
    Variant(&'a Column<'a>, usize),
}

/// A run of rows of a column.
#[derive(Debug)]
pub(crate) struct List<'a> {
    pub items: &'a Column<'a>,
    pub range: Range<usize>,
    /// The type of the items, if PostgreSQL's arrays of it are used; else the list is JSON.
    pub element: Option<u32>,
}
