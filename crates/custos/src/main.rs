//! The command-line program: configuration, wiring and subcommands.
//!
//! No logic lives here. `installation.rs` builds the parts once from the configuration; each file
//! in `commands/` is one subcommand, which calls the parts and prints what they answer.

mod catalog;
mod cli;
mod clock;
mod commands;
mod config;
mod demo;
mod embedded;
mod failure;
mod installation;
mod kms;
mod output;
mod policy_change;
mod principals;
mod snapshots;
mod telemetry;
mod tls;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let _traces = output::start_log(cli.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(custos_query::STACK_BYTES)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&error.into()),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure::report(&failure),
    }
}
