//! From the bytes of a load to files, row by row.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use chrono::NaiveDate;
use custos_consent::AgeRecord;
use custos_core::{BatchId, Rid};
use custos_lake::{Access, TableWriter, vault};
use custos_policy::MaintenanceJob;

use super::{Ingest, Tables};
use crate::batch_builder::{BATCH_ROWS, BatchBuilder, Placed};
use crate::contract::Contract;
use crate::ledger::{BatchPlan, LoadCounts, Suppression};
use crate::mentions::RefusedRows;
use crate::quarantine::{self, Reason, Refused};
use crate::records::{RecordHashes, RecordIndex, Verdict};
use crate::row::{ParsedRow, Record};
use crate::subjects::{Accounts, identifiers, is_barred, without_erased_others};
use crate::{IngestError, Reader};

/// Subjects leased at once; what a load does not use is a gap.
const LEASE_SUBJECTS: u32 = 4_096;

/// The work of folding one batch.
pub(super) struct Fold<'a> {
    ingest: &'a Ingest,
    contract: &'a Contract,
    tables: &'a Tables,
    id: BatchId,
    suppression: Suppression,
    accounts: Accounts,
    records: RecordIndex,
    hashes: RecordHashes,
    known_refused: RecordIndex,
    refused_rows: RefusedRows,
    builder: BatchBuilder,
    landing: TableWriter<'a>,
    identifiers: TableWriter<'a>,
    quarantine: TableWriter<'a>,
    refused: Vec<Refused>,
    counts: LoadCounts,
    /// When subjects were born, as far as rows tell.
    births: HashMap<Rid, Option<NaiveDate>>,
}

impl<'a> Fold<'a> {
    pub(super) async fn begin(
        ingest: &'a Ingest,
        contract: &'a Contract,
        tables: &'a Tables,
        suppression: Suppression,
        id: BatchId,
    ) -> Result<Self, IngestError> {
        let grant = |table: &custos_lake::Table| {
            ingest.policy.maintenance(MaintenanceJob::Ingest, table.name())
        };
        let vault_grant = grant(&tables.identifiers);
        let index =
            vault::read_index(&tables.identifiers, Access::Maintenance(&vault_grant)).await?;
        let landing_grant = grant(&tables.landing);
        let records =
            RecordIndex::read(&tables.landing, Access::Maintenance(&landing_grant)).await?;
        let quarantine_grant = grant(&tables.quarantine);
        let known_refused =
            RecordIndex::read(&tables.quarantine, Access::Maintenance(&quarantine_grant)).await?;
        Ok(Self {
            accounts: Accounts::new(&contract.id, &index, &suppression),
            records,
            known_refused,
            hashes: RecordHashes::new(&ingest.keys),
            refused_rows: RefusedRows::new(contract),
            builder: BatchBuilder::new(Arc::clone(tables.landing.spec()), contract),
            landing: tables.landing.writer(),
            identifiers: tables.identifiers.writer(),
            quarantine: tables.quarantine.writer(),
            refused: Vec::new(),
            counts: LoadCounts::default(),
            births: HashMap::new(),
            ingest,
            contract,
            tables,
            id,
            suppression,
        })
    }

    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Reads a file as it was delivered.
    pub(super) async fn read(
        &mut self,
        bytes: &[u8],
        file: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), IngestError> {
        let mut reader = reader(self.contract, file, bytes)?;
        let header = reader.header().map(<[u8]>::to_vec);
        let first = self.refused.len();
        for record in reader.by_ref() {
            let record = record?;
            self.row(&record, header.as_deref()).await?;
            if self.counts.read.is_multiple_of(1_000) {
                progress(self.counts.read);
            }
        }
        progress(self.counts.read);
        self.write_refused(first, header.as_deref()).await
    }

    /// Reads files that were made of refused rows. Their text is UTF-8 whatever the source's is.
    pub(super) async fn read_refused(
        &mut self,
        bytes: &[u8],
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), IngestError> {
        let files: Vec<Vec<u8>> =
            serde_json::from_slice(bytes).map_err(|_| IngestError::Internal)?;
        let contract = self.contract.clone().with_utf8();
        // What is refused again replaces what was taken out.
        self.known_refused = RecordIndex::default();
        for file in files {
            let mut reader = reader(&contract, "quarantine", &file)?;
            let header = reader.header().map(<[u8]>::to_vec);
            let first = self.refused.len();
            for record in reader.by_ref() {
                self.row(&record?, header.as_deref()).await?;
                progress(self.counts.read);
            }
            self.write_refused(first, header.as_deref()).await?;
        }
        Ok(())
    }

    async fn row(&mut self, record: &Record, header: Option<&[u8]>) -> Result<(), IngestError> {
        self.counts.read += 1;
        match &record.cells {
            Ok(row) => self.place(header, record, row).await,
            Err(problem) => {
                self.refuse(header, record, problem.into());
                Ok(())
            }
        }
    }

    /// Keeps a row for quarantine, unless it names somebody who was erased before it happened.
    fn refuse(&mut self, header: Option<&[u8]>, record: &Record, reason: Reason) {
        let mentions = self.refused_rows.mentions(header, record, &self.ingest.hashes);
        if mentions.is_barred(&self.suppression.identifiers) {
            self.counts.barred += 1;
        } else {
            self.counts.quarantined += 1;
            self.refused.push(Refused::new(record, reason, mentions));
        }
    }

    async fn place(
        &mut self,
        header: Option<&[u8]>,
        record: &Record,
        row: &ParsedRow,
    ) -> Result<(), IngestError> {
        let event_time = row.event_time(self.contract);
        let found = identifiers(self.contract, &row.values, &self.ingest.hashes);
        if is_barred(&found, event_time, &self.suppression.identifiers) {
            self.counts.barred += 1;
            return Ok(());
        }
        let hashed = self.hashes.record(self.contract, row);
        match hashed.as_ref().map_or(Verdict::New, |hashed| self.records.judge(hashed)) {
            Verdict::New => self.counts.stored += 1,
            Verdict::Newer if self.contract.version_column.is_some() => self.counts.updated += 1,
            Verdict::Old => {
                self.counts.duplicate += 1;
                return Ok(());
            }
            Verdict::Newer | Verdict::Conflict => {
                self.refuse(header, record, Reason::conflicting_record());
                return Ok(());
            }
        }
        let found = without_erased_others(found, event_time, &self.suppression);
        let roles = self.contract.secondary_roles();
        if self.accounts.wants_lease(roles.len()) {
            let first = self.ingest.ledger.lease_subjects(LEASE_SUBJECTS).await?;
            self.accounts.lease(first, LEASE_SUBJECTS);
        }
        let seen_at = event_time.or_else(|| row.version_time(self.contract));
        let place = |accounts: &mut Accounts, role: &str| {
            accounts.place(role, &found, seen_at).ok_or(IngestError::Internal)
        };
        let subject = place(&mut self.accounts, "")?;
        if self.contract.birth.is_some() {
            self.births.insert(subject, row.born(self.contract));
        }
        let others: Vec<Rid> =
            roles.iter().map(|role| place(&mut self.accounts, role)).collect::<Result<_, _>>()?;
        self.builder.push(&Placed { row, subject, others: &others, record: hashed });
        if self.builder.is_full() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), IngestError> {
        if let Some(batch) = self.builder.take()? {
            self.landing.write(&batch).await?;
        }
        let fresh = self.accounts.take_fresh();
        for rows in fresh.chunks(BATCH_ROWS) {
            let batch = vault::identifiers_batch(self.tables.identifiers.spec(), rows)?;
            self.identifiers.write(&batch).await?;
        }
        Ok(())
    }

    /// Writes the rows refused since `first`, but for those that are in quarantine already.
    async fn write_refused(
        &mut self,
        first: usize,
        header: Option<&[u8]>,
    ) -> Result<(), IngestError> {
        let mut fresh = Vec::new();
        for refused in &self.refused[first..] {
            let known = self.hashes.refused(&self.contract.id, refused.raw.expose());
            if self.known_refused.judge(&known) == Verdict::New {
                fresh.push((refused.clone(), known.key));
            }
        }
        let spec = self.tables.quarantine.spec();
        let now = self.ingest.clock.now();
        for rows in fresh.chunks(BATCH_ROWS) {
            let batch = quarantine::batch(spec, self.id, header, rows, now)?;
            self.quarantine.write(&batch).await?;
        }
        Ok(())
    }

    /// What the rows say of the ages of those whom they are about.
    pub(super) fn ages(&self) -> Vec<AgeRecord> {
        let record = |(&rid, &born): (&Rid, &Option<NaiveDate>)| AgeRecord {
            rid,
            born,
            jurisdiction: self.contract.jurisdiction.clone(),
        };
        self.births.iter().map(record).collect()
    }

    /// Closes the files and says which they are.
    pub(super) async fn end(mut self) -> Result<(BatchPlan, LoadCounts), IngestError> {
        self.flush().await?;
        let plan = BatchPlan {
            vault: self.identifiers.finish().await?,
            landing: self.landing.finish().await?,
            quarantine: self.quarantine.finish().await?,
            quarantine_replaced: Vec::new(),
        };
        Ok((plan, self.counts))
    }
}

/// A reader over bytes that are already here.
pub(super) fn reader(contract: &Contract, file: &str, bytes: &[u8]) -> Result<Reader, IngestError> {
    let stream = Box::new(Cursor::new(bytes.to_vec()));
    Ok(Reader::from_stream(contract, file, stream)?)
}
