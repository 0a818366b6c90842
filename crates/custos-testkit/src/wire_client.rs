//! Clients of PostgreSQL that tests drive by scripts, and what each needs to run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::postgres_server::postgres_programs;
use crate::tools::{node_modules_of, python_of};
use crate::workspace::workspace_root;

/// Where the scripts are.
const SCRIPTS: &str = "tests/clients";

/// Where systems put libraries.
const LIBRARIES: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// Where Debian puts the JDBC driver.
const JDBC_DRIVER: &str = "/usr/share/java/postgresql.jar";

/// A client, and the script that drives it and prints as JSON what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireClient {
    /// What it is called.
    pub name: &'static str,
    script: &'static str,
    needs: &'static [Need],
}

/// What the operating system has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Psql,
    Python,
    /// Python with the pinned packages.
    Packages,
    /// Python with the pinned packages of Arrow, which are of no use to the others.
    FlightPackages,
    /// Python with the pinned packages of schemathesis.
    OpenApiPackages,
    /// Python with Apache Superset, which pins much that the others have in newer versions.
    SupersetPackages,
    OdbcDriver,
    OdbcManager,
    JavaCompiler,
    JdbcDriver,
    Node,
    Npm,
}

impl WireClient {
    /// All that are run against PostgreSQL, too.
    pub const ALL: [Self; 14] = [
        Self::new("psql", "psql.py", &[Need::Psql, Need::Python]),
        Self::new("raw protocol", "session.py", &[Need::Python]),
        Self::new("transcripts", "transcripts.py", &[Need::Python]),
        Self::new("psycopg 3, errors", "errors.py", &[Need::Packages]),
        Self::new("psycopg 2", "psycopg_two.py", &[Need::Packages]),
        Self::new("psycopg 3", "psycopg_three.py", &[Need::Packages]),
        Self::new("asyncpg", "asyncpg_client.py", &[Need::Packages]),
        Self::new("pg8000", "pg8000_client.py", &[Need::Packages]),
        Self::new("SQLAlchemy", "sqlalchemy_client.py", &[Need::Packages]),
        Self::new("ADBC", "adbc_client.py", &[Need::Packages]),
        Self::new("pgcli", "pgcli_client.py", &[Need::Packages]),
        Self::new(
            "psqlODBC",
            "odbc_client.py",
            &[Need::Packages, Need::OdbcDriver, Need::OdbcManager],
        ),
        Self::new("JDBC", "Jdbc.java", &[Need::JavaCompiler, Need::JdbcDriver]),
        Self::new("node-postgres", "node_client.js", &[Need::Node, Need::Npm]),
    ];

    /// ADBC and pyarrow, over Flight SQL: told in `FLIGHT` where the server is.
    pub const FLIGHT: Self = Self::new("Flight SQL", "flight_client.py", &[Need::FlightPackages]);

    /// Python's own client of HTTP: told in `HTTP` where the server is.
    pub const HTTP: Self = Self::new("HTTP", "http_client.py", &[Need::FlightPackages]);

    /// schemathesis: told in `HTTP` where the server is.
    pub const OPENAPI: Self =
        Self::new("schemathesis", "openapi_client.py", &[Need::OpenApiPackages]);
    /// The same, over connections and with logins of many kinds: told in `CALLS` which.
    pub const FLIGHT_LOGINS: Self =
        Self::new("Flight SQL, logins", "identity_client.py", &[Need::FlightPackages]);
    /// Apache Superset, a server of its own: half a gigabyte, which only its own command installs.
    pub const SUPERSET: Self =
        Self::new("Superset", "superset_client.py", &[Need::SupersetPackages]);

    /// What no client should do, at all doors: told in `HTTP` and `FLIGHT` where these are, in
    /// `OTHER_SECRET` the secret of the principal `other`, in `SERVER_PID` the server's number.
    pub const HOSTILE: Self = Self::new("hostile", "hostile.py", &[Need::Python]);

    const fn new(name: &'static str, script: &'static str, needs: &'static [Need]) -> Self {
        Self { name, script, needs }
    }

    /// The script, ready to run once the server is told in `PGHOST`, `PGPORT`, `PGUSER`,
    /// `PGPASSWORD` and `PGDATABASE`.
    ///
    /// Packages of Python and Node.js are installed first if they are not there. Nothing of this
    /// machine's own settings for clients is in the environment.
    ///
    /// # Errors
    /// Something that it needs is missing, and the message says what, or was not installed.
    pub fn command(&self) -> Result<Command> {
        if let Some(why) = self.missing() {
            bail!("{} cannot be run: {why}", self.name);
        }
        let scripts = workspace_root().join(SCRIPTS);
        let mut command = if self.needs.contains(&Need::JdbcDriver) {
            let mut command = Command::new("java");
            command.args(["-cp", JDBC_DRIVER]);
            command
        } else if self.needs.contains(&Need::Node) {
            let modules = node_modules_of("clients-node", &scripts)?;
            let mut command = Command::new("node");
            command.env("NODE_PATH", modules);
            command
        } else if self.needs.contains(&Need::FlightPackages) {
            let pinned = scripts.join("requirements-flight.txt");
            python_command(&python_of("clients-flight", &pinned)?)
        } else if self.needs.contains(&Need::OpenApiPackages) {
            let pinned = scripts.join("requirements-openapi.txt");
            python_command(&python_of("clients-openapi", &pinned)?)
        } else if self.needs.contains(&Need::SupersetPackages) {
            let pinned = scripts.join("requirements-superset.txt");
            python_command(&python_of("clients-superset", &pinned)?)
        } else if self.needs.contains(&Need::Packages) {
            let python = python_of("clients-python", &scripts.join("requirements.txt"))?;
            python_command(&python)
        } else {
            python_command(Path::new("python3"))
        };
        let own = env::vars_os().map(|(name, _)| name);
        for name in own.filter(|name| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("PATH", path()?).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command.arg(scripts.join(self.script)).stdin(Stdio::null());
        Ok(command)
    }

    /// Why it cannot be run on this machine, if that is so.
    pub fn missing(&self) -> Option<String> {
        let missing: Vec<String> = self
            .needs
            .iter()
            .filter(|need| !need.is_met())
            .map(|need| {
                format!("{} (`apt-get install {}`)", need.description(), need.debian_package())
            })
            .collect();
        (!missing.is_empty()).then(|| format!("there is no {}", missing.join(" and no ")))
    }

    /// The Debian packages that would give what is missing.
    pub fn missing_packages(&self) -> Vec<&'static str> {
        let missing = self.needs.iter().filter(|need| !need.is_met());
        missing.map(|need| need.debian_package()).collect()
    }
}

impl Need {
    fn is_met(self) -> bool {
        match self {
            Self::Psql => program("psql").is_some(),
            Self::Python => program("python3").is_some(),
            Self::Packages
            | Self::FlightPackages
            | Self::OpenApiPackages
            | Self::SupersetPackages => {
                runs("python3", &["-c", "import ensurepip, venv"]).is_some()
            }
            Self::OdbcDriver => library("psqlodbcw.so").is_some(),
            Self::OdbcManager => library("libodbc.so.2").is_some(),
            // A runtime alone starts no program from its source.
            Self::JavaCompiler => runs("java", &["--list-modules"])
                .is_some_and(|modules| modules.contains("jdk.compiler")),
            Self::JdbcDriver => Path::new(JDBC_DRIVER).is_file(),
            Self::Node => program("node").is_some(),
            Self::Npm => program("npm").is_some(),
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Psql => "psql",
            Self::Python => "Python",
            Self::Packages
            | Self::FlightPackages
            | Self::OpenApiPackages
            | Self::SupersetPackages => "Python that makes environments",
            Self::OdbcDriver => "psqlodbcw.so",
            Self::OdbcManager => "libodbc.so.2",
            Self::JavaCompiler => "Java with its compiler",
            Self::JdbcDriver => "postgresql.jar",
            Self::Node => "Node.js",
            Self::Npm => "npm",
        }
    }

    const fn debian_package(self) -> &'static str {
        match self {
            Self::Psql => "postgresql-client",
            Self::Python => "python3",
            Self::Packages
            | Self::FlightPackages
            | Self::OpenApiPackages
            | Self::SupersetPackages => "python3-venv",
            Self::OdbcDriver => "odbc-postgresql",
            Self::OdbcManager => "unixodbc",
            Self::JavaCompiler => "default-jdk-headless",
            Self::JdbcDriver => "libpostgresql-jdbc-java",
            Self::Node => "nodejs",
            Self::Npm => "npm",
        }
    }
}

/// Python that leaves nothing beside the scripts.
fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg("-B");
    command
}

/// Where programs are looked for: those of the server first, so that psql is of its version.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    postgres_programs().into_iter().chain(env::split_paths(&path)).collect()
}

fn path() -> Result<std::ffi::OsString> {
    env::join_paths(folders()).context("a folder of programs has a name that PATH cannot hold")
}

fn program(name: &str) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What a program prints, if it is there and ends well.
fn runs(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A library, there or one or two folders below: `/usr/lib/x86_64-linux-gnu/odbc`.
fn library(name: &str) -> Option<PathBuf> {
    LIBRARIES.iter().find_map(|folder| {
        let below = fs::read_dir(folder).into_iter().flatten().flatten();
        let of_machines = below.map(|entry| entry.path()).filter(|path| path.is_dir());
        std::iter::once(PathBuf::from(folder))
            .chain(of_machines)
            .flat_map(|folder| [folder.join(name), folder.join("odbc").join(name)])
            .find(|path| path.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are not run against PostgreSQL, or not with the others.
    const APART: [WireClient; 6] = [
        WireClient::FLIGHT,
        WireClient::FLIGHT_LOGINS,
        WireClient::HTTP,
        WireClient::OPENAPI,
        WireClient::SUPERSET,
        WireClient::HOSTILE,
    ];

    #[test]
    fn every_client_has_a_script_and_every_script_a_client() {
        let scripts = workspace_root().join(SCRIPTS);
        let clients = [&WireClient::ALL[..], &APART].concat();
        for client in &clients {
            assert!(scripts.join(client.script).is_file(), "{client:?}");
        }
        let shared = ["seen.py", "raw.py", "http2.py"];
        for entry in fs::read_dir(scripts).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_script = [".py", ".java", ".js"].iter().any(|end| name.ends_with(end));
            let driven = clients.iter().any(|client| client.script == name);
            assert!(!is_script || driven || shared.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_a_remedy() {
        let client = WireClient::new("none", "none.py", &[Need::Python]);
        assert_eq!(client.missing(), None, "the tests run Python anyway");
        for client in WireClient::ALL {
            let told = client.missing().unwrap_or_default();
            for package in client.missing_packages() {
                assert!(told.contains(&format!("apt-get install {package}")), "{told}");
            }
        }
    }
}
