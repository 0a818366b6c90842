//! Requests from receipt to certificate.
//!
//! Every step is written down before its effects cannot be undone, and every step can be repeated,
//! so a request that a crash cut off goes on where it stopped.

mod invariants;
mod ledger;
mod leftovers;
mod steps;
mod vacuum;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{Clock, RequestId, Rid, Timestamp};
use custos_ingest::{Ingest, Ledger};
use custos_keys::{Destruction, DestructionCause, KeyService, NamedKey, random_bytes};
use custos_lake::vault::{Sought, VaultIndex};
use custos_lake::{Access, Lake, vault};
use custos_policy::{MaintenanceJob, PolicySet, Principal, Right};
pub use invariants::{Finding, RESTORED};
pub use ledger::Replayed;
pub use leftovers::{Cleared, OtherOwners, Quiet};
use serde::Serialize;
use sha2::{Digest, Sha256};
pub use vacuum::{Unneeded, UnneededAt};

use crate::dossier::{Dossier, PersonalValue, Verified};
use crate::{
    ErasureError, LedgerStore, Level, RequestStore, State, StoredRequest, SubjectRef, scope,
};

/// A request as it comes in.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// Who is to be erased.
    pub subject: SubjectRef,
    /// The law it is made under, one of the policies' regimes.
    pub regime: String,
    /// Who made sure that the person is who they say, if somebody did.
    pub verified_by: Option<String>,
    /// What whoever opens it calls it: another with the same key is the same request.
    pub key: Option<String>,
}

/// A request as it is shown: nothing in it names the person.
#[derive(Debug, Clone, Serialize)]
pub struct RequestView {
    /// Its id.
    pub id: RequestId,
    /// Always `erasure`.
    pub r#type: &'static str,
    /// How far it came.
    pub state: State,
    /// The level of forgetting that was reached.
    pub level: Level,
    /// The law it is made under.
    pub regime: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Who verified it, and when.
    pub verified: Option<Verified>,
    /// Accounts of the person.
    pub subjects: u64,
    /// Tables that were rewritten so far.
    pub tables_rewritten: u64,
    /// Rows that were removed so far.
    pub rows_removed: u64,
    /// Bytes of the files that were replaced so far.
    pub bytes_rewritten: u64,
    /// When level L2 was reached.
    pub completed_at: Option<Timestamp>,
    /// For the person: with it and the certificate they can tell that it is about them.
    pub salt: String,
    /// The certificate, once issued.
    pub certificate: Option<String>,
}

/// Handles requests for erasure.
#[derive(Debug)]
pub struct ErasureService {
    lake: Lake,
    ingest: Arc<Ingest>,
    ledger: Arc<dyn Ledger>,
    requests: Arc<dyn RequestStore>,
    others: Arc<dyn OtherOwners>,
    erased: Arc<dyn LedgerStore>,
    keys: Arc<KeyService>,
    destruction: Destruction,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

/// What an [`ErasureService`] works on and with.
#[derive(Debug)]
pub struct ErasureParts {
    /// The lake that holds the person.
    pub lake: Lake,
    /// What brings data in, to be kept from bringing the person back.
    pub ingest: Arc<Ingest>,
    /// The record of loads.
    pub ledger: Arc<dyn Ledger>,
    /// The record of requests.
    pub requests: Arc<dyn RequestStore>,
    /// Whose secrets are not leftovers although no table names them.
    pub others: Arc<dyn OtherOwners>,
    /// What the lake's record of erasures is kept in step with.
    pub erased: Arc<dyn LedgerStore>,
    /// The keys to destroy.
    pub keys: Arc<KeyService>,
    /// How finally the KMS destroys them.
    pub destruction: Destruction,
    /// Who may do what.
    pub policy: Arc<PolicySet>,
    /// Where every step is recorded.
    pub audit: Arc<AuditLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl ErasureService {
    /// A service over these parts.
    pub fn new(parts: ErasureParts) -> Self {
        let ErasureParts {
            lake,
            ingest,
            ledger,
            requests,
            others,
            erased,
            keys,
            destruction,
            policy,
            audit,
            clock,
        } = parts;
        Self {
            lake,
            ingest,
            ledger,
            requests,
            others,
            erased,
            keys,
            destruction,
            policy,
            audit,
            clock,
        }
    }

    /// Receives a request. When it returns, the person is in no query that starts from now on.
    pub async fn open(&self, new: NewRequest, by: &Principal) -> Result<RequestView, ErasureError> {
        self.check(by)?;
        if self.policy.regime(&new.regime).is_none() {
            let known = self.policy.regimes().map(|regime| regime.key.clone()).collect();
            return Err(ErasureError::UnknownRegime { regime: new.regime, known });
        }
        let asked = asked_for(&new.subject)?;
        let id = match &new.key {
            Some(key) => self.id_of(key, by),
            None => RequestId::from_random(random_bytes()?),
        };
        if let Some(view) = self.repeated(id, &asked, &new.regime).await? {
            return Ok(view);
        }
        if let Some(view) = self.resume(&asked, new.verified_by.as_deref(), by).await? {
            return Ok(view);
        }
        let subjects = self.subjects(&asked).await?;
        let now = self.clock.now();
        let salt = BASE64URL.encode(random_bytes::<16>()?);
        let dossier = Dossier {
            regime: new.regime,
            opened_by: by.id.clone(),
            commitment: commitment(&salt, &asked),
            asked_type: asked.kind,
            asked_for: Some(asked),
            salt,
            subjects: subjects.iter().copied().collect(),
            barred: Vec::new(),
            barred_until: now,
            verified: new.verified_by.map(|by| Verified { by, at: now }),
            steps: Vec::new(),
            completed_at: None,
        };
        let state = if dossier.verified.is_some() { State::Verified } else { State::Suppressed };
        let sealing = self.ledger.lease_requests().await?;
        let mut request = StoredRequest {
            id,
            state,
            revision: 0,
            received_at: now,
            sealed: self.seal(id, &dossier).await?,
            certificate: None,
        };
        self.record(&by.id.to_string(), Action::RequestOpened, &request, Outcome::Intent, &dossier)
            .await?;
        self.requests.open(&request, &dossier.subjects).await?;
        drop(sealing);
        self.record(&by.id.to_string(), Action::Suppressed, &request, Outcome::Done, &dossier)
            .await?;
        // A load that ended meanwhile may have brought another account of the person.
        let mut dossier = dossier;
        self.widen(&mut request, &mut dossier).await?;
        // An older control store that takes the place of this one must not show them again.
        self.write_ledger(&request, &dossier).await?;
        Ok(view(&request, &dossier))
    }

    /// The request about the same person that is not finished, if there is one: asking again is
    /// not another request.
    async fn resume(
        &self,
        asked: &PersonalValue,
        verified_by: Option<&str>,
        by: &Principal,
    ) -> Result<Option<RequestView>, ErasureError> {
        for request in self.requests.list().await? {
            if request.state == State::Certified {
                continue;
            }
            let dossier = self.open_dossier(&request).await?;
            if commitment(&dossier.salt, asked) != dossier.commitment {
                continue;
            }
            if let (State::Suppressed, Some(verified_by)) = (request.state, verified_by) {
                return self.verify(request.id, verified_by, by).await.map(Some);
            }
            let (mut request, mut dossier) = self.load(request.id).await?;
            if matches!(request.state, State::Suppressed | State::Verified) {
                self.widen(&mut request, &mut dossier).await?;
                self.write_ledger(&request, &dossier).await?;
            }
            return Ok(Some(view(&request, &dossier)));
        }
        Ok(None)
    }

    /// The id of a principal's request of this key, which tells nothing of the key.
    fn id_of(&self, key: &str, by: &Principal) -> RequestId {
        let ids = self.keys.mac_key(NamedKey::RequestId);
        RequestId::from_random(ids.mac16(&[by.id.as_str().as_bytes(), key.as_bytes()]))
    }

    /// The request of this id, if it is known and is about the same.
    async fn repeated(
        &self,
        id: RequestId,
        asked: &PersonalValue,
        regime: &str,
    ) -> Result<Option<RequestView>, ErasureError> {
        let Some(request) = self.requests.load(id).await? else { return Ok(None) };
        let dossier = self.open_dossier(&request).await?;
        let is_same =
            commitment(&dossier.salt, asked) == dossier.commitment && dossier.regime == regime;
        if is_same { Ok(Some(view(&request, &dossier))) } else { Err(ErasureError::KeyUsed) }
    }

    /// Records who made sure that the person is who they say.
    pub async fn verify(
        &self,
        id: RequestId,
        verified_by: &str,
        by: &Principal,
    ) -> Result<RequestView, ErasureError> {
        self.check(by)?;
        let (mut request, mut dossier) = self.load(id).await?;
        request.state = request.state.step(State::Verified)?;
        dossier.verified = Some(Verified { by: verified_by.to_owned(), at: self.clock.now() });
        self.save(&mut request, &dossier).await?;
        self.record(&by.id.to_string(), Action::RequestVerified, &request, Outcome::Done, &dossier)
            .await?;
        Ok(view(&request, &dossier))
    }

    /// Works on a request until it reached a level; one that is not verified stays at L0.
    pub async fn advance(
        &self,
        id: RequestId,
        until: Level,
        by: &Principal,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<RequestView, ErasureError> {
        self.check(by)?;
        // Two at once would rewrite the same files.
        let alone = self.ledger.lease_maintenance().await?;
        let (mut request, mut dossier) = self.load(id).await?;
        let actor = by.id.to_string();
        loop {
            match request.state {
                State::Suppressed | State::Certified => break,
                State::Verified if until == Level::L0 => break,
                State::Unlinked if until <= Level::L1 => break,
                State::Verified => {
                    self.unlink(&*alone, &mut request, &mut dossier, &actor, progress).await?
                }
                State::Unlinked => {
                    // Since L1 something may have been cut off that was at work on the person's rows.
                    let quiet = self.hold_sources(&*alone, &actor).await?;
                    self.clear_leftovers(&quiet).await?;
                    drop(quiet);
                    self.rewrite(&mut request, &mut dossier, &actor, progress).await?;
                }
                State::Rewritten => self.certify(&mut request, &mut dossier, &actor).await?,
            }
        }
        Ok(view(&request, &dossier))
    }

    /// Works on every request that is verified and not finished, oldest first, and returns how
    /// many it finished. Serving programs call this again and again, so that nobody has to wait
    /// for an answer for the work to be done.
    pub async fn work(&self, by: &Principal) -> Result<u64, ErasureError> {
        let requests = self.requests.list().await?;
        let waits = |state| !matches!(state, State::Suppressed | State::Certified);
        let mut finished = 0;
        let mut failed = None;
        for request in requests.iter().rev().filter(|request| waits(request.state)) {
            // One that cannot go on does not keep the others waiting.
            match self.advance(request.id, Level::L2, by, &|_| ()).await {
                Ok(_) => finished += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(finished),
        }
    }

    /// Shows a request.
    pub async fn show(&self, id: RequestId, by: &Principal) -> Result<RequestView, ErasureError> {
        self.check(by)?;
        let (request, dossier) = self.load(id).await?;
        Ok(view(&request, &dossier))
    }

    /// Shows all requests, newest first.
    pub async fn list(&self, by: &Principal) -> Result<Vec<RequestView>, ErasureError> {
        self.check(by)?;
        let mut views = Vec::new();
        for request in self.requests.list().await? {
            let dossier = self.open_dossier(&request).await?;
            views.push(view(&request, &dossier));
        }
        Ok(views)
    }

    /// The accounts that a request is about.
    pub async fn subjects_of(
        &self,
        id: RequestId,
        by: &Principal,
    ) -> Result<Vec<Rid>, ErasureError> {
        self.check(by)?;
        Ok(self.load(id).await?.1.subjects)
    }

    fn check(&self, by: &Principal) -> Result<(), ErasureError> {
        Ok(self.policy.permits(by, Right::Erase, None)?)
    }

    /// The subjects of the person meant, as clustered today.
    async fn subjects(&self, asked: &PersonalValue) -> Result<BTreeSet<Rid>, ErasureError> {
        let identifiers = self.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Erasure, identifiers.name());
        let access = Access::Maintenance(&grant);
        let index = VaultIndex::read(&identifiers, access, &VaultIndex::default()).await?;
        let table = self.lake.table(Arc::new(vault::persons_spec()?)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Erasure, table.name());
        let persons = vault::read_persons(&table, Access::Maintenance(&grant)).await?;
        Ok(scope::subjects_of(asked, &index, &persons, self.ingest.hashes()))
    }

    /// Adds subjects that came to the person since the request was received, and hides them.
    async fn widen(
        &self,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
    ) -> Result<(), ErasureError> {
        let Some(asked) = &dossier.asked_for else { return Ok(()) };
        let mut subjects = self.subjects(asked).await?;
        let known: BTreeSet<Rid> = dossier.subjects.iter().copied().collect();
        let fresh: Vec<Rid> = subjects.difference(&known).copied().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        self.requests.hide(request.id, &fresh).await?;
        subjects.extend(known);
        dossier.subjects = subjects.into_iter().collect();
        self.save(request, dossier).await
    }

    async fn load(&self, id: RequestId) -> Result<(StoredRequest, Dossier), ErasureError> {
        let request = self.requests.load(id).await?.ok_or(ErasureError::NotFound(id))?;
        let dossier = self.open_dossier(&request).await?;
        Ok((request, dossier))
    }

    /// Opens what is sealed. A request that is worked on meanwhile is sealed anew under another
    /// secret; then the newer record opens.
    async fn open_dossier(&self, request: &StoredRequest) -> Result<Dossier, ErasureError> {
        let payload = match self.keys.open_record(&request.sealed, request.id.as_bytes()).await {
            Ok(payload) => payload,
            Err(error) => match self.requests.load(request.id).await? {
                Some(newer) if newer.revision > request.revision => {
                    self.keys.open_record(&newer.sealed, request.id.as_bytes()).await?
                }
                _ => return Err(error.into()),
            },
        };
        serde_json::from_slice(&payload).map_err(|_| ErasureError::Internal)
    }

    async fn seal(
        &self,
        id: RequestId,
        dossier: &Dossier,
    ) -> Result<custos_keys::SealedRecord, ErasureError> {
        let payload = serde_json::to_vec(dossier).map_err(|_| ErasureError::Internal)?;
        Ok(self.keys.seal_record(id.as_bytes(), &payload).await?)
    }

    /// Stores a changed request under a new secret and destroys that of the old record.
    async fn save(
        &self,
        request: &mut StoredRequest,
        dossier: &Dossier,
    ) -> Result<(), ErasureError> {
        let _sealing = self.ledger.lease_requests().await?;
        let sealed = self.seal(request.id, dossier).await?;
        let old = std::mem::replace(&mut request.sealed, sealed);
        request.revision += 1;
        self.requests.update(request).await?;
        self.keys.destroy(&[old.owner], DestructionCause::Replaced, &*self.clock).await?;
        Ok(())
    }

    async fn record(
        &self,
        actor: &str,
        action: Action,
        request: &StoredRequest,
        outcome: Outcome,
        dossier: &Dossier,
    ) -> Result<u64, ErasureError> {
        let detail = [
            ("regime", dossier.regime.clone()),
            ("subjects", dossier.subjects.len().to_string()),
            ("tables", dossier.steps.len().to_string()),
        ];
        let entry = Entry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action,
            object: request.id.to_string(),
            purpose: None,
            outcome,
            tie: None,
            detail: detail.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        Ok(self.audit.append(entry).await?)
    }
}

fn asked_for(subject: &SubjectRef) -> Result<PersonalValue, ErasureError> {
    let bad = |_| ErasureError::BadSubject { kind: subject.kind.as_str() };
    let Sought { kind, scope, value } = subject.sought().map_err(bad)?;
    Ok(PersonalValue { kind, scope, value })
}

fn commitment(salt: &str, asked: &PersonalValue) -> String {
    let text = format!("{salt}:{}:{}:{}", asked.kind, asked.scope, asked.value);
    BASE64URL.encode(Sha256::digest(text.as_bytes()))
}

fn view(request: &StoredRequest, dossier: &Dossier) -> RequestView {
    let steps = &dossier.steps;
    RequestView {
        id: request.id,
        r#type: "erasure",
        state: request.state,
        level: request.state.level(),
        regime: dossier.regime.clone(),
        received_at: request.received_at,
        verified: dossier.verified.clone(),
        subjects: dossier.subjects.len() as u64,
        tables_rewritten: steps.iter().filter(|step| !step.prepared.is_empty()).count() as u64,
        rows_removed: steps.iter().map(|step| step.prepared.rows_dropped).sum(),
        bytes_rewritten: steps
            .iter()
            .flat_map(|step| &step.prepared.replaced)
            .map(|entry| entry.bytes)
            .sum(),
        completed_at: dossier.completed_at,
        salt: dossier.salt.clone(),
        certificate: request.certificate.clone(),
    }
}
