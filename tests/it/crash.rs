//! Killed at any moment, and run out of space: nothing is lost, nothing is half done.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::erasure::copy;
use crate::fixtures::HEADER;
use crate::harness::{Custos, erasure, program, shipped_contract};

/// Moments at which a run is killed, spread over the time that a whole run takes.
pub(crate) const MOMENTS: u32 = 12;

pub(crate) const ROWS: usize = 20_000;

/// Orders of a thousand members, a few of them broken.
pub(crate) fn many_orders(custos: &Custos) -> PathBuf {
    let mut text = HEADER.to_owned();
    for row in 0..ROWS {
        let amount = if row % 5_000 == 17 { "free" } else { "12.50" };
        let (day, member) = (row % 28 + 1, row % 1_000);
        text += &format!(
            "k{row},M{member},Member {member},,,s,web,toys,1,{amount},EUR,,2026-01-{day:02} 08:00:00,2026-01-{day:02} 08:00:00\n"
        );
    }
    custos.file("many.csv", text)
}

pub(crate) fn installed_at(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("--config").arg(dir.join("custos.toml")).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run_at(dir: &Path, args: &[&str]) -> serde_json::Value {
    let output = installed_at(dir, args).output().expect("the program starts");
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

/// Runs a command on a copy of an installation and kills it after `delay`.
fn killed(from: &Path, to: &Path, args: &[&str], delay: Duration) {
    copy(from, to);
    let mut child = installed_at(to, args).spawn().expect("the program starts");
    sleep(delay);
    child.kill().expect("it is killed or has ended");
    child.wait().expect("it ended");
}

/// Kills a command at moments spread over the time that it takes, each time on another copy of an
/// installation, and has each copy looked at.
pub(crate) fn at_every_moment(
    custos: &Custos,
    from: &Path,
    args: &[&str],
    look: impl Fn(&Path, u32),
) {
    let whole = custos.path("whole");
    copy(from, &whole);
    let began = Instant::now();
    run_at(&whole, args);
    let takes = began.elapsed();
    std::fs::remove_dir_all(&whole).expect("a folder goes");
    for moment in 0..MOMENTS {
        let dir = custos.path(&format!("killed-{moment}"));
        killed(from, &dir, args, takes * moment / MOMENTS);
        look(&dir, moment);
        std::fs::remove_dir_all(&dir).expect("a folder goes");
    }
}

pub(crate) fn totals(dir: &Path) -> serde_json::Value {
    let sql =
        "select count(*) as n, count(distinct order_id) as ids, sum(amount) as total from orders";
    run_at(dir, &["sql", "--as", "officer", "--purpose", "legal_claims", "--json", sql])
}

#[test]
fn an_ingest_killed_at_any_moment_can_be_repeated() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    let args = [
        "ingest",
        "--contract",
        contract.to_str().expect("a path"),
        "--json",
        file.to_str().expect("a path"),
    ];
    let empty = custos.path("shop");
    let whole = custos.path("whole");
    copy(&empty, &whole);
    let began = Instant::now();
    run_at(&whole, &args);
    let takes = began.elapsed();
    let expected = totals(&whole);
    assert_eq!(expected["n"], ROWS - 4);
    for moment in 0..MOMENTS {
        let dir = custos.path(&format!("killed-{moment}"));
        killed(&empty, &dir, &args, takes * moment / MOMENTS);
        run_at(&dir, &["doctor", "--json"]);
        let counts = run_at(&dir, &args);
        assert_eq!(counts["read"], ROWS);
        let parts = ["stored", "updated", "duplicate", "quarantined", "barred"];
        let sum: u64 = parts.iter().filter_map(|part| counts[part].as_u64()).sum();
        assert_eq!(sum, ROWS as u64, "{counts}");
        assert_eq!(totals(&dir), expected, "killed at moment {moment}");
        run_at(&dir, &["doctor", "--json"]);
        std::fs::remove_dir_all(&dir).expect("a folder goes");
    }
}

#[test]
fn an_erasure_killed_at_any_moment_can_be_repeated() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    custos.ingest(&contract, &file).ok();
    custos.run(&["resolve"]).ok();
    let args = erasure("customer_id@pos:M7", Some("L2"));
    let before = custos.path("shop");
    let whole = custos.path("whole");
    copy(&before, &whole);
    let began = Instant::now();
    let view = run_at(&whole, &args);
    let takes = began.elapsed();
    assert_eq!(view["level"], "L2");
    let expected = totals(&whole);
    assert_eq!(expected["n"], ROWS - 4 - ROWS / 1_000);
    for moment in 0..MOMENTS {
        let dir = custos.path(&format!("killed-{moment}"));
        killed(&before, &dir, &args, takes * moment / MOMENTS);
        run_at(&dir, &["doctor", "--json"]);
        let view = run_at(&dir, &args);
        assert_eq!(view["level"], "L2", "killed at moment {moment}: {view}");
        assert!(view["certificate"].is_string());
        assert_eq!(totals(&dir), expected, "killed at moment {moment}");
        run_at(&dir, &["doctor", "--json"]);
        std::fs::remove_dir_all(&dir).expect("a folder goes");
    }
}

#[test]
fn a_load_that_runs_out_of_space_says_so_and_can_be_repeated() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    let script = format!(
        "trap '' XFSZ; ulimit -f 2000; exec '{}' --config '{}' ingest --contract '{}' --json '{}'",
        program().display(),
        custos.path("shop/custos.toml").display(),
        contract.display(),
        file.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(said.contains("disk is full"), "{said}");
    custos.healthy();
    let counts = custos.ingest(&contract, &file).ok().last();
    assert_eq!(counts["stored"], ROWS - 4);
    custos.healthy();
}
