//! The newest head of each table of the lake.

use async_trait::async_trait;
use custos_core::{StoreError, TableName};
use custos_lake::{HeadStore, TableHead};

use crate::Store;
use crate::column::integrity;
use crate::error::failed;
use crate::statement::query;

#[async_trait]
impl HeadStore for Store {
    async fn head(&self, table: &TableName) -> Result<Option<TableHead>, StoreError> {
        let row: Option<(i64, Vec<u8>)> =
            query("SELECT version, mac FROM table_head WHERE name = $1")
                .bind(table.as_str())
                .fetch_optional(self.readers())
                .await
                .map_err(failed("reading the head of a table"))?;
        let wrong = || integrity("the head of a table");
        row.map(|(version, mac)| {
            let version = u64::try_from(version).map_err(|_| wrong())?;
            Ok(TableHead { version, mac: mac.try_into().map_err(|_| wrong())? })
        })
        .transpose()
    }

    async fn advance(&self, table: &TableName, head: &TableHead) -> Result<(), StoreError> {
        query(
            "INSERT INTO table_head (name, version, mac) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET version = $2, mac = $3 \
             WHERE table_head.version < $2",
        )
        .bind(table.as_str())
        .bind(i64::try_from(head.version).unwrap_or(i64::MAX))
        .bind(&head.mac[..])
        .execute(self.writers())
        .await
        .map_err(failed("remembering the head of a table"))?;
        Ok(())
    }

    async fn secure(&self) -> Result<(), StoreError> {
        self.secure().await
    }
}
