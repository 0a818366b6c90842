//! Processes that work on one installation at the same time.

use std::process::Child;
use std::thread::sleep;
use std::time::Instant;

use crate::crash::{MOMENTS, ROWS, installed_at, many_orders, run_at, totals};
use crate::erasure::copy;
use crate::harness::{Custos, erasure, shipped_contract};

/// The member who is erased: one of a thousand, with as many orders as any.
const MEMBER: &str = "customer_id@pos:M7";

/// Waits for a process and asserts that it succeeded.
fn finished(process: Child) {
    let output = process.wait_with_output().expect("it ended");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_load_that_is_open_while_an_erasure_runs_brings_nobody_back() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    let early = "e1,M7,Member 7,,,s,web,toys,1,3.00,EUR,,2026-01-01 08:00:00,2026-01-01 08:00:00\n";
    let early = custos.orders("early.csv", &[early]);
    custos.ingest(&contract, &early).ok();
    custos.run(&["resolve"]).ok();
    let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let (contract, file) = (path(&contract), path(&file));
    let load = ["ingest", "--contract", &contract, "--json", &file];
    let erase = erasure(MEMBER, Some("L2"));
    let empty = custos.path("shop");
    let whole = custos.path("whole");
    copy(&empty, &whole);
    let began = Instant::now();
    run_at(&whole, &load);
    let takes = began.elapsed();

    for moment in 0..MOMENTS {
        let dir = custos.path(&format!("race-{moment}"));
        copy(&empty, &dir);
        let loading = installed_at(&dir, &load).spawn().expect("the program starts");
        sleep(takes * moment / MOMENTS);
        let erasing = installed_at(&dir, &erase).spawn().expect("the program starts");
        finished(loading);
        finished(erasing);
        // The same again finds nothing left of them, in no table and not in the vault.
        let again = run_at(&dir, &erase);
        assert_eq!((&again["subjects"], &again["rows_removed"]), (&0.into(), &0.into()), "{again}");
        let sum = totals(&dir);
        assert_eq!(sum["n"], ROWS - 4 - ROWS / 1_000, "moment {moment}: {sum}");
        run_at(&dir, &["doctor", "--json"]);
        std::fs::remove_dir_all(&dir).expect("a folder goes");
    }
}
