//! Real programs of PostgreSQL's world against the PostgreSQL door, and against PostgreSQL itself
//! with the same rows: what they tell they saw is the same, but for what is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use custos_testkit::{PostgresServer, WireClient, workspace_root};
use serde_json::Value;

use crate::doors::Server;
use crate::fixtures::{HEADER, ROWS};
use crate::harness::{Custos, shipped_contract};

/// The purpose, which is the database.
const PURPOSE: &str = "analytics";

/// Checks whose outcomes are known to differ, and why.
const DIFFERENCES: &str = include_str!("../clients/differences.txt");

/// Where a client connects to, and as whom.
pub(crate) struct Place {
    host: String,
    port: String,
    database: String,
    user: &'static str,
    password: String,
}

impl Place {
    /// The PostgreSQL door, for a principal with this secret.
    pub(crate) fn door(server: &Server, user: &'static str, secret: &str) -> Self {
        let (host, port) = server.door("postgres").split_once(':').expect("an address");
        Self {
            host: host.to_owned(),
            port: port.to_owned(),
            database: PURPOSE.to_owned(),
            user,
            password: secret.to_owned(),
        }
    }

    /// Tells a command where to connect to.
    pub(crate) fn to(&self, command: &mut Command) {
        command.env("PGHOST", &self.host).env("PGPORT", &self.port);
        command.env("PGDATABASE", &self.database).env("PGUSER", self.user);
        command.env("PGPASSWORD", &self.password);
    }

    /// Runs psql to its end and returns what it printed.
    fn psql(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.to(&mut command);
        let mut child = command.spawn().expect("psql starts");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("psql ends");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a client saw, by check.
    pub(crate) fn seen_by(&self, client: WireClient) -> BTreeMap<String, Value> {
        let mut command = client.command().expect("the client is installed");
        self.to(&mut command);
        let output = command.output().expect("the client starts");
        let seen = serde_json::from_slice(&output.stdout);
        seen.unwrap_or_else(|error| panic!("{client:?}: {error}: {output:?}"))
    }
}

/// A shop with two customers who may be seen, and a column of each type.
pub(crate) fn shop() -> Custos {
    let custos = Custos::new();
    for model in ["orders.sql", "kinds.sql"] {
        custos.use_model(&format!("clients/{model}"));
    }
    let bought = ROWS[..3].iter().map(|row| (*row).to_owned());
    let more = ROWS[2].replace("o3", "o4").replace("berlin,web", "上海,store");
    let text = bought.chain([more]).collect::<String>();
    let file = custos.file("orders.csv", format!("{HEADER}{text}"));
    custos.ingest(&shipped_contract("pos_orders.yaml"), &file).ok();
    custos.run(&["resolve"]).ok();
    custos.consents(&[
        "customer_id,M-ANA,analytics,given,2026-01-01T00:00:00Z,v1,web,pos",
        "customer_id,M-BO,analytics,given,2026-01-01T00:00:00Z,v1,web,pos",
    ]);
    custos
}

/// A PostgreSQL whose reader sees the same tables with the same rows.
pub(crate) fn oracle(ours: &Place) -> Place {
    let server = PostgresServer::shared().expect("a PostgreSQL server");
    let database = server.new_database().expect("a database");
    let owner = Place {
        host: "127.0.0.1".to_owned(),
        port: server.port().to_string(),
        database,
        user: PostgresServer::USER,
        password: PostgresServer::PASSWORD.to_owned(),
    };
    let script = workspace_root().join("tests/clients/oracle.sql");
    let (user, password) = (format!("reader={}", ours.user), format!("password={}", ours.password));
    let script = script.to_str().expect("a path");
    owner.psql(&["-v", &user, "-v", &password, "-f", script], "");
    let others = ours.psql(
        &[],
        "select 'create table customer.' || c.relname || ' (' || string_agg('\"' || a.attname || \
         '\" ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum) || ');' \
         from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         join pg_attribute a on a.attrelid = c.oid \
         where n.nspname = 'customer' and c.relname not in ('orders', 'kinds') group by c.relname",
    );
    let grant = format!("grant select on all tables in schema customer to \"{}\";", ours.user);
    owner.psql(&[], &format!("{others}\n{grant}"));
    let rows = ours.psql(&[], "copy orders to stdout;");
    owner.psql(&[], &format!("copy customer.orders from stdin;\n{rows}\\.\n"));
    Place { user: ours.user, password: ours.password.clone(), ..owner }
}

/// The checks that are known to differ, by client.
fn known() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut known: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in DIFFERENCES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (check, _why) = line.split_once(" - ").expect("a reason");
        let (client, check) = check.split_once(": ").expect("a client");
        assert!(known.entry(client).or_default().insert(check), "{line} stands twice");
    }
    known
}

/// What clients tell is the same at both places, but for what is listed.
pub(crate) fn compare(clients: &[WireClient]) {
    let custos = shop();
    let added = custos.run(&["principal", "add", "reader", "--role", "analyst", "--json"]).ok();
    let server = Server::start(&custos);
    let ours = Place::door(&server, "reader", added.last()["secret"].as_str().expect("a secret"));
    let oracle = oracle(&ours);
    let known = known();
    let (mut wrong, mut equal) = (Vec::new(), 0);
    for client in clients {
        if let Some(why) = client.missing() {
            // The test command has said so, too; where it installs what is missing, none is.
            eprintln!("{} was not run: {why}", client.name);
            continue;
        }
        let (expected, seen) = (oracle.seen_by(*client), ours.seen_by(*client));
        assert!(!expected.is_empty(), "{} told nothing", client.name);
        let differences = known.get(client.name);
        for (check, expected) in &expected {
            let is_known = differences.is_some_and(|checks| checks.contains(check.as_str()));
            let is_equal = seen.get(check) == Some(expected);
            equal += u32::from(is_equal);
            if is_equal == is_known {
                let seen = seen.get(check);
                wrong.push(format!("{}: {check} - {expected} | {seen:?}", client.name));
            }
        }
    }
    let log = server.end();
    assert!(!log.contains("Canary") && !log.contains("customer.orders"), "{log}");
    if let Some(file) = std::env::var_os("CLIENTS_SEEN") {
        std::fs::write(Path::new(&file), wrong.join("\n")).expect("a file is written");
    }
    let wrong: Vec<String> = wrong.iter().map(|text| text.chars().take(600).collect()).collect();
    assert!(wrong.is_empty(), "{equal} equal; not as listed:\n{}", wrong.join("\n"));
}

#[test]
fn clients_of_postgresql_see_what_postgresql_shows_them() {
    compare(&WireClient::ALL);
}
