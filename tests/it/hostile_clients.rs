//! Clients that mean harm or are broken, at every door, beside clients that behave.

use std::collections::BTreeMap;

use custos_testkit::WireClient;
use serde_json::Value;

use crate::doors::Server;
use crate::wire_clients::{Place, shop};

/// What must not stand in the log: of a value of a customer, and of a thread that was lost.
const NOT_LOGGED: [&str; 4] = ["Canary", "canary", "panicked", "overflowed"];

/// Set where it is asked for: how long others wait is measured, so that it has a machine to itself.
const ASKED: &str = "CLIENTS_HOSTILE";

#[test]
fn no_client_harms_the_server_or_other_clients() {
    if std::env::var_os(ASKED).is_none() {
        eprintln!("hostile clients were not run: `cargo xtask hostile` does");
        return;
    }
    let custos = shop();
    let secret = |name: &str| {
        let added = custos.run(&["principal", "add", name, "--role", "analyst", "--json"]).ok();
        added.last()["secret"].as_str().expect("a secret").to_owned()
    };
    let (reader, other) = (secret("reader"), secret("other"));
    let server = Server::start(&custos);
    let mut client = WireClient::HOSTILE.command().expect("Python runs");
    Place::door(&server, "reader", &reader).to(&mut client);
    client.env("HTTP", server.address()).env("FLIGHT", server.door("grpc"));
    client.env("OTHER_SECRET", &other).env("SERVER_PID", server.pid().to_string());
    let output = client.output().expect("Python starts");
    let told: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(told.len() > 30, "{} attacks", told.len());
    let harmed: Vec<String> = told
        .iter()
        .filter(|(_, told)| told["wrong"].as_array().is_none_or(|wrong| !wrong.is_empty()))
        .map(|(attack, told)| format!("{attack}: {told}"))
        .collect();
    assert!(harmed.is_empty(), "{}", harmed.join("\n"));
    let log = server.end();
    for text in NOT_LOGGED.into_iter().chain([reader.as_str(), other.as_str()]) {
        assert!(!log.contains(text), "`{text}` is in the log");
    }
    custos.healthy();
}
