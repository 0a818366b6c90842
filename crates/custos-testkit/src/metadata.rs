//! The parts of `cargo metadata` that are used here.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::cargo::{cargo, output};

/// The document that `cargo metadata --format-version 1` prints.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
}

/// One package: ours, or one that ours depend on.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    pub(crate) id: String,
    /// The name, as Cargo knows it.
    pub name: String,
    /// The version, as Cargo knows it.
    pub version: String,
    /// What the package says about itself, in a line.
    pub description: Option<String>,
    /// The licence as an SPDX expression.
    pub license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) manifest_path: PathBuf,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    kind: Option<String>,
}

impl Dependency {
    /// Whether it is linked into what the package builds, rather than into its tests or its
    /// build script.
    pub(crate) const fn is_normal(&self) -> bool {
        self.kind.is_none()
    }
}

/// The graph after versions and features were chosen.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// A package and what it depends on.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Edge>,
}

/// An edge of the graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    pub(crate) pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Edge {
    /// As [`Dependency::is_normal`].
    pub(crate) fn is_normal(&self) -> bool {
        self.dep_kinds.iter().any(|edge| edge.kind.is_none())
    }
}

/// Asks Cargo, without touching the network.
///
/// # Errors
/// Cargo failed, or its document has changed.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Metadata> {
    let mut command = cargo();
    command.args(["metadata", "--offline", "--format-version", "1"]).args(arguments);
    serde_json::from_str(&output(command)?).context("cargo metadata is not as expected")
}
