//! Exports: out through the command line, read by pyarrow with a key of the gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use custos_testkit::{python_with, workspace_root};
use serde_json::{Value, json};

use crate::doors::Server;
use crate::erasure::erase_subject;
use crate::harness::{Custos, Run};

const PYARROW: &str = "26.0.1";

const ADS: &str = "marketing.advertising.first_party";

const SQL: &str = "select order_id, store, amount from orders";

/// What `custos export --help` tells analysts to write, with the answer as JSON.
fn reader(custos: &Custos) -> String {
    let help = custos.run(&["export", "--help"]).ok().out;
    let from = help.find("  import base64").expect("the help has an example");
    let lines = help[from..].lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
    let example: Vec<&str> = lines.collect();
    let example = example.join("\n");
    assert!(example.contains("print(pq.ParquetFile(\"audience.parquet\""), "{example}");
    example
        .replace("print(pq", "table = (pq")
        .replace("\"audience.parquet\"", "os.environ[\"EXPORT\"]")
        + "\nprint(json.dumps(table.to_pylist(), default=str))\n"
}

/// Python with pyarrow.
fn python() -> PathBuf {
    python_with(&[("pyarrow", PYARROW)]).expect("pyarrow")
}

/// The rows that pyarrow reads, or what it says.
fn pyarrow(
    custos: &Custos,
    server: &Server,
    secret: &str,
    file: &Path,
) -> Result<Vec<Value>, String> {
    let output = Command::new(python())
        .args(["-c", &reader(custos)])
        .env("CUSTOS_SECRET", secret)
        .env("CUSTOS_URL", format!("http://{}", server.address()))
        .env("EXPORT", file)
        .output()
        .expect("python runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).expect("rows"))
}

fn export(custos: &Custos, principal: &str, more: &[&str], file: &Path, sql: &str) -> Run {
    let file = file.to_str().expect("a path");
    let mut args = vec!["export", "--as", principal, "--purpose", ADS, "--recipient", "Mail House"];
    args.extend(more);
    args.extend(["--json", "--out", file, sql]);
    custos.run(&args)
}

fn secret(custos: &Custos, name: &str, role: &str) -> String {
    let run = custos.run(&["principal", "add", name, "--role", role, "--json"]).ok();
    run.last()["secret"].as_str().expect("a secret").to_owned()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn an_export_is_read_by_pyarrow_until_it_is_revoked() {
    let custos = Custos::shop();
    let (mara, ana) = (secret(&custos, "mara", "marketer"), secret(&custos, "ana", "analyst"));
    let file = custos.path("audience.parquet");
    let facts = export(&custos, "marketer", &["--expires", "30d"], &file, SQL).ok().last();
    assert_eq!((&facts["state"], &facts["rows"]), (&json!("open"), &json!(1)));
    assert_eq!(facts["recipient"], "Mail House");
    let id = facts["id"].as_str().expect("an id").to_owned();
    let bytes = std::fs::read(&file).expect("the export");
    assert!(bytes.starts_with(b"PARE") && !contains(&bytes, "order_id") && !contains(&bytes, "o3"));
    // Nothing that the export needs is a leftover.
    custos.healthy();

    let server = Server::start(&custos);
    let rows = pyarrow(&custos, &server, &mara, &file).expect("rows");
    let expected = custos.sql("marketer", ADS, SQL);
    assert_eq!(rows.len(), 1);
    for column in ["order_id", "store"] {
        assert_eq!(rows[0][column], expected[0][column]);
    }
    assert_eq!(rows[0]["amount"], "5.00");
    let refused = pyarrow(&custos, &server, &ana, &file).expect_err("no right");
    assert!(refused.contains("404"), "{refused}");
    let refused = pyarrow(&custos, &server, "nobody", &file).expect_err("no token");
    assert!(refused.contains("401"), "{refused}");

    // What leads to a file of the lake leads nowhere here.
    let lake = std::fs::read_dir(custos.path("shop/lake/landing/pos_orders")).expect("a table");
    let names = lake.filter_map(|entry| entry.expect("an entry").file_name().into_string().ok());
    let name = names.filter_map(|name| Some(name.strip_suffix(".parquet")?.to_owned())).next();
    let reference = format!("custos:export:1:{}", name.expect("a data file"));
    for (key, master_key, status) in [
        (format!("custos:export:1:{id}"), "custos.exports", 200),
        (format!("custos:export:1:{id}"), "custos.lake", 404),
        (reference, "custos.exports", 404),
        (id.clone(), "custos.exports", 404),
    ] {
        let body = json!({"key": key, "master_key": master_key});
        let answer = server.ask("POST", "/v1/keys/unwrap", &mara, "", &body);
        assert_eq!(answer.0, status, "{answer:?}");
    }

    custos.run(&["export", "revoke", &id]).ok();
    let refused = pyarrow(&custos, &server, &mara, &file).expect_err("revoked");
    assert!(refused.contains("403"), "{refused}");
    let log = server.end();
    assert!(!log.contains("Mail House"), "{log}");
    let listed = custos.run(&["export", "list", "--json"]).ok().last();
    assert_eq!((&listed["id"], &listed["state"]), (&json!(id), &json!("revoked")));
    let audit = custos.run(&["audit", "export"]).ok().out;
    for action in ["\"export\"", "export_opened", "export_revoked"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!audit.contains("Mail House"));
    // What was destroyed here does not keep an erasure from its end.
    assert_eq!(erase_subject(&custos, "customer_id@pos:M-BO", "L2")["level"], "L2");
    custos.healthy();
}

#[test]
fn an_expired_export_is_read_no_more() {
    let custos = Custos::shop();
    let mara = secret(&custos, "mara", "marketer");
    let file = custos.path("audience.parquet");
    export(&custos, "marketer", &["--expires", "1s"], &file, SQL).ok();
    while custos.run(&["export", "list", "--json"]).ok().last()["state"] != "expired" {}
    let server = Server::start(&custos);
    let refused = pyarrow(&custos, &server, &mara, &file).expect_err("expired");
    assert!(refused.contains("403"), "{refused}");
    server.end();
}

#[test]
fn a_request_names_the_exports_that_may_hold_the_person() {
    let custos = Custos::shop();
    let file = custos.path("audience.parquet");
    let facts = export(&custos, "marketer", &["--expires", "30d"], &file, SQL).ok().last();
    for (subject, exports) in [("M-BO", 1), ("M-ANA", 0)] {
        let subject = format!("customer_id@pos:{subject}");
        let open = ["request", "open", "--type", "erasure", "--regime", "gdpr", "--json"];
        let open = [&open[..], &["--subject", &subject, "--verified-by", "J. Weber"]].concat();
        let request = custos.run(&[&open[..], &["--wait", "L2"]].concat()).ok().last();
        let id = request["id"].as_str().expect("an id");
        let shown = custos.run(&["request", "show", id, "--json"]).ok().last();
        let listed = shown["exports"].as_array().expect("exports");
        assert_eq!(listed.len(), exports, "{shown}");
        assert!(listed.iter().all(|export| export["id"] == facts["id"]));
    }
    custos.healthy();
}

#[test]
fn exports_in_clear_need_a_right_of_their_own() {
    let custos = Custos::shop();
    let file = custos.path("audience.csv");
    let csv = ["--expires", "1d", "--format", "csv"];
    export(&custos, "marketer", &csv, &file, SQL).fails(4, &["in clear", "export_plain"]);
    export(&custos, "analyst", &csv[..2], &file, SQL).fails(4, &["not open"]);
    assert!(!file.exists());

    let policies = custos.path("policies");
    std::fs::create_dir(&policies).expect("a folder");
    for entry in std::fs::read_dir(workspace_root().join("policies")).expect("policies") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_file() && !name.ends_with(".test.yaml") {
            let mut text = std::fs::read_to_string(&path).expect("a policy");
            if name == "access.cedar" {
                text += "\n@id(\"marketers_export_in_clear\")\npermit (principal in Role::\"marketer\", action == Action::\"export_plain\", resource in Purpose::\"marketing\");\n";
            }
            std::fs::write(policies.join(name), text).expect("a file");
        }
    }
    let config = custos.path("shop/custos.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let line = format!("[policy]\npolicies = {:?}\n", policies.to_str().expect("a path"));
    std::fs::write(&config, text.replace("[policy]\n", &line)).expect("a file");
    export(&custos, "marketer", &csv, &file, SQL).ok();
    let text = std::fs::read_to_string(&file).expect("the export");
    assert_eq!(text, "order_id,store,amount\no3,berlin,5.00\n");
    export(&custos, "marketer", &csv, &file, SQL).fails(7, &["already"]);
    let parquet = custos.path("audience.parquet");
    let plain = ["--expires", "1d", "--format", "parquet-plain"];
    export(&custos, "marketer", &plain, &parquet, SQL).ok();
    assert!(std::fs::read(&parquet).expect("the export").starts_with(b"PAR1"));
    custos.healthy();
}
