//! A million profiles, looked up one by one over HTTP.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use custos_testkit::workspace_root;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::report::Report;
use crate::shop::{Server, Shop, text};

/// People unless `CUSTOS_BENCH_ROWS` says otherwise.
const PEOPLE: usize = 1_000_000;

/// Orders and events that each has.
const ORDERS: usize = 2;
const EVENTS: usize = 2;

const PURPOSE: &str = "legal_claims";

/// Lookups a second, and how long they go on.
const RATE: u32 = 500;
const OPEN_SECONDS: u32 = 30;

/// Connections of the open loop; those that are free wait for the next lookup.
const CONNECTIONS: usize = 64;

/// Connections of the closed loops, each of which asks as soon as it was answered.
const CLOSED: [usize; 3] = [1, 16, 64];
const CLOSED_SECONDS: u64 = 10;

/// Longer than what is kept in readiness rests before it is made anew.
const REST: Duration = Duration::from_secs(61);

pub(crate) async fn run(report: &Report) -> Result<()> {
    let people = match std::env::var("CUSTOS_BENCH_ROWS") {
        Ok(rows) => rows.parse().context("CUSTOS_BENCH_ROWS is a number")?,
        Err(_) => PEOPLE,
    };
    let folder = tempfile::tempdir()?;
    let shop = Shop::new(&folder.path().join("shop"))?;
    load(report, &shop, folder.path(), people)?;
    let server = Server::start(&shop)?;
    let clients = Clients { server: &server, token: &shop.officer, people };
    let took = clients.until_prepared().await?;
    report.line(
        "profiles_prepared",
        &BTreeMap::from([
            ("people", people as f64),
            ("seconds", took.as_secs_f64()),
            ("memory_bytes", server.memory("VmRSS")?),
            ("memory_bytes_max", server.memory("VmHWM")?),
        ]),
    )?;
    for connections in CLOSED {
        clients.closed(report, connections).await?;
    }
    clients.open(report, "profiles_open").await?;
    // Something lands, so all is prepared anew meanwhile.
    sleep(REST).await;
    let csv = folder.path().join("late.csv");
    std::fs::write(&csv, format!("{ORDER_HEADER}{}", order(people, 0, 0)))?;
    let contract = workspace_root().join("policies/contracts/pos_orders.yaml");
    shop.run(&["ingest", "--contract", text(&contract)?, "--json", text(&csv)?])?;
    clients.open(report, "profiles_open_while_preparing").await?;
    report.line(
        "profiles_memory",
        &BTreeMap::from([
            ("memory_bytes", server.memory("VmRSS")?),
            ("memory_bytes_max", server.memory("VmHWM")?),
        ]),
    )
}

const ORDER_HEADER: &str = "order_id,member_no,name,phone,referrer_phone,store,channel,category,quantity,amount,currency,note,ordered_at,updated_at\n";

fn order(person: usize, number: usize, mixed: usize) -> String {
    let (month, day, cents) = (mixed % 9 + 1, mixed % 28 + 1, mixed % 100_000);
    let at = format!("2026-{month:02}-{day:02} {:02}:00:00", mixed % 24);
    format!(
        "o{person}-{number},M{person:07},,138{person:08},,s{},{},c{},{},{}.{:02},CNY,,{at},{at}\n",
        mixed % 50,
        ["store", "web", "app"][mixed % 3],
        mixed % 20,
        mixed % 5 + 1,
        cents / 100,
        cents % 100,
    )
}

/// Three silos that know everybody: the tills, the CRM and the web shop.
fn load(report: &Report, shop: &Shop, folder: &Path, people: usize) -> Result<()> {
    let names = ["pos_orders.csv", "crm_contacts.csv", "web_events.ndjson"];
    let [orders, contacts, events] = names.map(|name| folder.join(name));
    let mut out = [&orders, &contacts, &events]
        .map(|path| Ok::<_, std::io::Error>(BufWriter::new(std::fs::File::create(path)?)));
    let [Ok(till), Ok(crm), Ok(web)] = &mut out else { anyhow::bail!("no room for files") };
    till.write_all(ORDER_HEADER.as_bytes())?;
    writeln!(
        crm,
        "contact_id,full_name,email,phone,city,country,gender,birth_year,loyalty_tier,updated_at"
    )?;
    for person in 0..people {
        let mixed = person.wrapping_mul(2_654_435_761) >> 7;
        for number in 0..ORDERS {
            till.write_all(order(person, number, mixed >> number).as_bytes())?;
        }
        writeln!(
            crm,
            "C{person:07},Customer {person},c{person}@example.com,+86138{person:08},city{},CN,,{},gold,2026-02-01T10:00:00+08:00",
            mixed % 300,
            1950 + mixed % 50,
        )?;
        for number in 0..EVENTS {
            writeln!(
                web,
                "{{\"message_id\":\"e{person}-{number}\",\"user_id\":\"W{person}\",\
                 \"email\":\"c{person}@example.com\",\"event\":\"page_viewed\",\
                 \"channel\":\"search\",\"product_id\":\"p{}\",\
                 \"occurred_at\":\"2026-04-{:02}T08:00:0{number}Z\"}}",
                mixed % 1_000,
                mixed % 28 + 1,
            )?;
        }
    }
    for file in [till, crm, web] {
        file.flush()?;
    }
    let sources = [("pos_orders", &orders), ("crm_contacts", &contacts), ("web_events", &events)];
    for (source, file) in sources {
        let contract = workspace_root().join(format!("policies/contracts/{source}.yaml"));
        report.note(&format!("loading {source}"))?;
        let read = shop.run(&["ingest", "--contract", text(&contract)?, "--json", text(file)?])?;
        ensure!(read["quarantined"] == 0, "rows of {source} are in quarantine: {read}");
        std::fs::remove_file(file)?;
    }
    report.note("resolving")?;
    shop.run(&["resolve", "--json"])?;
    shop.run(&["compact", "--json"]).map(drop)
}

/// Those who look people up.
struct Clients<'a> {
    server: &'a Server,
    token: &'a str,
    people: usize,
}

impl Clients<'_> {
    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.server.door("http")?).await?;
        stream.set_nodelay(true)?;
        let token = self.token.to_owned();
        Ok(Connection { stream, token, people: self.people, buffer: Vec::new() })
    }

    /// Asks until two answers are of one moment, and returns how long that took.
    async fn until_prepared(&self) -> Result<Duration> {
        let mut connection = self.connect().await?;
        let began = Instant::now();
        let mut before = String::new();
        loop {
            let answer = connection.ask(0).await?;
            let as_of = answer.split("\"as_of\":").nth(1).and_then(|rest| rest.get(..30));
            let as_of = as_of.context("as_of")?.to_owned();
            if as_of == before {
                return Ok(began.elapsed());
            }
            before = as_of;
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Asks so many times a second, whether answers come or not. Counts from the moment at which
    /// a lookup was due.
    async fn open(&self, report: &Report, name: &str) -> Result<()> {
        let (free, mut waiting) = mpsc::channel::<Connection>(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            free.send(self.connect().await?).await?;
        }
        let mut tick = interval(Duration::from_secs(1) / RATE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut asking: JoinSet<Result<Duration>> = JoinSet::new();
        let began = Instant::now();
        for number in 0..(RATE * OPEN_SECONDS) as usize {
            let due = tick.tick().await.into_std();
            let mut connection = waiting.recv().await.context("a connection")?;
            let free = free.clone();
            asking.spawn(async move {
                connection.ask(number.wrapping_mul(7_919)).await?;
                let took = due.elapsed();
                // Nobody waits for it at the end.
                let _done = free.send(connection).await;
                Ok(took)
            });
        }
        let mut times = Vec::new();
        while let Some(took) = asking.join_next().await {
            times.push(took??);
        }
        summed(report, name, times, began.elapsed())
    }

    /// Asks as often as answers come.
    async fn closed(&self, report: &Report, connections: usize) -> Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut asking: JoinSet<Result<Vec<Duration>>> = JoinSet::new();
        let began = Instant::now();
        for _ in 0..connections {
            let (mut connection, next) = (self.connect().await?, Arc::clone(&next));
            asking.spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < Duration::from_secs(CLOSED_SECONDS) {
                    let asked = Instant::now();
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    connection.ask(number.wrapping_mul(7_919)).await?;
                    times.push(asked.elapsed());
                }
                Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(of_one) = asking.join_next().await {
            times.extend(of_one??);
        }
        summed(report, &format!("profiles_closed_{connections}"), times, began.elapsed())
    }
}

/// A connection that is kept.
struct Connection {
    stream: TcpStream,
    token: String,
    people: usize,
    buffer: Vec<u8>,
}

impl Connection {
    /// Looks somebody up, by number or by e-mail address.
    async fn ask(&mut self, number: usize) -> Result<String> {
        let person = number % self.people;
        let subject = match number % 2 {
            0 => format!("customer_id%40pos:M{person:07}"),
            _ => format!("email:c{person}%40example.com"),
        };
        let mut request = String::new();
        write!(
            request,
            "GET /v1/profiles/{subject} HTTP/1.1\r\nhost: custos\r\n\
             authorization: Bearer {}\r\nx-custos-purpose: {PURPOSE}\r\n\r\n",
            self.token
        )?;
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server hung up");
            let text = std::str::from_utf8(&self.buffer).unwrap_or_default();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("a length")?.parse()?;
            if body.len() >= length {
                ensure!(head.starts_with("HTTP/1.1 200"), "{head} {body}");
                return Ok(body.to_owned());
            }
        }
    }
}

fn summed(report: &Report, name: &str, mut times: Vec<Duration>, took: Duration) -> Result<()> {
    times.sort_unstable();
    let millis = |share: f64| {
        let at = ((times.len() - 1) as f64 * share) as usize;
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    ensure!(!times.is_empty(), "nothing was answered");
    report.line(
        name,
        &BTreeMap::from([
            ("per_second", times.len() as f64 / took.as_secs_f64()),
            ("p50_ms", millis(0.5)),
            ("p99_ms", millis(0.99)),
            ("p999_ms", millis(0.999)),
            ("max_ms", millis(1.0)),
        ]),
    )
}
