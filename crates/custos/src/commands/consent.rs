//! `custos consent`: what people agreed to.

mod signal;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use custos_audit::{Action, Entry, Outcome};
use custos_consent::{ConsentEvent, ImportProblem, ImportRow, read_csv};
use custos_core::{Assurance, ErrorKind, Rid};
use custos_erasure::SubjectRef;
use custos_identity::normalise;
use custos_lake::Access;
use custos_lake::vault::{self, IdentifierHashes, IndexRow};
use custos_policy::MaintenanceJob;
use custos_query::Population;
use serde::Serialize;
use serde_json::json;

use crate::cli::ConsentCommand;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::output;

/// How many rows of an import ended where. The parts add up to `read`.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct ImportCounts {
    pub(crate) read: u64,
    pub(crate) recorded: u64,
    pub(crate) duplicate: u64,
    /// Nobody has the identifier yet: load the source first, then import again.
    pub(crate) unknown: u64,
    pub(crate) refused: u64,
}

pub(super) async fn run(
    installation: &Installation,
    command: &ConsentCommand,
) -> Result<(), Failure> {
    match command {
        ConsentCommand::Import { paths, json } => {
            let mut counts = ImportCounts::default();
            for path in paths {
                let of_file = import(installation, path, &super::actor()?).await?;
                counts.read += of_file.read;
                counts.recorded += of_file.recorded;
                counts.duplicate += of_file.duplicate;
                counts.unknown += of_file.unknown;
                counts.refused += of_file.refused;
            }
            if *json {
                return output::json(&counts);
            }
            let mut table = output::table(["read", "recorded", "duplicate", "unknown", "refused"]);
            table.add_row([
                counts.read,
                counts.recorded,
                counts.duplicate,
                counts.unknown,
                counts.refused,
            ]);
            output::line(table.to_string())
        }
        ConsentCommand::Signal(args) => signal::run(installation, args).await,
        ConsentCommand::Show { subject, json } => show(installation, subject, *json).await,
    }
}

/// Imports a file of consent records.
pub(crate) async fn import(
    installation: &Installation,
    path: &Path,
    actor: &str,
) -> Result<ImportCounts, Failure> {
    let file = File::open(path).map_err(|error| {
        Failure::new(ErrorKind::NotFound, format!("`{}` cannot be read: {error}", path.display()))
    })?;
    let csv = read_csv(file);
    let mut counts = ImportCounts {
        read: (csv.rows.len() + csv.problems.len()) as u64,
        refused: csv.problems.len() as u64,
        ..ImportCounts::default()
    };
    csv.problems.iter().for_each(|problem| explain(path, problem));
    let holders = Holders::read(installation).await?;
    let now = installation.clock.now();
    let mut book = Population::consents(&installation.store).await?;
    let mut fresh = Vec::new();
    for row in &csv.rows {
        if row.at > now {
            counts.refused += 1;
            explain(path, &in_the_future(row.line));
            continue;
        }
        let events: Vec<ConsentEvent> =
            holders.find(row).into_iter().map(|rid| event(row, rid)).collect();
        let known = |event: &ConsentEvent| book.history(event.rid).contains(event);
        if events.is_empty() {
            counts.unknown += 1;
        } else if events.iter().all(known) {
            counts.duplicate += 1;
        } else {
            counts.recorded += 1;
            events.iter().cloned().for_each(|event| book.apply(event));
            fresh.extend(events);
        }
    }
    installation.store.add_consents(&fresh).await?;
    if counts.unknown > 0 {
        output::note(format!(
            "{}: {} row(s) name nobody who was loaded; load the sources, then import again",
            path.display(),
            counts.unknown
        ));
    }
    record(installation, actor, &counts).await?;
    Ok(counts)
}

fn explain(path: &Path, problem: &ImportProblem) {
    output::note(format!(
        "{}:{}: {} ({})",
        path.display(),
        problem.line,
        problem.message,
        problem.remedy
    ));
}

fn in_the_future(line: u64) -> ImportProblem {
    ImportProblem {
        line,
        message: "`at` lies in the future".to_owned(),
        remedy: "give the time at which the person decided, with its offset".to_owned(),
    }
}

fn event(row: &ImportRow, rid: Rid) -> ConsentEvent {
    ConsentEvent {
        rid,
        at: row.at,
        purpose: row.purpose.clone(),
        status: row.status,
        expires_at: row.expires_at,
        notice: row.notice.clone(),
        channel: row.channel.clone(),
        authority: true,
    }
}

/// Who holds which identifier.
struct Holders {
    hashes: IdentifierHashes,
    by_hash: HashMap<[u8; 16], Vec<IndexRow>>,
}

impl Holders {
    async fn read(installation: &Installation) -> Result<Self, Failure> {
        let table = installation.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
        let grant = installation.policy.maintenance(MaintenanceJob::Resolution, table.name());
        let index = vault::read_index(&table, Access::Maintenance(&grant)).await?;
        let mut by_hash: HashMap<[u8; 16], Vec<IndexRow>> = HashMap::new();
        for row in index {
            by_hash.entry(row.hash).or_default().push(row);
        }
        let hashes = IdentifierHashes::new(&installation.keys);
        Ok(Self { hashes, by_hash })
    }

    /// The subjects that a row is about: who holds the identifier verified, else who claims it.
    fn find(&self, row: &ImportRow) -> Vec<Rid> {
        let scope = row.scope.clone().unwrap_or_default();
        let Ok(value) = normalise(row.identifier_type, row.identifier.expose(), None) else {
            return Vec::new();
        };
        let hash = self.hashes.index(row.identifier_type, &scope, &value);
        let holders = self.by_hash.get(&hash).map_or(&[][..], Vec::as_slice);
        let of = |assurance| {
            let mut rids: Vec<Rid> = holders
                .iter()
                .filter(|holder| holder.assurance == assurance)
                .map(|holder| holder.rid)
                .collect();
            rids.sort_unstable();
            rids.dedup();
            rids
        };
        let verified = of(Assurance::Verified);
        if verified.is_empty() { of(Assurance::Claimed) } else { verified }
    }
}

async fn record(
    installation: &Installation,
    actor: &str,
    counts: &ImportCounts,
) -> Result<(), Failure> {
    let detail = [
        ("read", counts.read),
        ("recorded", counts.recorded),
        ("duplicate", counts.duplicate),
        ("unknown", counts.unknown),
        ("refused", counts.refused),
    ];
    installation
        .audit
        .append(Entry {
            at: installation.clock.now(),
            actor: actor.to_owned(),
            action: Action::ConsentImport,
            object: "consent".to_owned(),
            purpose: None,
            outcome: Outcome::Done,
            tie: None,
            detail: detail.map(|(name, count)| (name.to_owned(), count.to_string())).into(),
        })
        .await?;
    Ok(())
}

/// The accounts that hold an identifier: verified, or else claimed.
pub(super) async fn holders_of(
    installation: &Installation,
    subject: SubjectRef,
) -> Result<Vec<Rid>, Failure> {
    let holders = Holders::read(installation).await?;
    let asked = ImportRow {
        line: 0,
        identifier_type: subject.kind,
        scope: subject.scope,
        identifier: subject.value,
        purpose: "analytics".parse()?,
        status: custos_consent::ConsentStatus::Given,
        at: installation.clock.now(),
        expires_at: None,
        notice: None,
        channel: None,
    };
    Ok(holders.find(&asked))
}

async fn show(installation: &Installation, subject: &str, json: bool) -> Result<(), Failure> {
    let rids = holders_of(installation, subject.parse()?).await?;
    let history = installation.store.consent_history(&rids).await?;
    if json {
        return history.iter().try_for_each(|event| {
            output::json(&json!({
                "purpose": event.purpose,
                "status": event.status,
                "at": event.at,
                "expires_at": event.expires_at,
                "notice": event.notice,
                "channel": event.channel,
            }))
        });
    }
    let mut table = output::table(["purpose", "status", "at", "expires", "notice", "channel"]);
    for event in history {
        table.add_row([
            event.purpose.to_string(),
            event.status.as_str().to_owned(),
            event.at.to_string(),
            event.expires_at.map(|at| at.to_string()).unwrap_or_default(),
            event.notice.unwrap_or_default(),
            event.channel.unwrap_or_default(),
        ]);
    }
    output::line(table.to_string())
}
