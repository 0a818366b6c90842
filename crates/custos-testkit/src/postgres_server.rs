//! A PostgreSQL server for tests, with nothing of the machine's own servers in it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, ensure};

use crate::free_port::free_port;

/// How to get the server's programs.
const INSTALL: &str = "install them with `apt-get install postgresql`";

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Makes the server, tells its folder and lives until its input ends, as it does when this process
/// ends in whatever way; then nothing is left of it.
const SCRIPT: &str = include_str!("postgres_server.sh");

/// A server in a temporary folder, gone with the value or the process.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    supervisor: Child,
    databases: AtomicU64,
}

impl PostgresServer {
    /// The user of all URLs, who may do everything.
    pub const USER: &str = "custos";

    /// The user's password, without which nobody gets in. It must not be found elsewhere.
    pub const PASSWORD: &str = "canary-password-7f3a";

    /// The server of this process, started when it is first asked for.
    ///
    /// # Errors
    /// Those of [`PostgresServer::start`], which is tried once.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
        let started = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        started.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Starts a server on a socket of its own and, with TLS, on a free port of loopback.
    ///
    /// # Errors
    /// Its programs are missing, or it does not start.
    pub fn start() -> Result<Self> {
        let programs = postgres_programs()?;
        let port = free_port()?;
        let mut supervisor = shell()
            .args(["-c", SCRIPT, "postgres_server"])
            .arg(&programs)
            .args([&port.to_string(), Self::USER, Self::PASSWORD])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("the server's shell did not start")?;
        let output = supervisor.stdout.take().context("the shell has no output")?;
        let mut folder = String::new();
        BufReader::new(output).read_line(&mut folder)?;
        let folder = PathBuf::from(folder.trim_end());
        ensure!(folder.is_absolute(), "the server did not start; see above");
        Ok(Self { programs, folder, port, supervisor, databases: AtomicU64::new(0) })
    }

    /// The name of a new, empty database.
    ///
    /// # Errors
    /// The server refuses.
    pub fn new_database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        Ok(name)
    }

    /// The URL of a database by way of the socket.
    pub fn url(&self, database: &str) -> String {
        let (user, password, port) = (Self::USER, Self::PASSWORD, self.port);
        let folder = self.folder.display();
        format!("postgres://{user}:{password}@localhost:{port}/{database}?host={folder}")
    }

    /// The URL of a database by way of loopback, without user and password.
    pub fn tcp_url(&self, database: &str) -> String {
        format!("postgres://localhost:{}/{database}", self.port)
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server's certificate, which no authority knows; its name is `localhost`.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// The folder of everything that the server keeps.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a statement as the server's own client does, and returns its rows as text.
    ///
    /// # Errors
    /// The server refuses.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set", "ON_ERROR_STOP=1", "--command", statement]);
        command.arg(self.url(database)).stdin(Stdio::null());
        let output = command.output().context("psql did not start")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{statement}` failed: {complaint}");
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // It has nobody to tell when it does not end well.
        self.supervisor.wait().map(|_| ()).unwrap_or_default();
    }
}

/// The folder of the newest server's programs.
///
/// # Errors
/// There is none; the message says how to install one.
pub fn postgres_programs() -> Result<PathBuf> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut installed: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    installed.sort();
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    };
    installed
        .pop()
        .map(|(_, folder)| folder)
        .or_else(on_path)
        .with_context(|| format!("the programs of a PostgreSQL server are missing: {INSTALL}"))
}

/// Whether this process is that of the superuser.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A shell, of another user in place of root, since the server refuses to run as root.
fn shell() -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_leaves_nothing_behind() {
        let server = PostgresServer::start().unwrap();
        let (first, second) = (server.new_database().unwrap(), server.new_database().unwrap());
        server.sql(&first, "CREATE TABLE only_here (x int)").unwrap();
        assert_eq!(server.sql(&first, "SELECT count(*) FROM only_here").unwrap(), "0");
        server.sql(&second, "SELECT count(*) FROM only_here").unwrap_err();
        let folder = server.folder().to_owned();
        assert!(folder.is_dir());
        drop(server);
        assert!(!folder.exists());
    }
}
