//! Killed at any moment, and run out of space: nothing is lost, nothing is half done.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use custos_testkit::CrashPoints;

use crate::erasure::copy;
use crate::fixtures::HEADER;
use crate::harness::{Custos, erasure, program, shipped_contract};

/// How many of all points a command is killed at, unless there is `CRASH_POINTS` in the environment.
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

/// Kills a command before changes of what is stored, each time on another copy of an installation,
/// and has each copy looked at; the number of the change is for messages.
///
/// `whole` sees the copy on which the command ran to its end.
pub(crate) fn at_every_point(
    custos: &Custos,
    from: &Path,
    args: &[&str],
    whole: impl FnOnce(&Path),
    look: impl Fn(&Path, u64),
) {
    let points = CrashPoints::new().expect("a C compiler");
    let command = |dir: &Path| {
        let mut command = installed_at(dir, args);
        command.env("CUSTOS_STORAGE_SNAPSHOT_SECONDS", "1");
        command
    };
    let dir = custos.path("whole");
    copy(from, &dir);
    let count = points.count(&mut command(&dir)).expect("it runs to its end");
    assert!(count > 10, "{args:?} changes hardly anything");
    whole(&dir);
    std::fs::remove_dir_all(&dir).expect("a folder goes");
    let all = std::env::var_os("CRASH_POINTS").is_some();
    let step = if all { 1 } else { count.div_ceil(u64::from(MOMENTS)) };
    for point in (1..=count).step_by(usize::try_from(step).expect("a small number")) {
        let dir = custos.path(&format!("killed-{point}"));
        copy(from, &dir);
        points.kill_at(point, &mut command(&dir)).expect("it starts");
        look(&dir, point);
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
    let (empty, expected) = (custos.path("shop"), OnceCell::new());
    let whole = |dir: &Path| {
        let sums = expected.get_or_init(|| totals(dir));
        assert_eq!(sums["n"], ROWS - 4);
    };
    at_every_point(&custos, &empty, &args, whole, |dir, point| {
        run_at(dir, &["doctor", "--json"]);
        let counts = run_at(dir, &args);
        assert_eq!(counts["read"], ROWS);
        let parts = ["stored", "updated", "duplicate", "quarantined", "barred"];
        let sum: u64 = parts.iter().filter_map(|part| counts[part].as_u64()).sum();
        assert_eq!(sum, ROWS as u64, "{counts}");
        assert_eq!(Some(&totals(dir)), expected.get(), "killed at point {point}");
        run_at(dir, &["doctor", "--json"]);
    });
}

#[test]
fn an_erasure_killed_at_any_moment_can_be_repeated() {
    let custos = Custos::new();
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(&custos));
    custos.ingest(&contract, &file).ok();
    custos.run(&["resolve"]).ok();
    let args = erasure("customer_id@pos:M7", Some("L2"));
    let (before, expected) = (custos.path("shop"), OnceCell::new());
    let whole = |dir: &Path| {
        let sums = expected.get_or_init(|| totals(dir));
        assert_eq!(sums["n"], ROWS - 4 - ROWS / 1_000);
    };
    at_every_point(&custos, &before, &args, whole, |dir, point| {
        run_at(dir, &["doctor", "--json"]);
        let view = run_at(dir, &args);
        assert_eq!(view["level"], "L2", "killed at point {point}: {view}");
        assert!(view["certificate"].is_string());
        assert_eq!(Some(&totals(dir)), expected.get(), "killed at point {point}");
        run_at(dir, &["doctor", "--json"]);
    });
}

#[test]
fn a_resolution_killed_at_any_moment_can_be_repeated() {
    let custos = Custos::shop();
    custos.consents(&["customer_id,M-BO,analytics,given,2026-01-01T00:00:00Z,v1,web,pos"]);
    let people = "select count(*) as n, count(distinct person_id) as people from orders";
    let ask = |dir: &Path| {
        run_at(dir, &["sql", "--as", "officer", "--purpose", "legal_claims", "--json", people])
    };
    let expected = OnceCell::new();
    let whole = |dir: &Path| drop(expected.set(ask(dir)));
    at_every_point(&custos, &custos.path("shop"), &["resolve", "--json"], whole, |dir, point| {
        run_at(dir, &["doctor", "--json"]);
        run_at(dir, &["resolve", "--json"]);
        assert_eq!(Some(&ask(dir)), expected.get(), "killed at point {point}");
        run_at(dir, &["doctor", "--json"]);
    });
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
