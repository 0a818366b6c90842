//! What HTTP gives besides plain answers, through a client that is not ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use custos_testkit::WireClient;
use serde_json::{Value, json};

use crate::doors::Server;
use crate::fixtures::CANARY;
use crate::harness::Custos;

/// The trace that the client says it is part of.
const TRACE: [u8; 16] = [
    0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36,
];

/// Takes what OpenTelemetry sends and keeps it.
struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.expect("a connection"));
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).expect("a body");
                kept.lock().expect("no panic").extend_from_slice(&body);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.get_mut().write_all(answer).expect("it listens");
            }
        });
        Self { address, bodies }
    }

    fn holds(&self, what: &[u8]) -> bool {
        let bodies = self.bodies.lock().expect("no panic");
        bodies.windows(what.len()).any(|window| window == what)
    }
}

fn lines(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row["order_id"].to_string().replace("str ", "")).collect()
}

#[test]
fn http_gives_rows_in_all_forms_now_and_later() {
    let custos = Custos::shop();
    let secret = |name: &str, role: &str| {
        let run = custos.run(&["principal", "add", name, "--role", role, "--json"]);
        run.ok().last()["secret"].as_str().expect("a secret").to_owned()
    };
    let (analyst, other) = (secret("analyst2", "analyst"), secret("analyst3", "analyst"));
    let officer = secret("officer2", "officer");
    let collector = Collector::start();
    let server =
        Server::start_with(&custos, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)]);
    let mut client = WireClient::HTTP.command().expect("the client is installed");
    client.env("HTTP", server.door("http"));
    client.env("ANALYST2_SECRET", &analyst).env("ANALYST3_SECRET", &other);
    client.env("OFFICER2_SECRET", &officer);
    client.env("WITHDRAW", custos.withdrawal_of_ana());
    let output = client.output().expect("the client runs");
    assert!(output.status.success(), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let log = server.end();

    // The same rows in all forms.
    let formats = &seen["formats"];
    for form in ["json", "ndjson", "csv", "arrow", "parquet"] {
        assert_eq!(lines(&formats[form]), [r#""o1""#, r#""o2""#, r#""o3""#], "{form}");
    }
    assert_eq!(formats["json"], formats["ndjson"]);
    assert_eq!(formats["arrow"], formats["parquet"]);
    assert_eq!(formats["arrow_types"], formats["parquet_types"]);
    assert_eq!(formats["csv"][0]["nothing"], "");
    assert_eq!(formats["csv"][0]["large"], formats["json"][0]["large"].to_string());
    assert_eq!(formats["csv_of_nothing"], json!([200, "order_id\n"]));

    // Parameters.
    let parameters = &seen["parameters"];
    assert_eq!(parameters["rows"], json!([{"order_id": "o1"}, {"order_id": "o2"}]));
    assert_eq!(parameters["null"], json!([{"n": null}]));
    assert_eq!(parameters["list"], json!([{"n": 2}]));
    for wrong in ["too_few", "wrong_type"] {
        let told = &parameters[wrong];
        assert_eq!((&told[0], &told[2]), (&json!(400), &json!("invalid")), "{told}");
    }

    // Compression.
    let compressed = &seen["compressed"];
    assert_eq!(compressed["gzip"], json!(["gzip", true]));
    assert_eq!(compressed["zstd"], json!(["zstd", true]));
    assert_eq!((&compressed["smaller"], &compressed["parquet"]), (&json!(true), &Value::Null));

    // Statements for later.
    let later = &seen["later"];
    assert_eq!(later["submitted"], json!([202, true]));
    assert_eq!(later["again"], true);
    for (what, status) in [
        ("other", 409),
        ("of_others", 404),
        ("rows_of_others", 404),
        ("rows_again", 409),
        ("rows_of_failed", 400),
        ("rows_of_cancelled", 409),
        ("after_withdrawal", 409),
    ] {
        assert_eq!(later[what][0], status, "{what}: {}", later[what]);
        assert_eq!(later[what][1], "application/problem+json", "{what}");
    }
    assert_eq!(later["ready"], json!([200, "ready"]));
    let rows = json!([r#"{"order_id":"o1"}"#, r#"{"order_id":"o2"}"#, r#"{"order_id":"o3"}"#]);
    assert_eq!(later["rows"], json!([200, "application/x-ndjson", rows]));
    assert_eq!(later["listed"], json!(["fetched"]));
    assert_eq!(later["failed"], json!([200, "failed", "invalid"]));
    assert_eq!(later["cancelled"], json!([200, "cancelled"]));

    // A request that is sent again is the same one, also when it is done.
    let sent = &seen["requests"]["sent"];
    assert_eq!((&sent[0], &sent[0][0]), (&sent[1], &json!(201)));
    assert_ne!(sent[0][1], sent[2][1], "another key is another request");
    assert_eq!(seen["requests"]["other"][0], 409, "{}", seen["requests"]["other"]);

    // Figures, the description, and what spans tell.
    let operation = &seen["operation"];
    let metrics = operation["metrics"].as_str().expect("text");
    for line in [
        r#"custos_http_requests_total{method="POST",route="/v1/sql",status="200"}"#,
        r#"custos_statements_total{outcome="done"}"#,
        "custos_statements_running 0",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(operation["method"], json!([405, "POST", "unsupported"]));
    assert!(operation["described"].as_array().expect("paths").contains(&json!("/v1/sql")));
    assert_eq!(seen["traced"], 200);
    assert!(collector.holds(&TRACE) && collector.holds(b"/v1/sql"));
    assert!(collector.holds(b"analytics") && !collector.holds(CANARY.as_bytes()));
    assert!(!collector.holds(b"amount"), "no statement is in a trace");
    for text in [seen.to_string(), log] {
        assert!(!text.contains(CANARY) && !text.contains(&analyst));
    }
    custos.healthy();
}

#[test]
fn http_is_as_it_describes_itself() {
    let custos = Custos::shop();
    let run = custos.run(&["principal", "add", "officer2", "--role", "officer", "--json"]);
    let officer = run.ok().last()["secret"].as_str().expect("a secret").to_owned();
    let server = Server::start(&custos);
    let mut client = WireClient::OPENAPI.command().expect("the client is installed");
    client.env("HTTP", server.door("http")).env("OFFICER2_SECRET", &officer);
    let output = client.output().expect("the client runs");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let said = seen["said"].as_str().expect("text");
    assert_eq!(seen["code"], 0, "{said}");
    assert!(said.contains(" generated, ") && !said.contains(" failed"), "{said}");
    let log = server.end();
    assert!(!log.contains("panicked") && !log.contains(&officer), "{log}");
}
