//! The columns of PostgreSQL's system catalogue.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::pg_type::ALIAS;

/// The schema of what PostgreSQL keeps about itself.
pub(crate) const PG_CATALOG: &str = "pg_catalog";
/// The schema of the SQL standard for the same.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// A relation of the catalogue.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) schema: &'static str,
    pub(super) oid: i32,
    pub(super) name: &'static str,
    /// `r` for a table, `v` for a view.
    pub(super) kind: &'static str,
    pub(super) columns: Vec<ShapeColumn>,
}

/// One of its columns.
#[derive(Debug)]
pub(super) struct ShapeColumn {
    pub(super) field: Field,
    pub(super) is_never_null: bool,
}

/// All relations, ordered by schema and name.
static SHAPES: LazyLock<Vec<Shape>> =
    LazyLock::new(|| include_str!("shapes.txt").lines().filter_map(shape).collect());

/// All relations, ordered by schema and name.
pub(super) fn all() -> &'static [Shape] {
    &SHAPES
}

/// The relation of this name.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.schema == schema && shape.name == name)
}

fn shape(line: &'static str) -> Option<Shape> {
    let mut words = line.split(' ');
    let (schema, oid) = (words.next()?, words.next()?.parse().ok()?);
    let (name, kind) = (words.next()?, words.next()?);
    Some(Shape { schema, oid, name, kind, columns: words.filter_map(column).collect() })
}

fn column(word: &str) -> Option<ShapeColumn> {
    let (name, of) = word.split_once(':')?;
    let (of, is_never_null) = of.strip_suffix('!').map_or((of, false), |of| (of, true));
    let (data_type, alias) = data_type(of);
    let field = Field::new(name, data_type, true);
    let field = match alias {
        Some(alias) => field.with_metadata([(ALIAS.to_owned(), alias.to_owned())].into()),
        None => field,
    };
    Some(ShapeColumn { field, is_never_null })
}

/// The type of a column, and which of PostgreSQL's own it stands for.
fn data_type(name: &str) -> (DataType, Option<&str>) {
    if let Some(item) = name.strip_prefix('_') {
        return (DataType::new_list(data_type(item).0, true), None);
    }
    match name {
        "oid" | "regproc" => (DataType::Int32, Some(name)),
        "name" | "char" => (DataType::Utf8, Some(name)),
        "bool" => (DataType::Boolean, None),
        "int2" => (DataType::Int16, None),
        "int4" => (DataType::Int32, None),
        "int8" => (DataType::Int64, None),
        "float4" => (DataType::Float32, None),
        "float8" => (DataType::Float64, None),
        "numeric" => (DataType::Decimal128(38, 0), None),
        "bytea" => (DataType::Binary, None),
        "timestamptz" => (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), None),
        "interval" => (DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), None),
        _ => (DataType::Utf8, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_relation_whose_types_are_known() {
        let lines = include_str!("shapes.txt").lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let shape = shape(line).expect(line);
            assert_eq!(shape.columns.len(), line.split(' ').count() - 4, "{line}");
        }
        let class = find(PG_CATALOG, "pg_class").unwrap();
        assert_eq!((class.oid, class.kind, class.columns.len()), (1259, "r", 33));
        assert!(class.columns[0].is_never_null);
    }
}
