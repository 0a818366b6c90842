//! Flight SQL, through clients that are not ours.

use custos_testkit::WireClient;
use serde_json::{Value, json};

use crate::doors::Server;
use crate::fixtures::CANARY;
use crate::harness::Custos;

/// What the clients saw of a shop, and what the server logged.
fn seen(custos: &Custos) -> (Value, String) {
    let secret = |name: &str| {
        let run = custos.run(&["principal", "add", name, "--role", "analyst", "--json"]);
        run.ok().last()["secret"].as_str().expect("a secret").to_owned()
    };
    let withdraw = custos.withdrawal_of_ana();
    let revoke = custos.words(&["principal", "revoke", "analyst3"]);
    let (analyst, other) = (secret("analyst2"), secret("analyst3"));
    let server = Server::start(custos);
    let mut client = WireClient::FLIGHT.command().expect("the clients are installed");
    client.env("FLIGHT", server.door("grpc"));
    client.env("ANALYST2_SECRET", &analyst).env("ANALYST3_SECRET", &other);
    client.env("WITHDRAW", withdraw).env("REVOKE", revoke);
    let output = client.output().expect("the clients run");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("text");
    for secret in [&analyst, &other] {
        assert!(!said.contains(secret), "no text repeats a secret");
    }
    (serde_json::from_str(&said).expect("JSON"), server.end())
}

/// The error that a client was told begins so, and is of this kind.
#[track_caller]
fn fails(told: &Value, kind: &str, text: &str) {
    let (error, said) = (told["error"].as_str(), told["text"].as_str().unwrap_or_default());
    assert!(error == Some(kind) && said.contains(text), "{kind}, {text}: {told}");
}

fn orders(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "order_id": format!("str {id}") })).collect()
}

#[test]
fn flight_answers_its_own_clients_and_refuses_what_it_must() {
    const NO_TICKET: &str = "the ticket is none of this principal for this purpose";
    const DENIED: &str = "FlightUnauthorizedError";
    const UNKNOWN: &str = "FlightUnauthenticatedError";
    let custos = Custos::shop();
    let (seen, log) = seen(&custos);

    // Name and secret, token, and a purpose by default.
    for way in ["logged_in", "by_bearer", "by_default_purpose"] {
        assert_eq!(seen[way], orders(&["o1", "o2", "o3"]), "{way}");
    }
    assert_eq!(seen["handshake"], json!(["authorization", true]));

    // Whoever is not known is told the same, whatever is wrong and wherever.
    let logins = seen["not_logged_in"].as_object().expect("answers");
    let first = &logins["wrong secret"];
    fails(first, UNKNOWN, "no valid name and secret");
    assert!(logins.values().all(|told| told == first), "{logins:?}");
    assert_eq!(seen["not_known"]["wrong"], seen["not_known"]["none"]);
    for told in seen["not_known"]["none"].as_array().expect("answers") {
        fails(told, UNKNOWN, "no valid bearer token");
    }

    // Types and values.
    let kinds = &seen["kinds"];
    let (types, row) = (&kinds["types"], &kinds["rows"][0]);
    assert!(types["amount"].as_str().is_some_and(|kind| kind.starts_with("decimal128")), "{kinds}");
    assert!(types["ordered_at"].as_str().is_some_and(|kind| kind.starts_with("timestamp")));
    assert_eq!((&types["order_id"], &types["tea"]), (&json!("string"), &json!("string")));
    assert_eq!(row["amount"], "Decimal 10.00");
    assert_eq!((&row["tea"], &row["note"]), (&json!("str 茶 🍵"), &Value::Null));
    assert_eq!(row["day"], "date 2026-03-29");
    assert_eq!(seen["empty"]["rows"], json!([]));
    assert_eq!(seen["schema_of_statement"], json!({ "order_id": "string" }));

    // Parameters, one row at a time.
    let parameters = &seen["parameters"];
    assert_eq!(parameters["filtered"], orders(&["o2"]));
    let echoed = |name: &str| parameters["echoed"][name]["rows"][0]["it"].clone();
    assert_eq!((echoed("int"), echoed("text")), (json!("int 7"), json!("str it's 茶")));
    assert_eq!((echoed("bool"), echoed("none")), (json!(true), Value::Null));
    assert_eq!(echoed("date"), "date 2026-03-29");
    fails(&parameters["missing"], "ProgrammingError", "there is no parameter $1");
    fails(&parameters["several"], "NotSupportedError", "parameters of several rows");

    // What there is, and nothing else.
    let objects = &seen["objects"];
    let catalogs = objects["catalogs"].as_object().expect("catalogues");
    assert_eq!(catalogs.keys().collect::<Vec<_>>(), ["custos"]);
    let schemas = catalogs["custos"].as_object().expect("schemas");
    assert_eq!(schemas.keys().collect::<Vec<_>>(), ["customer"]);
    let columns = schemas["customer"]["orders"].as_array().expect("columns");
    assert!(
        columns.contains(&json!("amount")) && !columns.contains(&json!("phone")),
        "{columns:?}"
    );
    assert!(objects["named"].as_array().expect("names").contains(&json!("orders")), "{objects}");
    assert_eq!(objects["types"], json!(["TABLE"]));
    assert_eq!(objects["orders"]["order_id"], "string");
    assert_eq!(objects["vendor"][0], "Custos");
    assert!(objects["hidden"].get("error").is_some(), "{objects}");
    let commands = &seen["told_by_commands"];
    assert_eq!(
        (&commands["CommandGetCatalogs"], &commands["CommandGetPrimaryKeys"]),
        (&json!(1), &json!(0))
    );

    // Tickets, and how their statements are stopped.
    let tickets = &seen["tickets"];
    assert_eq!(tickets["announced"], json!([-1, -1, 1]), "{tickets}");
    assert_eq!((&tickets["rows"], &tickets["again"]), (&json!(3), &json!(3)));
    assert_eq!(tickets["holds the statement"], false);
    for way in ["by another", "for another purpose", "altered"] {
        fails(&tickets[way], DENIED, NO_TICKET);
        assert_eq!(tickets[way], tickets["altered"], "{way}");
    }

    // Large answers are fetched in parts, in any way.
    let parts = &seen["parts"];
    assert_eq!([&parts["tickets"], &parts["few"], &parts["in order"]], [4, 1, 1], "{parts}");
    for way in ["at once", "in turn", "by adbc"] {
        assert_eq!(parts[way], true, "{way}: {parts}");
    }
    assert_eq!(parts["alone"], json!([true, 0, true]));
    fails(&parts["beyond"], DENIED, NO_TICKET);
    let cancelled = &seen["cancelled"];
    fails(&cancelled["by another"], DENIED, NO_TICKET);
    fails(&cancelled["fetched"], DENIED, NO_TICKET);
    assert_eq!((&cancelled["answer"], &cancelled["closed"]), (&json!("0801"), &json!(1)));

    refuses(&seen["refused"]);

    // Consent withdrawn and secrets revoked between two calls.
    let withdrawn = seen["withdrawn"].as_array().expect("answers");
    assert_eq!(withdrawn[..3], [json!(["o1", "o2", "o3"]), json!(["o3"]), json!(1)]);
    // Another part of an answer from before is not given out, were it empty.
    fails(&withdrawn[3], "FlightInternalError", "consent or access changed");
    for told in seen["revoked"].as_array().expect("answers") {
        fails(told, UNKNOWN, "no valid bearer token");
    }

    assert!(!seen.to_string().contains(CANARY), "{seen}");
    assert!(!log.contains(CANARY) && !log.contains("SELECT"), "{log}");
    custos.healthy();
}

/// What only reads is served, for purposes that are open, and no text repeats what was sent.
fn refuses(refused: &Value) {
    const INVALID: &str = "ArrowInvalid";
    const UNSUPPORTED: &str = "ArrowNotImplementedError";
    for purpose in ["purpose", "no such purpose"] {
        fails(&refused[purpose], "FlightUnauthorizedError", "is not open to this principal");
    }
    let cases = [
        ("no purpose", INVALID, "is not one purpose"),
        ("table", "ArrowKeyError", "does not exist"),
        ("syntax", INVALID, "not valid SQL"),
        ("cast", INVALID, "could not be converted to the type asked for; hint: use TRY_CAST"),
        ("delete", UNSUPPORTED, "only a single SELECT is"),
        ("update", UNSUPPORTED, "statements that change data are not supported"),
        ("ingest", UNSUPPORTED, "ingestion is not supported"),
        ("adbc ingest", "NotSupportedError", "ingestion is not supported"),
        ("transaction", UNSUPPORTED, "transactions are not supported"),
        ("garbage", INVALID, "none of Flight SQL that is known"),
        ("path", INVALID, "none of Flight SQL that is known"),
        ("long", INVALID, "longer or has more parts than it may have"),
        ("longer", INVALID, "the limit is: 1048576 bytes"),
        ("action", UNSUPPORTED, "this action is not supported"),
        ("exchange", UNSUPPORTED, "exchanges are not supported"),
        ("flights", UNSUPPORTED, "lists of flights are not supported"),
    ];
    for (case, kind, text) in cases {
        fails(&refused[case], kind, text);
    }
}
