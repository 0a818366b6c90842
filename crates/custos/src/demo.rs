//! `custos demo`: the whole path on generated customers, told step by step.

mod generate;
mod quality;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use custos_core::{ErrorKind, IdentifierType, Redacted};
use custos_erasure::{Level, NewRequest, RequestView, SubjectRef};
use custos_ingest::{Contract, LoadCounts};
use custos_policy::Principal;

use crate::cli::DemoArgs;
use crate::commands;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::snapshots::kept;
use crate::{embedded, output};
use generate::Silos;

/// Who the demo lets in, and in which role.
const PRINCIPALS: [(&str, &str); 3] =
    [("analyst", "analyst"), ("marketer", "marketer"), ("officer", "officer")];

/// Runs the tour.
pub(crate) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    let started = Instant::now();
    if args.dir.is_dir() && std::fs::read_dir(&args.dir)?.next().is_some() {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("`{}` is not empty", args.dir.display()),
        )
        .with_hint("name a folder that does not exist yet"));
    }
    let config = commands::write_config(&args.dir, &[], &BTreeMap::new())?;
    let installation = Installation::create(config).await?;
    kept(&installation, tour(&installation, args, started)).await
}

async fn tour(
    installation: &Installation,
    args: &DemoArgs,
    started: Instant,
) -> Result<(), Failure> {
    let secrets = add_principals(installation).await?;

    step(1, "five silos that do not know each other", "五个互不相通的数据孤岛")?;
    let silos = silos(args)?;
    seen_in_silos(&silos, args.customers)?;

    step(2, "land them as encrypted Parquet", "以加密 Parquet 落地")?;
    ingest(installation, &silos).await?;

    step(3, "import consent", "导入同意记录")?;
    let counts = commands::import_consents(installation, &silos.consents, "demo").await?;
    output::line(format!(
        "  {} records: {} recorded, {} name nobody, {} refused",
        counts.read, counts.recorded, counts.unknown, counts.refused
    ))?;

    step(4, "find out who is whom", "身份识别")?;
    let report = installation.resolver().run("demo").await?;
    let quality = quality::measure(installation, &silos.truth, &report.persons).await?;
    output::line(format!(
        "  {} accounts, {} links; against the truth: precision {:.4}, recall {:.4}, F1 {:.4}",
        report.subjects, report.links, quality.precision, quality.recall, quality.f1
    ))?;

    step(5, "one question, two purposes, two answers", "同一问题，不同目的，不同答案")?;
    ask(installation, &silos).await?;

    step(6, "erase one customer", "删除一位客户")?;
    let view = erase(installation, &silos).await?;

    step(7, "the certificate, checked with a public key alone", "删除证书")?;
    certificate(installation, &args.dir, &view)?;
    let verified = installation.audit.verify().await?;
    output::line(format!("  audit log: {} entries hold", verified.size))?;

    output::line(format!("\ndone in {:.1} s", started.elapsed().as_secs_f64()))?;
    output::line("secrets, shown once (bearer tokens for HTTP):")?;
    for (name, secret) in &secrets {
        output::line(format!("  {name}: {secret}"))?;
    }
    try_it(&args.dir)?;
    if args.no_serve {
        return Ok(());
    }
    commands::serve(installation).await
}

fn step(number: u32, english: &str, chinese: &str) -> Result<(), Failure> {
    output::line(format!("\n{number}. {english}  {chinese}"))
}

async fn add_principals(
    installation: &Installation,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut secrets = Vec::new();
    for (name, role) in PRINCIPALS {
        let secret =
            commands::add_principal(installation, &name.parse()?, &[role.to_owned()]).await?;
        secrets.push((name, secret));
    }
    Ok(secrets)
}

fn silos(args: &DemoArgs) -> Result<Silos, Failure> {
    let dir = args.dir.join("silos");
    std::fs::create_dir_all(&dir)?;
    let bar = output::progress("customers", 1);
    let silos = generate::generate(&dir, args.customers, args.seed, &|done, of| {
        bar.set_length(of);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    Ok(silos)
}

/// The share of customers that one, two, … silos know.
fn seen_in_silos(silos: &Silos, customers: u32) -> Result<(), Failure> {
    let mut by_count: BTreeMap<u32, u32> = BTreeMap::new();
    for customer in 1..=customers {
        *by_count.entry(silos.truth.silo_count(customer)).or_default() += 1;
    }
    let mut table = output::table(["silos that know a customer", "customers", "share", ""]);
    for (silos, count) in by_count {
        let share = f64::from(count) / f64::from(customers);
        let bar = "█".repeat((share * 40.0).round() as usize);
        table.add_row([
            silos.to_string(),
            count.to_string(),
            format!("{:.1} %", share * 100.0),
            bar,
        ]);
    }
    output::line(table.to_string())?;
    output::line(format!("  {} household(s) share a phone", silos.truth.households().len()))
}

async fn ingest(installation: &Installation, silos: &Silos) -> Result<(), Failure> {
    let ingest = installation.ingest()?;
    let mut table = output::table([
        "source",
        "read",
        "stored",
        "updated",
        "duplicate",
        "quarantined",
        "barred",
        "rows/s",
    ]);
    for (name, text) in embedded::CONTRACTS {
        let contract = ingest.register(name, text).await?;
        let path = silo_of(silos, &contract)?;
        let bar = output::progress(contract.id.as_str(), 0);
        let began = Instant::now();
        let report = ingest.load(&contract, path, "demo", &|rows| bar.set_position(rows)).await?;
        bar.finish_and_clear();
        let LoadCounts { read, stored, updated, duplicate, quarantined, barred } = report.counts;
        let speed = read as f64 / began.elapsed().as_secs_f64();
        let counts = [read, stored, updated, duplicate, quarantined, barred, speed as u64];
        let cells =
            std::iter::once(contract.id.to_string()).chain(counts.iter().map(ToString::to_string));
        table.add_row(cells);
    }
    output::line(table.to_string())
}

fn silo_of<'a>(silos: &'a Silos, contract: &Contract) -> Result<&'a PathBuf, Failure> {
    match contract.id.as_str() {
        "pos_orders" => Ok(&silos.orders),
        "crm_contacts" => Ok(&silos.contacts),
        "web_events" => Ok(&silos.events),
        "support_tickets" => Ok(&silos.tickets),
        "community_survey" => Ok(&silos.survey),
        other => Err(Failure::new(ErrorKind::Internal, format!("no silo for `{other}`"))),
    }
}

const SEGMENTS: &str = "select segment, count(*) as customers, \
                        cast(round(avg(frequency), 1) as double) as orders, \
                        max(last_order_at) as newest \
                        from rfm group by segment order by customers desc, segment";

const PROFILES: &str = "select person_id, name, email, phone, city, orders from profiles \
                        where orders is not null order by orders desc, person_id limit 5";

async fn ask(installation: &Installation, _silos: &Silos) -> Result<(), Failure> {
    let engine = installation.engine().await?;
    for (name, purpose) in
        [("analyst", "analytics"), ("marketer", "marketing.advertising.first_party")]
    {
        let principal = installation.principal(name).await?;
        let purpose = purpose.parse()?;
        output::line(format!("\n  {name}, for {purpose}:"))?;
        for sql in [SEGMENTS, PROFILES] {
            let (schema, batches) = commands::rows(&engine, sql, &principal, &purpose).await?;
            commands::print_table(&schema, &batches)?;
        }
    }
    Ok(())
}

/// What an officer sees of one customer.
async fn known_of_star(installation: &Installation, silos: &Silos) -> Result<(), Failure> {
    let engine = installation.engine().await?;
    let officer = installation.principal("officer").await?;
    let purpose = "legal_claims".parse()?;
    let email = silos.truth.star().email.replace('\'', "''");
    let sql = format!(
        "select name, email, phone, silos, orders, tickets from profiles where email = '{email}'"
    );
    let (schema, batches) = commands::rows(&engine, &sql, &officer, &purpose).await?;
    commands::print_table(&schema, &batches)?;
    let sql = "select count(*) as persons, sum(orders) as orders from profiles";
    let (schema, batches) = commands::rows(&engine, sql, &officer, &purpose).await?;
    commands::print_table(&schema, &batches)
}

async fn erase(installation: &Installation, silos: &Silos) -> Result<RequestView, Failure> {
    output::line("  before, as the officer sees it:")?;
    known_of_star(installation, silos).await?;
    let officer: Principal = installation.principal("officer").await?;
    let erasure = installation.erasure()?;
    let began = Instant::now();
    let subject = SubjectRef {
        kind: IdentifierType::Email,
        scope: None,
        value: Redacted::new(silos.truth.star().email.clone()),
    };
    let new = NewRequest {
        subject,
        regime: "pipl".to_owned(),
        verified_by: Some("demo".to_owned()),
        key: None,
    };
    let opened = erasure.open(new, &officer).await?;
    let hidden = began.elapsed();
    let bar = output::progress("erasing", 0);
    let view = erasure
        .advance(opened.id, Level::L2, &officer, &|step| bar.set_message(step.to_owned()))
        .await?;
    bar.finish_and_clear();
    output::line(format!(
        "  hidden after {:.3} s (L0), rewritten and keys destroyed after {:.2} s (L2): \
         {} accounts, {} rows, {} tables, {:.1} MB rewritten",
        hidden.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        view.subjects,
        view.rows_removed,
        view.tables_rewritten,
        view.bytes_rewritten as f64 / 1e6
    ))?;
    output::line("  after:")?;
    known_of_star(installation, silos).await?;
    Ok(view)
}

fn certificate(installation: &Installation, dir: &Path, view: &RequestView) -> Result<(), Failure> {
    let certificate = view.certificate.as_ref().ok_or_else(|| {
        Failure::new(ErrorKind::Internal, "the erasure ended without a certificate")
    })?;
    std::fs::write(dir.join("certificate.jws"), certificate)?;
    let key = installation.keys.signing_key().public();
    std::fs::write(dir.join("issuer.pub"), format!("{key}\n"))?;
    let statement = custos_erasure::verify(certificate, &key)?;
    commands::print_certificate(&statement)
}

fn try_it(dir: &Path) -> Result<(), Failure> {
    let dir = dir.display();
    output::line(format!(
        "\ntry it:\n  custos --config {dir}/custos.toml sql --as analyst --purpose analytics \
         'select * from metrics_nps'\n  custos certificate verify {dir}/certificate.jws \
         --public-key {dir}/issuer.pub"
    ))
}
