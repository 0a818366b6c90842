//! The subcommands, one file each.

mod audit;
mod backup;
mod build;
mod certificate;
mod compact;
mod consent;
mod doctor;
mod export;
mod ingest;
mod init;
mod keys;
mod policy;
mod principal;
mod record;
mod request;
mod resolve;
mod restore;
mod serve;
mod sql;
mod vacuum;

pub(crate) use certificate::print as print_certificate;
pub(crate) use consent::import as import_consents;
pub(crate) use init::write_config;
pub(crate) use principal::add as add_principal;
use serve::ended;
pub(crate) use serve::serve;
pub(crate) use sql::{print_table, rows};

use std::path::Path;

use custos_core::PrincipalId;
use custos_policy::Principal;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::demo;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::snapshots::kept;

/// Runs what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Init(args) => init::run(&args).await,
        Command::Ingest(args) => {
            on(config, async |installed| ingest::run(installed, &args).await).await
        }
        Command::Resolve(args) => {
            on(config, async |installed| resolve::run(installed, &args).await).await
        }
        Command::Build(args) => {
            on(config, async |installed| build::run(installed, &args).await).await
        }
        Command::Sql(args) => on(config, async |installed| sql::run(installed, &args).await).await,
        Command::Export(command) => {
            on(config, async |installed| export::run(installed, command).await).await
        }
        Command::Policy(command) => policy::run(config, command).await,
        Command::Consent(command) => {
            on(config, async |installed| consent::run(installed, &command).await).await
        }
        Command::Request(command) => {
            on(config, async |installed| request::run(installed, command).await).await
        }
        Command::Certificate(command) => certificate::run(config, &command).await,
        Command::Audit(command) => {
            on(config, async |installed| audit::run(installed, &command).await).await
        }
        Command::Keys(command) => {
            on(config, async |installed| keys::run(installed, &command).await).await
        }
        Command::Backup { file, json } => {
            on(config, async |installed| backup::run(installed, &file, json).await).await
        }
        Command::Restore(args) => restore::run(find(config)?, &args).await,
        Command::Principal(command) => {
            on(config, async |installed| principal::run(installed, &command).await).await
        }
        Command::Compact(args) => {
            on(config, async |installed| compact::run(installed, &args).await).await
        }
        Command::Vacuum(args) => {
            on(config, async |installed| vacuum::run(installed, &args).await).await
        }
        Command::Doctor(args) => {
            on(config, async |installed| doctor::run(installed, &args).await).await
        }
        Command::Serve => on(config, async |installed| serve(installed).await).await,
    }
}

/// Opens the installation, does the work in it, and keeps its snapshots up to date.
async fn on(
    config: Option<&Path>,
    work: impl AsyncFnOnce(&Installation) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let installation = open(config).await?;
    kept(&installation, work(&installation)).await
}

async fn open(config: Option<&Path>) -> Result<Installation, Failure> {
    Installation::open(find(config)?).await
}

fn find(config: Option<&Path>) -> Result<Config, Failure> {
    let environment = crate::config::environment();
    Config::find(config, &environment)
}

/// Who works at the command line: whoever can read the key ring can do all that an officer can,
/// and is recorded by the name the operating system gives them.
fn operator() -> Result<Principal, Failure> {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let plain: String =
        user.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    let id: PrincipalId = format!("os.{plain}").parse()?;
    Ok(Principal::new(id, vec!["officer".to_owned(), "engineer".to_owned()]))
}

/// The operator's name, for the audit log.
pub(crate) fn actor() -> Result<String, Failure> {
    Ok(operator()?.id.to_string())
}
