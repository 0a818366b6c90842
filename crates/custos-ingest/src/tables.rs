//! The tables that a contract makes.

use arrow::datatypes::{DataType, TimeUnit};
use custos_core::{ColumnKind, DataCategory, IdentifierType, KeyClass, NameError, Purpose};
use custos_lake::{ColumnRole, ColumnSpec, LakeError, TableSpec, vault};
use custos_policy::{Dataset, DatasetColumn};

use crate::contract::{Column, Contract, LogicalType, Unattributed, WriteMode};

/// The column for properties that the contract does not list.
pub(crate) const EXTRA: &str = "extra";

/// The jurisdiction of sources that name none: the strictest rules apply.
const UNKNOWN_JURISDICTION: &str = "unknown";

impl Contract {
    /// The landing table: subject, technical columns, then the columns that are not identifiers.
    pub fn landing_spec(&self) -> Result<TableSpec, LakeError> {
        let mut columns: Vec<ColumnSpec> = self
            .secondary_roles()
            .into_iter()
            .map(|role| {
                let name = format!("_rid_{role}");
                ColumnSpec::technical(name, DataType::Int64, ColumnRole::SecondarySubject)
            })
            .collect();
        if !self.record_key.is_empty() {
            columns.push(ColumnSpec::technical(TableSpec::KEY, DataType::Binary, ColumnRole::Key));
            columns.push(ColumnSpec::technical(
                TableSpec::CONTENT_HASH,
                DataType::Binary,
                ColumnRole::ContentHash,
            ));
        }
        if self.write_mode == WriteMode::Upsert {
            columns.push(ColumnSpec::technical(
                TableSpec::VERSION,
                DataType::Int64,
                ColumnRole::Version,
            ));
        }
        columns.extend(self.fact_columns().map(|(_, column)| {
            ColumnSpec::value(&column.name, column.data_type(), column.key_class())
        }));
        columns.push(ColumnSpec::value(EXTRA, DataType::Utf8, KeyClass::Content));
        TableSpec::new(self.id.landing_table(), columns)
    }

    /// The landing table as the policy sees it.
    pub fn dataset(&self) -> Result<Dataset, NameError> {
        let mut columns: Vec<_> = self
            .fact_columns()
            .map(|(_, column)| DatasetColumn {
                name: column.name.clone(),
                category: column.category.clone(),
                kind: Some(column.kind),
                class: column.key_class(),
            })
            .collect();
        columns.push(DatasetColumn {
            name: EXTRA.to_owned(),
            category: Some("user.content".parse()?),
            kind: Some(ColumnKind::Content),
            class: KeyClass::Content,
        });
        Ok(Dataset {
            table: self.id.landing_table(),
            columns,
            purposes: self.purposes.clone(),
            unattributed_visible: self.unattributed == Unattributed::Visible,
            jurisdiction: self.jurisdiction.clone().unwrap_or_else(|| UNKNOWN_JURISDICTION.into()),
            event_time: self
                .event_time
                .and_then(|at| self.columns.get(at))
                .map(|column| column.name.clone()),
        })
    }

    /// The table for this source's refused rows.
    pub fn quarantine_spec(&self) -> Result<TableSpec, LakeError> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        TableSpec::new(
            self.id.quarantine_table(),
            vec![
                ColumnSpec::technical(TableSpec::KEY, DataType::Binary, ColumnRole::Key),
                ColumnSpec::technical(
                    TableSpec::CONTENT_HASH,
                    DataType::Binary,
                    ColumnRole::ContentHash,
                ),
                ColumnSpec::value("batch", DataType::Utf8, KeyClass::Core),
                ColumnSpec::value("row", DataType::Int64, KeyClass::Core),
                ColumnSpec::value("line", DataType::Int64, KeyClass::Core),
                ColumnSpec::value("column", DataType::Utf8, KeyClass::Core),
                ColumnSpec::value("fault", DataType::Utf8, KeyClass::Core),
                ColumnSpec::value("remedy", DataType::Utf8, KeyClass::Core),
                ColumnSpec::value("at", instant, KeyClass::Core),
                ColumnSpec::value("mentions", DataType::Binary, KeyClass::Identifier),
                ColumnSpec::value("header", DataType::Binary, KeyClass::Content),
                ColumnSpec::value("raw", DataType::Binary, KeyClass::Content),
            ],
        )
    }

    /// The roles of people other than the one a row is about, in order.
    pub(crate) fn secondary_roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self
            .columns
            .iter()
            .filter_map(|column| column.identifier.as_ref()?.role.as_deref())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// The columns that land in the landing table, with their positions in the contract.
    pub(crate) fn fact_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.identifier.is_none())
    }
}

impl Column {
    pub(crate) fn data_type(&self) -> DataType {
        match self.logical_type {
            LogicalType::String => DataType::Utf8,
            LogicalType::Integer => DataType::Int64,
            LogicalType::Float => DataType::Float64,
            LogicalType::Decimal { precision, scale } => {
                DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
            }
            LogicalType::Boolean => DataType::Boolean,
            LogicalType::Date => DataType::Date32,
            LogicalType::Timestamp => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
        }
    }

    fn key_class(&self) -> KeyClass {
        match self.kind {
            _ if self.sensitive => KeyClass::Sensitive,
            ColumnKind::Content => KeyClass::Content,
            ColumnKind::Identifier => KeyClass::Identifier,
            ColumnKind::Attribute | ColumnKind::Fact => KeyClass::Fact,
        }
    }
}

/// The vault of one source as the policy sees it.
///
/// A query sees identifiers through this, so that each is limited to the purposes notified where
/// it was given.
pub fn vault_dataset(purposes: Vec<Purpose>) -> Result<Dataset, NameError> {
    let technical = ["source", "role", "type", "scope", "assurance", "seen_at"];
    let mut columns: Vec<_> = technical
        .into_iter()
        .map(|name| DatasetColumn {
            name: name.to_owned(),
            category: None,
            kind: None,
            class: KeyClass::Core,
        })
        .collect();
    for kind in IdentifierType::ALL {
        columns.push(identifier_column(kind, kind.default_category()?));
    }
    let spec = vault::identifiers_spec();
    Ok(Dataset {
        table: match spec {
            Ok(spec) => spec.name().clone(),
            Err(_) => "vault.identifiers".parse()?,
        },
        columns,
        purposes,
        unattributed_visible: false,
        jurisdiction: UNKNOWN_JURISDICTION.to_owned(),
        // Identifiers say when they were seen, but they live with the rows that they came with.
        event_time: None,
    })
}

fn identifier_column(kind: IdentifierType, category: DataCategory) -> DatasetColumn {
    let class = match kind {
        IdentifierType::NationalId => KeyClass::Sensitive,
        _ => KeyClass::Identifier,
    };
    DatasetColumn {
        name: kind.as_str().to_owned(),
        category: Some(category),
        kind: Some(ColumnKind::Identifier),
        class,
    }
}
