//! What a connection tells of itself to the statements that come by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::catalogue::Catalogue;

/// A connection of a client that expects PostgreSQL.
///
/// Its catalogue is made once, when first asked for: what a principal may see for a purpose is
/// decided by policies and models, and both last as long as the process.
#[derive(Debug, Default)]
pub struct Session {
    /// The name of the database.
    pub(crate) database: String,
    /// The name of the principal.
    pub(crate) user: String,
    /// The databases that the principal may connect to.
    pub(crate) databases: Vec<String>,
    /// The settings and their values, by their names in lower case.
    pub settings: BTreeMap<String, String>,
    /// The number that cancel requests name it by.
    pub(crate) pid: i32,
    pub(crate) catalogue: OnceCell<Arc<Catalogue>>,
}

impl Session {
    /// A connection to a database, which stands for a purpose.
    pub fn new(database: String, user: String, databases: Vec<String>, pid: i32) -> Self {
        Self { database, user, databases, pid, ..Self::default() }
    }

    /// The value of a setting, as text.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The zone that instants are read and shown in.
    pub(crate) fn time_zone(&self) -> &str {
        self.setting("timezone").unwrap_or("UTC")
    }
}
