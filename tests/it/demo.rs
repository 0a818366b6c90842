//! The demo, to its end, and that it keeps every secret.

use std::collections::BTreeSet;
use std::process::Command;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{files_below, program, run_program};

/// Shorter values turn up in random bytes by chance.
const NEEDLE_BYTES_MIN: usize = 9;

/// A value as plain text, lower case, hex, and base64 at each of its three alignments.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![value.as_bytes().to_vec(), value.to_lowercase().into_bytes()];
    forms.push(hex.to_uppercase().into_bytes());
    forms.push(hex.into_bytes());
    for offset in 0..3 {
        let padded = [&b"\0\0\0"[..offset], value.as_bytes()].concat();
        let encoded = STANDARD.encode(padded);
        // The ends depend on what stands beside the value.
        let (from, to) = ((offset * 8).div_ceil(6), encoded.len() - 4);
        forms.push(encoded.as_bytes()[from..to].to_vec());
    }
    forms
}

#[test]
fn the_demo_runs_to_the_end_and_no_generated_value_is_in_any_byte_it_leaves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, temp) = (folder.path().join("demo"), folder.path().join("tmp"));
    std::fs::create_dir(&temp).expect("a folder");
    let output = Command::new(program())
        .args(["demo", "--no-serve", "--customers", "1500", "--verbose", "--dir"])
        .arg(&dir)
        .env("TMPDIR", &temp)
        .env("CUSTOS_LOG", "debug")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    for name in ["custos.toml", "lake", "control", "keys", "silos", "certificate.jws"] {
        assert!(dir.join(name).exists(), "{name}");
    }
    let path = |name: &str| dir.join(name).to_str().expect("a path").to_owned();
    let args =
        ["certificate", "verify", &path("certificate.jws"), "--public-key", &path("issuer.pub")];
    assert!(run_program(&args).status.success());

    // Each within the limits of an installation that sets none.
    for file in std::fs::read_dir(custos_testkit::workspace_root().join("sql")).expect("models") {
        let file = file.expect("a model").file_name();
        let model = file.to_str().expect("a name").trim_end_matches(".sql");
        let sql = format!("select count(*) from {model}");
        let (config, asked) = (path("custos.toml"), ["--as", "analyst", "--purpose", "analytics"]);
        let args = [&["--config", &config, "sql"], &asked[..], &[&*sql]].concat();
        let run = run_program(&args);
        assert!(run.status.success(), "{model}: {run:?}");
    }

    let values = std::fs::read_to_string(dir.join("silos/personal_values.txt")).expect("values");
    let needles: BTreeSet<Vec<u8>> = values
        .lines()
        .filter(|value| value.len() >= NEEDLE_BYTES_MIN)
        .flat_map(forms)
        .filter(|form| form.len() >= NEEDLE_BYTES_MIN)
        .collect();
    assert!(needles.len() > 10_000, "{}", needles.len());
    let search = AhoCorasick::new(&needles).expect("needles");
    let mut haystacks = vec![("log".into(), output.stderr)];
    for folder in ["lake", "control", "keys"] {
        haystacks.extend(files_below(&dir.join(folder)));
    }
    haystacks.extend(files_below(&temp));
    for (path, bytes) in haystacks {
        let hit = search.find(&bytes);
        assert!(hit.is_none(), "{}: byte {:?}", path.display(), hit.map(|hit| hit.start()));
    }
}
