//! A lake in a bucket: the same guarantees as in a folder.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use custos_testkit::{Azurite, SeaweedFs};

use crate::crash::{ROWS, many_orders};
use crate::erasure::erase_subject;
use crate::fixtures::CANARY;
use crate::harness::{Custos, files_below, program, shipped_contract};

#[test]
fn a_bucket_of_s3_is_as_good_as_a_folder() {
    let server = SeaweedFs::start().expect("a server");
    let shop = |name: &str| {
        server.bucket(name).expect("a bucket");
        Custos::initialised(&["--lake", &format!("s3://{name}/cells/eu")], server.environment())
    };
    is_as_good_as_a_folder(shop, &server.folder());
}

#[test]
fn a_container_of_azure_is_as_good_as_a_folder() {
    let server = Azurite::start().expect("a server");
    let shop = |name: &str| {
        server.container(name).expect("a container");
        Custos::initialised(&["--lake", &format!("az://{name}/cells/eu")], server.environment())
    };
    is_as_good_as_a_folder(shop, &server.folder());
}

/// `stored` holds all that the server of the lake keeps, all versions of it.
fn is_as_good_as_a_folder(shop: impl Fn(&str) -> Custos, stored: &Path) {
    a_lake_answers_and_forgets(&shop("shop"), stored);
    writers_lose_nothing_though_one_is_killed(&shop("writers"));
}

fn a_lake_answers_and_forgets(custos: &Custos, stored: &Path) {
    custos.fill();
    assert!(!custos.path("shop/lake").exists(), "nothing is stored here");
    let sql = "select order_id from orders order by order_id";
    assert_eq!(custos.sql("officer", "legal_claims", sql).len(), 3);
    let view = erase_subject(custos, "customer_id@pos:M-ANA", "L2");
    assert_eq!(view["level"], "L2", "{view}");
    assert_eq!(custos.sql("officer", "legal_claims", sql).len(), 1);
    custos.healthy();
    // In nothing that is kept is anything to read.
    for (path, bytes) in files_below(stored) {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains(CANARY), "{}", path.display());
    }
}

fn writers_lose_nothing_though_one_is_killed(custos: &Custos) {
    let (contract, file) = (shipped_contract("pos_orders.yaml"), many_orders(custos));
    let (contract, file) = (contract.to_str().expect("a path"), file.to_str().expect("a path"));
    let load = || {
        let mut command = custos.command(&["ingest", "--contract", contract, "--json", file]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let mut writers: Vec<Child> = (0..3).map(|_| load()).collect();
    sleep(Duration::from_millis(700));
    writers[0].kill().expect("it is killed or has ended");
    for (place, writer) in writers.into_iter().enumerate() {
        let output = writer.wait_with_output().expect("it ended");
        assert!(place == 0 || output.status.success(), "{output:?}");
    }
    custos.healthy();
    let rows = custos.sql("officer", "legal_claims", "select count(*) as n from orders");
    assert_eq!(rows[0]["n"], ROWS - 4);
}

#[test]
fn a_bucket_that_cannot_be_reached_is_an_error_with_a_remedy_and_without_secrets() {
    let settings = [
        ("AWS_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "custos"),
        ("AWS_SECRET_ACCESS_KEY", CANARY),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shop = folder.path().join("shop");
    let start = |command: &mut Command| {
        let command = command.envs(settings).stdin(Stdio::null());
        command.output().expect("the program starts")
    };
    let refused = |output: Output| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{output:?}");
        assert!(said.contains("bucket exists, is writable"), "{output:?}");
        assert!(!said.contains(CANARY), "{output:?}");
    };
    let config = shop.join("custos.toml");
    refused(start(Command::new(program()).arg("init").arg(&shop).args(["--lake", "s3://x/y"])));
    assert!(!config.exists(), "init can be repeated");
    let init = start(Command::new(program()).arg("init").arg(&shop));
    assert!(init.status.success(), "{init:?}");
    let mut doctor = Command::new(program());
    doctor.arg("--config").arg(config).arg("doctor").env("CUSTOS_STORAGE_LAKE", "s3://x/y");
    refused(start(&mut doctor));
}
