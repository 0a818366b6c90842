//! What is asked, by whom, and for what.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use custos_core::Purpose;
use custos_policy::Principal;

use crate::Session;

/// A statement with all that decides about its answer.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The statement.
    pub sql: &'a str,
    /// The values of `$1`, `$2` and so on: arrays of one row each.
    pub parameters: &'a [ArrayRef],
    /// Who asks.
    pub principal: &'a Principal,
    /// What for.
    pub purpose: &'a Purpose,
    /// The connection that it came by, if it is one that expects PostgreSQL: its dialect, its names
    /// of columns and its system catalogue.
    pub session: Option<&'a Session>,
}

impl<'a> Question<'a> {
    /// A statement without parameters or connection.
    pub const fn new(sql: &'a str, principal: &'a Principal, purpose: &'a Purpose) -> Self {
        Self { sql, parameters: &[], principal, purpose, session: None }
    }
}

/// What a statement takes and gives, known without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The types of `$1`, `$2` and so on; [`DataType::Null`] where any would do.
    pub parameters: Vec<DataType>,
    /// The columns of its answer.
    pub columns: SchemaRef,
    /// The rows that it has at most, where its text says so.
    pub rows_max: Option<usize>,
    /// Whether its rows come in an order that was asked for.
    pub ordered: bool,
}
