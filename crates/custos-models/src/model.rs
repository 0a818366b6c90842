//! A published table.

use std::collections::BTreeMap;

use custos_core::TableName;

use crate::ModelTest;

/// A table of the schema `customer`, defined by a SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The table's name, without the schema.
    pub name: String,
    /// What a row is, for people.
    pub description: String,
    /// What the columns are, for people; those without a description are left out.
    pub columns: BTreeMap<String, String>,
    /// The SELECT, with all references resolved.
    pub sql: String,
    /// The models that it reads, by name and in order.
    pub views: Vec<String>,
    /// The tables of the lake that it reads, in order.
    pub tables: Vec<TableName>,
    /// What must hold for its rows.
    pub tests: Vec<ModelTest>,
    /// The path of its file inside its folder; empty for the automatic model of a source.
    pub file: String,
}
