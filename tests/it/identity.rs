//! Who one can be on each door, and what proves it: certificates, secrets and tokens.

mod tokens;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use custos_testkit::WireClient;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::{Authority, Issued, openssl};
use crate::doors::Server;
use crate::harness::{Custos, Run};

const SQL: &str = "select order_id from orders order by order_id";

/// A shop whose programs run with these settings.
fn shop(settings: &[(&str, &str)]) -> Custos {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let custos = Custos::initialised(&[], settings.iter().map(own).collect());
    custos.fill();
    custos
}

/// Adds a principal and returns its secret.
fn secret(custos: &Custos, name: &str, role: &str) -> String {
    let added = custos.run(&["principal", "add", name, "--role", role, "--json"]).ok().last();
    added["secret"].as_str().expect("a secret").to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// What curl got: the status, 0 if there was none, the headers and the body.
fn curl(arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["-s", "-S", "-i", "--max-time", "30", "--noproxy", "*"])
        .args(arguments)
        .output()
        .expect("curl starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = said.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Asks over HTTP, for analytics.
fn ask(url: &str, arguments: &[&str]) -> (u16, String) {
    ask_for("analytics", url, arguments)
}

fn ask_for(purpose: &str, url: &str, arguments: &[&str]) -> (u16, String) {
    let (url, body) = (format!("{url}/v1/sql"), json!({ "sql": SQL }).to_string());
    let purpose = format!("x-custos-purpose: {purpose}");
    let rest = [&url, "-d", &body, "-H", "content-type: application/json", "-H", &purpose];
    curl(&[arguments, &rest].concat())
}

/// Asks over HTTP with a token.
fn ask_as(server: &Server, token: &str) -> (u16, String) {
    let header = format!("authorization: Bearer {token}");
    ask(&format!("http://{}", server.address()), &["-H", &header])
}

/// What psql printed.
fn psql(server: &Server, settings: &[(&str, &str)], script: &str) -> Run {
    let (_, port) = server.door("postgres").split_once(':').expect("an address");
    let mut command = Command::new("psql");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]);
    command.env("PGHOST", "localhost").env("PGHOSTADDR", "127.0.0.1").env("PGPORT", port);
    command.env("PGDATABASE", "analytics").env("PGCONNECT_TIMEOUT", "20");
    command.envs(settings.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("psql starts");
    child.stdin.take().expect("its input").write_all(script.as_bytes()).expect("it reads");
    Run::of(child.wait_with_output().expect("psql ends"))
}

/// What calls of clients of Flight came to.
fn flight(calls: &[Value]) -> Vec<Value> {
    let mut client = WireClient::FLIGHT_LOGINS.command().expect("the clients are installed");
    let output = client.env("CALLS", json!(calls).to_string()).output().expect("they run");
    let seen = Run::of(output).ok().json();
    assert_eq!(seen.len(), calls.len());
    seen
}

/// The same call by both clients.
fn both(call: &Value) -> [Value; 2] {
    ["adbc", "flight"].map(|client| {
        let mut call = call.clone();
        call["by"] = client.into();
        call
    })
}

/// What both clients show when they are let in.
fn rows() -> [Value; 2] {
    [json!(["o1", "o2", "o3"]), json!(["CancelFlightInfo"])]
}

#[track_caller]
fn says(seen: &Value, texts: &[&str]) {
    let said = seen.as_str().unwrap_or_default();
    assert!(texts.iter().all(|text| said.contains(text)), "{texts:?} not in {seen}");
}

/// What a server of TLS on a port agrees to speak.
fn agreed(address: &str, protocol: &str) -> String {
    let mut client = openssl(&["s_client", "-connect", address, "-alpn", protocol]);
    let output = client.output().expect("openssl starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix("ALPN protocol: "));
    line.unwrap_or("none").to_owned()
}

fn settings<'a>(server: &'a Issued, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let files = [
        ("CUSTOS_SERVER_TLS_CERTIFICATE", text(&server.certificate)),
        ("CUSTOS_SERVER_TLS_KEY", text(&server.key)),
    ];
    [&files, more].concat()
}

/// What is answered to the start of a login at a port of TLS, if it is answered.
fn greeted(address: &str, arguments: &[&str]) -> Option<u8> {
    const LOGIN: &[u8] = b"\0\0\0\x1d\0\x03\0\0user\0ana\0database\0x\0\0";
    let mut client = openssl(&["s_client", "-quiet", "-connect", address]);
    client.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = client.spawn().expect("openssl starts");
    // It may have ended: then nothing is answered.
    let _sent = client.stdin.take().expect("its input").write_all(LOGIN);
    let mut first = [0];
    let read = client.stdout.take().expect("its output").read_exact(&mut first);
    client.kill().and_then(|()| client.wait()).expect("it ends");
    read.ok().map(|()| first[0])
}

/// Each door over TLS with a client that trusts this authority only: whether it was let in.
fn in_by(custos: &Custos, server: &Server, secret: &str, trusted: &Path) -> [bool; 3] {
    assert!(custos.path("shop").is_dir());
    let https = format!("https://localhost:{}", server.address().rsplit(':').next().unwrap());
    let header = format!("authorization: Bearer {secret}");
    let (status, said) = ask(&https, &["--cacert", text(trusted), "-H", &header]);
    assert_eq!(status == 200, said.contains("o3"), "{said}");
    let verify = [
        ("PGUSER", "ana"),
        ("PGPASSWORD", secret),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", text(trusted)),
    ];
    let run = psql(server, &verify, SQL);
    assert_eq!(run.code == Some(0), run.out == "o1\no2\no3\n", "{run:?}");
    let uri = format!("grpc+tls://{}", server.door("grpc"));
    let call = json!({"uri": uri, "root": text(trusted), "user": "ana", "secret": secret});
    let seen = flight(&both(&call));
    assert_eq!(seen[0].is_array(), seen[1].is_array(), "{seen:?}");
    [status == 200, run.code == Some(0), seen == rows()]
}

#[test]
fn every_door_encrypts_and_turns_away_who_does_not() {
    let folder = TempDir::new().expect("a folder");
    let (first, second) =
        (Authority::new(folder.path(), "one"), Authority::new(folder.path(), "two"));
    let certificate = first.server("server");
    let required = settings(&certificate, &[("CUSTOS_SERVER_TLS_REQUIRED", "true")]);
    let custos = shop(&required);
    let secret = secret(&custos, "ana", "analyst");
    let server = Server::start(&custos);
    let (old, new) = (first.certificate(), second.certificate());
    assert_eq!(in_by(&custos, &server, &secret, &old), [true; 3]);
    assert_eq!(in_by(&custos, &server, &secret, &new), [false; 3]);

    let (status, said) = ask_as(&server, &secret);
    assert!(status == 400 && said.contains("have to be encrypted"), "{said}");
    let clear = [("PGUSER", "ana"), ("PGPASSWORD", &*secret), ("PGSSLMODE", "disable")];
    psql(&server, &clear, SQL).fails(2, &["connections have to be encrypted"]);
    let uri = format!("grpc://{}", server.door("grpc"));
    for seen in flight(&both(&json!({"uri": uri, "user": "ana", "secret": secret}))) {
        assert!(seen.is_string(), "{seen}");
    }

    // A client that says what it means to speak is not taken for another one.
    let spoken = [("http", "http/1.1"), ("grpc", "h2"), ("postgres", "postgresql")];
    for (door, own) in spoken {
        assert_eq!(agreed(server.door(door), own), own, "{door}");
        for (_, other) in spoken.iter().filter(|(_, other)| *other != own) {
            assert_eq!(agreed(server.door(door), other), "none", "{door} {other}");
        }
    }
    assert_eq!(agreed(server.address(), "h2,http/1.1"), "http/1.1");

    // A client of PostgreSQL may begin with TLS, if it says that it means PostgreSQL.
    let postgres = server.door("postgres");
    assert_eq!(greeted(postgres, &["-alpn", "postgresql"]), Some(b'R'));
    assert_eq!(greeted(postgres, &[]), None);

    second.server("server").replace(&certificate);
    sleep(Duration::from_millis(1_200));
    assert_eq!(in_by(&custos, &server, &secret, &new), [true; 3]);
    assert_eq!(in_by(&custos, &server, &secret, &old), [false; 3]);
    let log = server.end();
    assert!(!log.contains(&secret), "{log}");
}

#[test]
fn clear_text_and_tls_share_a_port_unless_tls_is_required() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "one");
    let certificate = authority.server("server");
    let custos = shop(&settings(&certificate, &[]));
    let secret = secret(&custos, "ana", "analyst");
    let server = Server::start(&custos);
    assert_eq!(in_by(&custos, &server, &secret, &authority.certificate()), [true; 3]);
    assert_eq!(ask_as(&server, &secret).0, 200);
    let clear = [("PGUSER", "ana"), ("PGPASSWORD", &*secret), ("PGSSLMODE", "disable")];
    psql(&server, &clear, SQL).ok();
    let uri = format!("grpc://{}", server.door("grpc"));
    assert_eq!(flight(&both(&json!({"uri": uri, "user": "ana", "secret": secret}))), rows());
    server.end();
}

/// A client with a certificate.
struct Certified<'a> {
    server: &'a Server,
    trusted: &'a Path,
    own: &'a Issued,
}

impl Certified<'_> {
    /// Who it says it is on each door, with a secret or with nothing else, and what that came to:
    /// the status of HTTP, the end of psql, what ADBC and pyarrow saw.
    fn as_user(&self, user: &str, secret: Option<&str>) -> (u16, Run, Vec<Value>) {
        let (trusted, key) = (text(self.trusted), text(&self.own.key));
        let certificate = text(&self.own.certificate);
        let https = format!("https://{}", self.server.address());
        let header = secret.map(|secret| format!("authorization: Bearer {secret}"));
        let mut arguments = vec!["--cacert", trusted, "--cert", certificate, "--key", key];
        arguments.extend(header.iter().flat_map(|header| ["-H", header]));
        let (status, said) = ask(&https, &arguments);
        assert_eq!(status == 200, said.contains("o3"), "{said}");
        let mut settings = vec![
            ("PGUSER", user),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", trusted),
            ("PGSSLCERT", certificate),
            ("PGSSLKEY", key),
        ];
        settings.extend(secret.map(|secret| ("PGPASSWORD", secret)));
        let run = psql(self.server, &settings, SQL);
        let mut call = json!({"uri": format!("grpc+tls://{}", self.server.door("grpc")),
            "root": trusted, "certificate": certificate, "key": key});
        if let Some(secret) = secret {
            call["token"] = secret.into();
        }
        (status, run, flight(&both(&call)))
    }
}

#[test]
fn a_certificate_of_a_principal_is_that_principal_and_no_other() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "one");
    let (clients, others) =
        (Authority::new(folder.path(), "clients"), Authority::new(folder.path(), "others"));
    let certificate = authority.server("server");
    let (trusted, ca) = (authority.certificate(), clients.certificate());
    let custos = shop(&settings(&certificate, &[("CUSTOS_SERVER_TLS_CLIENT_CA", text(&ca))]));
    let [ana, bo, cy] = ["ana", "bo", "cy"].map(|name| secret(&custos, name, "analyst"));
    custos.run(&["principal", "revoke", "cy"]).ok();
    let server = Server::start(&custos);
    // Whoever shows none logs in as ever.
    assert_eq!(in_by(&custos, &server, &ana, &trusted), [true; 3]);

    let own = clients.client("ana", "/O=shop/CN=ana");
    // libpq refuses keys that others can read.
    let private = |issued: &Issued| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&issued.key, mode).expect("it is ours");
    };
    private(&own);
    let with = |own| Certified { server: &server, trusted: &trusted, own };
    for secret in [None, Some(&*ana)] {
        let (status, run, seen) = with(&own).as_user("ana", secret);
        assert_eq!((status, &*run.ok().out, seen), (200, "o1\no2\no3\n", rows().into()));
    }
    // The secret of another one, or another name.
    let (status, run, seen) = with(&own).as_user("bo", Some(&bo));
    assert_eq!(status, 401);
    run.fails(2, &["certificate authentication failed"]);
    assert!(seen.iter().all(|seen| seen.to_string().contains("no valid bearer token")), "{seen:?}");

    let of_others = others.client("ana", "/CN=ana");
    let subjects = ["/CN=nobody", "/CN=cy", "/O=ana", "/CN=ana/CN=ana", "/CN=bo/CN=ana", "/CN=a b"];
    let useless: Vec<Issued> =
        subjects.iter().enumerate().map(|(n, it)| clients.client(&n.to_string(), it)).collect();
    for own in useless.iter().chain([&of_others]) {
        private(own);
        // Clients in Go do not show one that the server says it does not take: a secret would do.
        let is_other = own.key == of_others.key;
        for secret in [None, Some(&*ana)].into_iter().take(if is_other { 1 } else { 2 }) {
            let (status, run, seen) = with(own).as_user("ana", secret);
            assert!([0, 401].contains(&status), "{own:?}: {status}");
            assert_eq!(status == 0, is_other, "a handshake fails, or the login");
            assert_eq!((run.code, &*run.out), (Some(2), ""), "{own:?}: {run:?}");
            assert!(seen.iter().all(Value::is_string), "{own:?}: {seen:?}");
        }
    }
    assert_ne!(cy, ana);

    // Revoked while it is connected, and at the next login.
    let revoke =
        format!("{SQL};\n\\! {}\n{SQL};\n", words(&custos, &["principal", "revoke", "ana"]));
    let settings = [
        ("PGUSER", "ana"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", text(&trusted)),
        ("PGSSLCERT", text(&own.certificate)),
        ("PGSSLKEY", text(&own.key)),
    ];
    let run = psql(&server, &settings, &revoke).fails(2, &["57P01", "no access any more"]);
    assert_eq!(run.out, "o1\no2\no3\n");
    let (status, run, seen) = with(&own).as_user("ana", None);
    assert_eq!((status, run.code), (401, Some(2)));
    assert!(seen.iter().all(Value::is_string), "{seen:?}");
    server.end();
}

/// A command line of the program.
fn words(custos: &Custos, args: &[&str]) -> String {
    let command = custos.command(args);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> =
        words.map(|word| format!("'{}'", word.to_str().expect("text"))).collect();
    format!("{} >/dev/null 2>&1", words.join(" "))
}

#[test]
fn what_was_not_fetched_yet_is_not_given_after_a_withdrawal_or_a_revocation() {
    let custos = shop(&[]);
    let secret = secret(&custos, "ana", "analyst");
    let withdrawal = custos.file(
        "withdrawal.csv",
        "identifier_type,identifier,purpose,status,at,notice,channel,scope\n\
         customer_id,M-ANA,analytics,withdrawn,2026-02-01T00:00:00Z,v1,web,pos\n",
    );
    let withdraw = words(&custos, &["consent", "import", text(&withdrawal)]);
    let revoke = words(&custos, &["principal", "revoke", "ana"]);
    let server = Server::start(&custos);
    let as_ana = [("PGUSER", "ana"), ("PGPASSWORD", &*secret)];
    let script = format!(
        "begin; declare c cursor for {SQL};\nfetch 1 from c;\n\\! {withdraw}\nfetch 1 from c;\n"
    );
    let run = psql(&server, &as_ana, &script).fails(3, &["40001", "consent changed"]);
    assert_eq!(run.out, "o1\n");
    let script = format!("{SQL};\n\\! {revoke}\n{SQL};\n");
    let run = psql(&server, &as_ana, &script).fails(2, &["57P01", "no access any more"]);
    assert_eq!(run.out, "o3\n", "what was withdrawn stays so");
    psql(&server, &as_ana, SQL).fails(2, &["password authentication failed"]);
    server.end();
    custos.healthy();
}

#[test]
fn who_guesses_has_to_wait_on_each_door() {
    let custos = shop(&[]);
    let [ana, bo, cy] = ["ana", "bo", "cy"].map(|name| secret(&custos, name, "analyst"));
    let server = Server::start(&custos);
    let wrong = |name: &str| format!("custos_{name}_{}", "A".repeat(43));
    let (status, first) = ask_as(&server, &wrong("ana"));
    assert_eq!(status, 401);
    for _ in 1..10 {
        assert_eq!(ask_as(&server, &wrong("ana")).0, 401);
    }
    for token in [&wrong("ana"), &ana] {
        let (status, said) = ask_as(&server, token);
        let lowercase = said.to_lowercase();
        assert!(status == 429 && lowercase.contains("\r\nretry-after: "), "{said}");
        assert!(said.contains("too many failed logins"), "{said}");
    }
    assert_eq!(ask_as(&server, &bo).0, 200, "nobody else has to wait");
    let unknown = ask_as(&server, &wrong("nobody")).1;
    let body = |said: &str| said.split("\r\n\r\n").nth(1).map(str::to_owned);
    assert_eq!(body(&unknown), body(&first), "unknown and wrong look the same");

    // The doors count together, and by name: so nobody has more tries by taking another door.
    let uri = format!("grpc://{}", server.door("grpc"));
    let call = |user: &str, secret: &str| json!({"by": "flight", "uri": uri, "user": user, "secret": secret});
    says(&flight(&[call("ana", &ana)])[0], &["too many failed logins"]);
    let as_ana = [("PGUSER", "ana"), ("PGPASSWORD", &*ana)];
    psql(&server, &as_ana, SQL).fails(2, &["too many failed logins"]);
    let mut calls = vec![call("cy", &wrong("cy")); 10];
    calls.extend([call("cy", &cy), call("bo", &bo)]);
    let seen = flight(&calls);
    for told in &seen[..10] {
        says(told, &["FlightUnauthenticatedError", "no valid name and secret"]);
    }
    says(&seen[10], &["resource exhausted", "too many failed logins", "try again in"]);
    assert_eq!(seen[11], rows()[1]);

    // Who tries all names is told to wait whatever the name.
    let codes: Vec<u16> =
        (0..100).map(|n| ask_as(&server, &wrong(&format!("guess{n}"))).0).collect();
    assert_eq!((codes[0], codes[99]), (401, 429), "{codes:?}");
    assert_eq!(ask_as(&server, &bo).0, 429);
    let log = server.end();
    assert!(!log.contains(&ana) && !log.contains("AAAA"), "{log}");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back_on_all_doors_together() {
    let custos = shop(&[("CUSTOS_QUERY_PRINCIPAL_STATEMENTS_PER_MINUTE", "6")]);
    let [ana, bo] = ["ana", "bo"].map(|name| secret(&custos, name, "analyst"));
    let server = Server::start(&custos);
    let as_ana = [("PGUSER", "ana"), ("PGPASSWORD", &*ana)];
    assert_eq!((ask_as(&server, &ana).0, ask_as(&server, &ana).0), (200, 200));
    psql(&server, &as_ana, &format!("{SQL};\n{SQL};")).ok();
    let uri = format!("grpc://{}", server.door("grpc"));
    let call = json!({"by": "adbc", "uri": uri, "user": "ana", "secret": ana});
    assert_eq!(flight(&[call.clone(), call.clone()]), vec![rows()[0].clone(); 2]);

    let (status, said) = ask_as(&server, &ana);
    let headers = said.to_lowercase();
    let wait = headers.split("retry-after: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let wait: u32 = wait.expect("a time").parse().expect("seconds");
    assert!(status == 429 && (1..=11).contains(&wait), "{said}");
    psql(&server, &as_ana, SQL).fails(3, &["53400", "too many statements"]);
    says(&flight(&[call])[0], &["too many statements"]);
    assert_eq!(ask_as(&server, &bo).0, 200);
    server.end();
}

/// Says something on a connection and returns how long it was kept open, and what was answered.
fn kept_open(address: &str, says: &[u8]) -> (Duration, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let begun = Instant::now();
    stream.write_all(says).expect("it is sent");
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _end = stream.read_to_end(&mut answer);
    (begun.elapsed(), answer)
}

#[test]
fn who_begins_and_says_no_more_is_not_waited_for() {
    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new(folder.path(), "one");
    let certificate = authority.server("server");
    let custos = shop(&settings(&certificate, &[]));
    let secret = secret(&custos, "ana", "analyst");
    let server = Server::start(&custos);
    let (http, grpc) = (server.address(), server.door("grpc"));
    let head = b"POST /v1/sql HTTP/1.1\r\nhost: test\r\n";
    // The preface of HTTP/2, and settings.
    let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let cases: [(&str, &[u8], u64); 8] = [
        (http, b"", 15),
        (http, b"\x16", 15),
        (http, b"\x16\x03\x01\x02\x00\x01", 15),
        (http, head, 35),
        (grpc, b"", 15),
        (grpc, b"\x16\x03", 15),
        (grpc, b"PRI * HTTP/2.0\r\n", 35),
        (grpc, begun, 35),
    ];
    std::thread::scope(|scope| {
        let waiting = cases.map(|(door, says, seconds)| {
            scope.spawn(move || {
                let (kept, answer) = kept_open(door, says);
                assert!(kept < Duration::from_secs(seconds), "{says:?}: {kept:?}");
                assert!(!answer.starts_with(b"HTTP/1.1 200"), "{says:?}");
            })
        });
        // The others are answered meanwhile.
        assert_eq!(in_by(&custos, &server, &secret, &authority.certificate()), [true; 3]);
        for waiting in waiting {
            waiting.join().expect("it was not kept");
        }
    });
    server.end();
}
