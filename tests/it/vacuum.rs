//! A vacuum takes the bytes that nothing needs, and only those.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::crash::{ROWS, at_every_point, many_orders, run_at, totals};
use crate::erasure::copy;
use crate::harness::{Custos, erasure, files_below, shipped_contract};

/// Orders loaded often enough that they are worth sorting.
fn loaded() -> Custos {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    for load in 0..9 {
        let rows: Vec<String> = (0..20)
            .map(|row| {
                let (order, member) = (load * 20 + row, row % 5);
                format!("v{order},M{member},Member {member},,,s,web,toys,1,2.50,EUR,,2026-01-01 08:00:00,2026-01-01 08:00:00\n")
            })
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        custos.ingest(&contract, &custos.orders(&format!("{load}.csv"), &rows)).ok();
    }
    custos.run(&["resolve"]).ok();
    custos
}

/// The data files and journals of the lake.
fn objects(custos: &Custos) -> BTreeSet<PathBuf> {
    let lake = custos.path("shop/lake");
    let is_data = |path: &PathBuf| {
        let text = path.to_string_lossy();
        text.ends_with(".parquet") && !text.contains("_delta_log") || text.contains("/journal/")
    };
    files_below(&lake).into_iter().map(|(path, _)| path).filter(is_data).collect()
}

fn vacuum(custos: &Custos, more: &[&str]) -> Value {
    custos.run(&[&["vacuum", "--json"], more].concat()).ok().last()
}

#[test]
fn a_vacuum_deletes_replaced_files_and_leftovers_and_nothing_else() {
    let custos = loaded();
    let before = totals(&custos.path("shop"));
    custos.run(&["compact", "--json"]).ok();
    let landing = custos.path("shop/lake/landing/pos_orders");
    let leftover = landing.join("00000000-0000-4000-8000-000000000001.parquet");
    std::fs::write(&leftover, b"of a process that died").expect("a file");
    let journal = custos.path("shop/lake/journal/00000000-0000-4000-8000-000000000002");
    std::fs::create_dir_all(journal.parent().expect("a folder")).expect("a folder");
    std::fs::write(&journal, b"of a process that died").expect("a file");
    let foreign = landing.join("notes.txt");
    std::fs::write(&foreign, b"of somebody else").expect("a file");
    let all = objects(&custos);

    // Within the hour queries may read what was replaced.
    assert_eq!(vacuum(&custos, &[])["files"], 0);
    let shown = vacuum(&custos, &["--dry-run", "--keep", "0s"]);
    assert_eq!((&shown["dry_run"], &shown["secrets"]), (&true.into(), &0.into()), "{shown}");
    assert_eq!(objects(&custos), all, "looking deletes nothing");
    let files = shown["files"].as_u64().expect("a number");
    // Nine files of orders, and the two leftovers.
    assert_eq!(files, 11, "{shown}");
    assert!(custos.run(&["vacuum", "--dry-run", "--keep", "0s"]).ok().out.contains("pos_orders"));

    let done = vacuum(&custos, &["--keep", "0s"]);
    assert_eq!((&done["files"], &done["bytes"]), (&shown["files"], &shown["bytes"]));
    let left = objects(&custos);
    assert_eq!(all.len() - left.len(), files as usize);
    assert!(left.is_subset(&all) && !leftover.exists() && !journal.exists() && foreign.exists());
    assert_eq!(vacuum(&custos, &["--keep", "0s"])["files"], 0);
    assert_eq!(totals(&custos.path("shop")), before);
    custos.healthy();

    let audit = custos.run(&["audit", "export"]).ok().json();
    let entries: Vec<&Value> = audit
        .iter()
        .map(|line| &line["entry"])
        .filter(|it| it["detail"]["job"] == "vacuum")
        .collect();
    let outcomes: Vec<&Value> = entries.iter().map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["intent", "done"].repeat(3), "{entries:#?}");
    assert_eq!(entries[2]["detail"]["files"], files.to_string());
}

#[test]
fn a_load_that_was_cut_off_is_shown_as_it_is_and_finished_before_a_vacuum() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    let args = ["ingest", "--contract", text(&contract), "--json", text(&file)];
    let mut child = custos.command(&args).spawn().expect("the program starts");
    // Once the journal is there the load was promised.
    let folder = custos.path("shop/lake/journal");
    while !folder.exists() || files_below(&folder).is_empty() {
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("it is killed or has ended");
    child.wait().expect("it ended");
    let journals = files_below(&folder).len();
    vacuum(&custos, &["--dry-run", "--keep", "0s"]);
    assert_eq!(files_below(&folder).len(), journals);
    vacuum(&custos, &["--keep", "0s"]);
    // Promised or not, it is there once.
    custos.ingest(&contract, &file).ok();
    assert_eq!(totals(&custos.path("shop"))["n"], ROWS - 4);
    assert_eq!(vacuum(&custos, &["--keep", "0s"])["files"], 0);
    custos.healthy();
}

#[test]
fn jobs_killed_at_any_moment_leave_what_a_vacuum_clears() {
    let custos = loaded();
    let before = custos.path("shop");
    let expected = totals(&before);
    for job in ["compact", "vacuum"] {
        let from = custos.path(&format!("before-{job}"));
        copy(&before, &from);
        if job == "vacuum" {
            run_at(&from, &["compact", "--json"]);
        }
        let args: &[&str] =
            if job == "vacuum" { &["vacuum", "--keep", "0s"] } else { &["compact", "--json"] };
        let look = |dir: &std::path::Path, point: u64| {
            assert_eq!(totals(dir), expected, "{job} killed at point {point}");
            run_at(dir, args);
            run_at(dir, &["vacuum", "--json", "--keep", "0s"]);
            let left = run_at(dir, &["vacuum", "--json", "--keep", "0s"]);
            assert_eq!((&left["files"], &left["secrets"]), (&0.into(), &0.into()), "{left}");
            assert_eq!(totals(dir), expected, "{job} killed at point {point}");
            run_at(dir, &["doctor", "--json"]);
            let view = run_at(dir, &erasure("customer_id@pos:M3", Some("L2")));
            assert_eq!(view["level"], "L2", "{view}");
            run_at(dir, &["doctor", "--json"]);
        };
        at_every_point(&custos, &from, args, |_| (), look);
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a path")
}
