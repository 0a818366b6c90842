//! What policies come to: compared, explained, and on record when they change.

use std::path::PathBuf;

use custos_testkit::workspace_root;
use serde_json::{Value, json};

use crate::doors::Server;
use crate::fixtures::CANARY;
use crate::harness::{Custos, program};

const ANALYTICS: &str = "basis: {default: consent, us: legitimate_interest}";

/// The shipped policies in a folder, with a text of one file replaced.
pub(crate) fn policies(
    custos: &Custos,
    folder: &str,
    file: &str,
    [before, after]: [&str; 2],
) -> PathBuf {
    let dir = custos.path(folder);
    std::fs::create_dir(&dir).expect("a folder");
    for entry in std::fs::read_dir(workspace_root().join("policies")).expect("policies") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_file() && !name.ends_with(".test.yaml") {
            let mut text = std::fs::read_to_string(&path).expect("a policy");
            if name == file {
                assert!(text.contains(before), "{before}");
                text = text.replacen(before, after, 1);
            }
            std::fs::write(dir.join(name), text).expect("a file");
        }
    }
    dir
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a path")
}

/// Has the installation use the policies of a folder.
pub(crate) fn configure(custos: &Custos, dir: &std::path::Path) {
    let config = custos.path("shop/custos.toml");
    let old = std::fs::read_to_string(&config).expect("the configuration");
    let kept: Vec<&str> = old.lines().filter(|line| !line.starts_with("policies = ")).collect();
    let line = format!("[policy]\npolicies = {:?}\n", text(dir));
    let new = format!("{}\n", kept.join("\n")).replace("[policy]\n", &line);
    std::fs::write(&config, new).expect("a file");
}

/// The changes of one side of a difference, of one kind.
fn changes(diff: &Value, side: &str, what: &str) -> Vec<Value> {
    let sections = diff[side].as_array().expect("sections").iter();
    let changes = sections.flat_map(|section| section["changes"].as_array().expect("changes"));
    changes.filter(|change| change["what"] == what).cloned().collect()
}

#[test]
fn a_difference_says_how_many_people_a_weaker_basis_shows() {
    let custos = Custos::shop();
    custos.consents(&["customer_id,M-BO,analytics,withdrawn,2026-06-01T00:00:00Z,v1,web,pos"]);
    let dir =
        policies(&custos, "contract", "purposes.yaml", [ANALYTICS, "basis: {default: contract}"]);
    let old = workspace_root().join("policies");
    let run = custos.run(&["policy", "diff", text(&old), text(&dir), "--json"]).ok();
    let people = changes(&run.last(), "opens", "people");
    // Bo withdrew, which a contract does not mind; nobody else is in the shop.
    let orders = people.iter().find(|it| it["tables"].to_string().contains("landing.pos_orders"));
    assert_eq!(orders.expect("a change")["people"], 1, "{people:?}");
    assert_eq!(run.last()["closes"], json!([]));
    let run = custos.run(&["policy", "diff", text(&old), text(&dir)]).ok();
    assert!(run.out.contains("1 person more") && run.out.contains("closes nothing"), "{run:?}");
    assert!(!run.out.contains("M-BO"), "{run:?}");
    // NEW is by default what is configured, and that is what ships.
    let run = custos.run(&["policy", "diff", text(&dir), "--json"]).ok();
    assert_eq!(changes(&run.last(), "closes", "people").len(), people.len());
    custos.run(&["policy", "diff", text(&custos.path("nowhere"))]).fails(5, &["nowhere"]);
    custos.healthy();
}

#[test]
fn a_difference_needs_no_installation() {
    let custos = Custos::new();
    let rule = "resource in [Category::\"user.contact\", Category::\"user.name\"]\n";
    let narrower = "resource in [Category::\"user.name\"]\n";
    let dir = policies(&custos, "narrow", "access.cedar", [rule, narrower]);
    let old = workspace_root().join("policies");
    let run = std::process::Command::new(program())
        .args(["policy", "diff", text(&old), text(&dir)])
        .current_dir(custos.path(""))
        .env_remove("CUSTOS_CONFIG")
        .output()
        .expect("the program starts");
    let out = String::from_utf8(run.stdout).expect("text");
    assert!(out.contains("opens nothing"), "{out}");
    assert!(out.contains("To role `analyst`, for `analytics`"), "{out}");
    // Identifiers lie in the vault, whichever source they came from.
    let closed = "column `email` of `vault.identifiers` is absent, was masked (email)";
    assert!(out.contains(closed), "{out}");
}

#[test]
fn a_contract_that_only_retention_knows_is_a_mistake() {
    let custos = Custos::new();
    let typo = ["contracts: [web_events]", "contracts: [web_event]"];
    let dir = policies(&custos, "typo", "retention.yaml", typo);
    let check = ["policy", "check", text(&dir)];
    custos.run(&check).fails(3, &["retention.yaml:", "`web_event`, which nobody has", "1 mistake"]);
    let ships =
        std::fs::read_to_string(workspace_root().join("policies/contracts/web_events.yaml"));
    let named = ships.expect("a contract").replace("id: web_events", "id: web_event");
    let contract = custos.file("web_event.yaml", named);
    custos.run(&[&check[..], &["--contract", text(&contract)]].concat()).ok();
}

#[test]
fn an_explanation_names_the_rule_behind_each_column() {
    let custos = Custos::shop();
    let explain = ["policy", "explain", "--as", "analyst", "--purpose", "analytics"];
    let of = |table: &str| custos.run(&[&explain[..], &[table, "--json"]].concat());
    let orders = of("landing.pos_orders").ok().last();
    let column = |name: &str| {
        let mut columns = orders["columns"].as_array().expect("columns").iter();
        columns.find(|it| it["name"] == name).cloned().expect("a column")
    };
    assert_eq!(column("amount")["shown"], "clear");
    assert_eq!(column("amount")["rules"][0]["id"], "analysts_see_facts");
    assert_eq!(column("note")["shown"], "absent");
    assert_eq!(column("note")["rules"][0]["effect"], "forbids");
    let sources: Vec<Value> = of("profiles").ok().json();
    let tables: Vec<&Value> = sources.iter().map(|it| &it["table"]).collect();
    assert!(tables.contains(&&json!("vault.identifiers")), "{tables:?}");
    of("landing.nothing").fails(5, &["no such table"]);
    let run = custos.run(&[&explain[..], &["orders"]].concat()).ok();
    assert!(run.out.contains("`analysts_see_facts` (access.cedar:"), "{run:?}");
    custos.run(&["policy", "explain", "--help"]).ok();
}

/// The entries of the audit log that put policies into force.
fn loaded(custos: &Custos) -> Vec<Value> {
    let entries = custos.run(&["audit", "export"]).ok().json();
    let entries = entries.into_iter().map(|line| line["entry"].clone());
    entries.filter(|entry| entry["action"] == "policy_loaded").collect()
}

#[test]
fn policies_that_change_are_on_record_once_with_what_they_open_and_close() {
    let custos = Custos::shop();
    let first = loaded(&custos);
    assert_eq!(first.len(), 1, "{first:?}");
    let dir =
        policies(&custos, "contract", "purposes.yaml", [ANALYTICS, "basis: {default: contract}"]);
    configure(&custos, &dir);
    // All find the change at the same time.
    let mut running: Vec<_> = (0..4)
        .map(|_| {
            let mut command = custos.command(&["principal", "list"]);
            command.stdout(std::process::Stdio::null()).spawn().expect("the program starts")
        })
        .collect();
    for child in &mut running {
        assert!(child.wait().expect("it ends").success());
    }
    let entries = loaded(&custos);
    assert_eq!(entries.len(), 2, "{entries:?}");
    let (before, now) = (&entries[0]["detail"], &entries[1]["detail"]);
    assert_eq!(now["before"], before["policy"]);
    assert_ne!(now["policy"], before["policy"]);
    let count = |name: &str| now[name].as_str().expect("a count").parse::<u32>().expect("a number");
    assert!(count("opens") > 0 && count("closes") == 0, "{now}");
    std::fs::remove_dir_all(&dir).expect("a folder goes");
    let back = policies(&custos, "back", "purposes.yaml", ["version: 1", "version: 1"]);
    configure(&custos, &back);
    custos.run(&["principal", "list"]).ok();
    let entries = loaded(&custos);
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert_eq!(entries[2]["detail"]["policy"], entries[0]["detail"]["policy"]);
    custos.healthy();
}

/// What an answer to EXPLAIN POLICY says about something of one source.
fn says<'a>(rows: &'a [Value], source: &str, about: &str, item: &str) -> Vec<&'a Value> {
    let is_it =
        |row: &&Value| row["source"] == source && row["about"] == about && row["item"] == item;
    rows.iter().filter(is_it).collect()
}

#[test]
fn explain_policy_says_what_decides_and_never_what_is_hidden() {
    let custos = Custos::shop();
    let sql = "explain policy select sum(amount) from orders";
    let rows = custos.sql("analyst", "analytics", sql);
    let amount = says(&rows, "landing.pos_orders", "column", "amount");
    assert_eq!(amount[0]["says"], "clear", "{rows:?}");
    assert_eq!(amount[0]["rule"], "analysts_see_facts");
    assert!(amount[0]["place"].as_str().expect("a place").starts_with("access.cedar:"));
    let note = says(&rows, "landing.pos_orders", "column", "note");
    assert!(note.iter().any(|row| row["effect"] == "forbids"), "{note:?}");
    let people = says(&rows, "landing.pos_orders", "rows", "people");
    assert_eq!(people[0]["says"], "needs_grant");
    let kept = says(&rows, "landing.pos_orders", "retention", "shown");
    assert_eq!(kept[0]["rule"], "insight_looks_back_three_years");
    let about = |name: &str| rows.iter().filter(|row| row["about"] == name).count();
    for name in ["policy", "decision", "use", "basis", "purpose", "epoch", "staleness"] {
        assert!(about(name) > 0, "nothing about {name}: {rows:?}");
    }
    assert!(rows.iter().all(|row| !row.to_string().contains(CANARY)));
    // A new consent is a new epoch, and nothing else of the answer turns on who is in the tables.
    custos.consents(&["customer_id,M-BO,analytics,withdrawn,2026-06-01T00:00:00Z,v1,web,pos"]);
    let again = custos.sql("analyst", "analytics", sql);
    let differ: Vec<&Value> = rows.iter().filter(|row| !again.contains(row)).collect();
    assert_eq!(differ.len(), 1, "{differ:?}");
    assert_eq!((&differ[0]["about"], &differ[0]["item"]), (&json!("epoch"), &json!("consent")));
    let audit = custos.run(&["audit", "export"]).ok();
    assert!(audit.out.contains(r#""explains":"policy""#), "{}", audit.out);
    custos.healthy();
}

#[test]
fn explain_policy_is_refused_as_its_statement_would_be() {
    let custos = Custos::shop();
    let run = |purpose: &str, sql: &str| {
        custos.run(&["sql", "--as", "analyst", "--purpose", purpose, "--json", sql])
    };
    let analytics = |sql: &str| run("analytics", sql);
    analytics("explain policy select * from vault.identifiers").fails(5, &["does not exist"]);
    analytics("explain policy delete from orders").fails(3, &["changing data"]);
    analytics("explain policy explain select 1").fails(3, &["EXPLAIN"]);
    analytics("explain policy").fails(3, &["not valid SQL"]);
    analytics("explain policy select 1; select 2").fails(3, &["only a single SELECT"]);
    for purpose in ["marketing.advertising.first_party", "no.such"] {
        run(purpose, "explain policy select * from orders").fails(4, &["not open"]);
    }
    // Only totals may be seen for this one.
    let improve = |sql: &str| run("functional.service.improve", sql);
    improve("select * from orders").fails(3, &["only totals over 10 people or more", "aggregate"]);
    assert!(improve("select count(*) from orders").ok().json().is_empty(), "of three people");
    let rows = improve("explain policy select * from orders").ok().json();
    let says = "aggregate over 10 people or more";
    assert!(rows.iter().any(|row| row["item"] == "output" && row["says"] == says), "{rows:?}");
}

#[test]
fn a_plan_is_the_same_whatever_rows_are_hidden() {
    let custos = Custos::shop();
    let sql = "explain select store, sum(amount) from orders where quantity > 1 group by store";
    let plan = custos.sql("analyst", "analytics", sql);
    let lines: Vec<&str> = plan.iter().map(|row| row["plan"].as_str().expect("a line")).collect();
    assert!(lines.iter().any(|line| line.trim_start().starts_with("Aggregate:")), "{lines:?}");
    assert!(lines.iter().any(|line| line.trim_start().starts_with("TableScan:")), "{lines:?}");
    custos.consents(&["customer_id,M-ANA,analytics,withdrawn,2026-06-01T00:00:00Z,v1,web,pos"]);
    assert_eq!(custos.sql("analyst", "analytics", sql), plan);
    let out = custos.path("plan.csv");
    let export = [
        "export",
        "--as",
        "officer",
        "--purpose",
        "legal_claims",
        "--recipient",
        "Court",
        "--expires",
        "1d",
        "--out",
        text(&out),
        "explain select * from orders",
    ];
    custos.run(&export).fails(3, &["EXPLAIN"]);
    assert!(!out.exists());
}

#[test]
fn http_explains_as_the_command_line_does() {
    let custos = Custos::shop();
    let run = custos.run(&["principal", "add", "ana", "--role", "analyst", "--json"]).ok();
    let token = run.last()["secret"].as_str().expect("a secret").to_owned();
    let server = Server::start(&custos);
    let get = |path: &str| server.ask("GET", path, &token, "analytics", &Value::Null);
    let (status, body) = get("/v1/policy/explain?sql=select%20amount%20from%20orders");
    let rows: Vec<Value> = serde_json::from_str(&body).expect("rows");
    let explained = custos.sql("ana", "analytics", "explain policy select amount from orders");
    assert_eq!((status, rows), (200, explained.clone()));
    let sql = json!({"sql": "EXPLAIN POLICY select amount from orders"});
    let (_, body) = server.ask("POST", "/v1/sql", &token, "analytics", &sql);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&body).expect("rows"), explained);
    for path in ["/v1/policy/explain", "/v1/policy/explain?sql=select%201&other=canary-7f3a"] {
        let (status, body) = get(path);
        assert!(status == 400 && body.contains("`sql`") && !body.contains(CANARY), "{body}");
    }
    let (status, body) = get("/v1/policy/explain?sql=drop%20table%20canary");
    assert!(status == 501 && !body.contains("canary"), "{status} {body}");
    let (status, _) =
        server.ask("GET", "/v1/policy/explain?sql=select%201", "", "analytics", &Value::Null);
    assert_eq!(status, 401);
    assert!(!server.end().contains(CANARY));
}

#[test]
fn whoever_may_look_people_up_learns_why_one_is_visible_or_not() {
    let custos = Custos::shop();
    let of = |who: &[&str], purpose: &str, person: &str| {
        let args = ["policy", "explain", "--purpose", purpose, "--person", person, "--json"];
        custos.run(&[&args[..], who].concat())
    };
    let orders = |standing: &Value| {
        let mut sources = standing["sources"].as_array().expect("sources").iter();
        sources.find(|it| it["source"] == "landing.pos_orders").cloned().expect("orders")
    };
    let marketing = "marketing.advertising.first_party";
    let ana = of(&[], marketing, "customer_id@pos:M-ANA").ok().last();
    assert_eq!(orders(&ana)["visible"], false);
    assert_eq!(orders(&ana)["why"], "they gave no consent");
    let bo = of(&["--as", "officer"], marketing, "customer_id@pos:M-BO").ok().last();
    assert_eq!(orders(&bo)["visible"], true);
    assert_eq!(
        (&bo["consent"][0]["notice"], &bo["consent"][0]["status"]),
        (&json!("v1"), &json!("given"))
    );
    custos.consents(&["customer_id,M-BO,analytics,withdrawn,2026-06-01T00:00:00Z,v2,web,pos"]);
    let bo = of(&[], "analytics", "customer_id@pos:M-BO").ok().last();
    assert_eq!(orders(&bo)["why"], "they withdrew their consent");
    assert_eq!(bo["consent"][1]["at"], "2026-06-01T00:00:00Z");
    custos.run(&crate::harness::erasure("customer_id@pos:M-ANA", None)).ok();
    let ana = of(&[], "analytics", "customer_id@pos:M-ANA").ok().last();
    assert_eq!(
        (&ana["erased"], &orders(&ana)["why"]),
        (&json!(true), &json!("they asked to be erased"))
    );
    // What is refused does not turn on whether there is such a person.
    let refused = |person: &str| of(&["--as", "analyst"], "analytics", person).fails(4, &["right"]);
    assert_eq!(refused("customer_id@pos:M-BO").err, refused("customer_id@pos:M-NONE").err);
    let nobody = of(&[], "analytics", "customer_id@pos:M-NONE").ok().last();
    assert_eq!(nobody["found"], false);
    let audit = custos.run(&["audit", "export"]).ok().out;
    assert!(audit.contains(r#""action":"lookup""#) && audit.contains("refused"), "{audit}");
    assert!(!audit.contains("M-ANA") && !audit.contains("M-BO"), "{audit}");
    custos.healthy();
}
