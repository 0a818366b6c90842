//! The relations of `pg_catalog` whose rows are of this installation.

use arrow::array::RecordBatch;

use super::Facts;
use super::objects::{OWNER, OWNER_OID, Objects, stable};
use super::relation::{self, Values};
use super::shape::{self, INFORMATION_SCHEMA, PG_CATALOG, Shape};
use super::types;
use crate::governor::PUBLISHED;
use crate::{PgType, QueryError};
use Values::{Counts, Flag, Flags, Number, Numbers, Texts, Word, Words};

/// The relations that have rows here, besides those that are the same everywhere.
const WITH_ROWS: [&str; 10] = [
    "pg_namespace",
    "pg_class",
    "pg_attribute",
    "pg_database",
    "pg_roles",
    "pg_user",
    "pg_tables",
    "pg_settings",
    "pg_stat_user_tables",
    "pg_stat_all_tables",
];

/// Whether there may be something of the kind here.
pub(super) fn has_rows(name: &str) -> bool {
    WITH_ROWS.contains(&name) || super::SHIPPED.contains(&name)
}

/// The rows of a relation; none where there is nothing of the kind here.
pub(super) fn rows(
    shape: &Shape,
    objects: &Objects,
    facts: &Facts,
) -> Result<RecordBatch, QueryError> {
    let (count, said) = match shape.name {
        "pg_namespace" => namespaces(objects),
        "pg_class" => classes(objects),
        "pg_attribute" => attributes(objects),
        "pg_database" => databases(facts),
        "pg_roles" => roles(facts),
        "pg_user" => users(facts),
        "pg_tables" => tables(objects),
        "pg_settings" => settings(facts),
        "pg_stat_user_tables" | "pg_stat_all_tables" => statistics(objects),
        _ => (0, Vec::new()),
    };
    relation::rows(shape, count, said)
}

type Said = (usize, Vec<(&'static str, Values)>);

fn namespaces(objects: &Objects) -> Said {
    let names = [PG_CATALOG, INFORMATION_SCHEMA, PUBLISHED];
    let numbers = names.iter().map(|name| i64::from(objects.namespace(name)));
    let said = vec![
        ("oid", Numbers(numbers.collect())),
        ("nspname", Words(names.map(str::to_owned).into())),
        ("nspowner", Number(OWNER_OID.into())),
    ];
    (names.len(), said)
}

/// A relation, published or of the catalogue itself.
struct Class<'a> {
    oid: i32,
    name: &'a str,
    namespace: i32,
    kind: &'a str,
    columns: Vec<(&'a str, PgType, bool)>,
}

fn all_classes(objects: &Objects) -> Vec<Class<'_>> {
    let published = objects.tables.iter().map(|table| {
        let fields = table.schema.fields().iter();
        Class {
            oid: table.oid,
            name: &table.name,
            namespace: objects.schema_oid,
            kind: "r",
            columns: fields
                .map(|field| (field.name().as_str(), PgType::of_field(field), false))
                .collect(),
        }
    });
    let system = shape::all().iter().map(|shape| {
        let columns = shape.columns.iter().map(|column| {
            (column.field.name().as_str(), PgType::of_field(&column.field), column.is_never_null)
        });
        Class {
            oid: shape.oid,
            name: shape.name,
            namespace: objects.namespace(shape.schema),
            kind: shape.kind,
            columns: columns.collect(),
        }
    });
    published.chain(system).collect()
}

fn classes(objects: &Objects) -> Said {
    let all = all_classes(objects);
    let numbers = |of: fn(&Class<'_>) -> i64| Numbers(all.iter().map(of).collect());
    let said = vec![
        ("oid", numbers(|class| class.oid.into())),
        ("relname", Words(all.iter().map(|class| class.name.to_owned()).collect())),
        ("relnamespace", numbers(|class| class.namespace.into())),
        ("relowner", Number(OWNER_OID.into())),
        // The access method `heap`, for those that are stored.
        ("relam", numbers(|class| if class.kind == "r" { 2 } else { 0 })),
        ("relfilenode", numbers(|class| class.oid.into())),
        // How many rows there are is not told: some may be hidden.
        ("reltuples", Number(-1)),
        ("relpersistence", Word("p")),
        ("relkind", Words(all.iter().map(|class| class.kind.to_owned()).collect())),
        ("relnatts", numbers(|class| class.columns.len() as i64)),
        ("relispopulated", Flag(true)),
        ("relreplident", Word("n")),
    ];
    (all.len(), said)
}

fn attributes(objects: &Objects) -> Said {
    let all = all_classes(objects);
    let mut rows = Vec::new();
    for class in &all {
        for (at, column) in class.columns.iter().enumerate() {
            rows.push((class.oid, at as i64 + 1, column));
        }
    }
    let numbers = |of: fn(PgType) -> i64| Numbers(rows.iter().map(|row| of(row.2.1)).collect());
    let words = |of: fn(types::TypeName) -> &'static str| {
        Words(rows.iter().map(|row| of(types::name(row.2.1)).to_owned()).collect())
    };
    let said = vec![
        ("attrelid", Numbers(rows.iter().map(|row| row.0.into()).collect())),
        ("attname", Words(rows.iter().map(|row| row.2.0.to_owned()).collect())),
        ("atttypid", numbers(|of| of.oid.into())),
        ("attstattarget", Number(-1)),
        ("attlen", numbers(|of| of.size.into())),
        ("attnum", Numbers(rows.iter().map(|row| row.1).collect())),
        ("attndims", numbers(|of| i64::from(types::name(of).sql == "ARRAY"))),
        ("attcacheoff", Number(-1)),
        ("atttypmod", numbers(|of| of.modifier.into())),
        ("attbyval", Flags(rows.iter().map(|row| types::name(row.2.1).layout.0).collect())),
        ("attalign", words(|name| name.layout.1)),
        ("attstorage", words(|name| name.layout.2)),
        ("attnotnull", Flags(rows.iter().map(|row| row.2.2).collect())),
        ("attislocal", Flag(true)),
        ("attcollation", numbers(types::collation)),
    ];
    (rows.len(), said)
}

fn databases(facts: &Facts) -> Said {
    let names = &facts.databases;
    let numbers = names.iter().map(|name| i64::from(stable("database", name)));
    let said = vec![
        ("oid", Numbers(numbers.collect())),
        ("datname", Words(names.clone())),
        ("datdba", Number(OWNER_OID.into())),
        ("encoding", Number(6)),
        ("datlocprovider", Word("c")),
        ("datallowconn", Flag(true)),
        ("datconnlimit", Number(-1)),
        ("dattablespace", Number(1663)),
        ("datcollate", Word("C.UTF-8")),
        ("datctype", Word("C.UTF-8")),
    ];
    (names.len(), said)
}

/// The owner of all, and whoever asks.
fn role_names(facts: &Facts) -> (Vec<String>, Values) {
    let numbers = vec![OWNER_OID.into(), stable("role", &facts.user).into()];
    (vec![OWNER.to_owned(), facts.user.clone()], Numbers(numbers))
}

fn roles(facts: &Facts) -> Said {
    let (names, numbers) = role_names(facts);
    let said = vec![
        ("rolname", Words(names)),
        ("rolsuper", Flag(false)),
        ("rolinherit", Flag(true)),
        ("rolcreaterole", Flag(false)),
        ("rolcreatedb", Flag(false)),
        ("rolcanlogin", Flags(vec![false, true])),
        ("rolreplication", Flag(false)),
        ("rolconnlimit", Number(-1)),
        ("rolpassword", Word("********")),
        ("rolbypassrls", Flag(false)),
        ("oid", numbers),
    ];
    (2, said)
}

fn users(facts: &Facts) -> Said {
    let said = vec![
        ("usename", Words(vec![facts.user.clone()])),
        ("usesysid", Number(stable("role", &facts.user).into())),
        ("usecreatedb", Flag(false)),
        ("usesuper", Flag(false)),
        ("userepl", Flag(false)),
        ("usebypassrls", Flag(false)),
        ("passwd", Word("********")),
    ];
    (1, said)
}

fn tables(objects: &Objects) -> Said {
    let published = objects.tables.iter().map(|table| (PUBLISHED, table.name.as_str()));
    let system = shape::all().iter().filter(|shape| shape.kind == "r");
    let system = system.map(|shape| (shape.schema, shape.name));
    let all: Vec<_> = published.chain(system).collect();
    let said = vec![
        ("schemaname", Words(all.iter().map(|table| table.0.to_owned()).collect())),
        ("tablename", Words(all.iter().map(|table| table.1.to_owned()).collect())),
        ("tableowner", Word(OWNER)),
        ("hasindexes", Flag(false)),
        ("hasrules", Flag(false)),
        ("hastriggers", Flag(false)),
        ("rowsecurity", Flag(false)),
    ];
    (all.len(), said)
}

fn settings(facts: &Facts) -> Said {
    let of = |which: fn(&(String, String)) -> &String| {
        facts.settings.iter().map(which).cloned().collect::<Vec<_>>()
    };
    let values: Vec<_> = of(|setting| &setting.1).into_iter().map(Some).collect();
    let said = vec![
        ("name", Words(of(|setting| &setting.0))),
        ("setting", Texts(values.clone())),
        ("context", Word("user")),
        ("vartype", Word("string")),
        ("source", Word("session")),
        ("reset_val", Texts(values.clone())),
        ("boot_val", Texts(values)),
        ("pending_restart", Flag(false)),
    ];
    (facts.settings.len(), said)
}

/// Tables of which no statistics are told.
fn statistics(objects: &Objects) -> Said {
    let tables = &objects.tables;
    let said = vec![
        ("relid", Numbers(tables.iter().map(|table| table.oid.into()).collect())),
        ("schemaname", Word(PUBLISHED)),
        ("relname", Words(tables.iter().map(|table| table.name.clone()).collect())),
        ("n_live_tup", Counts(vec![None; tables.len()])),
    ];
    (tables.len(), said)
}
