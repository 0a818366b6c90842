//! What `custos doctor` finds in installations that were tampered with.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::crash::installed_at;
use crate::erasure::{copy, erase_subject};
use crate::harness::{Custos, Run};

const ALL: [&str; 11] = ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11"];

/// What is done to the control store, and the invariants that then do not hold.
///
/// `one` is a file of the orders, `replaced` one that was erased from.
const CASES: [(&str, &[&str]); 11] = [
    ("SELECT 1", &[]),
    ("UPDATE secret SET sealed = zeroblob(length(sealed)) WHERE owner = :one", &["I1", "I2"]),
    (
        "UPDATE batch SET body = replace(body, :one, '00000000-0000-4000-8000-000000000001')",
        &["I2"],
    ),
    ("DELETE FROM destroyed_owner WHERE owner = :replaced", &["I3", "I6"]),
    (
        "INSERT INTO destroyed_owner (owner, at, cause) VALUES (:one, 0, 'replaced')",
        &["I1", "I2", "I4"],
    ),
    ("DELETE FROM secret WHERE owner = :one", &["I1", "I2", "I5"]),
    (
        "UPDATE request SET body = json_set(body, '$.certificate', \
         json_extract(body, '$.certificate') || 'A')",
        &["I6"],
    ),
    (
        "UPDATE audit_leaf SET leaf = CAST('{}' AS BLOB) WHERE seq = (SELECT min(seq) FROM audit_leaf)",
        &["I7"],
    ),
    ("UPDATE epoch SET value = 0 WHERE name = 'suppression'", &["I8"]),
    // Of which nothing but former examinations tells.
    ("UPDATE epoch SET value = 0 WHERE name = 'consent'", &["I8"]),
    ("DELETE FROM tombstone; DELETE FROM suppression", &["I10"]),
];

#[test]
fn doctor_names_every_invariant_that_does_not_hold() {
    let custos = Custos::shop();
    let landed = custos.path("shop/lake/landing/pos_orders");
    let before = files_of(&landed);
    erase_subject(&custos, "customer_id@pos:M-ANA", "L2");
    let after = files_of(&landed);
    let only = |of: &[String], other: &[String]| {
        of.iter().find(|file| !other.contains(file)).expect("a file").clone()
    };
    // The one that took the place is of no load; what is left of the load is the certificate's.
    let replaced = only(&before, &after);
    let mary = custos.orders("mary.csv", &[MARY]);
    custos.ingest(&crate::harness::shipped_contract("pos_orders.yaml"), &mary).ok();
    let one = only(&files_of(&landed), &after);
    custos.healthy();
    for (case, (change, broken)) in CASES.iter().enumerate() {
        let dir = custos.path(&format!("case-{case}"));
        copy(&custos.path("shop"), &dir);
        tamper(&dir, change, &one, &replaced);
        finds(&dir, change, broken);
        // Nothing mends itself by being looked at.
        finds(&dir, change, broken);
    }
}

#[track_caller]
fn finds(dir: &Path, change: &str, broken: &[&str]) {
    let output = installed_at(dir, &["doctor", "--json"]).output().expect("it starts");
    let run = Run::of(output);
    let lines: Vec<Value> =
        run.json().into_iter().filter(|line| line.get("invariant").is_some()).collect();
    let name = |line: &Value| line["invariant"].as_str().expect("a name").to_owned();
    assert_eq!(lines.iter().map(name).collect::<Vec<_>>(), ALL, "{change}: {run:#?}");
    let has_problems = |line: &&Value| line["problems"] != serde_json::json!([]);
    let found: Vec<String> = lines.iter().filter(has_problems).map(name).collect();
    assert_eq!(found, broken, "{change}: {run:#?}");
    assert_eq!(run.code, Some(if broken.is_empty() { 0 } else { 6 }), "{change}: {run:#?}");
}

const MARY: &str = "o7,M-MARY,Mary,+4915112345699,,berlin,web,toys,1,9.00,EUR,,2026-03-01 10:00:00,2026-03-01 10:00:00\n";

/// The ids of the data files of a table.
fn files_of(table: &Path) -> Vec<String> {
    let names = std::fs::read_dir(table)
        .expect("a table")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    names.filter_map(|name| Some(name.strip_suffix(".parquet")?.to_owned())).collect()
}

fn tamper(dir: &Path, change: &str, one: &str, replaced: &str) {
    let script = "import sqlite3, sys\n\
                  store = sqlite3.connect(sys.argv[1])\n\
                  for change in sys.argv[2].split(';'):\n    \
                      names = {'one': sys.argv[3], 'replaced': sys.argv[4]}\n    \
                      store.execute(change, {name: it for name, it in names.items() if ':' + name in change})\n\
                  store.commit()";
    let store = dir.join("control/custos.db");
    let mut python = Command::new("python3");
    python.arg("-c").arg(script).arg(store).args([change, one, replaced]);
    assert!(python.status().expect("python3 runs").success(), "{change}");
}
