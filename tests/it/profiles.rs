//! Profiles of people, over HTTP and beside what statements say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::doors::Server;
use crate::fixtures::CANARY;
use crate::harness::{Custos, erasure, program};
use crate::policies::{configure, policies};

const SERVICE: &str = "essential.service";

/// Who looks people up in the demo, and what for; the rules of the last two are of the test.
const ASKERS: [(&str, &str); 5] = [
    ("support", SERVICE),
    ("officer", "legal_claims"),
    ("officer", "essential.legal_obligation"),
    ("analyst", "analytics"),
    ("marketer", "marketing.advertising.first_party"),
];

/// Lets those look people up who otherwise may not.
const EVERYBODY_LOOKS_UP: &str = "@id(\"everybody_looks_up\")\n\
    permit (principal, action == Action::\"lookup\", resource);\n\n// ---- Support ----";

/// The tables that a profile shows, and in which order; all of them have a column `person_id`.
const TABLES: [(&str, &str, &str); 7] = [
    ("traits", "profiles", "person_id"),
    ("tags", "tags", "tag"),
    ("segments", "segments", "segment"),
    ("events", "events", "occurred_at desc nulls last, message_id"),
    ("orders", "orders", "ordered_at desc nulls last, order_id"),
    ("tickets", "tickets", "opened_at desc nulls last, ticket_id"),
    ("surveys", "surveys", "answered_at desc nulls last, response_id"),
];

/// What a profile has of each list.
const ROWS: usize = 7;

/// A client that asks often.
struct Client<'a> {
    server: &'a Server,
    token: String,
    purpose: &'a str,
}

impl Client<'_> {
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.server.address()).expect("a connection");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: custos\r\nauthorization: Bearer {}\r\n\
             x-custos-purpose: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            self.token,
            self.purpose,
            body.len()
        )
        .expect("a request is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        (status, if chunked { unchunked(body) } else { body.to_owned() })
    }

    fn profile(&self, subject: &str, query: &str) -> (u16, String) {
        let subject = subject.replace('%', "%25").replace('@', "%40").replace('+', "%2B");
        self.send("GET", &format!("/v1/profiles/{subject}{query}"), "")
    }

    /// A profile with everything in it.
    #[track_caller]
    fn whole(&self, subject: &str) -> Option<Map<String, Value>> {
        let parts: Vec<_> = TABLES.map(|table| table.0).into_iter().chain(["consent"]).collect();
        let query = format!("?limit={ROWS}&include={}", parts.join(","));
        let (status, body) = self.profile(subject, &query);
        if status == 404 || status == 409 {
            return None;
        }
        assert_eq!(status, 200, "{body}");
        Some(serde_json::from_str(&body).expect("JSON"))
    }

    /// Waits until profiles are in readiness: until two answers are of one moment.
    fn until_prepared(&self, subject: &str) {
        let began = Instant::now();
        let mut before = Value::Null;
        loop {
            let profile = self.whole(subject).expect("a profile");
            if profile["as_of"] == before {
                return;
            }
            before = profile["as_of"].clone();
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is prepared");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn sql(&self, sql: &str) -> Vec<Map<String, Value>> {
        let (status, body) = self.send("POST", "/v1/sql", &json!({ "sql": sql }).to_string());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("rows")
    }

    /// What statements say of everybody, in the shape of profiles, by the person's id.
    fn everybody(&self) -> BTreeMap<i64, Map<String, Value>> {
        let mut people: BTreeMap<i64, Map<String, Value>> = BTreeMap::new();
        for (part, table, order) in TABLES {
            let sql = format!(
                "select * from {table} where person_id is not null order by person_id, {order}"
            );
            for mut row in self.sql(&sql) {
                let id = row.remove("person_id").and_then(|id| id.as_i64()).expect("an id");
                let person = people.entry(id).or_default();
                match part {
                    "traits" => {
                        person.insert(part.to_owned(), Value::Object(row));
                    }
                    "tags" => push(person, part, row["tag"].clone(), usize::MAX),
                    "segments" => push(person, part, Value::Object(row), usize::MAX),
                    _ => push(person, part, Value::Object(row), ROWS),
                }
            }
        }
        for person in people.values_mut() {
            for (part, ..) in TABLES {
                person.entry(part).or_insert_with(|| json!([]));
            }
        }
        people
    }
}

fn push(person: &mut Map<String, Value>, part: &str, row: Value, rows_max: usize) {
    let rows = person.entry(part).or_insert_with(|| json!([])).as_array_mut().expect("a list");
    if rows.len() < rows_max {
        rows.push(row);
    }
}

fn unchunked(body: &str) -> String {
    let (mut text, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        text.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    text
}

fn secret(custos: &Custos, name: &str, role: &str) -> String {
    let run = custos.run(&["principal", "add", name, "--role", role, "--json"]).ok();
    run.last()["secret"].as_str().expect("a secret").to_owned()
}

/// The customers of the demo that the CRM knows, by their number there.
fn contacts(silos: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(silos.join("crm_contacts.csv")).expect("contacts");
    let mut lines = text.lines();
    let at = lines.next().expect("a header").split(',').position(|name| name == "contact_id");
    let ids = lines.filter_map(|line| line.split(',').nth(at?)).map(str::to_owned);
    ids.collect()
}

#[test]
fn a_profile_is_what_statements_say_for_everybody_who_asks() {
    let custos = Custos::new();
    let demo = custos.path("demo");
    let output = Command::new(program())
        .args(["demo", "--no-serve", "--customers", "400", "--dir"])
        .arg(&demo)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    std::fs::remove_dir_all(custos.path("shop")).expect("the empty shop");
    std::fs::rename(&demo, custos.path("shop")).expect("a folder");
    let change = ["// ---- Support ----", EVERYBODY_LOOKS_UP];
    let dir = policies(&custos, "everybody", "access.cedar", change);
    configure(&custos, &dir);
    let tokens: BTreeMap<_, _> = ["support", "officer", "analyst", "marketer"]
        .map(|role| (role, secret(&custos, &format!("{role}-asks"), role)))
        .into();
    let server = Server::start(&custos);
    let contacts = contacts(&custos.path("shop/silos"));
    assert!(contacts.len() > 100, "{}", contacts.len());
    for (role, purpose) in ASKERS {
        let client = Client { server: &server, token: tokens[role].clone(), purpose };
        let everybody = client.everybody();
        let subjects = contacts.iter().map(|id| format!("customer_id@crm:{id}"));
        let subjects: Vec<String> = subjects.take(60).collect();
        // Some before anything is in readiness, all after.
        let mut known = None;
        for subject in &subjects[..8] {
            if let Some(profile) = client.whole(subject) {
                is_what_statements_say(&profile, &everybody, subject);
                known = Some(subject.clone());
            }
        }
        client.until_prepared(&known.expect("somebody who may be shown"));
        let mut found = BTreeSet::new();
        for subject in &subjects {
            if let Some(profile) = client.whole(subject) {
                found.insert(is_what_statements_say(&profile, &everybody, subject));
            }
        }
        // Those who may not be shown are as many as the purpose says, and never all.
        assert!(found.len() > 5, "{role} finds {}", found.len());
        assert!(role != "marketer" || found.len() < subjects.len(), "{}", found.len());
    }
    let log = server.end();
    let leaked = contacts.iter().find(|id| id.len() > 8 && log.contains(&**id));
    assert!(leaked.is_none(), "{log}");
    custos.healthy();
}

/// Compares a profile with statements, and returns whose it is.
#[track_caller]
fn is_what_statements_say(
    profile: &Map<String, Value>,
    everybody: &BTreeMap<i64, Map<String, Value>>,
    subject: &str,
) -> i64 {
    let id = profile["person_id"].as_i64().expect("an id");
    let expected = everybody.get(&id).expect("a person of the statements");
    for (part, ..) in TABLES {
        assert_eq!(profile[part], expected[part], "{part} of {subject}");
    }
    id
}

#[test]
fn whoever_may_not_be_shown_is_answered_as_nobody_is() {
    let custos = Custos::initialised(&[], vec![("CUSTOS_LOG".to_owned(), "info".to_owned())]);
    custos.fill();
    let (support, analyst) = (secret(&custos, "ada", "support"), secret(&custos, "ben", "analyst"));
    let server = Server::start(&custos);
    let support = Client { server: &server, token: support, purpose: SERVICE };
    let analyst = Client { server: &server, token: analyst, purpose: "analytics" };
    let (ana, bo, nobody) =
        ("customer_id@pos:M-ANA", "customer_id@pos:M-BO", "customer_id@pos:M-NOBODY");

    let (status, unknown) = support.profile(nobody, "");
    assert_eq!(status, 404, "{unknown}");
    support.until_prepared(bo);
    let profile = support.whole(ana).expect("Ana");
    let orders = profile["orders"].as_array().expect("orders");
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0]["order_id"], "o2");
    assert_eq!(profile["purpose"], SERVICE);
    assert_eq!(profile["consent"]["basis"], "contract");
    // Claimed with the order only: Bo named Ana's number as that of who sent him.
    let by_phone = support.profile("phone:+4915112345672", "");
    assert!([200, 404].contains(&by_phone.0), "{by_phone:?}");

    let (status, body) = support.profile(bo, "?include=tags");
    assert!(status == 200 && !body.contains("orders"), "{body}");

    // No right, whoever is asked for; withdrawn; erased: byte for byte the same.
    for subject in [ana, nobody] {
        assert_eq!(analyst.profile(subject, ""), (404, unknown.clone()));
    }
    custos.consents(&[&format!(
        "customer_id,M-BO,{SERVICE},restricted,2026-06-01T00:00:00Z,v1,web,pos"
    )]);
    assert_eq!(support.profile(bo, ""), (404, unknown.clone()));
    custos.run(&erasure(ana, None)).ok();
    assert_eq!(support.profile(ana, ""), (404, unknown.clone()));

    // Mistakes name the remedy and nothing that was asked.
    for (subject, query, says) in [
        ("nonsense", "", "email:ana@example.com"),
        ("name:Canary-7f3a", "", "customer_id"),
        ("email:canary-7f3a", "", "email:ana@example.com"),
        ("phone:13812345678", "", "+86"),
        (ana, "?include=canary-7f3a", "traits, tags"),
        (ana, "?limit=101", "up to 100"),
        (ana, "?canary-7f3a=1", "include"),
    ] {
        let (status, body) = support.profile(subject, query);
        assert!(status == 400 && body.contains(says), "{subject}{query}: {status} {body}");
        assert!(!body.to_lowercase().contains(CANARY), "{body}");
    }
    let (status, body) = analyst.send("GET", "/v1/profiles/email%3Aa%40b.example", "");
    assert_eq!((status, body), (404, unknown));

    let log = server.end();
    assert!(log.contains("/v1/profiles/{subject}"), "{log}");
    for secret in ["M-ANA", "M-BO", "M-NOBODY", "canary", "49151"] {
        assert!(!log.to_lowercase().contains(&secret.to_lowercase()), "{secret}: {log}");
    }
    let audit = custos.run(&["audit", "export"]).ok().out;
    assert!(audit.contains("\"lookup\"") && !audit.contains("M-ANA"), "{audit}");
    custos.healthy();
}

#[test]
fn profiles_work_over_a_postgresql_control_store() {
    let custos = Custos::on_postgres();
    custos.fill();
    let token = secret(&custos, "ada", "support");
    let server = Server::start(&custos);
    let support = Client { server: &server, token, purpose: SERVICE };
    let bo = "customer_id@pos:M-BO";
    support.until_prepared(bo);
    custos.run(&erasure(bo, None)).ok();
    assert_eq!(support.profile(bo, "").0, 404);
    server.end();
}
