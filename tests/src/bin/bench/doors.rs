//! A million rows by each door to its real clients, beside PostgreSQL that serves the same rows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use custos_testkit::{PostgresServer, python_with, workspace_root};

use crate::report::{RUNS, Report, is_wanted, median};
use crate::shop::{Server, Shop, text};
use crate::spine;

/// The packages of the clients.
const PACKAGES: [(&str, &str); 6] = [
    ("asyncpg", "0.32.0"),
    ("psycopg", "3.3.9"),
    ("psycopg-binary", "3.3.9"),
    ("adbc-driver-postgresql", "1.13.0"),
    ("adbc-driver-flightsql", "1.13.0"),
    ("pyarrow", "26.0.1"),
];

/// The clients that speak PostgreSQL's protocol, fastest first.
const CLIENTS: [&str; 6] = ["psql_copy", "adbc", "psql", "psycopg_text", "psycopg_binary", "small"];

/// Connections at a time that ask small queries.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// The purpose of all, and the database.
const PURPOSE: &str = "legal_claims";

struct Place<'a> {
    host: &'a str,
    port: &'a str,
    database: &'a str,
    user: &'a str,
    password: &'a str,
    table: &'a str,
    flight: &'a str,
}

impl Place<'_> {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PGHOST", self.host).env("PGPORT", self.port).env("PGUSER", self.user);
        command.env("PGPASSWORD", self.password).env("PGDATABASE", self.database);
        command.env("BENCH_TABLE", self.table).env("FLIGHT", self.flight);
        command.stdin(Stdio::null());
        command
    }

    fn psql(&self, sql: &str) -> Result<String> {
        let output = self.command("psql").args(["-X", "-q", "-A", "-t", "-c", sql]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The median time of a client.
    fn time(&self, python: &Path, client: &str) -> Result<Duration> {
        Ok(median(&mut self.seconds(python, client, RUNS)?))
    }

    /// The same here and at another, by turns: a machine is not as fast all the time.
    fn times(&self, other: &Self, python: &Path, client: &str) -> Result<[Duration; 2]> {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (place, times) in [self, other].iter().zip(&mut times) {
                times.extend(place.seconds(python, client, 1)?);
            }
        }
        Ok(times.map(|mut times| median(&mut times)))
    }

    /// The median and the 99th percentile of small queries over so many connections at a time.
    fn latency(&self, python: &Path, connections: usize) -> Result<Vec<Duration>> {
        let found = self.seconds(python, "latency", connections)?;
        ensure!(found.len() == 2, "two figures are told");
        Ok(found)
    }

    fn seconds(&self, python: &Path, client: &str, count: usize) -> Result<Vec<Duration>> {
        let script = workspace_root().join("tests/src/bin/bench/doors.py");
        let output = self
            .command(python)
            .arg(script)
            .args([client, &count.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "{client} failed");
        let seconds = String::from_utf8(output.stdout)?;
        seconds.lines().map(|line| Ok(Duration::from_secs_f64(line.parse()?))).collect()
    }
}

pub(crate) fn run(report: &Report) -> Result<()> {
    let python = python_with(&PACKAGES)?;
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("orders.csv");
    spine::write_orders(&csv)?;
    let shop = Shop::new(&folder.path().join("shop"))?;
    let contract = workspace_root().join("policies/contracts/pos_orders.yaml");
    shop.run(&["ingest", "--contract", text(&contract)?, "--json", text(&csv)?])?;
    shop.run(&["resolve", "--json"])?;
    let server = Server::start(&shop)?;
    let (host, port) = server.door("postgres")?.split_once(':').context("an address")?;
    let flight = format!("grpc://{}", server.door("grpc")?);
    let ours = Place {
        host,
        port,
        database: PURPOSE,
        user: "officer",
        password: &shop.officer,
        table: "customer.pos_orders",
        flight: &flight,
    };
    let postgres = PostgresServer::shared()?;
    let (database, port) = (postgres.new_database()?, postgres.port().to_string());
    let theirs = Place {
        host: "127.0.0.1",
        port: &port,
        database: &database,
        user: PostgresServer::USER,
        password: PostgresServer::PASSWORD,
        table: "pos_orders",
        flight: "",
    };
    copy(&ours, &theirs, &folder.path().join("rows"))?;
    let mut by_adbc = Duration::ZERO;
    let is_wanted = |client: &str| is_wanted("CUSTOS_BENCH_CLIENTS", client);
    for client in CLIENTS.into_iter().filter(|client| is_wanted(client)) {
        let [ours, theirs] = ours.times(&theirs, &python, client)?;
        if client == "adbc" {
            by_adbc = theirs;
        }
        report.beside(&format!("doors_{client}"), ours, theirs)?;
    }
    for connections in CONNECTIONS.into_iter().filter(|_| is_wanted("latency")) {
        let (ours, theirs) =
            (ours.latency(&python, connections)?, theirs.latency(&python, connections)?);
        for (at, share) in ["p50", "p99"].into_iter().enumerate() {
            report.beside(&format!("doors_latency_{connections}_{share}"), ours[at], theirs[at])?;
        }
    }
    if !is_wanted("adbc") {
        return Ok(());
    }
    // Beside the fastest that PostgreSQL has for the same table of Arrow.
    report.beside("doors_flight", ours.time(&python, "flight")?, by_adbc)
}

/// Makes the same table in PostgreSQL, with the same rows.
fn copy(ours: &Place<'_>, theirs: &Place<'_>, file: &Path) -> Result<()> {
    let columns = ours.psql(
        "select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' \
         order by a.attnum) from pg_attribute a where a.attrelid = 'customer.pos_orders'::regclass",
    )?;
    theirs.psql(&format!("create table pos_orders ({})", columns.trim()))?;
    let file = text(file)?;
    ours.psql(&format!("\\copy customer.pos_orders to '{file}'"))?;
    theirs.psql(&format!("\\copy pos_orders from '{file}'"))?;
    theirs.psql("vacuum analyze pos_orders")?;
    let counted = |place: &Place<'_>| place.psql(&format!("select count(*) from {}", place.table));
    ensure!(counted(ours)? == counted(theirs)?, "the tables are not the same");
    Ok(())
}
