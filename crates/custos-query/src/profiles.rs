//! One person's profile, by an identifier.
//!
//! A profile is what governed statements over the published tables say of one person, and what
//! the person said about the purpose. Statements over all people take their time, so their rows
//! are kept in readiness for those who see the same: see [`prepared`]. At each lookup the person's
//! consent, erasure and accounts are asked for anew. If they are not what they were, or nothing is
//! in readiness yet, the statements are run for that one person.

mod aging_out;
mod part;
mod prepared;
mod shelf;
mod sight;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_consent::ConsentState;
use custos_core::{Clock, PersonId, Purpose, Rid, Timestamp, meant_by};
use custos_lake::vault::{IdentifierHashes, Sought, VaultIndex};
use custos_lake::{Access, Table};
use custos_policy::{MaintenanceJob, Principal};
use futures::TryStreamExt;
use roaring::RoaringBitmap;
use tokio::sync::{Notify, Semaphore};

pub use self::part::{ProfilePart, UnknownProfilePart};
use self::prepared::{Origin, Person, Prepared, members_of};
use self::sight::{Shown, Sight, day_of};
use crate::person_ids::PersonIds;
use crate::population::Visibility;
use crate::{Executor, Governor, QueryError};

/// Rows of events and the like that are kept of one person, and that an answer may have.
const ROWS_KEPT_MAX: usize = 100;

/// Lookups that run statements at a time, and those that may wait for it.
const STATEMENTS_MAX: usize = 2;
const WAITING_MAX: usize = 64;

/// Time between looks whether something changed.
const PAUSE: Duration = Duration::from_secs(1);

/// What nobody asked for so long is dropped.
const IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// The least time between the end of a preparation and the next one.
const REST_MIN: Duration = Duration::from_secs(60);

/// The same, as a multiple of the time that the last one took.
const REST_TIMES: u32 = 9;

/// Principals and purposes of which it is remembered what they see.
const SIGHTS_MAX: usize = 10_000;

/// What is asked of a person.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The identifier.
    pub sought: &'a Sought,
    /// The parts that are wanted.
    pub parts: &'a BTreeSet<ProfilePart>,
    /// How many events and the like are wanted, at most [`Profiles::ROWS_MAX`].
    pub rows_max: usize,
    /// Who asks.
    pub principal: &'a Principal,
    /// What for.
    pub purpose: &'a Purpose,
}

/// The parts of a profile that are tables, without the column `person_id`.
pub type ProfileParts = BTreeMap<ProfilePart, RecordBatch>;

/// What may be seen of one person.
#[derive(Debug)]
pub struct Profile {
    /// The person's id for the purpose, as in statements.
    pub person_id: i64,
    /// What landed later may be missing.
    pub as_of: Timestamp,
    /// The parts that were asked for and exist.
    pub parts: ProfileParts,
    /// What the person said about the purpose, if it was asked for and may be seen.
    pub consent: Option<ProfileConsent>,
}

/// What a person said about a purpose.
#[derive(Debug)]
pub struct ProfileConsent {
    /// The legal basis that the purpose has for people of unknown jurisdiction.
    pub basis: &'static str,
    /// What holds now: of all that the person's accounts said, what most restricts.
    pub state: &'static str,
    /// What was said, newest first.
    pub records: Vec<ConsentRecord>,
}

/// One thing that was said about a purpose, or about one that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// What.
    pub status: &'static str,
    /// Of which purpose.
    pub purpose: Purpose,
    /// When.
    pub at: Timestamp,
    /// Until when it holds, if not for good.
    pub expires_at: Option<Timestamp>,
    /// The notice that the person was shown.
    pub notice: Option<String>,
    /// By which way it was said.
    pub channel: Option<String>,
}

/// Rows in readiness for all who see the same.
struct Ready {
    /// The one of them who asked last.
    principal: Principal,
    purpose: Purpose,
    prepared: Option<Arc<Prepared>>,
    used: Instant,
    /// When the last preparation ended, and how long it took.
    tried: Option<(Instant, Duration)>,
}

impl Ready {
    /// Whether a preparation would not be too much work so soon.
    fn is_rested(&self) -> bool {
        self.tried.is_none_or(|(ended, took)| ended.elapsed() > (took * REST_TIMES).max(REST_MIN))
    }
}

/// Answers what is known of people, one by one.
pub struct Profiles {
    governor: Arc<Governor>,
    executor: Arc<Executor>,
    identifiers: Table,
    hashes: IdentifierHashes,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    index: tokio::sync::Mutex<Option<Arc<VaultIndex>>>,
    index_used: Mutex<Option<Instant>>,
    sights: Mutex<HashMap<(Principal, Purpose), Arc<Sight>>>,
    ready: Mutex<HashMap<String, Ready>>,
    wanted: Notify,
    places: Semaphore,
    running: Semaphore,
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profiles")
    }
}

/// How a lookup ended, in the audit log. Callers cannot tell the first three from each other.
#[derive(Debug, Clone, Copy)]
enum Answer {
    NoRight,
    Unknown,
    Hidden,
    Several,
    Given,
    Failed,
}

impl Answer {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoRight => "no right to look people up",
            Self::Unknown => "nobody holds the identifier",
            Self::Hidden => "whoever holds it may not be shown",
            Self::Several => "several people hold it",
            Self::Given => "the profile of one person",
            Self::Failed => "failed",
        }
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::NoRight => Outcome::Refused,
            Self::Unknown | Self::Hidden | Self::Several | Self::Given => Outcome::Done,
            Self::Failed => Outcome::Failed,
        }
    }
}

impl Profiles {
    /// The most events and the like of one answer.
    pub const ROWS_MAX: usize = ROWS_KEPT_MAX;

    /// Profiles out of what a governor publishes, of people found in the vault's `identifiers`.
    pub fn new(
        governor: Arc<Governor>,
        executor: Arc<Executor>,
        identifiers: Table,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let hashes = IdentifierHashes::new(&governor.shared().keys);
        Self {
            governor,
            executor,
            identifiers,
            hashes,
            audit,
            clock,
            index: tokio::sync::Mutex::default(),
            index_used: Mutex::default(),
            sights: Mutex::default(),
            ready: Mutex::default(),
            wanted: Notify::new(),
            places: Semaphore::new(STATEMENTS_MAX + WAITING_MAX),
            running: Semaphore::new(STATEMENTS_MAX),
        }
    }

    /// The profile of the person who holds an identifier.
    ///
    /// The answer equals that of governed statements, but for what landed in the last minutes:
    /// [`Profile::as_of`]. Who may not look people up for the purpose, and who asks for somebody
    /// who may not be shown for it, gets [`QueryError::UnknownPerson`] like all who ask for nobody.
    ///
    /// It is in the audit log before it is answered: that somebody was looked up, and not who.
    pub async fn look_up(&self, lookup: Lookup<'_>) -> Result<Profile, QueryError> {
        let sight = match self.sight(lookup.principal, lookup.purpose) {
            Ok(sight) => sight,
            Err(error) => {
                self.record(&lookup, Outcome::Refused, &error.to_string()).await?;
                return Err(error);
            }
        };
        let found = match sight.may_look_up {
            true => self.answer(&lookup, &sight).await,
            false => Ok((Answer::NoRight, None)),
        };
        let answer = found.as_ref().map_or(Answer::Failed, |(answer, _)| *answer);
        // Nothing has left yet, so one entry says both what was meant to be done and that it was.
        self.record(&lookup, answer.outcome(), answer.as_str()).await?;
        match found? {
            (_, Some(profile)) => Ok(profile),
            (Answer::Several, None) => Err(QueryError::SeveralPeople),
            (_, None) => Err(QueryError::UnknownPerson),
        }
    }

    async fn answer(
        &self,
        lookup: &Lookup<'_>,
        sight: &Arc<Sight>,
    ) -> Result<(Answer, Option<Profile>), QueryError> {
        let index = self.index().await?;
        let holders = index.holders(lookup.sought, &self.hashes);
        let rids: Vec<Rid> = holders.iter().map(|holder| holder.rid).collect();
        // Asked for nobody, too, so that it takes as long.
        let now = self.executor.visibility_of(&rids).await?;
        let members: RoaringBitmap = now.same_people(&rids).into_iter().map(Rid::get).collect();
        let shown = sight.shown(&now, &members);
        // As if what may not be shown were not in the vault at all.
        let finds = |rid: Rid, source: &str| sight.finds(&shown, rid.get(), source);
        let seen = holders.iter().filter(|holder| finds(holder.rid, holder.source.as_str()));
        let seen = seen.map(|holder| (holder.rid, holder.assurance));
        let vouched = |rid: Rid| index.vouchers(rid).any(|source| finds(rid, source.as_str()));
        let is_known = |rid: Rid| now.same_people(&[rid]).into_iter().any(vouched);
        let people: BTreeSet<PersonId> =
            meant_by(seen, is_known).into_iter().map(|rid| now.persons.person_of(rid)).collect();
        let mut people = people.into_iter();
        match (people.next(), people.next()) {
            (None, _) if holders.is_empty() => Ok((Answer::Unknown, None)),
            (None, _) => Ok((Answer::Hidden, None)),
            (Some(_), Some(_)) => Ok((Answer::Several, None)),
            (Some(person), None) => {
                let members = members_of(&now.persons, person);
                let shown =
                    Shown(shown.0.into_iter().map(|(asked, of)| (asked, of & &members)).collect());
                let person = Person { id: person, members: &members, shown: &shown };
                let profile = self.profile(lookup, sight, &now, &person).await?;
                Ok(match profile {
                    Some(_) => (Answer::Given, profile),
                    None => (Answer::Hidden, None),
                })
            }
        }
    }

    async fn profile(
        &self,
        lookup: &Lookup<'_>,
        sight: &Arc<Sight>,
        now: &Visibility,
        person: &Person<'_>,
    ) -> Result<Option<Profile>, QueryError> {
        let permutation = self.governor.shared().keys.id_permutation(lookup.purpose);
        let ids = PersonIds::new(permutation, Arc::clone(&now.persons), 0);
        let person_id = ids.person(person.id.0);
        let mut parts: Vec<ProfilePart> =
            sight.parts.iter().copied().filter(|part| lookup.parts.contains(part)).collect();
        // Who has no row there does not exist, whatever else is asked for.
        let unasked =
            !parts.contains(&ProfilePart::Traits) && sight.parts.contains(&ProfilePart::Traits);
        parts.extend(unasked.then_some(ProfilePart::Traits));
        let prepared = self.prepared(lookup.principal, sight);
        let prepared = prepared.filter(|prepared| prepared.serves(sight, person));
        let prepared = match prepared {
            Some(prepared) if prepared.minds_others() => {
                let epochs = self.executor.epochs().await?;
                Some(prepared).filter(|prepared| !prepared.is_outdated(epochs, self.now()))
            }
            prepared => prepared,
        };
        let as_of = prepared.as_ref().map_or_else(|| self.now(), |prepared| prepared.made_at);
        let rows = match prepared {
            Some(prepared) => taken(prepared, person_id, parts, lookup.rows_max).await?,
            None => self.computed(lookup, person_id, &parts).await?,
        };
        let Some(mut parts) = rows else { return Ok(None) };
        if unasked {
            parts.remove(&ProfilePart::Traits);
        }
        let consent = sight.shows_consent && lookup.parts.contains(&ProfilePart::Consent);
        let consent = consent.then(|| consent_of(sight, now, &person.shown.subjects()));
        Ok(Some(Profile { person_id, as_of, parts, consent }))
    }

    /// The answers of statements about one person; nothing if they say that there is nobody.
    async fn computed(
        &self,
        lookup: &Lookup<'_>,
        person_id: i64,
        parts: &[ProfilePart],
    ) -> Result<Option<ProfileParts>, QueryError> {
        let _place = self.places.try_acquire().map_err(|_| QueryError::TooManyLookups)?;
        let _turn = self.running.acquire().await.map_err(|_| QueryError::Internal)?;
        let mut computed = ProfileParts::new();
        for &part in parts {
            let sql = part.sql_of_person(person_id, lookup.rows_max);
            let sql = sql.ok_or(QueryError::Internal)?;
            let governed = self.governor.govern(&sql, lookup.principal, lookup.purpose).await?;
            let rows = self.executor.run(governed).await?;
            let schema = Arc::clone(rows.schema());
            let rows: Vec<RecordBatch> = rows.try_collect().await?;
            let rows = concat_batches(&schema, &rows).map_err(|_| QueryError::Internal)?;
            if part == ProfilePart::Traits && rows.num_rows() == 0 {
                return Ok(None);
            }
            let others: Vec<usize> = (0..schema.fields().len())
                .filter(|at| schema.field(*at).name() != "person_id")
                .collect();
            computed.insert(part, rows.project(&others).map_err(|_| QueryError::Internal)?);
        }
        Ok(Some(computed))
    }

    /// What is in readiness for those who see this, and notes that it is wanted.
    fn prepared(&self, principal: &Principal, sight: &Arc<Sight>) -> Option<Arc<Prepared>> {
        let mut ready = lock(&self.ready);
        let Some(found) = ready.get_mut(&sight.class) else {
            let fresh = Ready {
                principal: principal.clone(),
                purpose: sight.purpose.clone(),
                prepared: None,
                used: Instant::now(),
                tried: None,
            };
            ready.insert(sight.class.clone(), fresh);
            self.wanted.notify_one();
            return None;
        };
        found.used = Instant::now();
        // Whoever asked first may have lost their access since.
        if found.principal != *principal {
            found.principal = principal.clone();
        }
        found.prepared.clone()
    }

    /// Keeps what is wanted in readiness, as it changes.
    pub async fn keep(&self) -> Infallible {
        loop {
            self.refresh().await;
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Prepares what is wanted and not in readiness, or not as things are now, and drops what
    /// nobody wants any more.
    pub async fn refresh(&self) {
        if let Err(error) = self.refresh_index().await {
            tracing::warn!(%error, "the index of identifiers could not be read");
        }
        let wanted: Vec<String> = {
            let mut ready = lock(&self.ready);
            ready.retain(|_, ready| ready.used.elapsed() < IDLE_MAX);
            let rested = ready.iter().filter(|(_, ready)| ready.is_rested());
            rested.map(|(class, _)| class.clone()).collect()
        };
        for class in wanted {
            if let Err(error) = self.prepare(&class).await {
                tracing::warn!(%error, "profiles could not be prepared");
            }
        }
    }

    async fn prepare(&self, class: &str) -> Result<(), QueryError> {
        let (principal, purpose, prepared) = match lock(&self.ready).get(class) {
            Some(of) => (of.principal.clone(), of.purpose.clone(), of.prepared.clone()),
            None => return Ok(()),
        };
        let sight = self.sight(&principal, &purpose)?;
        if let Some(prepared) = prepared
            && prepared.origin == self.origin(&sight).await?
        {
            return Ok(());
        }
        let began = Instant::now();
        let made = Prepared::make(self, &principal, &sight).await.map(Arc::new);
        let mut ready = lock(&self.ready);
        if let Some(ready) = ready.get_mut(class) {
            ready.tried = Some((Instant::now(), began.elapsed()));
            if let Ok(made) = &made {
                ready.prepared = Some(Arc::clone(made));
            }
        }
        made.map(drop)
    }

    /// What profiles would be made from now.
    async fn origin(&self, sight: &Sight) -> Result<Origin, QueryError> {
        let mut tables = BTreeMap::new();
        for table in &sight.tables {
            let version = self.governor.version_of(table).await?;
            tables.insert(table.clone(), version);
        }
        let (epochs, persons) = self.executor.epochs().await?;
        Ok(Origin { epochs, persons, tables, day: day_of(self.now()) })
    }

    /// What somebody sees, worked out anew every day.
    fn sight(&self, principal: &Principal, purpose: &Purpose) -> Result<Arc<Sight>, QueryError> {
        let now = self.now();
        let key = (principal.clone(), purpose.clone());
        if let Some(known) = lock(&self.sights).get(&key)
            && known.day == day_of(now)
        {
            return Ok(Arc::clone(known));
        }
        self.governor.admit_to_rows(principal, purpose, "a profile is of one")?;
        let sight = Arc::new(Sight::of(&self.governor, principal, purpose, now)?);
        let mut sights = lock(&self.sights);
        if sights.len() >= SIGHTS_MAX {
            sights.clear();
        }
        sights.insert(key, Arc::clone(&sight));
        Ok(sight)
    }

    /// The index as last read, or read now.
    async fn index(&self) -> Result<Arc<VaultIndex>, QueryError> {
        *lock(&self.index_used) = Some(Instant::now());
        let mut index = self.index.lock().await;
        if let Some(index) = &*index {
            return Ok(Arc::clone(index));
        }
        let read = Arc::new(self.read_index(&VaultIndex::default()).await?);
        *index = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Reads what the vault has that the index has not; drops it if nobody asked for long.
    async fn refresh_index(&self) -> Result<(), QueryError> {
        let is_used = lock(&self.index_used).is_some_and(|at| at.elapsed() < IDLE_MAX);
        if !is_used {
            *self.index.lock().await = None;
            return Ok(());
        }
        let Some(known) = self.index.lock().await.clone() else { return Ok(()) };
        if self.identifiers.snapshot().await?.version != known.version() {
            // Lookups go on with the older one meanwhile.
            let read = self.read_index(&known).await?;
            *self.index.lock().await = Some(Arc::new(read));
        }
        Ok(())
    }

    async fn read_index(&self, known: &VaultIndex) -> Result<VaultIndex, QueryError> {
        let policy = self.governor.policy();
        let grant = policy.maintenance(MaintenanceJob::Lookup, self.identifiers.name());
        let access = Access::Maintenance(&grant);
        Ok(VaultIndex::read(&self.identifiers, access, known).await?)
    }

    async fn record(
        &self,
        lookup: &Lookup<'_>,
        outcome: Outcome,
        answer: &str,
    ) -> Result<(), QueryError> {
        let version = self.governor.policy().version().to_string();
        let detail = [("policy", version), ("answer", answer.to_owned())];
        let entry = Entry {
            at: self.now(),
            actor: lookup.principal.id.to_string(),
            action: Action::Lookup,
            object: "profile".to_owned(),
            purpose: Some(lookup.purpose.clone()),
            outcome,
            tie: None,
            detail: detail.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        self.audit.append(entry).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    const fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    const fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }
}

/// What is in readiness of one person; nothing if there is nobody.
async fn taken(
    prepared: Arc<Prepared>,
    person_id: i64,
    parts: Vec<ProfilePart>,
    rows_max: usize,
) -> Result<Option<ProfileParts>, QueryError> {
    // The disk may be slow.
    let taking = tokio::task::spawn_blocking(move || {
        let mut taken = ProfileParts::new();
        for part in parts {
            let Some(rows) = prepared.rows(person_id, part)? else { continue };
            if part == ProfilePart::Traits && rows.num_rows() == 0 {
                return Ok(None);
            }
            let count = if part.is_recent() { rows_max } else { usize::MAX };
            taken.insert(part, rows.slice(0, rows.num_rows().min(count)));
        }
        Ok(Some(taken))
    });
    taking.await.map_err(|_| QueryError::Internal)?
}

fn consent_of(sight: &Sight, now: &Visibility, subjects: &RoaringBitmap) -> ProfileConsent {
    let rids: Vec<Rid> = subjects.iter().map(Rid::new).collect();
    let states = now.states(&sight.purpose, &rids);
    let state = STRICTEST_FIRST.into_iter().find(|state| states.contains(state));
    let said = now.said(&sight.purpose, subjects).into_iter();
    let records = said.map(|event| ConsentRecord {
        status: event.status.as_str(),
        purpose: event.purpose.clone(),
        at: event.at,
        expires_at: event.expires_at,
        notice: event.notice.clone(),
        channel: event.channel.clone(),
    });
    ProfileConsent {
        basis: sight.basis(),
        state: state.unwrap_or(ConsentState::Absent).as_str(),
        records: records.collect(),
    }
}

/// What holds for a person, whatever else their accounts said.
const STRICTEST_FIRST: [ConsentState; 6] = [
    ConsentState::Restricted,
    ConsentState::Objected,
    ConsentState::Withdrawn,
    ConsentState::Refused,
    ConsentState::Given,
    ConsentState::Expired,
];

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
