//! Several processes over one control store on a PostgreSQL server.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Instant;

use custos_testkit::PostgresServer;
use serde_json::Value;

use crate::fixtures::HEADER;
use crate::harness::{
    Custos, Run, erasure, files_below, new_database, run_program, shipped_contract,
};

const ROWS: usize = 3_000;

const MEMBERS: usize = 100;

/// Orders of all members; those of another batch have other ids.
fn orders(custos: &Custos, batch: &str, rows: usize) -> PathBuf {
    let mut text = HEADER.to_owned();
    for row in 0..rows {
        let (day, member) = (row % 28 + 1, row % MEMBERS);
        writeln!(
            text,
            "{batch}{row},M{member},Member {member},,,s,web,toys,1,12.50,EUR,,2026-01-{day:02} 08:00:00,2026-01-{day:02} 08:00:00"
        )
        .expect("a string takes all");
    }
    custos.file(&format!("{batch}.csv"), text)
}

fn load<'a>(contract: &'a str, file: &'a Path) -> [&'a str; 5] {
    ["ingest", "--contract", contract, "--json", file.to_str().expect("a path")]
}

/// The member who is erased.
const MEMBER: &str = "customer_id@pos:M7";

fn start(custos: &Custos, args: &[&str]) -> Child {
    let mut command = custos.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn end(child: Child) -> Run {
    Run::of(child.wait_with_output().expect("the program ends")).ok()
}

fn totals(custos: &Custos) -> Value {
    let sql = "select count(*) as n, count(distinct order_id) as ids from orders";
    custos.sql("officer", "legal_claims", sql).remove(0)
}

/// The parts add up to what was read.
fn adds_up(counts: &Value, rows: usize) -> bool {
    let parts = ["stored", "updated", "duplicate", "quarantined", "barred"];
    counts["read"] == rows
        && parts.iter().filter_map(|part| counts[part].as_u64()).sum::<u64>() == rows as u64
}

#[test]
fn processes_load_erase_and_ask_at_once() {
    let custos = Custos::on_postgres();
    let contract = shipped_contract("pos_orders.yaml");
    let contract = contract.to_str().expect("a path");
    let files = ["a", "b", "c"].map(|batch| orders(&custos, batch, ROWS));
    let loads = files.each_ref().map(|file| start(&custos, &load(contract, file)));
    for child in loads {
        let run = end(child);
        assert_eq!(run.last()["stored"], ROWS, "{run:?}");
    }
    assert_eq!((&totals(&custos)["n"], &totals(&custos)["ids"]), (&9_000.into(), &9_000.into()));
    custos.run(&["resolve"]).ok();

    let more = orders(&custos, "d", ROWS);
    let loading = start(&custos, &load(contract, &more));
    let erasing = start(&custos, &erasure(MEMBER, Some("L2")));
    let asking = start(&custos, &["audit", "verify"]);
    let again = start(&custos, &load(contract, &files[0]));
    for child in [asking, erasing] {
        end(child);
    }
    let (loaded, again) = (end(loading).last(), end(again).last());
    assert!(adds_up(&loaded, ROWS) && adds_up(&again, ROWS), "{loaded} {again}");
    assert_eq!((&again["stored"], &again["updated"]), (&0.into(), &0.into()), "{again}");

    // Whichever of the two came first, nothing is left of the customer or comes back.
    let left = 4 * ROWS - 4 * ROWS / MEMBERS;
    assert_eq!((&totals(&custos)["n"], &totals(&custos)["ids"]), (&left.into(), &left.into()));
    let counts = custos.ingest(contract.as_ref(), &more).ok().last();
    assert_eq!((&counts["barred"], &counts["stored"]), (&(ROWS / MEMBERS).into(), &0.into()));
    custos.healthy();

    let password = PostgresServer::PASSWORD.as_bytes();
    let telling: Vec<PathBuf> = files_below(&custos.path("shop"))
        .into_iter()
        .filter(|(_, bytes)| bytes.windows(password.len()).any(|part| part == password))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(telling, [custos.path("shop/custos.toml")], "the file that holds the URL");
    assert!(!custos.path("shop/control").exists());
}

#[test]
fn a_load_killed_at_any_moment_can_be_repeated() {
    const MOMENTS: u32 = 6;
    let custos = Custos::on_postgres();
    let contract = shipped_contract("pos_orders.yaml");
    let contract = contract.to_str().expect("a path");
    let rows = 4 * ROWS;
    let file = orders(&custos, "whole", rows);
    let began = Instant::now();
    end(start(&custos, &load(contract, &file)));
    let takes = began.elapsed();
    for moment in 0..MOMENTS {
        let file = orders(&custos, &format!("m{moment}-"), rows);
        let mut child = start(&custos, &load(contract, &file));
        sleep(takes * moment / MOMENTS);
        child.kill().expect("it is killed or has ended");
        child.wait().expect("it ended");
        // What it leased is free without anybody's help.
        let counts = custos.ingest(contract.as_ref(), &file).ok().last();
        assert!(adds_up(&counts, rows), "killed at moment {moment}: {counts}");
        let expected = rows * (moment as usize + 2);
        assert_eq!(totals(&custos)["ids"], expected, "killed at moment {moment}");
        assert_eq!(totals(&custos)["n"], expected, "killed at moment {moment}");
    }
    custos.healthy();
}

#[test]
fn an_erasure_killed_at_any_moment_can_be_repeated() {
    const MOMENTS: u32 = 4;
    let custos = Custos::on_postgres();
    let contract = shipped_contract("pos_orders.yaml");
    custos.ingest(&contract, &orders(&custos, "a", ROWS)).ok();
    custos.run(&["resolve"]).ok();
    let subject = |member: u32| format!("customer_id@pos:M{member}");
    let began = Instant::now();
    custos.run(&erasure(&subject(50), Some("L2"))).ok();
    let takes = began.elapsed();
    for moment in 0..MOMENTS {
        let subject = subject(moment);
        let args = erasure(&subject, Some("L2"));
        let mut child = start(&custos, &args);
        sleep(takes * (moment + 1) / (MOMENTS + 1));
        child.kill().expect("it is killed or has ended");
        child.wait().expect("it ended");
        let view = custos.run(&args).ok().last();
        assert_eq!(view["level"], "L2", "killed at moment {moment}: {view}");
        let left = ROWS - (moment as usize + 2) * (ROWS / MEMBERS);
        assert_eq!(totals(&custos)["n"], left, "killed at moment {moment}");
    }
    custos.healthy();
}

#[test]
fn keys_are_rotated_and_a_backup_becomes_a_store_in_a_file() {
    let custos = Custos::on_postgres();
    let contract = shipped_contract("pos_orders.yaml");
    custos.ingest(&contract, &orders(&custos, "a", ROWS)).ok();
    custos.run(&["resolve"]).ok();
    let rotated = custos.run(&["keys", "rotate", "--json"]).ok().last();
    assert_eq!(rotated["destroyed"], serde_json::json!([1]), "{rotated}");
    assert_eq!(totals(&custos)["n"], ROWS);
    let backup = custos.path("store.backup");
    let backup = backup.to_str().expect("a path");
    custos.run(&["backup", backup]).ok();
    custos.healthy();

    let into = custos.path("restored");
    let restore = ["restore", backup, "--into", into.to_str().expect("a path"), "--json"];
    assert_eq!(custos.run(&restore).ok().last()["entries"], 0);
    let restored = |args: &[&str]| {
        let mut command = custos.command(args);
        let output = command.env("CUSTOS_STORAGE_CONTROL", &into).output();
        Run::of(output.expect("the program starts")).ok()
    };
    restored(&["doctor"]);
    restored(&erasure(MEMBER, Some("L2")));
    let sql = "select count(*) as n from orders";
    let ask = ["sql", "--as", "officer", "--purpose", "legal_claims", "--json", sql];
    assert_eq!(restored(&ask).last()["n"], ROWS - ROWS / MEMBERS);
    // The one on the server is no longer the newest.
    custos.run(&["doctor"]).fails(7, &["older than the lake"]);
}

#[test]
fn a_database_that_does_not_let_us_in_is_told_with_a_remedy() {
    let custos = Custos::on_postgres();
    let url = std::fs::read_to_string(custos.path("shop/custos.toml")).expect("a configuration");
    let url = url.lines().find_map(|line| line.strip_prefix("control = \"")).expect("its store");
    let url = url.split('"').next().expect("a URL");
    let wrong = url.replace(PostgresServer::PASSWORD, "canary-wrong");
    let nowhere = url.replace("/test_", "/nowhere_");
    let cases: [(&str, i32, &str); 4] = [
        (&wrong, 4, "PGPASSWORD"),
        (&nowhere, 8, "createdb"),
        ("postgres://localhost:1/x", 8, "host and port"),
        ("postgres://localhost/x?canary=canary", 3, "sslmode"),
    ];
    for (url, code, says) in cases {
        let mut command = custos.command(&["doctor"]);
        let output = command.env("CUSTOS_STORAGE_CONTROL", url).output();
        let run = Run::of(output.expect("the program starts")).fails(code, &[says]);
        assert!(!run.err.contains("canary"), "{run:?}");
    }
    // The password need not be in any file.
    let password = format!(":{}@", PostgresServer::PASSWORD);
    let mut command = custos.command(&["doctor"]);
    command.env("CUSTOS_STORAGE_CONTROL", url.replace(&password, "@"));
    command.env("PGPASSWORD", PostgresServer::PASSWORD);
    Run::of(command.output().expect("the program starts")).ok();

    // A store that is there is not written over, and what failed can be repeated.
    let other = custos.path("other");
    let other = other.to_str().expect("a path");
    let init = |url: &str| Run::of(run_program(&["init", other, "--control", url]));
    init(url).fails(7, &["never written over"]);
    init("control").fails(3, &["not a URL"]);
    init(&new_database()).ok();
}
