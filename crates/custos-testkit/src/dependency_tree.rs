//! Everything that is built into this workspace, ours and others'.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::metadata::metadata;
use crate::{Package, host_triple};

/// The resolved graph of packages for this platform.
///
/// Features are those of the whole workspace, so a tree may be too large, never too small.
#[derive(Debug)]
pub struct DependencyTree {
    packages: BTreeMap<String, Package>,
    links: BTreeMap<String, Vec<String>>,
}

impl DependencyTree {
    /// Resolves the workspace from the lock file, without touching the network.
    ///
    /// # Errors
    /// Cargo failed, for instance because a package was never downloaded, or its document has
    /// changed.
    pub fn load() -> Result<Self> {
        let found = metadata(&["--filter-platform", &host_triple()?])?;
        let nodes = found.resolve.context("cargo metadata has no graph")?.nodes;
        Ok(Self {
            packages: found.packages.into_iter().map(|it| (it.id.clone(), it)).collect(),
            links: nodes
                .into_iter()
                .map(|node| {
                    let normal = node.deps.into_iter().filter(|edge| edge.is_normal());
                    (node.id, normal.map(|edge| edge.pkg).collect())
                })
                .collect(),
        })
    }

    /// Every package, including what tests and build scripts use.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The names of all packages that are linked into `root`, itself included.
    ///
    /// # Errors
    /// There is no package `root`.
    pub fn below(&self, root: &str) -> Result<BTreeSet<&str>> {
        let root = self
            .packages
            .values()
            .find(|package| package.name == root)
            .with_context(|| format!("no package `{root}`"))?;
        let mut seen = BTreeSet::from([root.id.as_str()]);
        let mut waiting = vec![root.id.as_str()];
        while let Some(id) = waiting.pop() {
            for next in self.links.get(id).into_iter().flatten() {
                if seen.insert(next) {
                    waiting.push(next);
                }
            }
        }
        Ok(seen.into_iter().filter_map(|id| Some(self.packages.get(id)?.name.as_str())).collect())
    }
}
