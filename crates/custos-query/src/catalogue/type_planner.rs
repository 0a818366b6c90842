//! The types that PostgreSQL has and the engine knows by other names.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;

/// Types whose values are text here.
const TEXTS: [&str; 11] =
    ["json", "jsonb", "uuid", "name", "citext", "bpchar", "inet", "cidr", "xml", "money", "char"];

/// Plans types by the names that PostgreSQL has for them.
#[derive(Debug)]
pub(crate) struct PostgresTypes;

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, of: &SqlType) -> Result<Option<FieldRef>> {
        let name = of.to_string().to_lowercase();
        let name = name.rsplit('.').next().unwrap_or_default().trim_matches('"');
        if TEXTS.contains(&name) {
            return Ok(Some(Arc::new(Field::new("", DataType::Utf8, true))));
        }
        PgOidTypePlanner.plan_type_field(of)
    }
}
