//! Developer tasks, run as `cargo xtask <task>`.
//!
//! It knows the order in which things are checked and which packages may be used; what tidy means
//! is in `custos-testkit`, since tidy is a test. All tasks but benches share the Cargo profile
//! `ci`, so that the dependencies are built once.

mod apart;
mod bench;
mod ci;
mod clients;
mod console;
mod licence_expression;
mod licences;
mod lock_file;
mod map;
mod noninterference;
mod services;
mod step;
mod test_counts;
mod test_run;
mod tidy;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <task>

  ci                    everything that must pass before a change lands
  test                  builds `custos` and runs all tests; as root it installs what they start
  bench NAME [--json]   runs one benchmark
  tidy                  finds what neither the compiler nor clippy knows
  noninterference [--queries N] [--seed S]
                        asks generated statements in worlds with and without hidden rows
  noninterference --mutants
                        weakens the enforcement in many ways, each of which must be noticed
  crashes               kills every job before each change of what it stores
  hostile               has clients that mean harm try it at every door
  superset              installs Apache Superset and compares what it sees with PostgreSQL
  map                   rewrites the crate table of README.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["ci"] => ci::run(),
        ["test"] => test_run::run(),
        ["bench", name] => bench::run(name, false),
        ["bench", name, "--json"] => bench::run(name, true),
        ["noninterference", "--mutants"] => noninterference::mutants(),
        ["noninterference", settings @ ..] => noninterference::run(settings),
        ["superset"] => apart::superset(),
        ["crashes"] => apart::crashes(),
        ["hostile"] => apart::hostile(),
        ["tidy"] => tidy::run(),
        ["map"] => map::run(),
        ["help" | "--help" | "-h"] => {
            console::say(USAGE);
            Ok(())
        }
        _ => bail!("no such task\n{USAGE}"),
    }
}
