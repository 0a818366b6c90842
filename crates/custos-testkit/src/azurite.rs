//! A real Azure-compatible object store for tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::free_port::free_ports;
use crate::http_status::http_status;
use crate::server_process::ServerProcess;
use crate::tools::node_modules_of;
use crate::workspace::workspace_root;

/// What pins the program and makes containers.
const MANIFESTS: &str = "tests/servers/azurite";

/// An Azurite server of blobs on the loopback address. It ends with the value.
#[derive(Debug)]
pub struct Azurite {
    folder: TempDir,
    port: u16,
    _process: ServerProcess,
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
        let mut command = Command::new("node");
        command.arg(modules.join("azurite/dist/src/blob/main.js"));
        command.args(["--silent", "--disableTelemetry", "--blobHost", "127.0.0.1"]);
        command.args(["--blobPort", &port.to_string(), "--location"]);
        command.arg(folder.path().join("data"));
        let mut process = ServerProcess::start(&mut command, &folder.path().join("log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Nobody may ask for its root, which it says.
        process.wait_until(|| http_status(address, "/").is_some())?;
        Ok(Self { folder, port, _process: process })
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
}
