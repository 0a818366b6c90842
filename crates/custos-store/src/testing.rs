//! Small stores for the tests, on both databases.

use std::path::PathBuf;

use custos_core::{RequestId, Rid, Timestamp};
use custos_testkit::PostgresServer;
use tempfile::TempDir;

use crate::{OpenError, PostgresUrl, Store};

/// Where a store is or will be: a folder that is removed with the value, or a database.
pub(crate) enum Home {
    Folder(TempDir),
    Database(String, TempDir),
}

impl Home {
    /// An empty folder.
    pub(crate) fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    /// An empty database.
    pub(crate) fn database() -> Self {
        Self::Database(server().new_database().unwrap(), tempfile::tempdir().unwrap())
    }

    /// The folder of the store on this machine.
    pub(crate) fn control(&self) -> PathBuf {
        match self {
            Self::Folder(folder) | Self::Database(_, folder) => folder.path().join("control"),
        }
    }

    /// The file of the store.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Folder(_) => self.control().join("custos.db"),
            Self::Database(..) => panic!("a database has no path"),
        }
    }

    /// The URL of the store.
    pub(crate) fn url(&self) -> PostgresUrl {
        match self {
            Self::Folder(_) => panic!("a folder has no URL"),
            Self::Database(name, _) => server().url(name).parse().unwrap(),
        }
    }

    pub(crate) async fn try_create(&self) -> Result<Store, OpenError> {
        match self {
            Self::Folder(_) => Store::create(&self.path()).await,
            Self::Database(..) => Store::create_postgres(&self.url(), &self.control()).await,
        }
    }

    pub(crate) async fn try_open(&self) -> Result<Store, OpenError> {
        match self {
            Self::Folder(_) => Store::open(&self.path()).await,
            Self::Database(..) => Store::open_postgres(&self.url(), &self.control()).await,
        }
    }

    /// Makes the store.
    pub(crate) async fn create(&self) -> Store {
        self.try_create().await.unwrap()
    }

    /// Opens the store, as another process would.
    pub(crate) async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }
}

impl Home {
    /// What can be read of the store past its statements: its files; on a server all states of rows
    /// with sealed or personal values that the server still finds, older ones included.
    pub(crate) fn stored_bytes(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Folder(_) => ["custos.db", "custos.db-wal"]
                .map(|name| std::fs::read(self.path().with_file_name(name)).unwrap_or_default())
                .into(),
            Self::Database(name, _) => rows_of_pages(name),
        }
    }
}

fn rows_of_pages(database: &str) -> Vec<Vec<u8>> {
    server().sql(database, "CREATE EXTENSION IF NOT EXISTS pageinspect").unwrap();
    let rows = server().sql(
        database,
        "WITH emptied AS (SELECT oid, reltoastrelid FROM pg_class \
             WHERE relname IN ('secret', 'consent_event', 'subject_age')), \
         stored AS (SELECT oid FROM emptied \
             UNION SELECT reltoastrelid FROM emptied WHERE reltoastrelid > 0) \
         SELECT encode(t_data, 'hex') FROM stored, \
             generate_series(0, pg_relation_size(oid::regclass) / 8192 - 1) block, \
             heap_page_items(get_raw_page(oid::regclass::text, block::int)) \
         WHERE t_data IS NOT NULL",
    );
    rows.unwrap().lines().map(from_hex).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The server of all tests.
pub(crate) fn server() -> &'static PostgresServer {
    PostgresServer::shared().unwrap()
}

/// Runs tests on both databases: functions that take the home of a store to be.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        crate::testing::on_one!(sqlite, crate::testing::Home::folder, $($test),+);
        crate::testing::on_one!(postgres, crate::testing::Home::database, $($test),+);
    };
}

macro_rules! on_one {
    ($database:ident, $home:path, $($test:ident),+) => {
        mod $database {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test($home()).await;
            })+
        }
    };
}

/// Runs properties on both databases: functions that take what makes homes.
macro_rules! properties_on_both {
    ($($property:ident),+ $(,)?) => {
        mod properties {
            $(mod $property {
                #[test]
                fn sqlite() {
                    super::super::$property(crate::testing::Home::folder);
                }

                #[test]
                fn postgres() {
                    super::super::$property(crate::testing::Home::database);
                }
            })+
        }
    };
}

pub(crate) use {on_both, on_one, properties_on_both};

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn rids(numbers: &[u32]) -> Vec<Rid> {
    numbers.iter().copied().map(Rid::new).collect()
}

pub(crate) fn request_id(number: u8) -> RequestId {
    RequestId::from_random([number; 16])
}
