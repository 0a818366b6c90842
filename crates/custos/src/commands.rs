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

/// Runs what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Init(args) => init::run(&args).await,
        Command::Ingest(args) => ingest::run(&open(config).await?, &args).await,
        Command::Resolve(args) => resolve::run(&open(config).await?, &args).await,
        Command::Build(args) => build::run(&open(config).await?, &args).await,
        Command::Sql(args) => sql::run(&open(config).await?, &args).await,
        Command::Export(command) => export::run(&open(config).await?, command).await,
        Command::Policy(command) => policy::run(config, &command),
        Command::Consent(command) => consent::run(&open(config).await?, &command).await,
        Command::Request(command) => request::run(&open(config).await?, command).await,
        Command::Certificate(command) => certificate::run(config, &command).await,
        Command::Audit(command) => audit::run(&open(config).await?, &command).await,
        Command::Keys(command) => keys::run(&open(config).await?, &command).await,
        Command::Backup { file, json } => backup::run(&open(config).await?, &file, json).await,
        Command::Restore(args) => restore::run(find(config)?, &args).await,
        Command::Principal(command) => principal::run(&open(config).await?, &command).await,
        Command::Compact(args) => compact::run(&open(config).await?, &args).await,
        Command::Vacuum(args) => vacuum::run(&open(config).await?, &args).await,
        Command::Doctor(args) => doctor::run(&open(config).await?, &args).await,
        Command::Serve => serve(open(config).await?).await,
    }
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
    Ok(Principal { id, roles: vec!["officer".to_owned(), "engineer".to_owned()] })
}

/// The operator's name, for the audit log.
fn actor() -> Result<String, Failure> {
    Ok(operator()?.id.to_string())
}
