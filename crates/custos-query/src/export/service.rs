//! Making, listing and revoking exports, and giving out their keys.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{Clock, FileId, KeyClass, Purpose, Rid, Timestamp};
use custos_keys::{DestructionCause, DisclosedKey, FileSecrets, KeyService};
use custos_lake::KeyReference;
use custos_policy::{PolicySet, Principal, Right};
use futures::StreamExt;
use roaring::RoaringBitmap;

use super::file::{Finished, Staged};
use super::record::{Record, state};
use super::{Export, ExportError, ExportFormat, ExportLedger, ExportState, StoredExport};
use crate::subjects_read::SubjectsRead;
use crate::{Executor, Governor, RowStream};

/// What stands before the id of an export where other engines keep a wrapped key.
const REFERENCE: &str = "custos:export:1:";

/// What stands where other engines keep the name of a master key.
const MASTER_KEY: &str = "custos.exports";

/// Longest life of an export.
const DAYS_MAX: i64 = 366;

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// What is to be exported.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// The SELECT.
    pub sql: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Who receives it.
    pub recipient: String,
    /// How long its key is given out, in seconds.
    pub life_seconds: i64,
    /// The form of its file.
    pub format: ExportFormat,
    /// Where its file will be.
    pub path: PathBuf,
}

/// What an [`ExportService`] is made of.
#[derive(Debug, Clone)]
pub struct ExportParts {
    /// Makes, opens and destroys secrets.
    pub keys: Arc<KeyService>,
    /// Keeps the records.
    pub ledger: Arc<dyn ExportLedger>,
    /// Says who may.
    pub policy: Arc<PolicySet>,
    /// Records who did.
    pub audit: Arc<AuditLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Makes, lists and revokes exports, and gives out their keys.
pub struct ExportService {
    parts: ExportParts,
}

impl fmt::Debug for ExportService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportService")
    }
}

/// An export on its way.
struct Begun {
    stored: StoredExport,
    record: Record,
    secrets: FileSecrets,
    intent: u64,
}

/// The rows of an export, and whose they may be.
struct Answer {
    rows: RowStream,
    subjects: Arc<SubjectsRead>,
}

impl ExportService {
    /// A service over these parts.
    pub const fn new(parts: ExportParts) -> Self {
        Self { parts }
    }

    /// Exports the answer that `governor` and `executor` give to a statement; `progress` is told
    /// how many rows are written.
    ///
    /// The file appears at its path when its record is in the control store, and is gone if
    /// anything fails before.
    pub async fn export(
        &self,
        new: NewExport,
        by: &Principal,
        (governor, executor): (&Governor, &Arc<Executor>),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Export, ExportError> {
        if let Err(error) = self.check(&new, by) {
            let object = String::new();
            let refused = self.entry(Action::Export, object, &new.purpose, by, Outcome::Refused);
            self.parts.audit.append(with_error(refused, &error)).await?;
            return Err(error);
        }
        let mut begun = self.begin(&new, by).await?;
        let exported = async {
            let rows = self.run(&new, by, governor, executor).await?;
            self.write(&new, by, rows, &mut begun, progress).await
        };
        match exported.await {
            Ok(export) => Ok(export),
            Err(error) => {
                self.give_up(&new, by, &begun, &error).await?;
                Err(error)
            }
        }
    }

    /// All exports, newest first.
    pub async fn list(&self) -> Result<Vec<Export>, ExportError> {
        let now = self.parts.clock.now();
        let mut exports = Vec::new();
        for stored in self.parts.ledger.exports().await? {
            exports.push(self.open(&stored).await?.export(&stored, now)?);
        }
        Ok(exports)
    }

    /// The exports that may hold rows of any of these accounts, newest first. One that is being
    /// written may hold anybody's.
    pub async fn holding(&self, subjects: &[Rid]) -> Result<Vec<Export>, ExportError> {
        let subjects: RoaringBitmap = subjects.iter().map(|rid| rid.get()).collect();
        let now = self.parts.clock.now();
        let mut exports = Vec::new();
        for stored in self.parts.ledger.exports().await? {
            let record = self.open(&stored).await?;
            let is_being_written = !stored.complete && stored.revoked_at.is_none();
            if is_being_written || !record.subjects()?.is_disjoint(&subjects) {
                exports.push(record.export(&stored, now)?);
            }
        }
        Ok(exports)
    }

    /// Revokes an export: its key is destroyed, so that no copy of its file opens any more.
    ///
    /// What was read before stays read. May be repeated. That `by` may do so is for the caller to
    /// make sure.
    pub async fn revoke(&self, id: FileId, by: &Principal) -> Result<Export, ExportError> {
        let parts = &self.parts;
        let stored = parts.ledger.export(id).await?.ok_or(ExportError::Unknown)?;
        let record = self.open(&stored).await?;
        let action = Action::ExportRevoked;
        let entry = |outcome| self.entry(action, id.to_string(), &record.purpose, by, outcome);
        let intent = parts.audit.append(entry(Outcome::Intent)).await?;
        parts.ledger.revoke_export(id, parts.clock.now()).await?;
        parts.keys.destroy(&[id], DestructionCause::Revoked, &*parts.clock).await?;
        parts.audit.append(Entry { tie: Some(intent), ..entry(Outcome::Done) }).await?;
        let revoked = parts.ledger.export(id).await?.ok_or(ExportError::Unknown)?;
        record.export(&revoked, parts.clock.now())
    }

    /// The key that a reference in an export's footer stands for.
    ///
    /// Only keys of exports are given out, and only to somebody with the right to export for the
    /// same purpose, while the export is open. Each is in the audit log before it leaves; to
    /// everybody else the export does not exist.
    pub async fn key(
        &self,
        reference: &str,
        master_key: &str,
        by: &Principal,
    ) -> Result<DisclosedKey, ExportError> {
        // Only ids in the list of exports lead to a secret: those of the lake's files never do.
        let id = reference.strip_prefix(REFERENCE).filter(|_| master_key == MASTER_KEY);
        let id: FileId = id.and_then(|id| id.parse().ok()).ok_or(ExportError::Unknown)?;
        let stored = self.parts.ledger.export(id).await?.ok_or(ExportError::Unknown)?;
        let record = self.open(&stored).await?;
        let answer = self.disclose(&stored, &record, by).await;
        let outcome = if answer.is_ok() { Outcome::Done } else { Outcome::Refused };
        let action = Action::ExportOpened;
        let mut entry = self.entry(action, id.to_string(), &record.purpose, by, outcome);
        if let Err(error) = &answer {
            entry = with_error(entry, error);
        }
        self.parts.audit.append(entry).await?;
        answer
    }

    async fn disclose(
        &self,
        stored: &StoredExport,
        record: &Record,
        by: &Principal,
    ) -> Result<DisclosedKey, ExportError> {
        let parts = &self.parts;
        self.permitted(by, &record.purpose).map_err(|_| ExportError::Unknown)?;
        match state(stored, parts.clock.now()) {
            ExportState::Open if !record.format.is_plain() => {}
            ExportState::Open | ExportState::Begun => return Err(ExportError::Unknown),
            ExportState::Expired => return Err(ExportError::Expired),
            ExportState::Revoked => return Err(ExportError::Revoked),
        }
        let secrets = parts.keys.file_secrets(&[stored.id], &[KeyClass::Core]).await?;
        let secret = secrets.get(&stored.id).and_then(|file| file.get(KeyClass::Core));
        // Somebody who revokes it now has destroyed the secret already.
        Ok(secret.ok_or(ExportError::Revoked)?.disclose())
    }

    fn check(&self, new: &NewExport, by: &Principal) -> Result<(), ExportError> {
        self.permitted(by, &new.purpose)?;
        if new.format.is_plain() {
            let purpose = Some(&new.purpose);
            self.parts
                .policy
                .permits(by, Right::ExportPlain, purpose)
                .map_err(|_| ExportError::PlainNotPermitted { purpose: new.purpose.clone() })?;
        }
        if new.recipient.trim().is_empty() {
            return Err(ExportError::NoRecipient);
        }
        if !(1..=DAYS_MAX * SECONDS_A_DAY).contains(&new.life_seconds) {
            return Err(ExportError::Expiry { days_max: DAYS_MAX });
        }
        match new.path.try_exists() {
            Ok(false) => Ok(()),
            Ok(true) => Err(ExportError::Exists),
            Err(error) => Err(ExportError::File(error)),
        }
    }

    fn permitted(&self, by: &Principal, purpose: &Purpose) -> Result<(), ExportError> {
        let policy = &self.parts.policy;
        let denied = |_| ExportError::NotPermitted { purpose: purpose.clone() };
        policy.may_use(by, purpose).map_err(denied)?;
        policy.permits(by, Right::Export, Some(purpose)).map_err(denied)
    }

    /// Makes the secrets and the record that name each other, under the lease that keeps others
    /// from taking them for leftovers.
    async fn begin(&self, new: &NewExport, by: &Principal) -> Result<Begun, ExportError> {
        let parts = &self.parts;
        let record = Record::begun(
            new.recipient.trim().to_owned(),
            new.purpose.clone(),
            by.id.clone(),
            parts.policy.version().to_string(),
            new.format,
        );
        let sealing = parts.ledger.lease_exports().await?;
        let secrets = parts.keys.create_file_secrets(&[KeyClass::Core]).await?;
        let id = secrets.file();
        let begun_at = parts.clock.now();
        let stored = StoredExport {
            id,
            begun_at,
            expires_at: begun_at.plus_seconds(new.life_seconds),
            complete: false,
            revoked_at: None,
            sealed: parts.keys.seal_record(id.as_bytes(), &record.to_bytes()?).await?,
        };
        sealing.check().await?;
        parts.ledger.begin_export(&stored).await?;
        let mut entry =
            self.entry(Action::Export, id.to_string(), &new.purpose, by, Outcome::Intent);
        entry.detail.insert("format".to_owned(), new.format.as_str().to_owned());
        entry.detail.insert("expires_at".to_owned(), stored.expires_at.to_string());
        let intent = parts.audit.append(entry).await?;
        Ok(Begun { stored, record, secrets, intent })
    }

    /// Starts the statement; the answer comes with whose rows it reads.
    async fn run(
        &self,
        new: &NewExport,
        by: &Principal,
        governor: &Governor,
        executor: &Arc<Executor>,
    ) -> Result<Answer, ExportError> {
        let governed = governor.govern(&new.sql, by, &new.purpose).await;
        let governed = governed.and_then(|mut governed| {
            let subjects = governed.record_subjects()?;
            Ok((governed, subjects))
        });
        match governed {
            Ok((governed, subjects)) => {
                Ok(Answer { rows: executor.run(governed).await?, subjects })
            }
            Err(error) => {
                executor.record_refusal(by, &new.purpose, &error).await?;
                Err(error.into())
            }
        }
    }

    /// Writes the rows into the file, completes the record and publishes the file.
    async fn write(
        &self,
        new: &NewExport,
        by: &Principal,
        answer: Answer,
        begun: &mut Begun,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Export, ExportError> {
        let parts = &self.parts;
        let finished = staged(new, answer, begun, progress).await?;
        self.complete(begun).await?;
        let id = begun.stored.id.to_string();
        let mut entry = self.entry(Action::Export, id, &new.purpose, by, Outcome::Done);
        entry.tie = Some(begun.intent);
        entry.detail.insert("rows".to_owned(), begun.record.rows.to_string());
        parts.audit.append(entry).await?;
        let stored = parts.ledger.export(begun.stored.id).await?.ok_or(ExportError::Unknown)?;
        if stored.revoked_at.is_some() {
            return Err(ExportError::Revoked);
        }
        // Last: nothing is out that the record and the log do not know of.
        finished.publish(&new.path)?;
        let now = parts.clock.now();
        begun.record.export(&stored, now)
    }

    /// Puts what is known now in the place of the record of the beginning.
    async fn complete(&self, begun: &Begun) -> Result<(), ExportError> {
        let parts = &self.parts;
        let id = begun.stored.id;
        {
            let sealing = parts.ledger.lease_exports().await?;
            let payload = begun.record.to_bytes()?;
            let sealed = parts.keys.seal_record(id.as_bytes(), &payload).await?;
            sealing.check().await?;
            parts.ledger.complete_export(id, &sealed).await?;
        }
        let replaced = begun.stored.sealed.owner;
        parts.keys.destroy(&[replaced], DestructionCause::Replaced, &*parts.clock).await?;
        Ok(())
    }

    /// Revokes what was begun, so that nothing of it can be read, and records the failure.
    async fn give_up(
        &self,
        new: &NewExport,
        by: &Principal,
        begun: &Begun,
        error: &ExportError,
    ) -> Result<(), ExportError> {
        let parts = &self.parts;
        let id = begun.stored.id;
        parts.ledger.revoke_export(id, parts.clock.now()).await?;
        parts.keys.destroy(&[id], DestructionCause::Abandoned, &*parts.clock).await?;
        let mut entry =
            self.entry(Action::Export, id.to_string(), &new.purpose, by, Outcome::Failed);
        entry.tie = Some(begun.intent);
        parts.audit.append(with_error(entry, error)).await?;
        Ok(())
    }

    async fn open(&self, stored: &StoredExport) -> Result<Record, ExportError> {
        let keys = &self.parts.keys;
        let payload = match keys.open_record(&stored.sealed, stored.id.as_bytes()).await {
            Ok(payload) => payload,
            // An export that is completed meanwhile is sealed anew under another secret.
            Err(error) => match self.parts.ledger.export(stored.id).await? {
                Some(newer) if newer.sealed != stored.sealed => {
                    keys.open_record(&newer.sealed, stored.id.as_bytes()).await?
                }
                _ => return Err(error.into()),
            },
        };
        Record::from_bytes(&payload)
    }

    fn entry(
        &self,
        action: Action,
        object: String,
        purpose: &Purpose,
        by: &Principal,
        outcome: Outcome,
    ) -> Entry {
        let policy = ("policy".to_owned(), self.parts.policy.version().to_string());
        Entry {
            at: self.now(),
            actor: by.id.to_string(),
            action,
            object,
            purpose: Some(purpose.clone()),
            outcome,
            tie: None,
            detail: BTreeMap::from([policy]),
        }
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}

/// Writes the rows into a file that is at no place yet, and what they are into the record.
async fn staged(
    new: &NewExport,
    answer: Answer,
    begun: &mut Begun,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Finished, ExportError> {
    let Answer { mut rows, subjects } = answer;
    let key = format!("{REFERENCE}{}", begun.stored.id);
    let reference = KeyReference { key: &key, master_key: MASTER_KEY };
    let schema = Arc::clone(rows.schema());
    let mut staged = Staged::begin(&new.path, new.format, &schema, &begun.secrets, reference)?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        staged.write(&batch)?;
        begun.record.rows += batch.num_rows() as u64;
        progress(begun.record.rows);
    }
    begun.record.columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    begun.record.set_subjects(&subjects.bitmap())?;
    staged.finish()
}

fn with_error(mut entry: Entry, error: &ExportError) -> Entry {
    entry.detail.insert("error".to_owned(), error.to_string());
    entry
}

#[cfg(test)]
mod tests;
