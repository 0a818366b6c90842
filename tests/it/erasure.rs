//! From a request to a certificate, and what stays gone.

use std::process::Command;

use crate::fixtures::{CANARY, HEADER, ROWS};
use crate::harness::{Custos, erasure, files_below, run_program, shipped_contract};

const SUBJECT: &str = "customer_id@pos:M-ANA";

fn erase(custos: &Custos, wait: &str) -> serde_json::Value {
    erase_subject(custos, SUBJECT, wait)
}

/// Asks for a person to be erased and waits for a level.
pub(crate) fn erase_subject(custos: &Custos, subject: &str, wait: &str) -> serde_json::Value {
    let args = erasure(subject, Some(wait));
    custos.run(&args).ok().last()
}

fn orders(custos: &Custos) -> Vec<String> {
    let rows =
        custos.sql("officer", "legal_claims", "select order_id from orders order by order_id");
    rows.iter().map(|row| row["order_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn an_erased_customer_is_gone_from_queries_files_and_later_loads() {
    let custos = Custos::shop();
    let before = custos.path("before");
    copy(&custos.path("shop"), &before);
    assert_eq!(orders(&custos), ["o1", "o2", "o3"]);

    let view = erase(&custos, "L2");
    assert_eq!(view["level"], "L2", "{view}");
    assert!(view["rows_removed"].as_u64().expect("rows") >= 2, "{view}");
    assert_eq!(orders(&custos), ["o3"]);
    custos.healthy();

    // Her old rows are barred, the others are known.
    let contract = shipped_contract("pos_orders.yaml");
    let file = custos.orders("again.csv", &ROWS);
    let counts = custos.ingest(&contract, &file).ok().last();
    assert_eq!((&counts["barred"], &counts["duplicate"]), (&2.into(), &2.into()), "{counts}");
    assert_eq!(orders(&custos), ["o3"]);

    // An order placed after the erasure is that of a new customer.
    let later = "o9,M-ANA,Ana,+4915112345671,,berlin,web,toys,1,9.00,EUR,,2099-01-01 10:00:00,2099-01-01 10:00:00\n";
    let file = custos.orders("later.csv", &[later]);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["stored"], 1);
    assert_eq!(orders(&custos), ["o3", "o9"]);

    certificate_holds(&custos, &view);
    replaced_files_do_not_open(&custos, &before, &view);
    custos.healthy();
}

fn certificate_holds(custos: &Custos, view: &serde_json::Value) {
    let jws = view["certificate"].as_str().expect("a certificate");
    let file = custos.file("ana.jws", jws);
    let key = custos.run(&["keys", "status", "--json"]).ok().last()["public_key"].clone();
    let key = custos.file("issuer.pub", key.as_str().expect("a key"));
    let (file, key) = (file.to_str().expect("a path"), key.to_str().expect("a path"));
    let verify =
        |file: &str| run_program(&["certificate", "verify", file, "--public-key", key, "--json"]);
    let held = verify(file);
    assert!(held.status.success(), "{held:?}");
    let statement: serde_json::Value = serde_json::from_slice(&held.stdout).expect("JSON");
    assert_eq!(statement["level"], "L2");
    assert!(!statement.to_string().contains("M-ANA"));
    // Any change breaks it.
    let middle = jws.len() / 2;
    let other = if jws.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{}{other}{}", &jws[..middle], &jws[middle + 1..]);
    let forged = custos.file("forged.jws", forged);
    let refused = verify(forged.to_str().expect("a path"));
    assert_eq!(refused.status.code(), Some(6), "{refused:?}");
}

/// An old copy of the lake with today's control store: what was replaced does not open.
fn replaced_files_do_not_open(custos: &Custos, before: &std::path::Path, view: &serde_json::Value) {
    let mixed = custos.path("mixed");
    copy(&custos.path("shop"), &mixed);
    std::fs::remove_dir_all(mixed.join("lake")).expect("the lake goes");
    copy(&before.join("lake"), &mixed.join("lake"));
    let config = mixed.join("custos.toml");
    let output = run_program(&[
        "--config",
        config.to_str().expect("a path"),
        "sql",
        "--as",
        "officer",
        "--purpose",
        "legal_claims",
        "--json",
        "select * from orders",
    ]);
    assert_eq!(output.status.code(), Some(6), "{output:?} {view}");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unverified_request_hides_and_does_no_more() {
    let custos = Custos::shop();
    let args = [
        "request",
        "open",
        "--type",
        "erasure",
        "--subject",
        SUBJECT,
        "--regime",
        "gdpr",
        "--wait",
        "L2",
        "--json",
    ];
    let run = custos.run(&args).ok();
    let view = run.last();
    assert_eq!((&view["level"], &view["state"]), (&"L0".into(), &"suppressed".into()));
    assert!(run.err.contains("verify"), "{run:?}");
    assert_eq!(orders(&custos), ["o3"]);
    // Asking again is not another request; verifying it goes on.
    let again = erase(&custos, "L2");
    assert_eq!(again["id"], view["id"]);
    assert_eq!(again["level"], "L2");
    let list = custos.run(&["request", "list", "--json"]).ok();
    assert_eq!(list.json().len(), 1);
    custos.healthy();
}

#[test]
fn erasing_twice_equals_erasing_once() {
    let custos = Custos::shop();
    erase(&custos, "L2");
    let rows = custos.sql("officer", "legal_claims", "select * from orders order by order_id");
    let second = erase(&custos, "L2");
    assert_eq!(second["rows_removed"], 0);
    let same = custos.sql("officer", "legal_claims", "select * from orders order by order_id");
    assert_eq!(rows, same);
}

#[test]
fn a_quarantined_row_of_the_person_goes_too_and_those_of_others_stay() {
    let custos = Custos::shop();
    let broken = [
        "q1,M-ANA,Ana,+49 151 12345671,,berlin,web,toys,1,free,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
        "q2,M-BO,Bo,+4915112345672,,berlin,web,toys,1,free,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
    ];
    let contract = shipped_contract("pos_orders.yaml");
    let file = custos.orders("broken.csv", &broken);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["quarantined"], 2);
    let view = erase(&custos, "L2");
    assert!(view["rows_removed"].as_u64().expect("rows") > 3, "{view}");
    // A replay finds the other row alone.
    let contract = contract.to_str().expect("a path");
    let counts = custos.run(&["ingest", "--contract", contract, "--replay", "--json"]).ok().last();
    assert_eq!((&counts["read"], &counts["quarantined"]), (&1.into(), &1.into()));
    // Delivered again, her broken row is barred like her others, and stays out of quarantine.
    let file = custos.orders("broken-again.csv", &broken);
    let counts = custos.ingest(&shipped_contract("pos_orders.yaml"), &file).ok().last();
    assert_eq!((&counts["barred"], &counts["quarantined"]), (&1.into(), &1.into()), "{counts}");
    custos.healthy();
}

#[test]
fn refused_rows_are_found_by_their_identifiers_and_nothing_else() {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    let accepted = "a1,7,Zoe,+4915112345673,,berlin,web,toys,1,1.00,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n";
    let mut broken = vec![
        // Hers: by a short number, by her telephone however it is written, without any cells.
        "q1,7,Zoe,,,berlin,web,toys,1,free,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
        "q2,,,０049 (151) 1234-5673,,berlin,web,toys,1,free,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
        "q3;7,Zoe\n",
        "q4,8,Bo,,+4915112345673,berlin,web,toys,1,free,EUR,,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
    ];
    let others = [
        // Her number is another's quantity and amount here.
        "q5,77,Bo,,,berlin,web,toys,7,-7,EUR,7,2026-03-05 10:00:00,2026-03-05 10:00:00\n",
        "q6,78,Zoe\n",
    ];
    broken.extend(others);
    let file = custos.orders("accepted.csv", &[accepted]);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["stored"], 1);
    let file = custos.orders("broken.csv", &broken);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["quarantined"], 6);
    custos.run(&["resolve"]).ok();
    let view = erase_subject(&custos, "customer_id@pos:7", "L2");
    // Her order, what the vault knew of her and four refused rows.
    assert_eq!(view["rows_removed"], 1 + 3 + 4, "{view}");
    let replay = ["ingest", "--contract", contract.to_str().expect("a path"), "--replay", "--json"];
    let counts = custos.run(&replay).ok().last();
    assert_eq!((&counts["read"], &counts["quarantined"]), (&2.into(), &2.into()), "{counts}");
    // Delivered again hers are barred; what she does after the erasure is a new customer's.
    let later = "q9,7,Zoe,,,berlin,web,toys,1,free,EUR,,2099-03-05 10:00:00,2099-03-05 10:00:00\n";
    broken.push(later);
    let file = custos.orders("again.csv", &broken);
    let counts = custos.ingest(&contract, &file).ok().last();
    assert_eq!((&counts["barred"], &counts["quarantined"]), (&4.into(), &3.into()), "{counts}");
    assert_eq!(custos.run(&replay).ok().last()["read"], 3);
    custos.healthy();
}

#[test]
fn no_value_of_the_person_is_in_any_byte_before_or_after() {
    let custos = Custos::shop();
    erase(&custos, "L2");
    let needles = [CANARY.to_owned(), "Canary-7f3a".into(), "4915112345671".into(), "M-ANA".into()];
    for (path, bytes) in files_below(&custos.path("shop")) {
        for needle in &needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "`{needle}` in {}", path.display());
        }
    }
    assert!(HEADER.contains("member_no"));
}

#[test]
fn requests_that_make_no_sense_are_refused_without_repeating_the_value() {
    let custos = Custos::shop();
    for (subject, regime, says) in [
        ("canary-7f3a@example.test", "gdpr", "no type"),
        ("mail:canary-7f3a@example.test", "gdpr", "identifier type"),
        ("email:canary-7f3a", "gdpr", "not a usable"),
        ("email:canary-7f3a@example.org", "no_such_law", "not a regime"),
    ] {
        let args =
            ["request", "open", "--type", "erasure", "--subject", subject, "--regime", regime];
        let run = custos.run(&args).fails(3, &[says]);
        assert!(!run.err.contains(CANARY), "{run:?}");
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

#[test]
fn rows_that_come_while_a_request_waits_are_hidden_with_the_person() {
    let custos = Custos::shop();
    let open = |subject: &str| {
        let args = erasure(subject, None);
        custos.run(&args).ok().last()["id"].as_str().expect("an id").to_owned()
    };
    let id = open(SUBJECT);
    let newer = "o8,M-ANA,Ana,+4915112345671,,berlin,web,toys,1,9.00,EUR,,2026-05-01 10:00:00,2026-05-01 10:00:00\n";
    let file = custos.orders("newer.csv", &[newer]);
    custos.ingest(&shipped_contract("pos_orders.yaml"), &file).ok();
    assert_eq!(orders(&custos), ["o3"]);
    // The same number in another numbering is another person's request.
    assert_ne!(open("customer_id@crm:M-ANA"), id);
    custos.run(&["request", "verify", &id, "--by", "J. Weber", "--wait", "L2", "--json"]).ok();
    assert_eq!(orders(&custos), ["o3"]);
    custos.healthy();
}
