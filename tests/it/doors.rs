//! HTTP, through a client that is not ours.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::CANARY;
use crate::harness::Custos;

/// Python's own client; prints the status and the body.
const CLIENT: &str = r#"
import json, sys, urllib.request, urllib.error
method, url, body, headers = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
request = urllib.request.Request(url, data=body.encode() if body else None, method=method, headers=headers)
try:
    answer = urllib.request.urlopen(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"#;

/// The schemes that are served.
const DOORS: [&str; 3] = ["http", "grpc", "postgres"];

/// A serving installation.
pub(crate) struct Server {
    child: Child,
    /// Where each scheme is served.
    doors: BTreeMap<String, String>,
    /// Gathers what it logs: a program whose log nobody takes stands still.
    log: Option<JoinHandle<String>>,
}

impl Server {
    pub(crate) fn start(custos: &Custos) -> Self {
        Self::start_with(custos, &[])
    }

    /// One with more in its environment.
    pub(crate) fn start_with(custos: &Custos, environment: &[(&str, &str)]) -> Self {
        let mut command = custos.command(&["serve"]);
        command.env("CUSTOS_SERVER_HTTP", "127.0.0.1:0");
        command.envs(environment.iter().copied());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("a log"));
        let (mut doors, mut begun) = (BTreeMap::new(), String::new());
        while !DOORS.iter().all(|scheme| doors.contains_key(*scheme)) {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).expect("a line"), 0, "it ended: {begun}");
            match line.trim().strip_prefix("serving ").and_then(|url| url.split_once("://")) {
                Some((scheme, address)) => {
                    doors.insert(scheme.to_owned(), address.to_owned());
                }
                None => begun.push_str(&line),
            }
        }
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut begun).expect("a log");
            begun
        });
        Self { child, doors, log: Some(log) }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens for HTTP.
    pub(crate) fn address(&self) -> &str {
        self.door("http")
    }

    /// Where it listens for a scheme.
    pub(crate) fn door(&self, scheme: &str) -> &str {
        &self.doors[scheme]
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        purpose: &str,
        body: &Value,
    ) -> (u16, String) {
        let mut headers = json!({"content-type": "application/json"});
        if !token.is_empty() {
            headers["authorization"] = format!("Bearer {token}").into();
        }
        if !purpose.is_empty() {
            headers["x-custos-purpose"] = purpose.into();
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let url = format!("http://{}{path}", self.address());
        let output = Command::new("python3")
            .args(["-c", CLIENT, method, &url, &body, &headers.to_string()])
            .output()
            .expect("python3 runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        let (status, body) = text.split_once('\n').expect("a status");
        (status.parse().expect("a number"), body.trim().to_owned())
    }

    /// Ends it and returns what it logged.
    pub(crate) fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill runs").success());
        assert!(self.child.wait().expect("it ended").success());
        self.log.take().expect("it ends once").join().expect("a log")
    }
}

impl Drop for Server {
    /// A test that fails leaves nothing that runs on.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _killed = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

#[test]
fn http_answers_as_the_command_line_does_and_erases() {
    let custos = Custos::shop();
    let token = |name: &str| {
        let run =
            custos.run(&["principal", "add", name, "--role", name.trim_end_matches('2'), "--json"]);
        run.ok().last()["secret"].as_str().expect("a secret").to_owned()
    };
    let (analyst, officer) = (token("analyst2"), token("officer2"));
    let server = Server::start(&custos);
    let sql = json!({"sql": "select order_id, amount from orders order by order_id"});
    let nothing = Value::Null;

    let (status, _) = server.ask("GET", "/healthz", "", "", &nothing);
    assert_eq!(status, 200);
    let (status, body) = server.ask("POST", "/v1/sql", &analyst, "analytics", &sql);
    let rows: Value = serde_json::from_str(&body).expect("JSON");
    let expected =
        custos.sql("analyst", "analytics", "select order_id, amount from orders order by order_id");
    assert_eq!((status, rows.as_array().expect("rows")), (200, &expected));

    // Unknown and missing tokens look alike; so does a purpose that is not there or not allowed.
    let (status, unknown) = server.ask("POST", "/v1/sql", "custos_x_y", "analytics", &sql);
    let (_, missing) = server.ask("POST", "/v1/sql", "", "analytics", &sql);
    let without_id = |body: &str| {
        let mut body: Value = serde_json::from_str(body).expect("problem+json");
        body.as_object_mut().expect("an object").remove("error_id");
        body
    };
    assert_eq!((status, without_id(&unknown)), (401, without_id(&missing)));
    for purpose in ["legal_claims", "no.such"] {
        let (status, body) = server.ask("POST", "/v1/sql", &analyst, purpose, &sql);
        assert_eq!(status, 403, "{body}");
    }
    let leak = json!({"sql": format!("select * from vault.identifiers where email = '{CANARY}'")});
    let (status, body) = server.ask("POST", "/v1/sql", &analyst, "analytics", &leak);
    assert!(status == 404 && !body.contains(CANARY), "{status} {body}");

    let request = json!({
        "type": "erasure", "subject": "customer_id@pos:M-ANA", "regime": "gdpr",
        "verified_by": "J. Weber", "wait": "L2"
    });
    let (status, body) = server.ask("POST", "/v1/privacy/requests", &analyst, "", &request);
    assert_eq!(status, 403, "{body}");
    let (status, body) = server.ask("POST", "/v1/privacy/requests", &officer, "", &request);
    assert!(status == 201 && !body.contains("M-ANA"), "{status} {body}");
    let view: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(view["level"], "L2");
    let (_, body) = server.ask("POST", "/v1/sql", &analyst, "analytics", &sql);
    assert!(!body.contains("o1") && body.contains("o3"), "{body}");

    let log = server.end();
    assert!(!log.contains(CANARY) && !log.contains("M-ANA"), "{log}");
    custos.healthy();
}

#[test]
fn what_was_begun_is_answered_to_its_end_before_the_server_ends() {
    let custos = Custos::shop();
    let run = custos.run(&["principal", "add", "ana", "--role", "analyst", "--json"]).ok();
    let token = run.last()["secret"].as_str().expect("a secret").to_owned();
    let server = Server::start(&custos);
    let connect = || TcpStream::connect(server.address()).expect("a connection");
    let silent = connect();
    let mut idle = connect();
    write!(idle, "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").expect("it is sent");
    let mut first = [0; 15];
    idle.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    // Far more than fits between the two, so that the server has to wait for its reader.
    let tables = ('a'..'n').map(|name| format!("orders {name}")).collect::<Vec<_>>().join(", ");
    let body = json!({"sql": format!("select a.order_id from {tables}")}).to_string();
    let mut busy = connect();
    write!(
        busy,
        "POST /v1/sql HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nx-custos-purpose: analytics\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request is sent");
    busy.read_exact(&mut first).expect("an answer begins");
    let begun = Instant::now();
    let rest = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        let mut rest = Vec::new();
        busy.read_to_end(&mut rest).expect("the rest");
        rest
    });
    server.end();
    assert!(begun.elapsed() < Duration::from_secs(25), "nobody who is idle is waited for");
    let rest = rest.join().expect("it was read");
    assert!(rest.len() > 10_000_000 && rest.ends_with(b"]\r\n0\r\n\r\n"), "{}", rest.len());
    drop((silent, idle));
}
