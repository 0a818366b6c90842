//! What there is to ask for, as Flight SQL tells it: tables that the caller may see for the purpose.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};

use super::asker::Asker;
use super::refusal::Refusal;
use super::service::Flight;
use crate::wire_error::Failure;
use crate::wire_schema::wire_schema;

const CATALOG: &str = "custos";

const SCHEMA: &str = "customer";

const TABLE: &str = "TABLE";

/// The columns of an answer about primary keys, of which there are none.
pub(super) static PRIMARY_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
});

/// The columns of answers about foreign keys, of which there are none.
pub(super) static FOREIGN_KEYS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
});

/// The one catalogue.
pub(super) fn catalogs(command: CommandGetCatalogs) -> Result<RecordBatch, Refusal> {
    let mut builder = command.into_builder();
    builder.append(CATALOG);
    builder.build().map_err(|_| Refusal::Encode)
}

/// The one schema.
pub(super) fn schemas(command: CommandGetDbSchemas) -> Result<RecordBatch, Refusal> {
    let mut builder = command.into_builder();
    builder.append(CATALOG, SCHEMA);
    builder.build().map_err(|_| Refusal::BadMessage)
}

/// The one type of tables.
pub(super) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch, Refusal> {
    let mut builder = command.into_builder();
    builder.append(TABLE);
    builder.build().map_err(|_| Refusal::Encode)
}

impl Flight {
    /// The tables that the caller may see for the purpose.
    pub(super) async fn tables(
        &self,
        asker: &Asker,
        command: CommandGetTables,
    ) -> Result<RecordBatch, Failure> {
        let tables = self.gateway.governor.tables(&asker.principal, &asker.purpose).await;
        let tables = match tables {
            Ok(tables) => tables,
            Err(error) => return Err(self.refused(asker, error).await),
        };
        Ok(matching(&tables, command)?)
    }
}

fn matching(
    tables: &[(String, SchemaRef)],
    command: CommandGetTables,
) -> Result<RecordBatch, Refusal> {
    let mut builder = command.into_builder();
    for (name, columns) in tables {
        let columns = wire_schema(columns);
        builder.append(CATALOG, SCHEMA, name, TABLE, &columns).map_err(|_| Refusal::Encode)?;
    }
    builder.build().map_err(|_| Refusal::BadMessage)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn names(command: CommandGetTables) -> Vec<String> {
        let columns = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8View, true)]));
        let tables = ["orders", "orders_2026", "people"];
        let tables = tables.map(|name| (name.to_owned(), Arc::clone(&columns) as SchemaRef));
        let batch = matching(&tables, command).unwrap();
        let names = batch.column(2).as_string::<i32>();
        names.iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn tables_are_found_by_patterns_and_types() {
        let all = CommandGetTables::default();
        assert_eq!(names(all.clone()).len(), 3);
        let named = |pattern: &str| {
            let pattern = Some(pattern.to_owned());
            names(CommandGetTables { table_name_filter_pattern: pattern, ..all.clone() })
        };
        assert_eq!(named("orders"), ["orders"]);
        assert_eq!(named("%s"), ["orders"]);
        assert_eq!(named("order_%"), ["orders", "orders_2026"]);
        assert_eq!(named("_eople"), ["people"]);
        assert!(named("").is_empty());
        let of_types = |types: &[&str]| {
            let table_types = types.iter().map(|name| (*name).to_owned()).collect();
            names(CommandGetTables { table_types, ..all.clone() }).len()
        };
        assert_eq!((of_types(&["VIEW", "TABLE"]), of_types(&["VIEW"])), (3, 0));
        let catalog = Some("other".to_owned());
        assert!(names(CommandGetTables { catalog, ..all.clone() }).is_empty());
        let db_schema_filter_pattern = Some("cust_mer".to_owned());
        assert_eq!(names(CommandGetTables { db_schema_filter_pattern, ..all }).len(), 3);
    }

    #[test]
    fn there_is_one_catalogue_with_one_schema() {
        let catalogs = catalogs(CommandGetCatalogs::default()).unwrap();
        assert_eq!(catalogs.column(0).as_string::<i32>().value(0), CATALOG);
        let command = CommandGetDbSchemas {
            catalog: None,
            db_schema_filter_pattern: Some("vault".to_owned()),
        };
        assert_eq!(schemas(command).unwrap().num_rows(), 0);
        assert_eq!(schemas(CommandGetDbSchemas::default()).unwrap().num_rows(), 1);
        assert_eq!(table_types(CommandGetTableTypes::default()).unwrap().column(0).len(), 1);
    }
}
