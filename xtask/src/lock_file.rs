//! What the lock file may hold: one version of what must unify, nothing of what is banned.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use custos_testkit::workspace_root;

use crate::console::complain;

/// Packages whose types cross crates. Two versions of one, or of one of its parts such as
/// `arrow-array`, are different types to the compiler.
const SINGLE: [&str; 4] = ["arrow", "parquet", "datafusion", "object_store"];

/// Packages that may not be in the tree, and why.
const BANNED: [(&str, &str); 2] = [
    ("openssl-sys", "needs a system library; rustls is what all servers and clients use"),
    ("native-tls", "another TLS per platform; rustls is what all servers and clients use"),
];

type Versions<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Checks `Cargo.lock`, which covers all platforms.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(workspace_root().join("Cargo.lock"))
        .context("Cargo.lock could not be read")?;
    let problems = problems(&versions(&text));
    for problem in &problems {
        complain(problem);
    }
    ensure!(problems.is_empty(), "Cargo.lock holds what it may not");
    Ok(())
}

/// The versions of each package; Cargo writes name and version in lines that follow each other.
fn versions(lock: &str) -> Versions<'_> {
    let mut versions = Versions::new();
    let lines: Vec<&str> = lock.lines().collect();
    for pair in lines.windows(2) {
        if let [name, version] = pair
            && let Some(name) = value(name, "name")
            && let Some(version) = value(version, "version")
        {
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
}

/// `value` of the line `key = "value"`.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')
}

fn problems(versions: &Versions<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, reason) in BANNED {
        if versions.contains_key(name) {
            problems.push(format!("`{name}` is banned: {reason}"));
        }
    }
    for family in SINGLE {
        if !versions.contains_key(family) {
            problems.push(format!("`{family}` is gone: say here what takes its place"));
        }
    }
    for (name, found) in versions {
        if found.len() > 1 && SINGLE.iter().any(|family| belongs(name, family)) {
            let found: Vec<&str> = found.iter().copied().collect();
            problems.push(format!("`{name}` comes in versions {}", found.join(" and ")));
        }
    }
    problems
}

/// Whether `name` is `family` or a part of it.
fn belongs(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str)]) -> String {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        packages.iter().map(package).collect()
    }

    fn found(extra: &[(&str, &str)]) -> Vec<String> {
        let mut packages: Vec<(&str, &str)> = SINGLE.map(|name| (name, "1.0.0")).to_vec();
        packages.extend_from_slice(extra);
        problems(&versions(&lock(&packages)))
    }

    #[test]
    fn one_version_of_each_is_in_order() {
        assert!(found(&[("arrow-array", "1.0.0"), ("syn", "1.0.0"), ("syn", "2.0.0")]).is_empty());
    }

    #[test]
    fn two_versions_of_a_part_are_found() {
        let problem = "`arrow-array` comes in versions 1.0.0 and 2.0.0";
        assert_eq!(found(&[("arrow-array", "1.0.0"), ("arrow-array", "2.0.0")]), [problem]);
    }

    #[test]
    fn banned_and_missing_packages_are_found() {
        assert_eq!(found(&[("openssl-sys", "0.9.0")]).len(), 1);
        assert_eq!(problems(&versions("")).len(), SINGLE.len());
    }
}
