//! The program itself, as its user drives it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use custos_testkit::custos_binary;
use serde_json::{Value, json};

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

fn program() -> Result<Command> {
    let mut command = Command::new(custos_binary()?);
    // The program refuses settings that it does not know.
    command.env_remove("CUSTOS_BENCH_ROWS").env_remove("CUSTOS_BENCH_CLIENTS");
    Ok(command)
}

/// An installation driven through the program.
pub(crate) struct Shop {
    config: String,
    pub(crate) analyst: String,
    pub(crate) officer: String,
}

impl Shop {
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        let made = program()?.arg("init").arg(dir).output()?;
        ensure!(made.status.success(), "init failed");
        let config = text(&dir.join("custos.toml"))?.to_owned();
        let mut shop = Self { config, analyst: String::new(), officer: String::new() };
        shop.analyst = shop.principal("analyst")?;
        shop.officer = shop.principal("officer")?;
        Ok(shop)
    }

    fn principal(&self, role: &str) -> Result<String> {
        let added = self.run(&["principal", "add", role, "--role", role, "--json"])?;
        Ok(added["secret"].as_str().context("a secret")?.to_owned())
    }

    fn command(&self) -> Result<Command> {
        let mut command = program()?;
        command.args(["--config", &self.config]).stdin(Stdio::null());
        Ok(command)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Result<Value> {
        let output = self.command()?.args(args).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{args:?}: {said}");
        let out = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(out.lines().last().context("a line")?)?)
    }
}

/// The serving program; it ends with the value.
pub(crate) struct Server {
    child: Child,
    /// Where each scheme is served.
    doors: BTreeMap<String, String>,
}

impl Server {
    pub(crate) fn start(shop: &Shop) -> Result<Self> {
        let mut command = shop.command()?;
        command
            .arg("serve")
            // What is measured is computed each time.
            .env("CUSTOS_QUERY_KEPT_ANSWERS", "1")
            .env("CUSTOS_SERVER_HTTP", "127.0.0.1:0")
            .env("CUSTOS_SERVER_FLIGHT", "127.0.0.1:0")
            .env("CUSTOS_SERVER_POSTGRES", "127.0.0.1:0");
        command.stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("a log")?);
        let mut doors = BTreeMap::new();
        while doors.len() < 3 {
            let mut line = String::new();
            ensure!(log.read_line(&mut line)? > 0, "the program ended");
            let served = line.trim().strip_prefix("serving ").and_then(|url| url.split_once("://"));
            doors.extend(served.map(|(scheme, at)| (scheme.to_owned(), at.to_owned())));
        }
        Ok(Self { child, doors })
    }

    /// Memory that the program holds, as the kernel names it: `VmRSS` now, `VmHWM` at most.
    pub(crate) fn memory(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("a figure")?;
        Ok(kib.parse::<f64>()? * 1024.0)
    }

    /// Where a scheme is served.
    pub(crate) fn door(&self, scheme: &str) -> Result<&str> {
        self.doors.get(scheme).map(String::as_str).context("a door that is served")
    }

    /// Asks once and returns how long the answer took.
    pub(crate) fn ask(&self, token: &str, purpose: &str, sql: &str) -> Result<Duration> {
        let body = json!({ "sql": sql }).to_string();
        let began = Instant::now();
        let mut stream = TcpStream::connect(self.door("http")?)?;
        write!(
            stream,
            "POST /v1/sql HTTP/1.1\r\nhost: custos\r\nauthorization: Bearer {token}\r\n\
             x-custos-purpose: {purpose}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let took = began.elapsed();
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(took)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
