//! What statements may use, from outside.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::doors::Server;
use crate::harness::{Custos, Run};

/// More rows than fit between a server and a client who does not read them: 3 to the 13th.
fn many_rows() -> String {
    let tables: Vec<String> = (0..13).map(|at| format!("orders o{at}")).collect();
    format!("select o0.order_id from {}", tables.join(", "))
}

fn limited(custos: &Custos, setting: (&str, &str), sql: &str) -> Run {
    let mut command =
        custos.command(&["sql", "--as", "analyst", "--purpose", "analytics", "--json", sql]);
    Run::of(command.env(setting.0, setting.1).output().expect("the program starts"))
}

/// The audit entries about statements, with their indices.
fn statements(custos: &Custos) -> Vec<(u64, Value)> {
    let lines = custos.run(&["audit", "export"]).ok().json();
    let entries = lines.into_iter().filter(|line| line["entry"]["action"] == "query");
    entries.map(|line| (line["index"].as_u64().expect("an index"), line["entry"].clone())).collect()
}

#[test]
fn each_limit_is_a_setting_and_says_what_to_do() {
    let custos = Custos::shop();
    for (setting, value, code, says) in [
        ("CUSTOS_QUERY_ANSWER_ROWS", "100", 3, ["more than 100 rows", "query.answer_rows"]),
        ("CUSTOS_QUERY_ANSWER", "1KiB", 3, ["larger than 1024 bytes", "query.answer"]),
        ("CUSTOS_QUERY_STATEMENT_MEMORY", "1KiB", 3, ["more memory", "query.statement_memory"]),
        ("CUSTOS_QUERY_MEMORY", "1KiB", 8, ["other statements", "in a moment"]),
        ("CUSTOS_QUERY_SPILL", "/nowhere", 8, ["temporary space", "query.spill"]),
    ] {
        limited(&custos, (setting, value), &many_rows()).fails(code, &says);
    }
    limited(&custos, ("CUSTOS_QUERY_MEMORY", "lots"), "select 1")
        .fails(3, &["query.memory", "512MiB"]);
    custos.healthy();
}

#[test]
fn who_hangs_up_in_the_middle_of_an_answer_leaves_an_outcome_in_the_audit_log() {
    let custos = Custos::shop();
    let run = custos.run(&["principal", "add", "ana", "--role", "analyst", "--json"]).ok();
    let token = run.last()["secret"].as_str().expect("a secret").to_owned();
    let server = Server::start(&custos);
    let body = json!({"sql": many_rows()}).to_string();
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    write!(
        stream,
        "POST /v1/sql HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nx-custos-purpose: analytics\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request is sent");
    let mut first = [0; 1_000];
    stream.read_exact(&mut first).expect("rows come");
    drop(stream);
    server.end();
    let entries = statements(&custos);
    let [(intent, begun), (_, ended)] = &entries[..] else {
        panic!("two entries: {entries:?}");
    };
    assert_eq!(begun["outcome"], "intent");
    assert_eq!((&ended["outcome"], &ended["tie"]), (&json!("failed"), &json!(intent)));
    assert!(ended["detail"]["error"].is_string(), "{ended}");
    custos.healthy();
}
