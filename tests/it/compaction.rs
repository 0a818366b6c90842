//! Sorting what was loaded changes no answer, and forgets no less.

use std::fmt::Write;

use crate::erasure::erase_subject;
use crate::fixtures::HEADER;
use crate::harness::{Custos, shipped_contract};

/// Loads, each of which corrects some orders of the one before.
const LOADS: usize = 9;
const MEMBERS: usize = 50;
const ORDERS: usize = 400;

fn load(number: usize) -> String {
    let mut text = HEADER.to_owned();
    for order in (number * ORDERS / 2)..(number * ORDERS / 2 + ORDERS) {
        let member = order % MEMBERS;
        writeln!(
            text,
            "c{order},M{member},Member {member},,,s,web,toys,1,{number}.50,EUR,,2026-01-01 08:00:00,2026-02-{:02} 08:00:00",
            number + 1
        )
        .expect("text");
    }
    text
}

/// What somebody sees who may see everybody.
fn answers(custos: &Custos) -> Vec<Vec<serde_json::Value>> {
    [
        "select order_id, amount, ordered_at from orders order by order_id",
        "select count(*) as n, sum(amount) as total, count(distinct person_id) as people from orders",
        "select r, f, m, segment, count(*) as n from rfm group by 1, 2, 3, 4 order by 1, 2, 3, 4",
    ]
    .map(|sql| custos.sql("officer", "legal_claims", sql))
    .into()
}

#[test]
fn compacted_tables_answer_the_same_and_forget_the_same() {
    let custos = Custos::new();
    let contract = shipped_contract("pos_orders.yaml");
    let files: Vec<_> =
        (0..LOADS).map(|at| custos.file(&format!("load-{at}.csv"), load(at))).collect();
    for file in &files {
        custos.ingest(&contract, file).ok();
    }
    custos.run(&["resolve"]).ok();
    let before = answers(&custos);
    let orders = (LOADS + 1) * ORDERS / 2;
    assert_eq!(before[1][0]["n"], orders);

    let done = custos.run(&["compact", "--json"]).ok().json();
    let landing = done.iter().find(|done| done["table"] == "landing.pos_orders");
    let landing = &landing.expect("orders were compacted")["compacted"];
    assert_eq!((&landing["files_before"], &landing["files_after"]), (&LOADS.into(), &1.into()));
    assert_eq!(landing["rows"], orders);
    assert_eq!(landing["superseded"], LOADS * ORDERS - orders);
    assert_eq!(answers(&custos), before);
    custos.healthy();

    // An old version that comes again is old, though it is not there any more.
    let counts = custos.ingest(&contract, &files[0]).ok().last();
    assert_eq!(counts["duplicate"], ORDERS, "{counts}");
    assert_eq!(custos.run(&["compact", "--json"]).ok().json(), [] as [serde_json::Value; 0]);

    let view = erase_subject(&custos, "customer_id@pos:M7", "L2");
    assert_eq!(view["level"], "L2", "{view}");
    let left = answers(&custos);
    assert_eq!(left[1][0]["n"], orders - orders / MEMBERS);
    assert_eq!(left[1][0]["people"], MEMBERS - 1);
    let others: Vec<_> = before[0]
        .iter()
        .filter(|row| {
            let order: usize = row["order_id"].as_str().expect("an id")[1..].parse().expect("one");
            order % MEMBERS != 7
        })
        .cloned()
        .collect();
    assert_eq!(left[0], others);
    custos.healthy();
}
