//! `custos doctor`: does every invariant hold, and what did a crash leave behind?

use std::collections::BTreeSet;
use std::sync::Arc;

use custos_core::{ErrorKind, FileId, Invariant};
use custos_erasure::{RequestStore, State};
use custos_ingest::{Contract, Lease, Ledger};
use custos_keys::{DestructionCause, KeyService, SecretStore};
use custos_lake::{Access, SealedObjects, Table, vault};
use custos_policy::MaintenanceJob;
use custos_query::{ExportLedger, Population};
use roaring::RoaringBitmap;
use serde::Serialize;

use crate::cli::JsonArg;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    invariant: String,
    statement: &'static str,
    checked: u64,
    repaired: u64,
    problems: Vec<String>,
}

impl Finding {
    fn new(invariant: Invariant) -> Self {
        Self {
            invariant: invariant.to_string(),
            statement: invariant.statement(),
            checked: 0,
            repaired: 0,
            problems: Vec::new(),
        }
    }
}

/// What the tables name, gathered on the way.
#[derive(Debug, Default)]
struct Seen {
    files: BTreeSet<FileId>,
    subjects: RoaringBitmap,
}

pub(super) async fn run(installation: &Installation, args: &JsonArg) -> Result<(), Failure> {
    installation.store.integrity().await?;
    // No job writes files that no log names yet while this is held.
    let _alone = installation.store.lease_maintenance().await?;
    let contracts = installation.contracts().await?;
    let ingest = installation.ingest()?;
    // While these are held nobody writes, so what no log names is left over.
    let mut leases: Vec<Box<dyn Lease>> = Vec::new();
    let mut finished = 0;
    for contract in &contracts {
        let (batches, lease) = ingest.recover_and_hold(contract, &super::actor()?).await?;
        finished += batches;
        leases.push(lease);
    }
    let tables = tables(installation, &contracts).await?;
    let mut seen = Seen::default();
    let opened = check_files(installation, &tables, &mut seen).await?;
    let mut findings = vec![opened];
    findings.push(check_subjects(installation, &seen).await?);
    findings.push(check_audit(installation).await?);
    findings.push(clear_leftovers(installation, &tables, &seen).await?);
    drop(leases);
    let open = open_requests(installation).await?;
    if args.json {
        findings.iter().try_for_each(output::json)?;
    } else {
        print(&findings)?;
    }
    if finished > 0 {
        output::note(format!("finished {finished} load(s) that were cut off"));
    }
    open.iter().for_each(output::note);
    match findings.iter().map(|finding| finding.problems.len()).sum::<usize>() {
        0 => Ok(()),
        count => Err(Failure::new(ErrorKind::Integrity, format!("{count} problem(s) found"))
            .with_hint("restore lake and control store together from a backup of one moment")),
    }
}

async fn tables(
    installation: &Installation,
    contracts: &[Contract],
) -> Result<Vec<Table>, Failure> {
    let mut specs = vec![vault::identifiers_spec()?, vault::persons_spec()?, vault::links_spec()?];
    for contract in contracts {
        specs.push(contract.landing_spec()?);
        specs.push(contract.quarantine_spec()?);
    }
    let mut tables = Vec::new();
    for spec in specs {
        tables.push(installation.lake.table(Arc::new(spec)).await?);
    }
    Ok(tables)
}

/// Opens every live file and compares its bytes with the log's digest.
async fn check_files(
    installation: &Installation,
    tables: &[Table],
    seen: &mut Seen,
) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I1);
    for table in tables {
        let grant = installation.policy.maintenance(MaintenanceJob::Doctor, table.name());
        let snapshot = table.snapshot().await?;
        for entry in &snapshot.files {
            finding.checked += 1;
            seen.files.insert(entry.file);
            if let Err(error) = table.check_bytes(entry).await {
                finding.problems.push(error.to_string());
                continue;
            }
            match table.open(std::slice::from_ref(entry), Access::Maintenance(&grant)).await {
                Ok(files) => files.iter().for_each(|file| seen.subjects |= file.subjects()),
                Err(error) => finding.problems.push(error.to_string()),
            }
        }
    }
    Ok(finding)
}

/// Every subject that a table names is in the vault or erased.
async fn check_subjects(installation: &Installation, seen: &Seen) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I11);
    let table = installation.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
    let grant = installation.policy.maintenance(MaintenanceJob::Doctor, table.name());
    let index = vault::read_index(&table, Access::Maintenance(&grant)).await?;
    let mut known: RoaringBitmap = index.iter().map(|row| row.rid.get()).collect();
    known |= Population::tombstones(&installation.store).await?;
    let unknown = &seen.subjects - &known;
    finding.checked = seen.subjects.len();
    if !unknown.is_empty() {
        finding.problems.push(format!("{} subject(s) are in no vault row", unknown.len()));
    }
    Ok(finding)
}

async fn check_audit(installation: &Installation) -> Result<Finding, Failure> {
    let mut finding = Finding::new(Invariant::I7);
    match installation.audit.verify().await {
        Ok(verified) => finding.checked = verified.size,
        Err(error) => finding.problems.push(error.to_string()),
    }
    Ok(finding)
}

/// Destroys secrets and deletes objects that nothing names: a crash left them.
async fn clear_leftovers(
    installation: &Installation,
    tables: &[Table],
    seen: &Seen,
) -> Result<Finding, Failure> {
    // No request is sealed under a secret that no list names yet while this is held.
    let _sealing = installation.store.lease_requests().await?;
    let _exporting = installation.store.lease_exports().await?;
    let mut finding = Finding::new(Invariant::I9);
    let mut named = seen.files.clone();
    named.insert(KeyService::root_owner());
    for request in RequestStore::list(&installation.store).await? {
        named.insert(request.sealed.owner);
        named.extend(installation.erasure()?.files_in_work(&request).await?);
    }
    for export in installation.store.exports().await? {
        named.extend([export.id, export.sealed.owner]);
    }
    for batch in installation.store.unfinished(None).await? {
        named.insert(batch.journal);
        let plan = batch.plan.unwrap_or_default();
        let files = [plan.vault, plan.landing, plan.quarantine, plan.quarantine_replaced];
        named.extend(files.iter().flatten().map(|entry| entry.file));
    }
    let owners = SecretStore::owners(&installation.store).await?;
    finding.checked = owners.len() as u64;
    let orphans: Vec<FileId> = owners.into_iter().filter(|owner| !named.contains(owner)).collect();
    if !orphans.is_empty() {
        let cause = DestructionCause::Abandoned;
        installation.keys.destroy(&orphans, cause, &*installation.clock).await?;
        finding.repaired += orphans.len() as u64;
    }
    for table in tables {
        finding.repaired += table.delete_unlisted(&named).await?;
    }
    let journals: SealedObjects = installation.lake.objects()?;
    for journal in journals.list().await? {
        if !named.contains(&journal) {
            journals.delete(journal).await?;
            finding.repaired += 1;
        }
    }
    Ok(finding)
}

/// Requests that wait for somebody.
async fn open_requests(installation: &Installation) -> Result<Vec<String>, Failure> {
    let requests = RequestStore::list(&installation.store).await?;
    Ok(requests
        .iter()
        .filter(|request| request.state != State::Certified)
        .map(|request| match request.state {
            State::Suppressed => format!(
                "request {0} waits for verification: `custos request verify {0} --by NAME --wait L2`",
                request.id
            ),
            _ => format!(
                "request {0} is not finished: `custos request show {0} --wait L2` goes on with it",
                request.id
            ),
        })
        .collect())
}

fn print(findings: &[Finding]) -> Result<(), Failure> {
    let mut table = output::table(["invariant", "holds that", "checked", "cleared", "problems"]);
    for finding in findings {
        table.add_row([
            finding.invariant.clone(),
            finding.statement.to_owned(),
            finding.checked.to_string(),
            finding.repaired.to_string(),
            finding.problems.len().to_string(),
        ]);
    }
    output::line(table.to_string())?;
    findings.iter().flat_map(|finding| &finding.problems).try_for_each(output::line)
}
