//! Backups, rotation of keys, and what an old copy of anything is worth.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use custos_testkit::{OpenBao, workspace_root};
use serde_json::Value;

use crate::crash::at_every_point;
use crate::erasure::copy;
use crate::fixtures::ROWS;
use crate::harness::{Custos, erasure, files_below, program, run_program, shipped_contract};

const ORDERS: &str = "select order_id from orders order by order_id";

/// The program with an installation of its own folder, ready to start.
fn installed_at(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("--config").arg(dir.join("custos.toml")).args(args);
    command
}

fn run_at(dir: &Path, args: &[&str]) -> Output {
    installed_at(dir, args).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// The last line of output of a run that succeeds.
#[track_caller]
fn last(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

#[track_caller]
fn fails(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(said(output).contains(says), "`{says}` not in {output:?}");
}

fn sql(dir: &Path, sql: &str) -> Output {
    run_at(dir, &["sql", "--as", "officer", "--purpose", "legal_claims", "--json", sql])
}

#[track_caller]
fn orders(dir: &Path) -> Vec<String> {
    let output = sql(dir, ORDERS);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let row = |line| serde_json::from_str::<Value>(line).expect("a row");
    text.lines().map(|line| row(line)["order_id"].as_str().expect("an id").to_owned()).collect()
}

#[track_caller]
fn erase(dir: &Path, subject: &str) -> Value {
    let args = erasure(subject, Some("L2"));
    last(&run_at(dir, &args))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Puts `from` in the place of a folder of an installation.
fn replace(dir: &Path, name: &str, from: &Path) {
    let _gone = std::fs::remove_dir_all(dir.join(name));
    copy(from, &dir.join(name));
}

fn backup(custos: &Custos, name: &str) -> PathBuf {
    let file = custos.path(name);
    let made = custos.run(&["backup", text(&file), "--json"]).ok().last();
    assert_eq!(made["epoch"], 1, "{made}");
    file
}

#[test]
fn a_restored_backup_is_used_like_the_control_store_it_was_made_from() {
    let custos = Custos::shop();
    let file = backup(&custos, "control.backup");
    custos.run(&["backup", text(&file)]).fails(7, &["already"]);
    let shop = custos.path("shop");
    let into = shop.join("restored");
    let restored = custos.run(&["restore", text(&file), "--into", text(&into), "--json"]).ok();
    assert_eq!(restored.last()["entries"], 0);
    custos.run(&["restore", text(&file), "--into", text(&into)]).fails(7, &["already"]);
    replace(&shop, "control", &into);
    assert_eq!(orders(&shop), ["o1", "o2", "o3"]);
    custos.healthy();
    // Nothing in clear is in the file, nor left beside the store.
    let bytes = std::fs::read(&file).expect("the backup");
    for needle in ["SQLite format", "pos_orders", "marketing"] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle}");
    }
    for (path, _) in files_below(&shop) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!name.starts_with(".snapshot") && !name.ends_with(".part"), "{name}");
    }
}

#[test]
fn a_backup_opens_with_its_own_keys_only_and_if_nobody_changed_it() {
    let custos = Custos::shop();
    let other = Custos::new();
    let file = backup(&custos, "control.backup");
    let into = custos.path("into");
    other
        .run(&["restore", text(&file), "--into", text(&into)])
        .fails(6, &["does not open with this key ring"]);
    let mut bytes = std::fs::read(&file).expect("the backup");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = custos.file("damaged.backup", bytes);
    let restore = |file: &Path| custos.run(&["restore", text(file), "--into", text(&into)]);
    restore(&damaged).fails(6, &["the backup is damaged", "another copy"]);
    let no_backup = custos.file("no.backup", "no backup at all, but long enough to be one");
    restore(&no_backup).fails(6, &["the backup is damaged or not one"]);
    restore(&custos.path("none")).fails(5, &["reading the backup"]);
    assert!(!into.join("custos.db").exists());
}

#[test]
fn after_a_rotation_everything_opens_and_no_older_copy_does() {
    let custos = Custos::shop();
    let shop = custos.path("shop");
    let file = backup(&custos, "old.backup");
    copy(&shop.join("control"), &custos.path("old-control"));
    let before = custos.run(&["keys", "status", "--json"]).ok().last();
    assert_eq!(before["epochs"][0]["state"], "live");
    assert_eq!(before["epochs"][0]["age_days"], 0);

    let rotated = custos.run(&["keys", "rotate", "--json"]).ok().last();
    assert_eq!((&rotated["epoch"], &rotated["destroyed"]), (&2.into(), &serde_json::json!([1])));
    assert_eq!(rotated["secrets"], before["epochs"][0]["secrets"]);
    assert_eq!(rotated["rewrapped"], rotated["secrets"]);
    let after = custos.run(&["keys", "status", "--json"]).ok().last();
    assert_eq!(after["public_key"], before["public_key"]);
    assert_eq!(after["newest_epoch"], 2);
    let states: Vec<&Value> =
        after["epochs"].as_array().expect("epochs").iter().map(|epoch| &epoch["state"]).collect();
    assert_eq!(states, ["destroyed", "live"]);
    assert_eq!(after["epochs"][0]["secrets"], 0);
    assert_eq!(orders(&shop), ["o1", "o2", "o3"]);
    custos.healthy();

    // The old backup and the old control store are useless, with today's keys and lake.
    custos
        .run(&["restore", text(&file), "--into", text(&custos.path("into"))])
        .fails(5, &["was destroyed: nothing opens it any more", "newest rotation"]);
    let old = custos.path("old");
    copy(&shop, &old);
    replace(&old, "control", &custos.path("old-control"));
    fails(&sql(&old, ORDERS), 5, "epoch 1 was destroyed");

    // The backup that the rotation left works.
    let fresh = rotated["backup"].as_str().expect("a path");
    let into = shop.join("restored");
    custos.run(&["restore", fresh, "--into", text(&into)]).ok();
    replace(&shop, "control", &into);
    assert_eq!(orders(&shop), ["o1", "o2", "o3"]);
    let again = custos.orders("again.csv", &ROWS);
    let counts = custos.ingest(&shipped_contract("pos_orders.yaml"), &again).ok().last();
    assert_eq!(counts["duplicate"], 4, "{counts}");
    custos.healthy();
}

#[test]
fn a_rotation_killed_at_any_moment_can_be_repeated() {
    let custos = Custos::shop();
    let args = ["keys", "rotate", "--json"];
    let look = |dir: &Path, point: u64| {
        assert_eq!(orders(dir), ["o1", "o2", "o3"], "killed at point {point}");
        let rotated = last(&run_at(dir, &["keys", "rotate", "--json"]));
        let status = last(&run_at(dir, &["keys", "status", "--json"]));
        let epochs = status["epochs"].as_array().expect("epochs");
        let live: Vec<&Value> =
            epochs.iter().filter(|epoch| epoch["state"] == "live").map(|it| &it["epoch"]).collect();
        assert_eq!(live, [&rotated["epoch"]], "killed at point {point}: {status}");
        assert_eq!(orders(dir), ["o1", "o2", "o3"], "killed at point {point}");
        last(&run_at(dir, &["doctor", "--json"]));
        for (path, _) in files_below(&dir.join("control")) {
            let name = path.strip_prefix(dir).expect("a path below");
            assert!(!text(name).contains("/."), "{} at point {point}", name.display());
        }
    };
    at_every_point(&custos, &custos.path("shop"), &args, |_| (), look);
}

#[test]
fn a_serving_program_goes_on_when_keys_are_rotated_under_it() {
    let custos = Custos::shop();
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address").to_string();
    drop(port);
    let mut command = custos.command(&["serve"]);
    let mut server = command
        .env("CUSTOS_SERVER_HTTP", &address)
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "the program does not serve");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It reads a request under keys that it has never seen, and seals it anew.
    let args = erasure("customer_id@pos:M-ANA", None);
    let id = custos.run(&args).ok().last()["id"].as_str().expect("an id").to_owned();
    custos.run(&["keys", "rotate"]).ok();
    custos.run(&["request", "verify", &id, "--by", "J. Weber", "--json"]).ok();
    let state = || custos.run(&["request", "show", &id, "--json"]).ok().last();
    while state()["state"] != "certified" {
        assert!(Instant::now() < deadline, "the program does not go on with the request");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.kill().expect("it is killed");
    server.wait().expect("it ended");
    assert_eq!(orders(&custos.path("shop")), ["o3"]);
    custos.healthy();
}

/// Two customers whose rows came in files of their own, and a ticket of somebody else.
///
/// Files of Bo and of the ticket hold nothing of Ana, so erasing her rewrites none of them.
fn apart() -> Custos {
    let custos = Custos::new();
    let orders = shipped_contract("pos_orders.yaml");
    for (name, rows) in [("ana.csv", &ANA[..]), ("bo.csv", &BO[..])] {
        let file = custos.orders(name, rows);
        custos.ingest(&orders, &file).ok();
    }
    let file = custos.file("tickets.csv", TICKETS);
    custos.ingest(&shipped_contract("support_tickets.yaml"), &file).ok();
    custos
}

const ANA: [&str; 2] = [ROWS[0], ROWS[1]];

const BO: [&str; 1] = [
    "o3,M-BO,Bo Berg,+4915112345672,,berlin,web,books,1,5.00,EUR,,2026-03-03 10:00:00,2026-03-03 10:00:00\n",
];

const TICKETS: &str = "ticket_id,email,phone,contact_name,subject,body,priority,status,opened_at,closed_at,csat\n\
                       t1,carl@example.de,,Carl,late,where is it,high,open,2026-03-05T10:00:00Z,,\n";

const SUBJECT: &str = "customer_id@pos:M-ANA";

#[track_caller]
fn tickets(dir: &Path) {
    let rows = last(&sql(dir, "select count(*) as n from tickets"));
    assert_eq!(rows["n"], 1);
}

/// Loads Ana's rows once more and returns how many came back, and how many were barred.
#[track_caller]
fn ana_again(custos: &Custos, dir: &Path) -> (Value, Value) {
    let contract = shipped_contract("pos_orders.yaml");
    let file = custos.orders("ana-again.csv", &ANA);
    let args = ["ingest", "--contract", text(&contract), "--json", text(&file)];
    let counts = last(&run_at(dir, &args));
    (counts["stored"].clone(), counts["barred"].clone())
}

/// Makes a control store forget which version of each table is the newest.
fn without_heads(dir: &Path) {
    let forget = "import sqlite3, sys; store = sqlite3.connect(sys.argv[1]); \
                  store.execute('DELETE FROM table_head'); store.commit()";
    let store = dir.join("control/custos.db");
    let done = Command::new("python3").args(["-c", forget, text(&store)]).status();
    assert!(done.expect("python3 runs").success());
}

/// Drill A: an old copy of the lake, with today's control store.
#[test]
fn of_an_old_lake_the_erased_files_do_not_open_and_all_others_do() {
    let custos = apart();
    let shop = custos.path("shop");
    copy(&shop.join("lake"), &custos.path("old-lake"));
    assert_eq!(orders(&shop), ["o1", "o2", "o3"]);
    erase(&shop, SUBJECT);
    assert_eq!(orders(&shop), ["o3"]);
    let mixed = custos.path("mixed");
    copy(&shop, &mixed);
    replace(&mixed, "lake", &custos.path("old-lake"));
    // That the log was put back is noticed; without that, the secrets are still gone.
    for forget_heads in [false, true] {
        if forget_heads {
            without_heads(&mixed);
        }
        let output = sql(&mixed, ORDERS);
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let doctor = said(&run_at(&mixed, &["doctor"]));
        assert_eq!(doctor.contains("it was shredded"), forget_heads, "{doctor}");
        tickets(&mixed);
    }
    // What is in the lake's record of erasures is not needed for that.
    assert!(!custos.path("old-lake/ledger").read_dir().is_ok_and(|mut it| it.next().is_some()));
}

/// Drill B: an old copy of the control store, with today's lake.
#[test]
fn an_old_control_store_erases_again_before_anything_is_opened() {
    let custos = apart();
    let shop = custos.path("shop");
    let file = backup(&custos, "control.backup");
    copy(&shop.join("control"), &custos.path("old-control"));
    copy(&shop.join("lake"), &custos.path("old-lake"));
    let id = erase(&shop, SUBJECT)["id"].clone();

    // Put back by hand, it is noticed.
    let by_hand = custos.path("by-hand");
    copy(&shop, &by_hand);
    replace(&by_hand, "control", &custos.path("old-control"));
    for args in [&["request", "list"][..], &["doctor"], &["keys", "rotate"], &["audit", "verify"]] {
        fails(&run_at(&by_hand, args), 7, "the control store is older than the lake");
    }
    fails(&sql(&by_hand, ORDERS), 7, "custos restore --replay");
    let replayed = last(&run_at(&by_hand, &["restore", "--replay", "--json"]));
    assert!(replayed["destroyed"].as_u64().expect("a count") >= 2, "{replayed}");
    ana_is_erased(&custos, &by_hand, &id);

    // Restored, it opens only once the record is done again.
    let dir = custos.path("restored");
    copy(&shop, &dir);
    std::fs::remove_dir_all(dir.join("control")).expect("the control store is lost");
    let record = files_below(&dir.join("lake/ledger"));
    assert!(!record.is_empty());
    let (path, bytes) = &record[0];
    std::fs::write(path, &bytes[1..]).expect("the record is damaged");
    let control = dir.join("control");
    let args = ["restore", text(&file), "--into", text(&control), "--json"];
    fails(&run_at(&dir, &args), 6, "of the record of erasures cannot be opened");
    fails(&sql(&dir, ORDERS), 7, "erasures that came after it are not done again yet");
    fails(&run_at(&dir, &["serve"]), 7, "custos restore --replay");
    std::fs::write(path, bytes).expect("the record is whole");
    let replayed = last(&run_at(&dir, &args));
    assert_eq!(replayed["entries"], record.len());
    ana_is_erased(&custos, &dir, &id);
}

#[track_caller]
fn ana_is_erased(custos: &Custos, dir: &Path, id: &Value) {
    assert_eq!(orders(dir), ["o3"]);
    tickets(dir);
    let request = last(&run_at(dir, &["request", "list", "--json"]));
    assert_eq!((&request["id"], &request["level"]), (id, &"L2".into()), "{request}");
    assert!(request["certificate"].is_string());
    assert_eq!(ana_again(custos, dir), (0.into(), 2.into()));
    assert_eq!(orders(dir), ["o3"]);
    last(&run_at(dir, &["doctor", "--json"]));
    // Erasing her once more finds nothing, and what comes after is written behind the rest.
    assert_eq!(erase(dir, SUBJECT)["rows_removed"], 0);
    erase(dir, "customer_id@pos:M-BO");
    assert_eq!(orders(dir), Vec::<String>::new());
}

/// Everything old at once: only the record of erasures stands between Ana and her return.
#[test]
fn an_old_installation_with_todays_record_of_erasures_does_not_open_what_was_erased() {
    let custos = apart();
    let shop = custos.path("shop");
    let file = backup(&custos, "control.backup");
    let old = custos.path("old");
    copy(&shop, &old);
    erase(&shop, SUBJECT);
    std::fs::remove_dir_all(old.join("control")).expect("the control store is lost");
    let restore = |dir: &Path| {
        let control = dir.join("control");
        let _gone = std::fs::remove_dir_all(&control);
        last(&run_at(dir, &["restore", text(&file), "--into", text(&control), "--json"]))
    };
    // Without the record she would be back.
    assert_eq!(restore(&old)["entries"], 0);
    assert_eq!(orders(&old), ["o1", "o2", "o3"]);
    replace(&old, "lake/ledger", &shop.join("lake/ledger"));
    fails(&sql(&old, ORDERS), 7, "older than the lake");
    assert!(restore(&old)["entries"].as_u64().expect("a count") > 0);
    let output = sql(&old, ORDERS);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    tickets(&old);
}

#[test]
fn what_was_hidden_or_revoked_after_a_backup_stays_so_in_its_control_store() {
    let custos = apart();
    let shop = custos.path("shop");
    let out = custos.path("bo.parquet");
    let ads = "marketing.advertising.first_party";
    custos.consents(&[&format!("customer_id,M-BO,{ads},given,2026-01-01T00:00:00Z,v1,web,pos")]);
    let mut args =
        vec!["export", "--as", "marketer", "--purpose", ads, "--recipient", "Mail House"];
    args.extend(["--expires", "30d", "--json", "--out", text(&out), "select order_id from orders"]);
    let export = custos.run(&args).ok().last()["id"].as_str().expect("an id").to_owned();
    let file = backup(&custos, "control.backup");

    custos.run(&["export", "revoke", &export]).ok();
    // Nobody has verified her request yet; she is hidden all the same.
    let request = custos.run(&erasure(SUBJECT, None)).ok().last()["id"].clone();
    assert_eq!(orders(&shop), ["o3"]);
    std::fs::remove_dir_all(shop.join("control")).expect("the control store is lost");
    let control = shop.join("control");
    last(&run_at(&shop, &["restore", text(&file), "--into", text(&control), "--json"]));
    assert_eq!(orders(&shop), ["o3"]);
    let listed = last(&run_at(&shop, &["request", "list", "--json"]));
    assert_eq!((&listed["id"], &listed["level"]), (&request, &"L0".into()), "{listed}");
    let listed = last(&run_at(&shop, &["export", "list", "--json"]));
    assert_eq!((&listed["id"], &listed["state"]), (&export.into(), &"revoked".into()), "{listed}");
    // Verified, it goes on to the end, and her old rows stay out.
    let id = request.as_str().expect("an id");
    let verify = ["request", "verify", id, "--by", "J. Weber", "--wait", "L2", "--json"];
    assert_eq!(last(&run_at(&shop, &verify))["level"], "L2");
    assert_eq!(ana_again(&custos, &shop), (0.into(), 2.into()));
    last(&run_at(&shop, &["doctor", "--json"]));
}

#[test]
fn an_erasure_that_reached_l1_only_goes_on_in_a_restored_control_store() {
    let custos = apart();
    let shop = custos.path("shop");
    let file = backup(&custos, "control.backup");
    let args = erasure(SUBJECT, Some("L1"));
    let id = last(&run_at(&shop, &args))["id"].as_str().expect("an id").to_owned();
    std::fs::remove_dir_all(shop.join("control")).expect("the control store is lost");
    let control = shop.join("control");
    last(&run_at(&shop, &["restore", text(&file), "--into", text(&control), "--json"]));
    let view = last(&run_at(&shop, &["request", "show", &id, "--json"]));
    assert_eq!(view["level"], "L1", "{view}");
    assert_eq!(orders(&shop), ["o3"]);
    let view = last(&run_at(&shop, &["request", "show", &id, "--wait", "L2", "--json"]));
    assert_eq!(view["level"], "L2", "{view}");
    assert_eq!(ana_again(&custos, &shop), (0.into(), 2.into()));
    custos.healthy();
}

#[test]
fn keys_in_openbao_rotate_with_the_other_token_only() {
    let bao = OpenBao::start().expect("a server");
    let policy = |name: &str| {
        let file = workspace_root().join("deploy/vault").join(format!("{name}.hcl"));
        std::fs::read_to_string(file).expect("a policy")
    };
    let token = |name: &str| bao.token(&[(name, &policy(name))]).expect("a token");
    let (usual, destroy) = (token("custos-use"), token("custos-destroy"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let shop = dir.path().join("shop");
    let address = format!("vault+{}/transit?prefix=custos", bao.address());
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, format!("{usual}\n")).expect("a file is written");
    let run = |args: &[&str], destroy: Option<&str>| {
        let mut command = Command::new(program());
        command.args(args).env("CUSTOS_VAULT_TOKEN_FILE", &token_file);
        if let Some(destroy) = destroy {
            command.env("CUSTOS_VAULT_DESTROY_TOKEN", destroy);
        }
        command.output().expect("the program starts")
    };
    let init = ["init", text(&shop), "--keys", &address];
    fails(&run(&init, None), 4, "neither create nor destroy");
    std::fs::remove_dir_all(&shop).expect("a folder goes");
    assert!(run(&init, Some(&destroy)).status.success());
    let toml = shop.join("custos.toml");
    let custos = |args: &[&str], destroy: Option<&str>| {
        run(&[&["--config", text(&toml)], args].concat(), destroy)
    };
    fails(&run_at(&shop, &["keys", "status"]), 4, "CUSTOS_VAULT_TOKEN");
    last(&custos(&["principal", "add", "officer", "--role", "officer", "--json"], None));
    let orders = shipped_contract("pos_orders.yaml");
    let file = dir.path().join("orders.csv");
    std::fs::write(&file, format!("{}{}", crate::fixtures::HEADER, ROWS.concat())).expect("a file");
    last(&custos(&["ingest", "--contract", text(&orders), "--json", text(&file)], None));
    fails(&custos(&["keys", "rotate"], None), 4, "CUSTOS_VAULT_DESTROY_TOKEN");
    let rotated = last(&custos(&["keys", "rotate", "--json"], Some(&destroy)));
    assert_eq!((&rotated["epoch"], &rotated["destroyed"]), (&2.into(), &serde_json::json!([1])));
    let status = last(&custos(&["keys", "status", "--json"], None));
    assert_eq!(status["provider"], "OpenBao or Vault transit");
    assert!(status["destruction"]["assurance"].as_str().expect("a text").contains("backup"));
    let rows =
        custos(&["sql", "--as", "officer", "--purpose", "legal_claims", "--json", ORDERS], None);
    assert!(rows.status.success(), "{rows:?}");
    assert_eq!(String::from_utf8_lossy(&rows.stdout).lines().count(), 3);
    assert!(bao.bao(&["read", "transit/keys/custos-epoch-1"]).is_err());
}

#[test]
fn a_sealed_key_ring_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let shop = dir.path().join("shop");
    let init = Command::new(program())
        .args(["init", text(&shop)])
        .env("CUSTOS_KEYS_PASSPHRASE", "correct horse")
        .output()
        .expect("the program starts");
    assert!(init.status.success(), "{init:?}");
    let status = |name: &str, value: &str| {
        let mut command = installed_at(&shop, &["keys", "status", "--json"]);
        command.env(name, value).output().expect("the program starts")
    };
    fails(&run_at(&shop, &["keys", "status"]), 4, "CUSTOS_KEYS_PASSPHRASE");
    fails(&status("CUSTOS_KEYS_PASSPHRASE", "wrong horse"), 4, "is not that of the key ring");
    fails(&status("CUSTOS_KEYS_PASSPHRASE", ""), 3, "is empty");
    let file = dir.path().join("passphrase");
    std::fs::write(&file, "correct horse\n").expect("a file is written");
    assert_eq!(
        last(&status("CUSTOS_KEYS_PASSPHRASE_FILE", text(&file)))["provider"],
        "local key ring"
    );
    let plain = Custos::new();
    let mut command = plain.command(&["keys", "status"]);
    let output = command.env("CUSTOS_KEYS_PASSPHRASE", "x").output().expect("the program starts");
    fails(&output, 3, "not sealed");
    let output = run_program(&["restore", "--replay", "--into", "x"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
