//! What must hold at every moment, looked at while nobody writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use custos_audit::{Action, AuditError, Entry, Outcome};
use custos_core::{Classify, ErrorKind, FileId, Invariant, TableName, Timestamp};
use custos_ingest::{Batch, Mentions, Suppressed, Suppression};
use custos_lake::{Access, Table, TableSpec, vault};
use custos_policy::MaintenanceJob;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use super::{ErasureService, Quiet};
use crate::dossier::{Dossier, Phase};
use crate::{ErasureError, Level, State, StoredRequest, certificate};

/// Audit entries that are read at a time.
const ENTRIES_READ: u32 = 10_000;

/// What the audit entry of an examination is about.
const EXAMINED: &str = "doctor";

/// What the audit entry is about of a control store that an older copy has taken the place of.
pub const RESTORED: &str = "control store restored";

/// What looking at one invariant found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant.
    pub invariant: Invariant,
    /// Files, rows, requests or whatever it is about that were looked at.
    pub checked: u64,
    /// What was not as it should be and is now.
    pub repaired: u64,
    /// Where it does not hold. No text has a personal value.
    pub problems: Vec<String>,
}

impl Finding {
    const fn new(invariant: Invariant) -> Self {
        Self { invariant, checked: 0, repaired: 0, problems: Vec::new() }
    }

    /// Counts one thing that was looked at, and what is wrong with it.
    fn check(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.problems.push(problem());
        }
    }
}

/// What several checks look at.
struct Evidence<'a> {
    quiet: &'a Quiet<'a>,
    live: Vec<Live>,
    /// Owners of secrets.
    owners: BTreeSet<FileId>,
    /// Those of the files that loads or tables name whose secrets are destroyed.
    destroyed: BTreeSet<FileId>,
    requests: Vec<(StoredRequest, Dossier)>,
    /// The loads that are in the lake.
    batches: Vec<Batch>,
    suppression: Suppression,
    remembered: Remembered,
}

/// What the audit log has of former examinations and restorations.
#[derive(Default)]
struct Remembered {
    /// The highest that examinations saw of each epoch.
    epochs: BTreeMap<&'static str, u64>,
    /// When the control store was last restored.
    restored_at: Option<Timestamp>,
}

/// A live file.
struct Live {
    table: TableName,
    file: FileId,
    /// All that it names; nobody if it did not open.
    subjects: RoaringBitmap,
}

impl ErasureService {
    /// Looks at every [`Invariant`] while nobody writes, and clears away what a crash left if all
    /// of them hold.
    ///
    /// `epochs` are the counters that must only grow, by name: they are compared with those of former
    /// examinations, as the audit log has them. This one is recorded there as well.
    pub async fn examine(
        &self,
        quiet: &Quiet<'_>,
        epochs: &BTreeMap<&'static str, u64>,
        actor: &str,
    ) -> Result<Vec<Finding>, ErasureError> {
        let mut files = Finding::new(Invariant::I1);
        let live = self.open_files(quiet, &mut files).await?;
        let seen = self.evidence(quiet, live, epochs).await?;
        let mut findings = vec![
            files,
            found(Invariant::I2, self.loads(&seen).await)?,
            found(Invariant::I3, self.erased_bytes(&seen).await)?,
            living_secrets(&seen),
            complete_secrets(&seen),
            self.certificates(&seen),
            found(Invariant::I7, self.audit_log(&seen).await)?,
            growth(&seen, epochs),
            Finding::new(Invariant::I9),
            suppressions(&seen),
            found(Invariant::I11, self.known_subjects(&seen).await)?,
        ];
        // What looks left over in a damaged installation may be what it is to be mended with.
        if findings.iter().all(|finding| finding.problems.is_empty())
            && let Some(leftovers) = findings.iter_mut().find(|it| it.invariant == Invariant::I9)
        {
            let cleared = self.clear_leftovers(quiet).await?;
            (leftovers.checked, leftovers.repaired) = (cleared.checked, cleared.cleared);
        }
        self.record_examination(&findings, epochs, actor).await?;
        Ok(findings)
    }

    /// Opens every live file and compares its bytes with the log's digest.
    async fn open_files(
        &self,
        quiet: &Quiet<'_>,
        finding: &mut Finding,
    ) -> Result<Vec<Live>, ErasureError> {
        let mut live = Vec::new();
        for table in &quiet.tables {
            let grant = self.policy.maintenance(MaintenanceJob::Doctor, table.name());
            for entry in &table.snapshot().await?.files {
                finding.checked += 1;
                let opened = match table.check_bytes(entry).await {
                    Ok(()) => {
                        let one = std::slice::from_ref(entry);
                        table.open(one, Access::Maintenance(&grant)).await
                    }
                    Err(error) => Err(error),
                };
                let mut subjects = RoaringBitmap::new();
                match opened {
                    Ok(files) => files.iter().for_each(|file| subjects |= file.subjects()),
                    Err(error) => finding.problems.push(error.to_string()),
                }
                live.push(Live { table: table.name().clone(), file: entry.file, subjects });
            }
        }
        Ok(live)
    }

    async fn evidence<'a>(
        &self,
        quiet: &'a Quiet<'a>,
        live: Vec<Live>,
        epochs: &BTreeMap<&'static str, u64>,
    ) -> Result<Evidence<'a>, ErasureError> {
        let (mut requests, mut batches) = (Vec::new(), Vec::new());
        for request in self.requests.list().await? {
            let dossier = self.open_dossier(&request).await?;
            requests.push((request, dossier));
        }
        for contract in &quiet.contracts {
            batches.extend(self.ledger.folded_batches(&contract.id).await?);
        }
        let mut named: BTreeSet<FileId> = live.iter().map(|live| live.file).collect();
        let [vault, _, _] = vault_tables()?;
        named.extend(batches.iter().flat_map(|batch| landed(batch, &vault)).map(|(_, file)| file));
        let named: Vec<FileId> = named.into_iter().collect();
        Ok(Evidence {
            quiet,
            live,
            owners: self.keys.owners().await?.into_iter().collect(),
            destroyed: self.keys.destroyed(&named).await?,
            requests,
            batches,
            suppression: self.ledger.suppression().await?,
            remembered: self.remembered(epochs).await?,
        })
    }

    /// I2: what loads brought is live, or gave way to other files; and no row is there twice.
    async fn loads(&self, seen: &Evidence<'_>) -> Result<Finding, ErasureError> {
        let mut finding = Finding::new(Invariant::I2);
        let live: BTreeSet<(&TableName, FileId)> =
            seen.live.iter().map(|live| (&live.table, live.file)).collect();
        let [vault, _, _] = vault_tables()?;
        for batch in &seen.batches {
            for (table, file) in landed(batch, &vault) {
                // A crash can leave the secrets of what gave way.
                let gave_way = seen.destroyed.contains(&file) || seen.owners.contains(&file);
                finding.check(live.contains(&(&table, file)) || gave_way, || {
                    format!("file {file} of load {} is gone from table `{table}`", batch.id)
                });
            }
        }
        for contract in &seen.quiet.contracts {
            if contract.record_key.is_empty() {
                continue;
            }
            let table = self.lake.table(Arc::new(contract.landing_spec()?)).await?;
            let (rows, twice) = self.repeated_rows(&table).await?;
            finding.checked += rows;
            if twice > 0 {
                finding
                    .problems
                    .push(format!("{twice} row(s) of `{}` are there twice", table.name()));
            }
        }
        Ok(finding)
    }

    /// Rows of a table, and how many of them repeat the key of another: the key, version and content
    /// where newer versions take the place of older ones.
    async fn repeated_rows(&self, table: &Table) -> Result<(u64, u64), ErasureError> {
        let grant = self.policy.maintenance(MaintenanceJob::Doctor, table.name());
        let versioned = table.spec().position(TableSpec::VERSION).is_some();
        let columns: &[&str] = match versioned {
            true => &[TableSpec::KEY, TableSpec::CONTENT_HASH, TableSpec::VERSION],
            false => &[TableSpec::KEY],
        };
        let mut rows: Vec<[u8; 16]> = Vec::new();
        let access = Access::Maintenance(&grant);
        vault::read_all(table, access, columns, |batch| {
            rows.extend((0..batch.num_rows()).map(|row| fingerprint(batch, row)));
            Ok(())
        })
        .await?;
        rows.sort_unstable();
        let twice = rows.windows(2).filter(|pair| pair[0] == pair[1]).count();
        Ok((rows.len() as u64, twice as u64))
    }

    /// I3: no live file has an erased subject, no replaced one opens, and no refused row names one.
    async fn erased_bytes(&self, seen: &Evidence<'_>) -> Result<Finding, ErasureError> {
        let mut finding = Finding::new(Invariant::I3);
        let erased = |level| {
            let reached = seen.requests.iter().filter(move |(it, _)| it.state.level() >= level);
            let subjects = reached.flat_map(|(_, dossier)| &dossier.subjects);
            subjects.map(|rid| rid.get()).collect::<RoaringBitmap>()
        };
        let (unlinked, rewritten) = (erased(Level::L1), erased(Level::L2));
        let vault = vault_tables()?;
        for live in &seen.live {
            let erased = if vault.contains(&live.table) { &unlinked } else { &rewritten };
            let named = live.subjects.intersection_len(erased);
            finding.check(named == 0, || {
                format!("file {} of `{}` names {named} erased subject(s)", live.file, live.table)
            });
        }
        for (request, dossier) in &seen.requests {
            for file in replaced(dossier) {
                finding.check(!seen.owners.contains(&file), || {
                    format!("file {file} was replaced by request {} and still opens", request.id)
                });
            }
        }
        let refused = Refused::of(&seen.requests);
        for contract in &seen.quiet.contracts {
            let table = self.lake.table(Arc::new(contract.quarantine_spec()?)).await?;
            let grant = self.policy.maintenance(MaintenanceJob::Doctor, table.name());
            let mut named = 0;
            vault::read_all(&table, Access::Maintenance(&grant), &["mentions"], |batch| {
                let mentions = batch.column(0).as_binary::<i32>();
                finding.checked += batch.num_rows() as u64;
                named += mentions.iter().flatten().filter(|row| refused.names(row)).count();
                Ok(())
            })
            .await?;
            if named > 0 {
                finding
                    .problems
                    .push(format!("{named} row(s) of `{}` name the erased", table.name()));
            }
        }
        Ok(finding)
    }

    /// I6: every certificate is whole and says no more than was done.
    fn certificates(&self, seen: &Evidence<'_>) -> Finding {
        let mut finding = Finding::new(Invariant::I6);
        let key = self.keys.signing_key().public();
        for (request, _) in &seen.requests {
            let Some(text) = &request.certificate else {
                finding.check(request.state != State::Certified, || {
                    format!("request {} is certified without a certificate", request.id)
                });
                continue;
            };
            let statement = match certificate::verify(text, &key) {
                Ok(statement) => statement,
                Err(error) => {
                    finding.check(false, || format!("request {}: {error}", request.id));
                    continue;
                }
            };
            let reached = request.state == State::Certified
                && statement.request == request.id
                && statement.level <= request.state.level();
            finding.check(reached, || {
                format!("the certificate of request {} claims what was not reached", request.id)
            });
            let left = statement.files_destroyed.iter().filter(|file| seen.owners.contains(file));
            let left = left.count();
            finding.check(left == 0, || {
                format!(
                    "{left} file(s) that the certificate of request {} calls destroyed open",
                    request.id
                )
            });
        }
        finding
    }

    /// I7: the log is what its heads say, those in certificates too. Heads from before a restoration
    /// may be of a log that went on otherwise.
    async fn audit_log(&self, seen: &Evidence<'_>) -> Result<Finding, ErasureError> {
        let key = self.keys.signing_key().public();
        let certificates = seen.requests.iter().filter_map(|(it, _)| it.certificate.as_ref());
        // Those that do not verify are told by I6.
        let statements = certificates.filter_map(|text| certificate::verify(text, &key).ok());
        let heads = statements.map(|statement| statement.audit.head);
        let restored_at = seen.remembered.restored_at;
        let heads: Vec<_> = heads.filter(|head| Some(head.at) > restored_at).collect();
        let verified = self.audit.verify_against(&heads).await?;
        Ok(Finding { checked: verified.size, ..Finding::new(Invariant::I7) })
    }

    /// I11: every subject that a table names is in the vault or erased.
    async fn known_subjects(&self, seen: &Evidence<'_>) -> Result<Finding, ErasureError> {
        let mut finding = Finding::new(Invariant::I11);
        let mut subjects = RoaringBitmap::new();
        seen.live.iter().for_each(|live| subjects |= &live.subjects);
        let table = self.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Doctor, table.name());
        let index = vault::read_index(&table, Access::Maintenance(&grant)).await?;
        let mut known: RoaringBitmap = index.iter().map(|row| row.rid.get()).collect();
        known |= &seen.suppression.tombstones;
        finding.checked = subjects.len();
        let unknown = (&subjects - &known).len();
        if unknown > 0 {
            finding.problems.push(format!("{unknown} subject(s) are in no vault row"));
        }
        Ok(finding)
    }

    async fn remembered(
        &self,
        epochs: &BTreeMap<&'static str, u64>,
    ) -> Result<Remembered, AuditError> {
        let (mut remembered, mut from) = (Remembered::default(), 0);
        loop {
            let page = match self.audit.export(from, ENTRIES_READ).await {
                // I7 tells what is wrong with the log.
                Err(error) if error.kind() == ErrorKind::Integrity => return Ok(remembered),
                page => page?,
            };
            let Some(last) = page.last() else { return Ok(remembered) };
            from = last.index + 1;
            for exported in &page {
                let Ok(entry) = exported.entry() else { continue };
                match (entry.action, &*entry.object) {
                    (Action::Maintenance, EXAMINED) => {
                        for name in epochs.keys() {
                            let then = entry.detail.get(*name).and_then(|at| at.parse().ok());
                            let highest = remembered.epochs.entry(name).or_default();
                            *highest = then.unwrap_or(0).max(*highest);
                        }
                    }
                    (Action::Maintenance, RESTORED) => remembered.restored_at = Some(entry.at),
                    _ => {}
                }
            }
        }
    }

    async fn record_examination(
        &self,
        findings: &[Finding],
        epochs: &BTreeMap<&'static str, u64>,
        actor: &str,
    ) -> Result<(), ErasureError> {
        let problems: usize = findings.iter().map(|finding| finding.problems.len()).sum();
        let mut detail = BTreeMap::from([("problems".to_owned(), problems.to_string())]);
        detail.extend(epochs.iter().map(|(name, at)| ((*name).to_owned(), at.to_string())));
        let entry = Entry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: Action::Maintenance,
            object: EXAMINED.to_owned(),
            purpose: None,
            outcome: Outcome::Done,
            tie: None,
            detail,
        };
        self.audit.append(entry).await?;
        Ok(())
    }
}

/// A check that could not be made since what it reads is damaged has found that.
fn found(
    invariant: Invariant,
    checked: Result<Finding, ErasureError>,
) -> Result<Finding, ErasureError> {
    match checked {
        Err(error) if error.kind() == ErrorKind::Integrity => {
            Ok(Finding { problems: vec![error.to_string()], ..Finding::new(invariant) })
        }
        other => other,
    }
}

/// I4: no live file's secrets are destroyed.
fn living_secrets(seen: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I4);
    for Live { table, file, .. } in &seen.live {
        finding.check(!seen.destroyed.contains(file), || {
            format!("the secrets of file {file} of `{table}`, which is live, are destroyed")
        });
    }
    finding
}

/// I5: every live file has secrets.
fn complete_secrets(seen: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I5);
    for Live { table, file, .. } in &seen.live {
        let has_secrets = seen.owners.contains(file) || seen.destroyed.contains(file);
        finding.check(has_secrets, || format!("file {file} of `{table}` has no secrets"));
    }
    finding
}

/// I8: no epoch is below one that was seen before.
fn growth(seen: &Evidence<'_>, epochs: &BTreeMap<&'static str, u64>) -> Finding {
    let mut finding = Finding::new(Invariant::I8);
    let now = seen.suppression.epoch;
    for batch in &seen.batches {
        finding.check(batch.suppression_epoch <= now, || {
            format!("load {} was checked at a later suppression epoch than {now}", batch.id)
        });
    }
    for (name, now) in epochs {
        let was = seen.remembered.epochs.get(name).copied().unwrap_or_default();
        finding.check(was <= *now, || format!("the {name} epoch was {was} and is {now}"));
    }
    finding
}

/// I10: whom a request names is hidden, and what it bars is barred.
fn suppressions(seen: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Invariant::I10);
    for (request, dossier) in &seen.requests {
        let named = dossier.subjects.iter().filter(|rid| !rid.is_none());
        let shown = named.filter(|rid| !seen.suppression.tombstones.contains(rid.get())).count();
        finding.check(shown == 0, || {
            format!("{shown} subject(s) of request {} are not hidden", request.id)
        });
        if request.state.level() < Level::L1 {
            continue;
        }
        let is_barred = |hash: &[u8; 16], until| {
            seen.suppression.identifiers.get(hash).is_some_and(|barred| barred.until >= until)
        };
        let entries = dossier.barred.iter();
        let open = entries.filter(|it| !is_barred(&it.hash, it.suppressed.until)).count();
        finding.check(open == 0, || {
            format!("{open} identifier(s) of request {} may come back", request.id)
        });
    }
    finding
}

/// The tables that lead from identifiers to subjects.
fn vault_tables() -> Result<[TableName; 3], ErasureError> {
    let specs = [vault::identifiers_spec()?, vault::persons_spec()?, vault::links_spec()?];
    Ok(specs.map(|spec| spec.name().clone()))
}

/// The files that a load brought, and the tables that it brought them to.
fn landed<'a>(
    batch: &'a Batch,
    identifiers: &'a TableName,
) -> impl Iterator<Item = (TableName, FileId)> + 'a {
    let (landing, quarantine) = (batch.source.landing_table(), batch.source.quarantine_table());
    batch.plan.iter().flat_map(move |plan| {
        [
            (identifiers.clone(), &plan.vault),
            (landing.clone(), &plan.landing),
            (quarantine.clone(), &plan.quarantine),
        ]
        .into_iter()
        .flat_map(|(table, files)| files.iter().map(move |entry| (table.clone(), entry.file)))
    })
}

/// The files whose secrets a request destroyed.
fn replaced(dossier: &Dossier) -> impl Iterator<Item = FileId> {
    let done = dossier.steps.iter().filter(|step| step.phase == Phase::Done);
    done.flat_map(|step| &step.prepared.replaced).map(|entry| entry.file)
}

/// Half the SHA-256 of a row's binary and integer columns.
fn fingerprint(batch: &RecordBatch, row: usize) -> [u8; 16] {
    let mut hash = Sha256::new();
    for column in batch.columns() {
        match column.as_binary_opt::<i32>() {
            Some(bytes) => hash.update(bytes.value(row)),
            None => hash.update(column.as_primitive::<Int64Type>().value(row).to_be_bytes()),
        }
    }
    let mut half = [0; 16];
    half.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    half
}

/// What refused rows must not name.
struct Refused {
    /// Of each request that is done.
    requests: Vec<HashMap<[u8; 16], Suppressed>>,
    /// Of all of them: what it does not bar, none of them does.
    all: HashMap<[u8; 16], Suppressed>,
}

impl Refused {
    fn of(requests: &[(StoredRequest, Dossier)]) -> Self {
        let done = requests.iter().filter(|(request, _)| request.state.level() >= Level::L2);
        let requests: Vec<HashMap<_, _>> = done
            .map(|(_, dossier)| dossier.barred.iter().map(|it| (it.hash, it.suppressed)).collect())
            .collect();
        let mut all = HashMap::new();
        for (hash, suppressed) in requests.iter().flatten() {
            let known = all.entry(*hash).or_insert(*suppressed);
            known.until = known.until.max(suppressed.until);
            known.shared &= suppressed.shared;
        }
        Self { requests, all }
    }

    fn names(&self, mentions: &[u8]) -> bool {
        Mentions::decode(mentions).is_none_or(|mentions| {
            mentions.is_barred(&self.all)
                && self.requests.iter().any(|barred| mentions.is_barred(barred))
        })
    }
}
