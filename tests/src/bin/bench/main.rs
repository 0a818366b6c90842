//! `cargo xtask bench NAME [--json]`: figures side by side with a named baseline, in one run.
//!
//! - `spine` loads a million orders through the program, asks over HTTP, and erases one customer.
//! - `storage` writes, reads, erases and plans ten million events, beside plain Parquet in the same
//!   engine, DuckDB and delta-rs on the same rows.
//! - `erasure` does that part of it alone.
//! - `governance` asks the same of files in which some people are denied, beside plain Parquet.
//! - `cover` masks and replaces values, plans under a grant, and waits for changes of consent to have
//!   effect.
//! - `doors` takes a million rows by each door with real clients, beside PostgreSQL.
//! - `profiles` looks people up out of a million, one by one over HTTP.
//! - `layout` compares sizes of files, row groups and runs, out of which the defaults were chosen.
//!
//! `CUSTOS_BENCH_ROWS` takes another number of rows than ten million, or of people than a million,
//! for a quick look.

mod cover;
mod doors;
mod events;
mod governance;
mod layout;
mod others;
mod plain;
mod profiles;
mod queries;
mod report;
mod rotation;
mod shop;
mod spine;
mod storage;
mod world;

use anyhow::{Context, Result, bail};

use crate::report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let name = args.next().context(
        "name a bench: spine, storage, erasure, governance, cover, doors, profiles or layout",
    )?;
    let report = Report { json: args.any(|arg| arg == "--json") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match name.as_str() {
        "spine" => runtime.block_on(spine::run(&report)),
        "storage" => runtime.block_on(storage::run(&report)),
        "erasure" => runtime.block_on(storage::run_erasure(&report)),
        "governance" => runtime.block_on(governance::run(&report)),
        "cover" => runtime.block_on(cover::run(&report)),
        "doors" => doors::run(&report),
        "profiles" => runtime.block_on(profiles::run(&report)),
        "layout" => runtime.block_on(layout::run(&report)),
        other => {
            bail!(
                "`{other}` is no bench: use spine, storage, erasure, governance, cover, doors, profiles or layout"
            )
        }
    }
}
