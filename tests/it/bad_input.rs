//! Input and surroundings that are wrong must end well: a clear error, and nothing half done.

use std::io::Write;

use crate::erasure::copy;
use crate::fixtures::{CANARY, HEADER, ROWS};
use crate::harness::{Custos, run_program, shipped_contract};

#[test]
fn files_that_cannot_be_read_as_a_whole_leave_nothing_behind() {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    let good = format!("{HEADER}{}", ROWS.concat());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(good.repeat(500).as_bytes()).expect("compressed");
    let gz = gz.finish().expect("compressed");
    let truncated = gz[..gz.len() / 2].to_vec();
    let missing = good.replacen("order_id,", "", 1);
    let semicolons = good.replace(',', ";");
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("empty.csv", Vec::new(), "is empty"),
        ("missing.csv", missing.into_bytes(), "order_id"),
        ("semicolons.csv", semicolons.into_bytes(), "delimiter"),
        ("half.csv.gz", truncated, "too early"),
    ];
    for (name, bytes, says) in cases {
        let file = custos.file(name, bytes);
        let run = custos.ingest(&contract, &file);
        assert!(matches!(run.code, Some(3)), "{run:?}");
        assert!(run.err.contains(says) && run.err.contains(name), "{says}: {run:?}");
        assert!(!run.err.contains(CANARY), "{run:?}");
    }
    let file = custos.path("nowhere.csv");
    custos.ingest(&contract, &file).fails(5, &["nowhere.csv"]);
    custos.healthy();
    let file = custos.orders("good.csv", &ROWS);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["stored"], 4);
}

#[test]
fn rows_that_break_the_contract_are_quarantined_with_row_column_and_remedy() {
    let custos = Custos::new();
    let huge = "x".repeat(10 << 20);
    let rows = [
        ROWS[0].to_owned(),
        ROWS[1].replace("2026-03-02 10:00:00,", "2026-02-30 10:00:00,"),
        ROWS[1].replace("20.00", "2 0.00"),
        ROWS[1].replace("o2,", ","),
        ROWS[1].replace("call", &huge),
        "too,short\n".to_owned(),
    ];
    let mut bytes = HEADER.as_bytes().to_vec();
    rows.iter().for_each(|row| bytes.extend(row.as_bytes()));
    bytes
        .extend(ROWS[1].replace("toys", "t\u{1}ys").bytes().map(|b| if b == 1 { 0xff } else { b }));
    let file = custos.file("rows.csv", bytes);
    let run = custos.ingest(&shipped_contract("pos_orders.yaml"), &file).ok();
    let counts = run.last();
    assert_eq!((&counts["read"], &counts["stored"]), (&7.into(), &1.into()), "{run:?}");
    assert_eq!(counts["quarantined"], 6);
    for fault in [
        "bad_date in column `ordered_at`, first in row 2",
        "bad_number in column `amount`, first in row 3",
        "missing_value in column `order_id`, first in row 4",
        "cell_too_large",
        "wrong_column_count",
        "invalid_utf8",
    ] {
        assert!(run.err.contains(fault), "{fault}: {}", run.err);
    }
    assert!(!run.err.contains(CANARY), "{}", run.err);
    custos.healthy();
}

#[test]
fn loading_twice_changes_nothing_and_newer_versions_update() {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    let file = custos.orders("orders.csv", &ROWS);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["stored"], 4);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["duplicate"], 4);
    let newer = ROWS[0]
        .replace(",10.00,", ",11.00,")
        .replace("2026-03-01 10:00:00\n", "2026-04-01 10:00:00\n");
    let file = custos.orders("newer.csv", &[&newer]);
    assert_eq!(custos.ingest(&contract, &file).ok().last()["updated"], 1);
    let rows = custos.sql(
        "officer",
        "legal_claims",
        "select count(*) as n, sum(amount) as total from orders",
    );
    assert_eq!(rows[0]["n"], 3, "{rows:?}");
    assert_eq!(rows[0]["total"], 36.0);
    let changed = ROWS[2].replace(",5.00,", ",6.00,");
    let file = custos.orders("changed.csv", &[&changed]);
    let run = custos.ingest(&contract, &file).ok();
    assert_eq!(run.last()["quarantined"], 1, "{run:?}");
    assert!(run.err.contains("conflicting_record"), "{run:?}");
}

#[test]
fn a_contract_may_gain_nullable_columns_and_nothing_else() {
    let custos = Custos::new();
    let text = std::fs::read_to_string(shipped_contract("pos_orders.yaml")).expect("a contract");
    let first = custos.file("c1.yaml", &text);
    let file = custos.orders("orders.csv", &ROWS[..2]);
    custos.ingest(&first, &file).ok();
    let column = "      - name: coupon\n        logicalType: string\n        customProperties: [{property: custos, value: {kind: fact, category: user.behavior.purchase_history}}]\n";
    let wider =
        format!("{}\n{column}", text.trim_end()).replace("version: 1.0.0", "version: 1.1.0");
    let second = custos.file("c2.yaml", &wider);
    let rows: String = ROWS[2..].iter().map(|row| row.replace('\n', ",SPRING\n")).collect();
    let file = custos.file("wide.csv", format!("{},coupon\n{rows}", HEADER.trim_end()));
    assert_eq!(custos.ingest(&second, &file).ok().last()["stored"], 2);
    let rows = custos.sql(
        "officer",
        "legal_claims",
        "select coupon, count(*) as n from pos_orders group by 1 order by 1 nulls last",
    );
    assert_eq!(rows[0]["coupon"], "SPRING");
    assert_eq!(rows[1]["n"], 2);
    let narrower = text.replace("version: 1.0.0", "version: 1.2.0");
    let third = custos.file("c3.yaml", narrower);
    let file = custos.path("orders.csv");
    custos.ingest(&third, &file).fails(3, &["coupon"]);
    custos.healthy();
}

#[test]
fn a_wrong_key_ring_or_a_lost_control_store_opens_nothing() {
    let custos = Custos::shop();
    let other = Custos::new();
    let shop = custos.path("shop");
    let select = |shop: &std::path::Path| {
        let config = shop.join("custos.toml");
        let config = config.to_str().expect("a path").to_owned();
        run_program(&[
            "--config",
            &config,
            "sql",
            "--as",
            "officer",
            "--json",
            "select * from orders",
        ])
    };

    let wrong_ring = custos.path("wrong-ring");
    copy(&shop, &wrong_ring);
    std::fs::remove_dir_all(wrong_ring.join("keys")).expect("the ring goes");
    copy(&other.path("shop/keys"), &wrong_ring.join("keys"));
    let output = select(&wrong_ring);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty() && !output.status.success(), "{output:?}");
    assert!(said.contains("key ring"), "{said}");

    let lost = custos.path("lost");
    copy(&shop, &lost);
    std::fs::remove_dir_all(lost.join("control")).expect("the store goes");
    let output = select(&lost);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty() && !output.status.success(), "{output:?}");
    assert!(said.contains("control store") && said.contains("missing"), "{said}");
}

#[test]
fn two_processes_may_load_at_once() {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    let contract = contract.to_str().expect("a path");
    let first = custos.orders("first.csv", &ROWS[..2]);
    let second = custos.orders("second.csv", &ROWS);
    let start = |file: &std::path::Path| {
        let file = file.to_str().expect("a path");
        let mut command = custos.command(&["ingest", "--contract", contract, "--json", file]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let runs = [start(&first), start(&second), start(&second)];
    let mut stored = 0;
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let counts: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        stored += counts["stored"].as_u64().expect("a count");
    }
    assert_eq!(stored, 4);
    custos.healthy();
}

#[test]
fn a_policy_or_contract_with_mistakes_is_told_all_of_them_at_once() {
    let custos = Custos::new();
    let text = std::fs::read_to_string(shipped_contract("pos_orders.yaml")).expect("a contract");
    let broken = text
        .replace("write_mode: upsert", "write_mode: upsrt")
        .replace("time_zone: Asia/Shanghai", "time_zone: Asia/Shangai");
    let file = custos.file("broken.yaml", broken);
    let run = custos
        .run(&["policy", "check", "--contract", file.to_str().expect("a path")])
        .fails(3, &["`upsrt` is no write_mode", "Asia/Shangai", "broken.yaml:17:18", "("]);
    assert!(run.err.contains("mistake"), "{run:?}");
    custos.run(&["policy", "check"]).ok();
    custos.run(&["policy", "test"]).ok();
}
