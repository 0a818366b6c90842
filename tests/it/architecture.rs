//! The graph of our crates, as it is built, held against the design.

use std::fmt::Write;

use custos_testkit::{CRATES, DependencyTree, Sources, Workspace, workspace_root};
use expect_test::expect;

/// Packages that no product crate may link.
const DEV_ONLY: [&str; 3] = ["custos-testkit", "custos-tests", "xtask"];

/// What crates of pure logic do without, so that they build and test in seconds.
const ENGINES: [&str; 5] = ["tokio", "arrow", "datafusion", "object_store", "reqwest"];

/// A new edge between our crates is a design decision: change this table in the same commit.
#[test]
fn crate_edges_are_the_declared_ones() {
    let workspace = Workspace::load().unwrap();
    let mut actual = String::new();
    for package in workspace.packages() {
        if !DEV_ONLY.contains(&package.name.as_str()) {
            let edges: Vec<&str> = workspace.edges(package).collect();
            let edges = if edges.is_empty() { "nothing".to_owned() } else { edges.join(", ") };
            writeln!(actual, "{} -> {edges}", package.name).unwrap();
        }
    }
    expect![[r#"
        custos-core -> nothing
        custos-consent -> custos-core
        custos-policy -> custos-core, custos-consent
        custos-identity -> custos-core
        custos-keys -> custos-core
        custos-audit -> custos-core, custos-keys
        custos-lake -> custos-core, custos-policy, custos-keys
        custos-query -> custos-core, custos-consent, custos-policy, custos-keys, custos-audit, custos-lake
        custos-models -> custos-core
        custos-ingest -> custos-core, custos-consent, custos-policy, custos-identity, custos-keys, custos-audit, custos-lake
        custos-erasure -> custos-core, custos-policy, custos-identity, custos-keys, custos-audit, custos-lake, custos-ingest
        custos-store -> custos-core, custos-consent, custos-keys, custos-audit, custos-lake, custos-query, custos-ingest, custos-erasure
        custos-gateway -> custos-core, custos-policy, custos-audit, custos-query, custos-erasure
        custos -> custos-core, custos-consent, custos-policy, custos-identity, custos-keys, custos-audit, custos-lake, custos-query, custos-models, custos-ingest, custos-erasure, custos-store, custos-gateway
    "#]].assert_eq(&actual);
}

#[test]
fn the_order_of_the_design_names_every_crate() {
    let workspace = Workspace::load().unwrap();
    let names: Vec<&str> = workspace.packages().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, CRATES);
}

#[test]
fn a_crate_depends_only_on_crates_before_it() {
    let workspace = Workspace::load().unwrap();
    let place = |name: &str| CRATES.iter().position(|it| *it == name).unwrap();
    for package in workspace.packages() {
        for edge in workspace.edges(package) {
            assert!(
                place(edge) < place(&package.name),
                "`{}` may not depend on `{edge}`",
                package.name
            );
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    let tree = DependencyTree::load().unwrap();
    for pure in ["custos-core", "custos-policy", "custos-consent", "custos-identity"] {
        let below = tree.below(pure).unwrap();
        for engine in ENGINES {
            assert!(!below.contains(engine), "`{engine}` is linked into `{pure}`");
        }
    }
    // The names are still those of packages: else the lines above would prove nothing.
    let whole = tree.below("custos").unwrap();
    for engine in ENGINES {
        assert!(whole.contains(engine), "`{engine}` is nowhere linked: is it named otherwise now?");
    }
}

/// What one crate alone knows, it alone names in its manifest.
#[test]
fn engines_are_named_by_the_crate_that_owns_them() {
    let workspace = Workspace::load().unwrap();
    for (engine, owner) in [
        ("aes-gcm", "custos-keys"),
        ("axum", "custos-gateway"),
        ("cedar-policy", "custos-policy"),
        ("datafusion", "custos-query"),
        ("deltalake-core", "custos-lake"),
        ("object_store", "custos-lake"),
        ("parquet", "custos-lake"),
        ("sqlx", "custos-store"),
    ] {
        let product = workspace.dependents(engine).filter(|name| !DEV_ONLY.contains(name));
        assert_eq!(product.collect::<Vec<_>>(), [owner], "crates that name `{engine}`");
    }
}

/// Weakenings of the enforcement are there for the harness that must notice them.
#[test]
fn no_product_can_be_built_with_weakened_enforcement() {
    let sources = Sources::read(&workspace_root()).unwrap();
    let manifests = sources.files().filter(|file| file.name() == "Cargo.toml");
    let mut named: Vec<&str> = manifests
        .filter(|file| file.text.contains("mutants"))
        .map(|file| file.path.as_str())
        .collect();
    named.sort_unstable();
    assert_eq!(named, ["crates/custos-query/Cargo.toml", "tests/Cargo.toml"]);
}
