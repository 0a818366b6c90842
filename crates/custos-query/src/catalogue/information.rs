//! The relations of `information_schema` whose rows are of this installation
//! (ISO/IEC 9075-11, as PostgreSQL has it).

use arrow::array::RecordBatch;

use super::Facts;
use super::objects::{OWNER, Objects};
use super::relation::{self, Values};
use super::shape::{self, INFORMATION_SCHEMA, PG_CATALOG, Shape};
use super::types;
use crate::governor::PUBLISHED;
use crate::{PgType, QueryError};
use Values::{Counts, Numbers, Texts, Word, Words};

/// The relations that have rows here.
const WITH_ROWS: [&str; 10] = [
    "information_schema_catalog_name",
    "schemata",
    "tables",
    "columns",
    "table_privileges",
    "role_table_grants",
    "column_privileges",
    "role_column_grants",
    "enabled_roles",
    "character_sets",
];

/// Whether there may be something of the kind here.
pub(super) fn has_rows(name: &str) -> bool {
    WITH_ROWS.contains(&name)
}

/// The rows of a relation; none where there is nothing of the kind here.
pub(super) fn rows(
    shape: &Shape,
    objects: &Objects,
    facts: &Facts,
) -> Result<RecordBatch, QueryError> {
    let (count, said) = match shape.name {
        "information_schema_catalog_name" => (1, vec![("catalog_name", one(&facts.database))]),
        "schemata" => schemata(facts),
        "tables" => tables(objects, facts),
        "columns" => columns(objects, facts),
        "table_privileges" | "role_table_grants" => table_privileges(objects, facts),
        "column_privileges" | "role_column_grants" => column_privileges(objects, facts),
        "enabled_roles" => (1, vec![("role_name", one(&facts.user))]),
        "character_sets" => character_sets(facts),
        _ => (0, Vec::new()),
    };
    relation::rows(shape, count, said)
}

type Said = (usize, Vec<(&'static str, Values)>);

fn one(word: &str) -> Values {
    Words(vec![word.to_owned()])
}

fn many(word: &str, rows: usize) -> Values {
    Words(vec![word.to_owned(); rows])
}

fn schemata(facts: &Facts) -> Said {
    let names = [PG_CATALOG, INFORMATION_SCHEMA, PUBLISHED];
    let said = vec![
        ("catalog_name", many(&facts.database, names.len())),
        ("schema_name", Words(names.map(str::to_owned).into())),
        ("schema_owner", Word(OWNER)),
    ];
    (names.len(), said)
}

/// A relation of either kind.
struct Table<'a> {
    schema: &'a str,
    name: &'a str,
    kind: &'a str,
    columns: Vec<(&'a str, PgType, bool)>,
}

fn all_tables(objects: &Objects) -> Vec<Table<'_>> {
    let published = objects.tables.iter().map(|table| {
        let fields = table.schema.fields().iter();
        let columns = fields.map(|field| (field.name().as_str(), PgType::of_field(field), true));
        Table { schema: PUBLISHED, name: &table.name, kind: "r", columns: columns.collect() }
    });
    let system = shape::all().iter().map(|shape| {
        let columns = shape.columns.iter().map(|column| {
            (column.field.name().as_str(), PgType::of_field(&column.field), !column.is_never_null)
        });
        let columns = columns.collect();
        Table { schema: shape.schema, name: shape.name, kind: shape.kind, columns }
    });
    published.chain(system).collect()
}

fn tables(objects: &Objects, facts: &Facts) -> Said {
    let all = all_tables(objects);
    let words = |of: fn(&Table<'_>) -> &'static str| {
        Words(all.iter().map(|table| of(table).to_owned()).collect())
    };
    let said = vec![
        ("table_catalog", many(&facts.database, all.len())),
        ("table_schema", Words(all.iter().map(|table| table.schema.to_owned()).collect())),
        ("table_name", Words(all.iter().map(|table| table.name.to_owned()).collect())),
        ("table_type", words(|table| if table.kind == "r" { "BASE TABLE" } else { "VIEW" })),
        ("is_insertable_into", Word("NO")),
        ("is_typed", Word("NO")),
    ];
    (all.len(), said)
}

fn columns(objects: &Objects, facts: &Facts) -> Said {
    let all = all_tables(objects);
    let mut rows = Vec::new();
    for table in &all {
        for (at, (name, of, is_nullable)) in table.columns.iter().enumerate() {
            rows.push((table, at as i64 + 1, *name, *of, *is_nullable));
        }
    }
    let counts = |of: fn(PgType) -> Option<i64>| Counts(rows.iter().map(|row| of(row.3)).collect());
    let words = |of: fn(types::TypeName) -> &'static str| {
        Words(rows.iter().map(|row| of(types::name(row.3)).to_owned()).collect())
    };
    let nullable = rows.iter().map(|row| if row.4 { "YES" } else { "NO" }.to_owned());
    let said = vec![
        ("table_catalog", many(&facts.database, rows.len())),
        ("table_schema", Words(rows.iter().map(|row| row.0.schema.to_owned()).collect())),
        ("table_name", Words(rows.iter().map(|row| row.0.name.to_owned()).collect())),
        ("column_name", Words(rows.iter().map(|row| row.2.to_owned()).collect())),
        ("ordinal_position", Numbers(rows.iter().map(|row| row.1).collect())),
        ("is_nullable", Words(nullable.collect())),
        ("data_type", words(|name| name.sql)),
        ("character_octet_length", counts(|of| (of.oid == 25).then_some(1 << 30))),
        ("numeric_precision", counts(|of| precision(of).map(|found| found.0))),
        ("numeric_precision_radix", counts(|of| precision(of).map(|found| found.1))),
        ("numeric_scale", counts(fraction_digits)),
        ("datetime_precision", counts(|of| types::name(of).fraction)),
        ("udt_catalog", many(&facts.database, rows.len())),
        ("udt_schema", Word(PG_CATALOG)),
        ("udt_name", words(|name| name.internal)),
        ("dtd_identifier", Words(rows.iter().map(|row| row.1.to_string()).collect())),
        ("is_self_referencing", Word("NO")),
        ("is_identity", Word("NO")),
        ("identity_cycle", Word("NO")),
        ("is_generated", Word("NEVER")),
        ("is_updatable", Word("NO")),
    ];
    (rows.len(), said)
}

/// The digits of a number and their base.
fn precision(of: PgType) -> Option<(i64, i64)> {
    let scaled = types::scale(of).map(|(digits, _)| (digits, 10));
    scaled.or_else(|| types::name(of).precision)
}

/// The digits after the point of a number that says so.
fn fraction_digits(of: PgType) -> Option<i64> {
    let whole = matches!(of.oid, 20 | 21 | 23).then_some(0);
    types::scale(of).map(|(_, after)| after).or(whole)
}

fn table_privileges(objects: &Objects, facts: &Facts) -> Said {
    let tables = &objects.tables;
    let said = vec![
        ("grantor", Word(OWNER)),
        ("grantee", many(&facts.user, tables.len())),
        ("table_catalog", many(&facts.database, tables.len())),
        ("table_schema", Word(PUBLISHED)),
        ("table_name", Words(tables.iter().map(|table| table.name.clone()).collect())),
        ("privilege_type", Word("SELECT")),
        ("is_grantable", Word("NO")),
        ("with_hierarchy", Word("YES")),
    ];
    (tables.len(), said)
}

fn column_privileges(objects: &Objects, facts: &Facts) -> Said {
    let mut rows = Vec::new();
    for table in &objects.tables {
        rows.extend(table.schema.fields().iter().map(|field| (&table.name, field.name())));
    }
    let said = vec![
        ("grantor", Word(OWNER)),
        ("grantee", many(&facts.user, rows.len())),
        ("table_catalog", many(&facts.database, rows.len())),
        ("table_schema", Word(PUBLISHED)),
        ("table_name", Words(rows.iter().map(|row| row.0.clone()).collect())),
        ("column_name", Words(rows.iter().map(|row| row.1.clone()).collect())),
        ("privilege_type", Word("SELECT")),
        ("is_grantable", Word("NO")),
    ];
    (rows.len(), said)
}

fn character_sets(facts: &Facts) -> Said {
    let said = vec![
        ("character_set_name", Word("UTF8")),
        ("character_repertoire", Word("UCS")),
        ("form_of_use", Word("UTF8")),
        ("default_collate_catalog", one(&facts.database)),
        ("default_collate_schema", Texts(vec![Some(PG_CATALOG.to_owned())])),
        ("default_collate_name", Word("C.UTF-8")),
    ];
    (1, said)
}
