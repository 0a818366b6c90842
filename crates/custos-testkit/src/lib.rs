//! What tests and developer tasks share: a clock, servers to run against, object storage that fails
//! (feature `faults`), the workspace's own facts and its tidy rules.
//!
//! Nothing here reaches a release: no product crate depends on it outside its tests. It knows the
//! vocabulary and Cargo, and neither Arrow nor an async runtime nor any policy; grants for tests
//! come from `decide` on a permissive policy, never from here.
//!
//! Read first: [`FakeClock`], [`Workspace`] and [`tidy`].
//!
//! ```
//! use custos_core::Clock;
//! use custos_testkit::FakeClock;
//! use std::time::Duration;
//!
//! let clock = FakeClock::at("2026-03-01T10:00:00Z".parse()?);
//! clock.advance(Duration::from_secs(30 * 24 * 3600));
//! assert_eq!(clock.now().to_string(), "2026-03-31T10:00:00Z");
//! # Ok::<(), custos_core::TimestampError>(())
//! ```

mod azurite;
mod cargo;
mod crash_points;
mod crate_map;
mod custos_binary;
mod dependency_tree;
mod fake_clock;
#[cfg(feature = "faults")]
mod fault_store;
mod free_port;
mod http_status;
mod metadata;
mod openbao;
mod postgres_server;
mod sample_data;
mod seaweedfs;
mod server_process;
mod sources;
pub mod tidy;
mod tools;
mod wire_client;
mod workspace;

pub use azurite::Azurite;
pub use cargo::{cargo, host_triple};
pub use crash_points::CrashPoints;
pub use crate_map::{crate_map, with_crate_map};
pub use custos_binary::custos_binary;
pub use dependency_tree::DependencyTree;
pub use fake_clock::FakeClock;
#[cfg(feature = "faults")]
pub use fault_store::{Answer, Fault, FaultPlan, FaultStore};
pub use metadata::Package;
pub use openbao::OpenBao;
pub use postgres_server::{PostgresServer, is_root, postgres_programs};
pub use sample_data::data_dir;
pub use seaweedfs::SeaweedFs;
pub use sources::{SourceFile, Sources};
pub use tools::python_with;
pub use wire_client::WireClient;
pub use workspace::{CRATES, Workspace, workspace_root};
