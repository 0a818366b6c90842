//! Configuration: one file, and `CUSTOS_…` for every setting in it.

mod query;
mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use custos_core::ErrorKind;
use custos_query::Limits;
use custos_store::PostgresUrl;
use serde::Deserialize;

use crate::failure::Failure;
use query::RawQuery;
use server::RawServer;
pub(crate) use server::{Server, Tls};

/// The name that is searched for upwards from the working directory.
pub(crate) const FILE: &str = "custos.toml";

const SNAPSHOT_PAUSE: Duration = Duration::from_secs(5);

/// What a new installation's file says.
pub(crate) const TEMPLATE: &str = r#"# Custos. Paths are relative to this file; every setting is also CUSTOS_<SECTION>_<NAME>.

[storage]
lake = "lake"          # encrypted tables and journals: a folder, or s3://BUCKET/PREFIX, gs://..., az://...
control = "control"    # consent, requests, audit, wrapped secrets; in the lake are snapshots of it;
                       # for several nodes a PostgreSQL database: "postgres://USER@HOST/DATABASE",
                       # whose password PGPASSWORD or the password file can hold
# snapshot_seconds = 5 # between sealed snapshots of a control store in a folder, in the lake
keys = "keys"          # the key ring that opens the secrets: back it up elsewhere;
                       # or OpenBao or Vault: "vault+https://HOST:8200/transit?prefix=custos"

[policy]
# policies = "policies"  # a folder that replaces the built-in policies
# models = "sql"         # a folder of models; same names replace built-in ones

[server]
http = "127.0.0.1:8080"
postgres = "127.0.0.1:5433"  # PostgreSQL's protocol; "off" for none
flight = "127.0.0.1:32010"  # Flight SQL; "off" for none
# tls_certificate = "server.pem"  # with it clients of all doors can encrypt; read again when it changes
# tls_key = "server.key"
# tls_required = false            # true: clients that do not encrypt are turned away
# tls_client_ca = "clients.pem"   # who signs certificates whose common name is a principal's name

# [server.oidc]                   # tokens of this OpenID provider are accepted over HTTP and Flight SQL
# issuer = "https://id.example.com"
# audience = "custos"
# name_claim = "sub"              # a token's principal is `oidc:NAME`
# roles_claim = "roles"           # or a JSON pointer such as "/realm_access/roles"
# purposes_claim = "purposes"     # if set, tokens open no other purposes than these

[query]
# spill = "DIR"              # sealed temporary files; the system's folder unless set
# spill_space = "64GiB"      # of all statements together
# memory = "4GiB"            # of all statements together; connections may have a quarter of it
# principal_statements = 8   # that run at a time; more wait
# principal_statements_per_minute = 600  # that may begin, over all doors; unlimited unless set
# principal_spill = "32GiB"  # of all statements of one principal
# principal_memory = "3GiB"
# statement_spill = "16GiB"  # of one statement, as are those below
# statement_memory = "2GiB"
# statement_seconds = 60
# answer_rows = 10000000
# answer = "4GiB"
# kept_answers = "64MiB"     # that are given again as long as nothing changed; one takes a sixteenth
"#;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConfig {
    storage: RawStorage,
    policy: RawPolicy,
    server: RawServer,
    query: RawQuery,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawStorage {
    lake: Option<String>,
    control: Option<String>,
    keys: Option<String>,
    snapshot_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPolicy {
    policies: Option<PathBuf>,
    models: Option<PathBuf>,
}

/// Where a lake is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LakePlace {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A place in an object store; credentials come from the environment.
    Url(String),
}

impl LakePlace {
    fn parse(text: &str, folder: &Path) -> Self {
        if text.contains("://") {
            Self::Url(text.to_owned())
        } else {
            Self::Folder(folder.join(text))
        }
    }
}

/// Where the keys are that open all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysPlace {
    /// A key ring in this folder.
    Folder(PathBuf),
    /// The transit engine of OpenBao or Vault at this address.
    Vault(String),
}

impl KeysPlace {
    fn parse(text: &str, folder: &Path) -> Self {
        if text.starts_with("vault+") {
            Self::Vault(text.to_owned())
        } else {
            Self::Folder(folder.join(text))
        }
    }
}

/// Where a control store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// In a file in this folder.
    Folder(PathBuf),
    /// In a database of a server.
    Server {
        /// The database.
        url: PostgresUrl,
        /// Where this machine makes backups of it.
        folder: PathBuf,
    },
}

impl Control {
    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        if text.contains("://") || PostgresUrl::is_meant(text) {
            let url = text.parse().map_err(|problem| format!("storage.control: {problem}"))?;
            return Ok(Self::Server { url, folder: folder.join("control") });
        }
        Ok(Self::Folder(folder.join(text)))
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Server { url, .. } => f.write_str(url.place()),
        }
    }
}

/// The process's environment, but for what is not text.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The configuration, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The place of all tables.
    pub(crate) lake: LakePlace,
    /// Where the control store is.
    pub(crate) control: Control,
    /// Where the keys are.
    pub(crate) keys: KeysPlace,
    /// Between looks for changes of the control store to put into the lake.
    pub(crate) snapshot_pause: Duration,
    /// A folder of policies in place of the built-in ones.
    pub(crate) policies: Option<PathBuf>,
    /// A folder of models on top of the built-in ones.
    pub(crate) models: Option<PathBuf>,
    /// Where clients are served.
    pub(crate) server: Server,
    /// What statements may use.
    pub(crate) limits: Limits,
}

impl Config {
    /// Finds and reads the configuration: the file given, else the nearest `custos.toml` upwards,
    /// else the one that `CUSTOS_CONFIG` names.
    pub(crate) fn find(
        given: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => upwards()
                .or_else(|| environment.get("CUSTOS_CONFIG").map(PathBuf::from))
                .ok_or_else(|| {
                    Failure::new(ErrorKind::NotFound, format!("no `{FILE}` here or above")).with_hint(
                        "make an installation with `custos init DIR`, or name its file with --config",
                    )
                })?,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                ErrorKind::NotFound,
                format!("`{}` cannot be read: {error}", path.display()),
            )
            .with_hint("make an installation with `custos init DIR`")
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder, environment).map_err(|problems| {
            let list = problems.join("\n  ");
            Failure::new(ErrorKind::Invalid, format!("`{}`:\n  {list}", path.display()))
        })
    }

    /// Resolves the text of a file in a folder. All problems are reported at once.
    fn parse(
        text: &str,
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        let raw: RawConfig =
            toml::from_str(text).map_err(|error| vec![without_text(text, &error)])?;
        let mut problems = Vec::new();
        let known = [
            "CUSTOS_STORAGE_LAKE",
            "CUSTOS_STORAGE_CONTROL",
            "CUSTOS_STORAGE_KEYS",
            "CUSTOS_STORAGE_SNAPSHOT_SECONDS",
            "CUSTOS_POLICY_POLICIES",
            "CUSTOS_POLICY_MODELS",
            "CUSTOS_KEYS_PASSPHRASE",
            "CUSTOS_KEYS_PASSPHRASE_FILE",
            "CUSTOS_VAULT_TOKEN",
            "CUSTOS_VAULT_TOKEN_FILE",
            "CUSTOS_VAULT_DESTROY_TOKEN",
            "CUSTOS_VAULT_DESTROY_TOKEN_FILE",
            "CUSTOS_CONFIG",
            "CUSTOS_LOG",
            "CUSTOS_DATA",
        ];
        let known = [&known[..], &query::VARIABLES, &server::VARIABLES].concat();
        for name in environment.keys().filter(|name| name.starts_with("CUSTOS_")) {
            if !known.contains(&name.as_str()) {
                problems.push(format!("`{name}` is no setting; known are {}", known.join(", ")));
            }
        }
        let path = |name: &str, written: Option<PathBuf>| {
            let set = environment.get(name).map(PathBuf::from).or(written);
            set.map(|path| folder.join(path))
        };
        let limits = raw.query.resolve(folder, environment, &mut problems);
        let keys = environment.get("CUSTOS_STORAGE_KEYS").cloned().or(raw.storage.keys);
        let keys = keys.unwrap_or_else(|| "keys".to_owned());
        let server = raw.server.resolve(folder, environment, &mut problems);
        let lake = environment.get("CUSTOS_STORAGE_LAKE").cloned().or(raw.storage.lake);
        let lake = lake.unwrap_or_else(|| "lake".to_owned());
        let control = environment.get("CUSTOS_STORAGE_CONTROL").or(raw.storage.control.as_ref());
        let control = Control::parse(control.map_or("control", String::as_str), folder)
            .map_err(|problem| problems.push(problem));
        let pause = snapshot_pause(environment, raw.storage.snapshot_seconds)
            .map_err(|problem| problems.push(problem));
        let snapshot_pause = pause.unwrap_or_default();
        match (server, control, problems.is_empty()) {
            (Some(server), Ok(control), true) => Ok(Self {
                lake: LakePlace::parse(&lake, folder),
                control,
                keys: KeysPlace::parse(&keys, folder),
                snapshot_pause,
                policies: path("CUSTOS_POLICY_POLICIES", raw.policy.policies),
                models: path("CUSTOS_POLICY_MODELS", raw.policy.models),
                server,
                limits,
            }),
            _ => Err(problems),
        }
    }
}

fn snapshot_pause(
    environment: &BTreeMap<String, String>,
    written: Option<i64>,
) -> Result<Duration, String> {
    let text = environment.get("CUSTOS_STORAGE_SNAPSHOT_SECONDS").cloned();
    let text = text.or(written.map(|seconds| seconds.to_string()));
    let Some(text) = text else { return Ok(SNAPSHOT_PAUSE) };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("storage.snapshot_seconds: `{text}` is not a number from 1 to 3600")),
    }
}

/// What is wrong and where, without the line itself, which may hold a password.
fn without_text(text: &str, error: &toml::de::Error) -> String {
    let message = match error.message().split_once(", expected ") {
        // It begins with the value that was found.
        Some((found, expected)) if found.starts_with("invalid ") => format!("expected {expected}"),
        _ => error.message().to_owned(),
    };
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.lines().count().max(1)),
        None => message,
    }
}

fn upwards() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let environment =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::parse(text, Path::new("/srv"), &environment)
    }

    #[test]
    fn the_template_is_a_configuration_and_paths_follow_its_folder() {
        let config = parse(TEMPLATE, &[]).unwrap();
        assert_eq!(config.lake, LakePlace::Folder("/srv/lake".into()));
        assert_eq!(config.server.http.port(), 8080);
        assert_eq!(config, parse("", &[]).unwrap());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = parse(TEMPLATE, &[("CUSTOS_STORAGE_LAKE", "/mnt/lake")]).unwrap();
        assert_eq!(config.lake, LakePlace::Folder("/mnt/lake".into()));
        let config = parse(TEMPLATE, &[("CUSTOS_STORAGE_LAKE", "s3://shop/lake")]).unwrap();
        assert_eq!(config.lake, LakePlace::Url("s3://shop/lake".into()));
    }

    #[test]
    fn keys_are_in_a_folder_or_at_an_address() {
        let keys = |text| parse(text, &[]).unwrap().keys;
        assert_eq!(keys(""), KeysPlace::Folder("/srv/keys".into()));
        assert_eq!(keys("[storage]\nkeys = \"/mnt/ring\""), KeysPlace::Folder("/mnt/ring".into()));
        let address = "vault+https://bao:8200/transit?prefix=eu";
        let there = KeysPlace::Vault(address.to_owned());
        assert_eq!(keys(&format!("[storage]\nkeys = \"{address}\"")), there);
        assert_eq!(parse("", &[("CUSTOS_STORAGE_KEYS", address)]).unwrap().keys, there);
    }

    #[test]
    fn the_control_store_is_a_folder_or_a_database() {
        let config = parse("[storage]\ncontrol = \"store\"", &[]).unwrap();
        assert_eq!(config.control, Control::Folder("/srv/store".into()));
        let url = "postgres://ana:canary-7f3a@db.example.test/control";
        let expected = Control::Server { url: url.parse().unwrap(), folder: "/srv/control".into() };
        let config = parse(&format!("[storage]\ncontrol = \"{url}\""), &[]).unwrap();
        assert_eq!(config.control, expected);
        assert!(!format!("{config:?}").contains("canary"));
        assert_eq!(parse("", &[("CUSTOS_STORAGE_CONTROL", url)]).unwrap().control, expected);
    }

    #[test]
    fn a_password_in_a_broken_file_is_not_shown() {
        for text in [
            "[storage]\ncontrol = \"postgres://ana:canary@host/db\" lake = 1",
            "[storage]\ncontrol = \"postgres://ana:canary@host/db",
            "[storage]\ncontrol = \"postgres://ana:canary@host/db?x=canary\"",
            "[storage]\ncontrol = \"mysql://ana:canary@host/db\"",
            "[storage]\ncontrol = [\"postgres://ana:canary@host/db\"]",
        ] {
            let problems = parse(text, &[]).unwrap_err().join(" ");
            assert!(!problems.contains("canary"), "{problems}");
            assert!(problems.contains("line 2") || problems.contains("storage.control"));
        }
        let problems = parse("storage = \"postgres://ana:canary@host/db\"", &[]).unwrap_err();
        assert!(problems[0].starts_with("line 1: expected "), "{problems:?}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
    }

    #[test]
    fn what_is_no_setting_is_refused_by_name() {
        assert!(parse("[storage]\nlakes = 1", &[]).unwrap_err()[0].contains("lakes"));
        let problems =
            parse("[server]\nhttp = \"here\"", &[("CUSTOS_SERVER_HTTPS", "x")]).unwrap_err();
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn flight_is_served_unless_it_is_off() {
        let flight = |text: &str, environment: &[(&str, &str)]| {
            parse(text, environment)
                .map(|config| config.server.flight.map(|address| address.port()))
        };
        assert_eq!(flight("", &[]), Ok(Some(32010)));
        assert_eq!(flight("[server]\nflight = \"0.0.0.0:7\"", &[]), Ok(Some(7)));
        for off in ["", "off"] {
            assert_eq!(flight("", &[("CUSTOS_SERVER_FLIGHT", off)]), Ok(None));
        }
        let problems = flight("[server]\nflight = \"no\"", &[]).unwrap_err();
        assert!(problems[0].starts_with("server.flight"), "{problems:?}");
    }

    #[test]
    fn who_may_log_in_how_is_set_in_file_and_environment() {
        let server = |text: &str, environment: &[(&str, &str)]| {
            parse(text, environment).map(|config| config.server)
        };
        let tls = "[server]\nhttp = \"0.0.0.0:1\"\ntls_certificate = \"a.pem\"\ntls_key = \"a.key\"\n\
                   tls_required = true\ntls_client_ca = \"ca.pem\"";
        let found = server(tls, &[]).unwrap().tls.unwrap();
        assert_eq!(found.client_ca.as_deref(), Some(Path::new("/srv/ca.pem")));
        assert!(found.is_required, "on any address");
        let ca_alone = [("CUSTOS_SERVER_TLS_CLIENT_CA", "ca.pem")];
        assert!(server("", &ca_alone).unwrap_err()[0].contains("server.tls_certificate"));

        let oidc = "[server.oidc]\nissuer = \"https://id\"\naudience = \"custos\"";
        let found = server(oidc, &[("CUSTOS_SERVER_OIDC_ROLES_CLAIM", "/a/b")]).unwrap().oidc;
        let found = found.unwrap();
        assert_eq!((&*found.name_claim, &*found.roles_claim), ("sub", "/a/b"));
        assert_eq!(found.purposes_claim, None);
        assert_eq!(server("", &[]).unwrap().oidc, None);
        for half in [
            [("CUSTOS_SERVER_OIDC_ISSUER", "https://id")],
            [("CUSTOS_SERVER_OIDC_AUDIENCE", "custos")],
            [("CUSTOS_SERVER_OIDC_NAME_CLAIM", "sub")],
        ] {
            assert!(server("", &half).unwrap_err()[0].starts_with("server.oidc"), "{half:?}");
        }
    }

    #[test]
    fn limits_of_statements_come_from_file_and_environment() {
        let text = "[query]\nspill = \"tmp\"\nstatement_memory = \"512MiB\"\nanswer_rows = 5\n\
                    principal_statements = 3\nprincipal_statements_per_minute = 90";
        let environment =
            [("CUSTOS_QUERY_STATEMENT_SECONDS", "7"), ("CUSTOS_QUERY_MEMORY", "1024")];
        let limits = parse(text, &environment).unwrap().limits;
        assert_eq!(limits.spill, Path::new("/srv/tmp"));
        assert_eq!(limits.statement_memory_bytes, 512 << 20);
        assert_eq!((limits.memory_bytes, limits.answer_rows), (1024, 5));
        assert_eq!((limits.statement_time.as_secs(), limits.principal_statements), (7, 3));
        assert_eq!(limits.principal_statements_per_minute, Some(90));
        assert_eq!(parse("", &[]).unwrap().limits.principal_statements_per_minute, None);
    }

    #[test]
    fn snapshots_are_taken_every_few_seconds() {
        let pause = |text: &str, environment: &[(&str, &str)]| {
            parse(text, environment).map(|config| config.snapshot_pause.as_secs())
        };
        assert_eq!(pause("", &[]), Ok(5));
        let text = "[storage]\nsnapshot_seconds = 20";
        assert_eq!(pause(text, &[]), Ok(20));
        assert_eq!(pause(text, &[("CUSTOS_STORAGE_SNAPSHOT_SECONDS", "2")]), Ok(2));
        for wrong in ["0", "-1", "4000"] {
            let problems = pause(&format!("[storage]\nsnapshot_seconds = {wrong}"), &[]);
            assert!(problems.unwrap_err()[0].contains("storage.snapshot_seconds"));
        }
    }

    #[test]
    fn limits_that_are_none_are_all_named() {
        let text = "[query]\nmemory = \"much\"\nanswer = \"4 GB\"\nstatement_seconds = 0";
        let problems = parse(text, &[]).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("query.memory") && problems[0].contains("512MiB"));
        let environment = [("CUSTOS_QUERY_ANSWER_ROWS", "-1")];
        assert_eq!(parse("", &environment).unwrap_err().len(), 1);
    }
}
