//! The control store is lost, whenever: the lake's snapshots bring it back.

use std::cell::OnceCell;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use custos_testkit::SeaweedFs;
use serde_json::Value;

use crate::crash::{ROWS, at_every_point, many_orders, run_at, totals};
use crate::fixtures::{CANARY, ROWS as SHOP_ROWS};
use crate::harness::{Custos, erasure, files_below, shipped_contract};

const SUBJECT: &str = "customer_id@pos:M-ANA";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Loses the control store and restores it from the lake.
#[track_caller]
fn lose_and_restore(dir: &Path) -> Value {
    let control = dir.join("control");
    std::fs::remove_dir_all(&control).expect("the control store is lost");
    restore(dir)
}

#[track_caller]
fn restore(dir: &Path) -> Value {
    run_at(dir, &["restore", "--from-lake", "--into", text(&dir.join("control")), "--json"])
}

fn orders(custos: &Custos) -> Vec<Value> {
    custos.sql("officer", "legal_claims", "select order_id from orders order by order_id")
}

#[test]
fn a_lost_control_store_comes_back_as_it_was() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    let id = custos.run(&erasure(SUBJECT, Some("L2"))).ok().last()["id"].clone();
    let before = orders(&custos);
    let audited = custos.run(&["audit", "verify", "--json"]).ok().last();
    let restored = lose_and_restore(&shop);
    assert_eq!(restored["snapshot"]["problems"], serde_json::json!([]), "{restored}");
    assert_eq!(orders(&custos), before);
    let again = custos.run(&["audit", "verify", "--json"]).ok().last();
    assert!(again["entries"].as_u64() > audited["entries"].as_u64(), "{again} after {audited}");
    custos.healthy();
    let listed = custos.run(&["request", "list", "--json"]).ok().last();
    assert_eq!((&listed["id"], &listed["level"]), (&id, &"L2".into()), "{listed}");
    let file = custos.orders("again.csv", &SHOP_ROWS);
    let counts = custos.ingest(&shipped_contract("pos_orders.yaml"), &file).ok().last();
    assert_eq!((&counts["stored"], &counts["barred"]), (&0.into(), &2.into()), "{counts}");
    // A restored store keeps snapshots in its turn.
    custos.run(&["principal", "add", "late", "--role", "analyst", "--json"]).ok();
    lose_and_restore(&shop);
    let names = custos.run(&["principal", "list", "--json"]).ok();
    assert!(names.out.contains("late"), "{names:?}");
    custos.healthy();
}

#[test]
fn nothing_in_clear_is_in_snapshots_nor_left_of_them() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    custos.run(&erasure(SUBJECT, Some("L2"))).ok();
    let objects = files_below(&shop.join("lake/control"));
    assert!(objects.len() > 5, "{}", objects.len());
    for (path, bytes) in &objects {
        let said = String::from_utf8_lossy(bytes).to_lowercase();
        for needle in
            [CANARY, "m-ana", "+4915112345671", "sqlite format", "pos_orders", "create table"]
        {
            assert!(!said.contains(needle), "{needle} in {}", path.display());
            assert!(!text(path).to_lowercase().contains(needle), "{}", path.display());
        }
    }
    for (path, _) in files_below(&shop.join("control")) {
        let name = path.strip_prefix(&shop).expect("a path below");
        assert!(!text(name).contains("/."), "{}", name.display());
    }
}

#[test]
fn a_load_killed_at_any_moment_and_its_control_store_lost_can_be_repeated() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    let first = custos.orders("first.csv", &SHOP_ROWS);
    custos.ingest(&contract, &first).ok();
    let args = ["ingest", "--contract", text(&contract), "--json", text(&file)];
    let (before, expected) = (custos.path("shop"), OnceCell::new());
    let whole = |dir: &Path| drop(expected.set(totals(dir)));
    at_every_point(&custos, &before, &args, whole, |dir, point| {
        let restored = lose_and_restore(dir);
        assert_eq!(restored["snapshot"]["problems"], serde_json::json!([]), "{restored}");
        run_at(dir, &["doctor", "--json"]);
        run_at(dir, &["audit", "verify"]);
        let counts = run_at(dir, &args);
        assert_eq!(counts["read"], ROWS);
        assert_eq!(Some(&totals(dir)), expected.get(), "killed at point {point}");
        run_at(dir, &["doctor", "--json"]);
    });
}

#[test]
fn an_erasure_killed_at_any_moment_and_its_control_store_lost_resurrects_nobody() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    custos.ingest(&contract, &file).ok();
    custos.run(&["resolve"]).ok();
    let args = erasure("customer_id@pos:M7", Some("L2"));
    let (before, expected) = (custos.path("shop"), OnceCell::new());
    let whole = |dir: &Path| drop(expected.set(totals(dir)));
    at_every_point(&custos, &before, &args, whole, |dir, point| {
        // What the lake's record says of the request by now holds whatever was lost.
        let asked =
            std::fs::read_dir(dir.join("lake/ledger")).is_ok_and(|mut it| it.next().is_some());
        lose_and_restore(dir);
        run_at(dir, &["doctor", "--json"]);
        if asked {
            let left = totals(dir);
            assert_eq!(
                Some(&left["n"]),
                expected.get().map(|sums| &sums["n"]),
                "killed at point {point}"
            );
        }
        let view = run_at(dir, &args);
        assert_eq!(view["level"], "L2", "killed at point {point}: {view}");
        assert_eq!(Some(&totals(dir)), expected.get(), "killed at point {point}");
        let contract = text(&contract);
        let again = run_at(dir, &["ingest", "--contract", contract, "--json", text(&file)]);
        assert_eq!(again["stored"], 0, "killed at point {point}: {again}");
        assert_eq!(again["barred"], ROWS / 1_000, "killed at point {point}: {again}");
        run_at(dir, &["doctor", "--json"]);
    });
}

#[test]
fn a_serving_program_copies_changes_within_its_window() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address").to_string();
    drop(port);
    let mut server = custos
        .command(&["serve"])
        .env("CUSTOS_SERVER_HTTP", &address)
        .env("CUSTOS_STORAGE_SNAPSHOT_SECONDS", "1")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "the program does not serve");
        sleep(Duration::from_millis(20));
    }
    // A process that is killed copies nothing at its end; the server does it in its place.
    let add = |name: &str| {
        let mut command = custos.command(&["principal", "add", name, "--role", "analyst"]);
        let mut child = command
            .env("CUSTOS_STORAGE_SNAPSHOT_SECONDS", "3600")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the program starts");
        while !custos.run(&["principal", "list"]).ok().out.contains(name) {
            assert!(Instant::now() < deadline, "it is not added");
        }
        let _ended = child.kill();
        child.wait().expect("it ended");
    };
    add("late");
    sleep(Duration::from_secs(4));
    server.kill().expect("it is killed");
    server.wait().expect("it ended");
    lose_and_restore(&shop);
    let names = custos.run(&["principal", "list", "--json"]).ok();
    assert!(names.out.contains("late"), "{names:?}");
    custos.healthy();
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_that_is_said() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    custos.run(&["principal", "add", "late", "--role", "analyst", "--json"]).ok();
    let mut objects = files_below(&shop.join("lake/control"));
    objects.retain(|(path, _)| text(path).ends_with("increment"));
    objects.sort_unstable();
    let (path, mut bytes) = objects.pop().expect("an increment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("it is damaged");
    let restored = lose_and_restore(&shop);
    let problems = restored["snapshot"]["problems"].as_array().expect("a list");
    assert!(problems.len() == 1 && problems[0].as_str().unwrap().contains("damaged"), "{restored}");
    assert_eq!(orders(&custos).len(), 3);
    custos.healthy();
    // All snapshots are lost: doctor says so and begins anew.
    std::fs::remove_dir_all(shop.join("lake/control")).expect("the snapshots are lost");
    let said = custos.run(&["doctor"]).ok();
    assert!(said.err.contains("were missing"), "{said:?}");
    assert!(said.out.contains("last snapshot of the control store: 20"), "{said:?}");
    lose_and_restore(&shop);
    custos.healthy();
}

#[test]
fn snapshots_are_listed_and_older_states_are_there_until_keys_are_rotated() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    let first = custos.run(&["restore", "--list", "--json"]).ok().last();
    assert_eq!((&first["epoch"], &first["opens"]), (&1.into(), &true.into()), "{first}");
    let at = first["until"].as_str().expect("a time").to_owned();
    custos.run(&["principal", "add", "late", "--role", "analyst", "--json"]).ok();
    let into = custos.path("looked-at");
    custos.run(&["restore", "--from-lake", "--at", &at, "--into", text(&into), "--json"]).ok();
    let config = std::fs::read_to_string(shop.join("custos.toml")).expect("the configuration");
    let config = config.replace("control = \"control\"", &format!("control = \"{}\"", text(&into)));
    std::fs::write(shop.join("other.toml"), config).expect("it is written");
    let other = text(&shop.join("other.toml")).to_owned();
    let list = crate::harness::run_program(&["--config", &other, "principal", "list", "--json"]);
    assert!(list.status.success(), "{list:?}");
    assert!(!String::from_utf8_lossy(&list.stdout).contains("late"), "{list:?}");

    custos.run(&["keys", "rotate"]).ok();
    let listed = custos.run(&["restore", "--list", "--json"]).ok().json();
    assert!(listed.iter().all(|it| it["epoch"] == 2), "{listed:?}");
    let into = custos.path("too-old");
    custos
        .run(&["restore", "--from-lake", "--at", &at, "--into", text(&into)])
        .fails(5, &["no snapshot"]);
    lose_and_restore(&shop);
    custos.healthy();
    custos.run(&["restore", "--from-lake"]).fails(2, &["--into"]);
    custos.run(&["restore", "--into", "x"]).fails(2, &[]);
}

#[test]
fn a_restore_that_was_cut_off_goes_on_with_the_same_backup_only() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    let (one, two) = (custos.path("one.backup"), custos.path("two.backup"));
    for file in [&one, &two] {
        custos.run(&["backup", text(file)]).ok();
    }
    custos.run(&erasure(SUBJECT, Some("L2"))).ok();
    let record = files_below(&shop.join("lake/ledger"));
    let (path, bytes) = &record[0];
    std::fs::write(path, &bytes[1..]).expect("the record is damaged");
    let into = custos.path("into");
    let restore = |file: &Path| custos.run(&["restore", text(file), "--into", text(&into)]);
    restore(&one).fails(6, &["of the record of erasures cannot be opened"]);
    std::fs::write(path, bytes).expect("the record is whole");
    restore(&two).fails(7, &["was restored from another backup"]);
    let done = restore(&one).ok();
    assert!(done.err.contains("going on"), "{done:?}");
}

#[test]
fn a_control_store_comes_back_from_a_bucket() {
    let server = SeaweedFs::start().expect("a server");
    server.bucket("lost").expect("a bucket");
    let custos = Custos::initialised(&["--lake", "s3://lost/eu"], server.environment());
    custos.fill();
    let control = custos.path("shop/control");
    for _ in 0..2 {
        std::fs::remove_dir_all(&control).expect("the control store is lost");
        let restored =
            custos.run(&["restore", "--from-lake", "--into", text(&control), "--json"]).ok().last();
        assert_eq!(restored["snapshot"]["problems"], serde_json::json!([]), "{restored}");
        assert_eq!(orders(&custos).len(), 3);
        custos.healthy();
    }
}

#[test]
fn no_second_installation_begins_in_a_lake_whose_control_store_is_lost() {
    let custos = Custos::shop();
    std::fs::remove_dir_all(custos.path("shop/control")).expect("the control store is lost");
    let lake = custos.path("shop/lake");
    let second = custos.path("second");
    custos
        .run(&["init", text(&second), "--lake", text(&lake)])
        .fails(7, &["another installation", "--from-lake"]);
    assert!(!second.join("control").exists(), "nothing was made");
    restore(&custos.path("shop"));
    custos.healthy();
}

#[test]
fn a_control_store_on_a_server_has_no_snapshots() {
    let custos = Custos::on_postgres();
    custos.fill();
    custos.healthy();
    assert!(!custos.path("shop/lake/control").exists());
    custos
        .run(&["restore", "--from-lake", "--into", text(&custos.path("into"))])
        .fails(5, &["no snapshot"]);
}
