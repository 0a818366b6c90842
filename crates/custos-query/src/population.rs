//! Who is visible for a purpose, now.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use custos_consent::{ConsentBook, ConsentState, RowBasis};
use custos_core::{PersonMap, Purpose, Rid, StoreError, Timestamp};
use roaring::RoaringBitmap;

use crate::dense::Dense;
use crate::mutants::{self, Mutant};

/// Counters that grow whenever what they count changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epochs {
    /// Consent events.
    pub consent: u64,
    /// Tombstones.
    pub suppression: u64,
}

/// What the control store knows about subjects.
///
/// Reading a value after its epoch gives a state at least as new as the epoch.
#[async_trait]
pub trait Population: std::fmt::Debug + Send + Sync {
    /// The present epochs; every execution asks, so it must be cheap.
    async fn epochs(&self) -> Result<Epochs, StoreError>;

    /// All consent events.
    async fn consents(&self) -> Result<ConsentBook, StoreError>;

    /// All erased subjects.
    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError>;
}

/// Consent, erasures and persons as of one moment.
#[derive(Debug)]
pub struct Visibility {
    pub(crate) epochs: Epochs,
    pub(crate) persons_version: u64,
    pub(crate) persons: Arc<PersonMap>,
    pub(crate) tombstones: RoaringBitmap,
    consents: Arc<ConsentBook>,
    now: Timestamp,
    visible: Mutex<HashMap<(Purpose, RowBasis), Arc<VisibleSubjects>>>,
}

/// The subjects whose rows a purpose may show.
#[derive(Debug)]
pub(crate) struct VisibleSubjects {
    /// Tells this set from those of other moments, for caches.
    pub(crate) stamp: Stamp,
    pub(crate) subjects: RoaringBitmap,
    dense: OnceLock<Dense>,
}

impl VisibleSubjects {
    pub(crate) const fn new(stamp: Stamp, subjects: RoaringBitmap) -> Self {
        Self { stamp, subjects, dense: OnceLock::new() }
    }

    /// The same set, for many tests.
    pub(crate) fn dense(&self) -> &Dense {
        self.dense.get_or_init(|| Dense::new(&self.subjects))
    }
}

/// What a set of visible subjects was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    epochs: Epochs,
    persons_version: u64,
    pub(crate) purpose: Purpose,
    pub(crate) basis: RowBasis,
    /// Expiry of a consent changes the set without an event.
    valid_from: Timestamp,
    subject_max: u32,
}

impl Visibility {
    pub(crate) fn new(
        epochs: Epochs,
        persons: (u64, Arc<PersonMap>),
        consents: Arc<ConsentBook>,
        tombstones: RoaringBitmap,
        now: Timestamp,
    ) -> Self {
        Self {
            epochs,
            persons_version: persons.0,
            persons: persons.1,
            tombstones,
            consents,
            now,
            visible: Mutex::default(),
        }
    }

    /// Whether nothing changed since: no event, no new resolution, no expiry.
    pub(crate) fn is_current(&self, epochs: Epochs, persons_version: u64, now: Timestamp) -> bool {
        let cached = self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        (self.epochs == epochs || mutants::is_on(Mutant::OldVisibility))
            && self.persons_version == persons_version
            && cached.keys().all(|(purpose, _)| {
                self.consents.next_change(purpose, self.now).is_none_or(|change| change > now)
            })
    }

    pub(crate) fn consents(&self) -> Arc<ConsentBook> {
        Arc::clone(&self.consents)
    }

    /// All subjects of the people whom these subjects belong to, in order.
    pub fn same_people(&self, subjects: &[Rid]) -> Vec<Rid> {
        let people: BTreeSet<_> = subjects.iter().map(|&rid| self.persons.person_of(rid)).collect();
        let members: BTreeSet<Rid> =
            people.into_iter().flat_map(|person| self.persons.members(person)).collect();
        members.into_iter().collect()
    }

    /// Whether any of these subjects is hidden because it is erased or to be.
    pub fn is_erased(&self, subjects: &[Rid]) -> bool {
        subjects.iter().any(|rid| self.tombstones.contains(rid.get()))
    }

    /// What holds for each of these subjects and a purpose.
    pub fn states(&self, purpose: &Purpose, subjects: &[Rid]) -> Vec<ConsentState> {
        subjects.iter().map(|&rid| self.consents.state(rid, purpose, self.now)).collect()
    }

    /// Whether a purpose with this basis may show any of these subjects, who are all those of their
    /// people.
    pub fn is_visible(&self, purpose: &Purpose, basis: RowBasis, subjects: &[Rid]) -> bool {
        let subjects = subjects.iter().map(|rid| rid.get()).collect();
        self.people(purpose, basis, &subjects) > 0
    }

    /// How many people, out of those with a subject `among` these, a purpose with this basis may
    /// show.
    pub fn people(&self, purpose: &Purpose, basis: RowBasis, among: &RoaringBitmap) -> u64 {
        let mut subjects = self.consents.visible(purpose, basis, &self.persons, among, self.now);
        subjects -= &self.tombstones;
        let people = subjects.iter().map(|rid| self.persons.person_of(Rid::new(rid)).0.get());
        people.collect::<RoaringBitmap>().len()
    }

    /// The subjects up to `subject_max` that a purpose with this basis may show.
    pub(crate) fn visible(
        &self,
        purpose: &Purpose,
        basis: RowBasis,
        subject_max: u32,
    ) -> Arc<VisibleSubjects> {
        let key = (purpose.clone(), basis);
        let mut cached = self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cached.get(&key)
            && found.stamp.subject_max >= subject_max
        {
            return Arc::clone(found);
        }
        let mut everyone = RoaringBitmap::new();
        everyone.insert_range(1..=subject_max);
        let mut subjects =
            self.consents.visible(purpose, basis, &self.persons, &everyone, self.now);
        if !mutants::is_on(Mutant::TombstonesIgnored) {
            subjects -= &self.tombstones;
        }
        if mutants::is_on(Mutant::ConsentIgnored) {
            subjects = everyone - &self.tombstones;
        }
        let stamp = Stamp {
            epochs: self.epochs,
            persons_version: self.persons_version,
            purpose: purpose.clone(),
            basis,
            valid_from: self.now,
            subject_max,
        };
        let visible = Arc::new(VisibleSubjects::new(stamp, subjects));
        cached.insert(key, Arc::clone(&visible));
        visible
    }
}
