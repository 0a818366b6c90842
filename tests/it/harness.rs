//! An installation in a temporary folder, driven through the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use custos_testkit::{PostgresServer, custos_binary, workspace_root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program under test, built once.
pub(crate) fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| custos_binary().expect("the program builds")).clone()
}

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("output is UTF-8"),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The lines of output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect("a line of JSON");
        self.out.lines().map(parse).collect()
    }

    /// The last line of output as JSON.
    pub(crate) fn last(&self) -> Value {
        self.json().pop().expect("a line of output")
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Asserts failure with an exit code, and that standard error says each of these.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in says {
            assert!(
                self.err.contains(text) || self.out.contains(text),
                "`{text}` not in {self:#?}"
            );
        }
        self
    }
}

/// An installation of its own.
#[derive(Debug)]
pub(crate) struct Custos {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Custos {
    /// A new installation with the principals `analyst`, `marketer` and `officer`.
    pub(crate) fn new() -> Self {
        Self::initialised(&[], Vec::new())
    }

    /// The words of a command in JSON, for scripts that run it.
    pub(crate) fn words(&self, args: &[&str]) -> String {
        let command = self.command(args);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        json!(words.map(|word| word.to_str().expect("text")).collect::<Vec<_>>()).to_string()
    }

    /// The command, in JSON, by which a customer of the shop withdraws consent.
    pub(crate) fn withdrawal_of_ana(&self) -> String {
        let file = self.file(
            "withdrawal.csv",
            "identifier_type,identifier,purpose,status,at,notice,channel,scope\n\
             customer_id,M-ANA,analytics,withdrawn,2026-02-01T00:00:00Z,v1,web,pos\n",
        );
        self.words(&["consent", "import", file.to_str().expect("a path")])
    }

    /// A new installation made with these further arguments, whose programs run in this
    /// environment.
    pub(crate) fn initialised(arguments: &[&str], environment: Vec<(String, String)>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let custos = Self { dir, environment };
        let mut init = Command::new(program());
        init.arg("init").arg(custos.path("shop")).args(arguments).envs(custos.environment.clone());
        Run::of(init.stdin(Stdio::null()).output().expect("the program starts")).ok();
        for role in ["analyst", "marketer", "officer"] {
            custos.run(&["principal", "add", role, "--role", role, "--json"]).ok();
        }
        custos
    }

    /// The same with its control store in a new database of a PostgreSQL server.
    pub(crate) fn on_postgres() -> Self {
        Self::initialised(&["--control", &new_database()], Vec::new())
    }

    /// A path in the temporary folder; the installation is `shop`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file is written");
        path
    }

    /// The program with this installation's configuration, ready to start.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--config").arg(self.path("shop/custos.toml")).args(args);
        command.stdin(Stdio::null()).env_remove("CUSTOS_CONFIG").env_remove("CUSTOS_DATA");
        // Tests that serve do so side by side.
        command.env("CUSTOS_SERVER_FLIGHT", "127.0.0.1:0");
        command.env("CUSTOS_SERVER_POSTGRES", "127.0.0.1:0");
        command.envs(self.environment.clone());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().expect("the program starts"))
    }

    /// Loads a file under a contract and returns the counts.
    pub(crate) fn ingest(&self, contract: &Path, file: &Path) -> Run {
        let (contract, file) = (contract.to_string_lossy(), file.to_string_lossy());
        self.run(&["ingest", "--contract", &contract, "--json", &file])
    }

    /// Takes a model of the tests in the place of the one of its name.
    pub(crate) fn use_model(&self, name: &str) {
        let models = self.path("shop/sql");
        std::fs::create_dir_all(&models).expect("a folder");
        let model = workspace_root().join("tests/models").join(name);
        let own = models.join(model.file_name().expect("a name"));
        std::fs::copy(model, own).expect("a model is copied");
        let config = self.path("shop/custos.toml");
        let text = std::fs::read_to_string(&config).expect("the configuration");
        let with_models = text.replace("# models =", "models =");
        std::fs::write(&config, with_models).expect("it is written");
    }

    /// The rows of a statement.
    #[track_caller]
    pub(crate) fn sql(&self, principal: &str, purpose: &str, sql: &str) -> Vec<Value> {
        self.run(&["sql", "--as", principal, "--purpose", purpose, "--json", sql]).ok().json()
    }

    /// Asserts that nothing is wrong with the installation.
    #[track_caller]
    pub(crate) fn healthy(&self) {
        self.run(&["doctor"]).ok();
        self.run(&["audit", "verify"]).ok();
    }
}

/// The URL of a new, empty database, with a password in it.
pub(crate) fn new_database() -> String {
    let server = PostgresServer::shared().expect("a PostgreSQL server");
    server.url(&server.new_database().expect("a database"))
}

/// The arguments that ask for an erasure: of somebody who is verified, worked on up to a level, or
/// of somebody who is not.
pub(crate) fn erasure<'a>(subject: &'a str, verified_up_to: Option<&'a str>) -> Vec<&'a str> {
    let mut args = vec!["request", "open", "--type", "erasure", "--subject", subject];
    args.extend(["--regime", "gdpr", "--json"]);
    if let Some(level) = verified_up_to {
        args.extend(["--verified-by", "J. Weber", "--wait", level]);
    }
    args
}

/// Runs the program without an installation.
pub(crate) fn run_program(args: &[&str]) -> Output {
    Command::new(program()).args(args).stdin(Stdio::null()).output().expect("the program starts")
}

/// A contract that tests bring.
pub(crate) fn contract(name: &str) -> PathBuf {
    workspace_root().join("tests/contracts").join(name)
}

/// A contract that the program ships.
pub(crate) fn shipped_contract(name: &str) -> PathBuf {
    workspace_root().join("policies/contracts").join(name)
}

/// All bytes of all files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                found.push((path, bytes));
            }
        }
    }
    found
}
