//! The workspace's own packages: their order, descriptions and edges.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Package;
use crate::metadata::metadata;

/// Our packages in the order of the design: each may depend only on those before it.
pub const CRATES: [&str; 17] = [
    "custos-core",
    "custos-consent",
    "custos-policy",
    "custos-identity",
    "custos-keys",
    "custos-audit",
    "custos-lake",
    "custos-query",
    "custos-models",
    "custos-ingest",
    "custos-erasure",
    "custos-store",
    "custos-gateway",
    "custos",
    "custos-testkit",
    "custos-tests",
    "xtask",
];

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

/// What the manifests of our own packages say.
#[derive(Debug)]
pub struct Workspace {
    packages: Vec<Package>,
}

impl Workspace {
    /// Reads the manifests.
    ///
    /// # Errors
    /// Cargo failed, or its document has changed.
    pub fn load() -> Result<Self> {
        let mut packages = metadata(&["--no-deps"])?.packages;
        packages.sort_by_key(|package| {
            (CRATES.iter().position(|name| *name == package.name), package.name.clone())
        });
        Ok(Self { packages })
    }

    /// Our packages in the order of [`CRATES`]; those it lacks come first.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Which of our packages `package` links, in the order of [`CRATES`].
    pub fn edges<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a str> {
        self.packages.iter().map(|other| other.name.as_str()).filter(|name| {
            package.dependencies.iter().any(|edge| edge.is_normal() && edge.name == *name)
        })
    }

    /// Which of our packages name `dependency` among what they link.
    pub fn dependents<'a>(&'a self, dependency: &'a str) -> impl Iterator<Item = &'a str> {
        self.packages
            .iter()
            .filter(move |package| {
                package.dependencies.iter().any(|edge| edge.is_normal() && edge.name == dependency)
            })
            .map(|package| package.name.as_str())
    }

    /// The folder of `package`, from the workspace root, with `/` between the parts.
    pub fn folder(package: &Package) -> String {
        let folder = package.manifest_path.parent().unwrap_or_else(|| Path::new(""));
        let folder = folder.strip_prefix(workspace_root()).unwrap_or(folder);
        folder.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}
