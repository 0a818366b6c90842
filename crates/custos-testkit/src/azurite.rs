//! A real Azure-compatible object store for tests.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::free_port::free_ports;
use crate::http_status::http_status;
use crate::tools::node_modules_of;
use crate::workspace::workspace_root;

/// What pins the program and makes containers.
const MANIFESTS: &str = "tests/servers/azurite";

/// How long a server may take to begin to answer.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// An Azurite server of blobs on the loopback address. It ends with the value.
#[derive(Debug)]
pub struct Azurite {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Azurite {
    /// Starts a new server, installing the program first if need be.
    ///
    /// # Errors
    /// Node.js or its package index are not there, or the server does not start.
    pub fn start() -> Result<Self> {
        let modules = node_modules_of("azurite", &workspace_root().join(MANIFESTS))?;
        let folder = tempfile::tempdir()?;
        let port = *free_ports(1)?.first().context("no port is free")?;
        let child = Command::new("node")
            .arg(modules.join("azurite/dist/src/blob/main.js"))
            .args(["--silent", "--disableTelemetry", "--blobHost", "127.0.0.1"])
            .args(["--blobPort", &port.to_string(), "--location"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()
            .context("`azurite` did not start")?;
        let mut server = Self { folder, port, child };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Makes a container.
    ///
    /// # Errors
    /// The server refused.
    pub fn container(&self, name: &str) -> Result<()> {
        let script = workspace_root().join(MANIFESTS).join("container.js");
        let mut command = Command::new("node");
        let made = command.arg(script).arg(self.port.to_string()).arg(name).output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "the container `{name}` was not made: {said}");
        Ok(())
    }

    /// The settings under which clients of Azure's blobs find it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", &endpoint)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// The folder that holds all bytes the server ever stored.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let deadline = Instant::now() + PATIENCE;
        // Nobody may ask for its root, which it says.
        while http_status(address, "/").is_none() {
            if let Some(ended) = self.child.try_wait()? {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                let last = log.lines().next_back().unwrap_or_default();
                bail!("the server ended ({ended}): {last}");
            }
            ensure!(Instant::now() < deadline, "the server does not answer");
            sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // If it has ended by itself there is nothing left to do.
        let _stopped = self.child.kill().and_then(|()| self.child.wait());
    }
}
