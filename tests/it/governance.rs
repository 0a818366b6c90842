//! What principals see for which purpose, and what is refused.

use crate::fixtures::CANARY;
use crate::harness::Custos;

const ORDERS: &str = "select order_id from orders order by order_id";

fn ids(custos: &Custos, principal: &str, purpose: &str) -> Vec<String> {
    let rows = custos.sql(principal, purpose, ORDERS);
    rows.iter().map(|row| row["order_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn each_purpose_shows_who_consented_to_it_and_nobody_else() {
    let custos = Custos::shop();
    assert_eq!(ids(&custos, "analyst", "analytics"), ["o1", "o2", "o3"]);
    assert_eq!(ids(&custos, "marketer", "marketing.advertising.first_party"), ["o3"]);

    custos.consents(&["customer_id,M-BO,analytics,withdrawn,2026-06-01T00:00:00Z,v1,web,pos"]);
    assert_eq!(ids(&custos, "analyst", "analytics"), ["o1", "o2"]);
    assert_eq!(ids(&custos, "marketer", "marketing.advertising.first_party"), ["o3"]);
    custos.healthy();
}

#[test]
fn counts_extremes_and_totals_are_those_of_the_visible_rows() {
    let custos = Custos::shop();
    let rows = custos.sql(
        "marketer",
        "marketing.advertising.first_party",
        "select count(*) as n, min(amount) as low, max(amount) as high from orders",
    );
    assert_eq!(rows[0]["n"], 1);
    assert_eq!(rows[0]["low"], rows[0]["high"]);
}

#[test]
fn identifiers_are_masked_and_ids_differ_between_purposes() {
    let custos = Custos::shop();
    let sql = "select person_id, name, phone from profiles where orders = 1";
    let analyst = custos.sql("analyst", "analytics", sql);
    let marketer = custos.sql("marketer", "marketing.advertising.first_party", sql);
    assert_eq!(analyst.len(), 1);
    assert_ne!(analyst[0]["person_id"], marketer[0]["person_id"]);
    for row in [&analyst[0], &marketer[0]] {
        assert!(!row.to_string().contains("4915112345672"), "{row}");
        assert!(row["person_id"].as_i64().expect("an id") < 1 << 53);
    }
    let officer = custos.sql("officer", "legal_claims", "select name from profiles");
    assert!(officer.iter().any(|row| row["name"] == "Bo Berg"), "{officer:?}");
}

#[test]
fn a_referrer_who_is_not_visible_is_nobody_in_the_rows_of_others() {
    let custos = Custos::shop();
    let sql = "select person_id_referrer from pos_orders where order_id = 'o3'";
    let rows = custos.sql("marketer", "marketing.advertising.first_party", sql);
    assert!(rows[0]["person_id_referrer"].is_null(), "{rows:?}");
}

#[test]
fn an_error_in_the_user_s_expression_never_sees_a_hidden_row() {
    let custos = Custos::shop();
    // Only the hidden rows divide by zero.
    let sql = "select 1 / (quantity - 2) as x from orders where 1 / (quantity - 2) < 0";
    let rows = custos.sql("marketer", "marketing.advertising.first_party", sql);
    assert_eq!(rows.len(), 1);
    let sql = "select cast(note as int) from orders";
    custos.sql("marketer", "marketing.advertising.first_party", sql);
}

#[test]
fn everything_but_a_single_select_over_published_tables_is_refused_without_values() {
    let custos = Custos::shop();
    for (sql, code, says) in [
        ("insert into orders values (1)", 3, "changing data"),
        ("delete from orders", 3, "changing data"),
        ("create table t as select 1", 3, "not allowed"),
        ("copy (select 1) to '/tmp/x.csv'", 3, "COPY"),
        ("explain analyze select * from orders", 3, "EXPLAIN ANALYZE"),
        ("explain (analyze) select * from orders", 3, "EXPLAIN ANALYZE"),
        ("explain verbose select * from orders", 3, "EXPLAIN with options"),
        ("explain format tree select * from orders", 3, "EXPLAIN with options"),
        ("explain delete from orders", 3, "EXPLAIN"),
        ("explain explain select 1", 3, "EXPLAIN"),
        ("explain select * from landing.pos_orders", 5, "does not exist"),
        ("set datafusion.execution.batch_size = 1", 3, "SET"),
        ("show tables", 3, "not allowed"),
        ("select 1; select 2", 3, "only a single SELECT"),
        ("select * from landing.pos_orders", 5, "does not exist"),
        ("select * from vault.identifiers", 5, "does not exist"),
        ("select * from information_schema.tables", 5, "does not exist"),
        ("select * from '/etc/passwd'", 5, "does not exist"),
        ("select * from generate_series(1, 10)", 5, "does not exist"),
        ("select input_file_name() from orders", 3, "function"),
        (
            "with recursive t as (select 1 as n union all select n + 1 from t) select * from t",
            3,
            "recursive",
        ),
        ("select canary_7f3a from orders", 3, "canary_7f3a"),
        ("select * from orders where \"canary-7f3a@example.test\" = 1", 3, "`?`"),
        ("select cast('canary-7f3a' as int)", 3, "converted"),
        ("selec", 3, "not valid SQL"),
    ] {
        let args = ["sql", "--as", "analyst", "--purpose", "analytics", "--json", sql];
        let run = custos.run(&args).fails(code, &[says]);
        assert!(!run.err.contains(CANARY), "{run:?}");
        assert!(run.out.is_empty(), "{run:?}");
    }
}

#[test]
fn who_may_not_act_for_a_purpose_gets_no_row() {
    let custos = Custos::shop();
    let sql = |principal, purpose| {
        custos.run(&["sql", "--as", principal, "--purpose", purpose, "--json", "select 1"])
    };
    sql("analyst", "marketing.advertising.first_party").fails(4, &["not open"]);
    sql("analyst", "no.such.purpose").fails(4, &["not open"]);
    sql("analyst", "marketing").fails(4, &["not open"]);
    sql("nobody", "analytics").fails(5, &["no such principal"]);
    custos.run(&["principal", "revoke", "analyst"]).ok();
    sql("analyst", "analytics").fails(5, &["no such principal"]);
    let export = custos.run(&["audit", "export"]).ok();
    assert!(export.out.contains("refused"), "{}", export.out);
}

#[test]
fn what_a_browser_refuses_counts_at_once() {
    const ANA: &str = "customer_id@pos:M-ANA";
    let custos = Custos::shop();
    let text = r#"{"gpc": ["analytics"], "opt_outs": {"SaleOptOut": ["marketing"]}}"#;
    let rules = custos.file("signals.json", text);
    let rules = rules.to_str().expect("a path");
    let signal = |says: &[&str]| {
        let given = ["consent", "signal", "--subject", ANA, "--rules", rules, "--json"];
        custos.run(&[&given[..], says].concat())
    };
    // No sale: nothing about analytics.
    let recorded = signal(&["--us-privacy", "1YYN", "--at", "2026-06-01T00:00:00Z"]).ok().last();
    assert_eq!(recorded["recorded"], 1, "{recorded}");
    assert_eq!(ids(&custos, "analyst", "analytics"), ["o1", "o2", "o3"]);

    let again = ["--gpc", "--at", "2026-06-02T00:00:00Z"];
    assert_eq!(signal(&again).ok().last()["recorded"], 1);
    assert_eq!(ids(&custos, "analyst", "analytics"), ["o3"]);
    assert_eq!(signal(&again).ok().last()["duplicate"], 1);

    signal(&["--us-privacy", "1YY"]).fails(3, &["the signal ends before", "exactly as"]);
    signal(&["--tcf", CANARY]).fails(3, &["signal"]);
    signal(&["--gpc", "--at", "2999-01-01T00:00:00Z"]).fails(3, &["future"]);
    let unknown = custos.file("unknown.json", r#"{"gpc": ["no.such"]}"#);
    let unknown = unknown.to_str().expect("a path");
    custos
        .run(&["consent", "signal", "--subject", ANA, "--rules", unknown, "--gpc"])
        .fails(3, &["`no.such` is not a purpose"]);
    custos.healthy();
}

const MEMBERS: &str = r#"
apiVersion: v3.0.2
kind: DataContract
id: members
version: 1.0.0
status: active
customProperties:
  - property: custos
    value:
      format: {type: csv, delimiter: ",", encoding: utf-8, header: true}
      write_mode: upsert
      record_key: [member_no]
      version_column: updated_at
      event_time: none
      birth: born
      purposes: [analytics]
      jurisdiction: {default: cn}
schema:
  - name: members
    properties:
      - {name: member_no, logicalType: string, required: true, customProperties: [{property: custos, value: {kind: identifier, type: customer_id, scope: pos, assurance: verified}}]}
      - {name: born, logicalType: date, customProperties: [{property: custos, value: {kind: attribute, category: user.demographic.age_range}}]}
      - {name: updated_at, logicalType: timestamp, required: true, customProperties: [{property: custos, value: {category: user.account}}]}
"#;

#[test]
fn a_child_is_shown_once_a_guardian_agreed() {
    const ANA: &str = "customer_id@pos:M-ANA";
    let custos = Custos::shop();
    let contract = custos.file("members.yaml", MEMBERS);
    let load = |rows: &str| {
        let file = custos.file("members.csv", format!("member_no,born,updated_at\n{rows}"));
        custos.ingest(&contract, &file).ok();
        custos.run(&["resolve"]).ok();
    };
    let why = || {
        let explain = ["policy", "explain", "--purpose", "analytics", "--person", ANA, "--json"];
        let run = custos.run(&explain).ok().last();
        let sources = run["sources"].as_array().expect("sources").clone();
        let orders = sources.iter().find(|it| it["source"] == "landing.pos_orders");
        orders.expect("orders")["why"].as_str().expect("a reason").to_owned()
    };
    let seen = || ids(&custos, "analyst", "analytics");

    // A guardian consents below fourteen in China, which who is yet to be born is for long.
    load("M-ANA,2999-01-01,2026-01-01T00:00:00Z\nM-BO,1986-01-01,2026-01-01T00:00:00Z\n");
    assert_eq!(seen(), ["o3"]);
    assert!(why().contains("too young"), "{}", why());

    custos
        .consents(&["customer_id,M-ANA,guardian.analytics,given,2026-06-01T00:00:00Z,v1,web,pos"]);
    assert_eq!(seen(), ["o1", "o2", "o3"]);
    custos.consents(&["customer_id,M-ANA,guardian,withdrawn,2026-06-02T00:00:00Z,v1,web,pos"]);
    assert_eq!(seen(), ["o3"]);

    // The CRM had the year wrong: her own word counts, and her guardians' does not any more.
    load("M-ANA,1999-01-01,2026-02-01T00:00:00Z\n");
    assert_eq!(seen(), ["o1", "o2", "o3"]);

    custos.healthy();
}
