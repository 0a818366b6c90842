//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use custos_core::{FileId, PrincipalId, Purpose, RequestId, Timestamp};
use custos_erasure::Level;

/// The customer data platform that can prove what it forgot.
#[derive(Debug, Parser)]
#[command(
    name = "custos",
    version,
    after_help = "Exit codes: 0 done; 1 defect; 2 wrong usage; 3 bad input; 4 denied; 5 not found; \
                  6 stored data failed a check; 7 somebody else changed it first; 8 not available.",
    after_long_help = "Try it:\n  custos demo --dir demo\n\nStart your own:\n  custos init shop && cd shop\n  \
                       custos ingest --contract orders.yaml orders.csv\n  custos resolve\n  \
                       custos principal add ana --role analyst\n  \
                       custos sql --as ana --purpose analytics 'select count(*) from profiles'\n\n\
                       Exit codes: 0 done; 1 defect; 2 wrong usage; 3 bad input; 4 denied; 5 not found;\n\
                       6 stored data failed a check; 7 somebody else changed it first; 8 not available."
)]
pub(crate) struct Cli {
    /// The configuration file; else `custos.toml` here or above, else CUSTOS_CONFIG.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Log what happens to standard error.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole path on generated customers, then serve.
    Demo(DemoArgs),
    /// Make a new, empty installation.
    #[command(after_help = "Example:\n  custos init shop\n  \
                            custos init shop --lake s3://bucket/shop   # AWS_... in the environment\n  \
                            custos init shop --control postgres://custos@db.example.com/custos")]
    Init(InitArgs),
    /// Load files of a source under its contract.
    #[command(
        after_help = "Example:\n  custos ingest --contract pos_orders.yaml orders-2026-10.csv.gz\n  \
                            custos ingest --contract pos_orders.yaml --replay"
    )]
    Ingest(IngestArgs),
    /// Find out which accounts are one person.
    Resolve(JsonArg),
    /// Check the published tables: plan every model and run its tests.
    Build(BuildArgs),
    /// Run a SELECT as a principal, for a purpose.
    #[command(after_help = "Example:\n  custos sql --as ana --purpose analytics \\\n    \
                            'select segment, count(*) from rfm group by 1 order by 2 desc'")]
    Sql(SqlArgs),
    /// Take the answer of a SELECT out, in a file whose key can be taken back.
    #[command(
        after_help = "Example:\n  custos export --as mara --purpose marketing.communications.email \\\n    \
                            --recipient 'Mail House' --expires 30d --out audience.parquet \\\n    \
                            'select person_id, email from profiles'\n  \
                            custos export list\n  custos export revoke ID",
        after_long_help = READ_EXPORT
    )]
    Export(ExportCommand),
    /// Check, test, compare and explain policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Import and show consent.
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Handle requests of people about their data.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Check certificates of erasure.
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Check and export the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show the keys' state, and exchange the key that wraps all others.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Seal a copy of the control store into a file.
    #[command(
        after_help = "The file opens with this installation's keys only, and only until the next \
                      `custos keys rotate`.\n\nExample:\n  custos backup /mnt/backup/control.backup"
    )]
    Backup {
        /// The file, which must not exist.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Restore the control store from a backup or from the lake's snapshots, and erase again who was
    /// erased since.
    #[command(
        after_help = "Example:\n  custos restore --from-lake --into control   # when it is lost\n  \
                      custos restore /mnt/backup/control.backup --into control-restored\n  \
                      then set `control = \"control-restored\"` in custos.toml"
    )]
    Restore(RestoreArgs),
    /// Give and take access.
    #[command(subcommand)]
    Principal(PrincipalCommand),
    /// Sort loaded files by subject into larger ones: faster queries and erasures. The bytes of the
    /// old ones, which nothing opens any more, go with the next erasure or `custos vacuum`.
    Compact(JsonArg),
    /// Delete the bytes of files that were replaced or that a crash left, and old log entries. No
    /// secret opens them any more; run it every day, so that they are gone within a week.
    #[command(after_help = "Example:\n  custos vacuum --dry-run")]
    Vacuum(VacuumArgs),
    /// Check every invariant, finish what a crash cut off, and clear what it left.
    Doctor(JsonArg),
    /// Serve HTTP.
    Serve,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Its folder.
    pub(crate) dir: PathBuf,

    /// Where the lake is kept, if not in that folder: another folder, or a URL such as
    /// `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "PLACE")]
    pub(crate) lake: Option<String>,

    /// Where its keys are to be, if not in a key ring in that folder: another folder, or OpenBao
    /// or Vault as `vault+https://HOST:8200/transit?prefix=custos`.
    #[arg(long, value_name = "PLACE")]
    pub(crate) keys: Option<String>,

    /// An empty PostgreSQL database for the control store, so that several nodes can share it; else
    /// a folder in DIR. Leave the password to PGPASSWORD, where no list of processes shows it.
    #[arg(long, value_name = "URL")]
    pub(crate) control: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JsonArg {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A folder that does not exist yet, or is empty.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// End after the tour instead of serving.
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// Customers to generate.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    pub(crate) customers: u32,
    /// The same seed gives the same customers.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// The contract file.
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) contract: PathBuf,
    /// Load the source's quarantined rows again under this contract.
    #[arg(long)]
    pub(crate) replay: bool,
    /// End with one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The files, compressed with gzip or not.
    #[arg(required_unless_present = "replay", conflicts_with = "replay")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The principal that runs the models' tests; else one with the role of an analyst.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub(crate) principal: Option<String>,
    /// The purpose that they run for; else the principal's default.
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The principal.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub(crate) principal: String,
    /// What the answer is for; else the principal's default purpose.
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// Print a row a line as JSON, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// The SELECT.
    pub(crate) sql: String,
}

/// How analysts read an export.
const READ_EXPORT: &str = r#"Example:
  custos export --as mara --purpose marketing.communications.email \
    --recipient 'Mail House' --expires 30d --out audience.parquet \
    'select person_id, email from profiles'
  custos export list
  custos export revoke ID

Whoever has the right to export for the same purpose reads the file in Python, with pyarrow and
the secret of their principal in CUSTOS_SECRET:

  import base64, json, os, urllib.request
  import pyarrow.parquet as pq
  import pyarrow.parquet.encryption as pe

  class Custos(pe.KmsClient):
      def __init__(self, config):
          super().__init__()
      def unwrap_key(self, wrapped_key, master_key_identifier):
          body = json.dumps({"key": wrapped_key, "master_key": master_key_identifier}).encode()
          headers = {"authorization": "Bearer " + os.environ["CUSTOS_SECRET"]}
          url = os.environ.get("CUSTOS_URL", "http://127.0.0.1:8080") + "/v1/keys/unwrap"
          with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
              return base64.b64decode(json.load(answer)["key"])

  factory = pe.CryptoFactory(Custos)
  keys = factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())
  print(pq.ParquetFile("audience.parquet", decryption_properties=keys).read())
"#;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExportCommand {
    #[command(flatten)]
    pub(crate) new: Option<ExportArgs>,
    #[command(subcommand)]
    pub(crate) command: Option<ExportSubcommand>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The principal.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    pub(crate) principal: String,
    /// What the export is for; else the principal's default purpose.
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// Who receives the file.
    #[arg(long, value_name = "NAME")]
    pub(crate) recipient: String,
    /// How long its key is given out: `30d`, `12h`, `45m` or `90s`.
    #[arg(long, value_name = "TIME", value_parser = life)]
    pub(crate) expires: i64,
    /// The file to write, which must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The form of the file; those in clear need the right `export_plain`.
    #[arg(long, value_enum, default_value_t = FormatArg::Parquet)]
    pub(crate) format: FormatArg,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The SELECT.
    pub(crate) sql: String,
}

/// The form of an export's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// Encrypted Parquet, whose key the gateway gives out.
    Parquet,
    /// Parquet in clear.
    ParquetPlain,
    /// CSV in clear.
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportSubcommand {
    /// List exports.
    List(JsonArg),
    /// Destroy the key of an export: no copy of its file opens any more.
    Revoke {
        /// The export.
        id: FileId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Reads a span of time, in seconds.
fn life(text: &str) -> Result<i64, &'static str> {
    let units = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60), ("s", 1)];
    let read = |(name, seconds): (&str, i64)| {
        text.strip_suffix(name)?.parse::<u32>().ok().map(|count| i64::from(count) * seconds)
    };
    units.into_iter().find_map(read).ok_or("write it as `30d`, `12h`, `45m` or `90s`")
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Report every mistake in policies, contracts and models, with file, line and remedy.
    Check {
        /// A folder of policies, with contracts in `contracts/`; else the configured ones.
        dir: Option<PathBuf>,
        /// Single contract files to check too.
        #[arg(long, value_name = "FILE.yaml")]
        contract: Vec<PathBuf>,
    },
    /// Run the policies' tests.
    Test {
        /// A folder of policies; else the configured ones.
        dir: Option<PathBuf>,
    },
    /// Say what a change of the policies opens and closes, to whom, and to how many people: those
    /// whom consent lets be seen, where there is an installation.
    #[command(after_help = "Example:\n  git worktree add /tmp/before main\n  \
                            custos policy diff /tmp/before/policies policies\n  \
                            custos policy diff /tmp/before/policies --json | jq .opens")]
    Diff {
        /// The folder of the policies before.
        old: PathBuf,
        /// The folder of the policies after; else the configured ones.
        new: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say why a principal sees of a table what they see, and what would let them see more. Or, for
    /// whoever has the right `lookup`, why one person is visible for a purpose or is not.
    #[command(after_help = "Example:\n  \
                            custos policy explain --as ana --purpose analytics orders\n  \
                            custos policy explain --as ana landing.pos_orders --json\n  \
                            custos policy explain --purpose analytics --person email:bo@example.com")]
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The principal; with --person else whoever works at the command line.
    #[arg(long = "as", value_name = "PRINCIPAL", required_unless_present = "person")]
    pub(crate) principal: Option<String>,
    /// What they ask for; else their default purpose.
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// A person, such as `email:bo@example.com`, instead of a table.
    #[arg(long, value_name = "TYPE:VALUE", conflicts_with = "table")]
    pub(crate) person: Option<String>,
    /// A published table, of which all sources are explained, or one source, such as
    /// `landing.pos_orders`.
    #[arg(required_unless_present = "person")]
    pub(crate) table: Option<String>,
    /// Print JSON, a source a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Import records from CSV: identifier_type,identifier,purpose,status,at,notice,channel[,scope][,expires_at].
    Import {
        /// The files.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Record what a browser or a consent platform says about one person.
    #[command(after_help = "RULES is JSON: which of our purposes a signal speaks about.\n  \
                      {\"vendor\": 755, \"tcf\": [{\"purpose\": \"analytics\", \"consents\": [8]}],\n   \
                      \"opt_outs\": {\"SaleOptOut\": [\"marketing\"]}, \"gpc\": [\"marketing\"]}\n\n\
                      Examples:\n  custos consent signal --subject email:ana@example.com --rules signals.json --gpc\n  \
                      custos consent signal --subject email:ana@example.com --rules signals.json \\\n    \
                      --tcf CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA --authority")]
    Signal(SignalArgs),
    /// Show what one person consented to.
    Show {
        /// Who, such as `email:ana@example.com`.
        #[arg(long)]
        subject: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    /// Who, such as `email:ana@example.com`.
    #[arg(long)]
    pub(crate) subject: String,
    /// What signals mean for our purposes, as JSON.
    #[arg(long, value_name = "RULES")]
    pub(crate) rules: PathBuf,
    #[command(flatten)]
    pub(crate) signal: SignalText,
    /// When it was received, such as `2026-03-01T10:00:00+08:00`; now unless said.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Where it was received: web, app.
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// The source may record a grant. Without this only what it refuses counts.
    #[arg(long)]
    pub(crate) authority: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One signal.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SignalText {
    /// A TC string of the IAB's Transparency and Consent Framework.
    #[arg(long, value_name = "STRING")]
    pub(crate) tcf: Option<String>,
    /// A string of the IAB's Global Privacy Platform.
    #[arg(long, value_name = "STRING")]
    pub(crate) gpp: Option<String>,
    /// A US Privacy string, such as `1YYN`.
    #[arg(long, value_name = "STRING")]
    pub(crate) us_privacy: Option<String>,
    /// Global Privacy Control is on.
    #[arg(long)]
    pub(crate) gpc: bool,
}

/// What a person may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequestType {
    /// To be erased.
    Erasure,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Receive a request; the person is in no query from then on.
    #[command(
        after_help = "Example:\n  custos request open --type erasure --subject email:ana@example.com \\\n    \
                            --regime gdpr --verified-by 'J. Weber' --wait L2 --certificate ana.jws"
    )]
    Open {
        /// What is asked for.
        #[arg(long = "type", value_enum)]
        kind: RequestType,
        /// Who, such as `email:ana@example.com`, `phone:+8613812345678` or `customer_id@pos:M-17`.
        #[arg(long)]
        subject: String,
        /// The law it is made under: gdpr, pipl, ccpa and others of the policies.
        #[arg(long)]
        regime: String,
        /// Who made sure that the person is who they say. Without it the request stays at L0.
        #[arg(long, value_name = "NAME")]
        verified_by: Option<String>,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Record who made sure that the person is who they say, and go on.
    Verify {
        /// The request.
        id: RequestId,
        /// Who made sure.
        #[arg(long, value_name = "NAME")]
        by: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Go on with a request that was cut off, or show it.
    Show {
        /// The request.
        id: RequestId,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// List requests.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Return once this level is reached: L0, L1 or L2.
    #[arg(long, value_name = "LEVEL", default_value = "L0")]
    pub(crate) wait: Level,
    /// Write the certificate to this file, once there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Check a certificate, offline, with the issuer's public key.
    #[command(after_help = "Example:\n  custos certificate verify ana.jws --public-key issuer.pub")]
    Verify {
        /// The certificate.
        file: PathBuf,
        /// The issuer's public key or a file that holds it; else that of this installation.
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the whole log and check every signed head against it.
    Verify(JsonArg),
    /// Print entries, one a line, as JSON.
    Export {
        /// The first entry.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VacuumArgs {
    /// Show what would go, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Spare what was written or replaced less than this long ago: running queries may read it.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = life)]
    pub(crate) keep: i64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Show epochs, how old they are and how many secrets each wraps, and the public key.
    Status(JsonArg),
    /// Wrap every secret under a new key and destroy the old one: older copies of the control
    /// store are useless then. One that was cut off goes on where it stopped.
    Rotate(JsonArg),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["file", "from_lake", "replay", "list"])))]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(requires = "into")]
    pub(crate) file: Option<PathBuf>,
    /// Take the newest whole state from the snapshots that are in the lake.
    #[arg(long, requires = "into")]
    pub(crate) from_lake: bool,
    /// With --from-lake: the newest state at this time, such as `2026-03-01T10:00:00+08:00`.
    #[arg(long, value_name = "TIME", requires = "from_lake")]
    pub(crate) at: Option<Timestamp>,
    /// The folder of the restored control store, which must hold none.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["replay", "list"])]
    pub(crate) into: Option<PathBuf>,
    /// Restore nothing: only list the snapshots that are in the lake.
    #[arg(long)]
    pub(crate) list: bool,
    /// Restore nothing: only erase again, in the configured control store, who was erased since.
    #[arg(long)]
    pub(crate) replay: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PrincipalCommand {
    /// Add a principal; its secret is shown once.
    Add {
        /// The name.
        name: PrincipalId,
        /// A role of the policies; may be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List principals.
    List(JsonArg),
    /// Take a principal's access away.
    Revoke {
        /// The name.
        name: PrincipalId,
    },
}
