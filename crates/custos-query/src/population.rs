//! Who is visible for a purpose, now.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use custos_consent::{
    AgeRecord, Ages, ConsentBook, ConsentEvent, ConsentState, Requirements, RowBasis,
    SeparateConsents,
};
use custos_core::{PersonMap, Purpose, Rid, StoreError, Timestamp};
use custos_policy::RowRule;
use roaring::RoaringBitmap;

use crate::dense::Dense;
use crate::mutants::{self, Mutant};

/// Counters that grow whenever what they count changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Epochs {
    /// Consent events.
    pub consent: u64,
    /// Tombstones, and consent events that were forgotten for them.
    pub suppression: u64,
    /// What is known of ages.
    pub ages: u64,
}

/// What is known of some subjects.
#[derive(Debug, Default)]
pub struct KnownOf {
    /// Their consent events.
    pub consents: ConsentBook,
    /// Their ages.
    pub ages: Vec<AgeRecord>,
    /// Those who are erased.
    pub tombstones: RoaringBitmap,
}

/// The consent of everybody, and how far it was read.
#[derive(Debug, Clone, Default)]
pub struct Consents {
    /// The events.
    pub book: Arc<ConsentBook>,
    /// The number of the last of them, 0 if there is none.
    pub last: i64,
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

    /// All consent events, read as far as they are not `known`.
    ///
    /// They are known of a moment since which no event was taken away: the epoch of suppression,
    /// read before this is asked, is that of then.
    async fn consents_beyond(&self, _known: Option<&Consents>) -> Result<Consents, StoreError> {
        Ok(Consents { book: Arc::new(self.consents().await?), last: 0 })
    }

    /// All erased subjects.
    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError>;

    /// What is known of subjects' ages, once each. Where none is ever recorded, nothing.
    async fn ages(&self) -> Result<Vec<AgeRecord>, StoreError> {
        Ok(Vec::new())
    }

    /// What is known of some subjects, and perhaps of others.
    ///
    /// For those who ask about few people often. What knows of more people than fit in memory must
    /// not read all of them for it, as is done here.
    async fn of_subjects(&self, _subjects: &[Rid]) -> Result<KnownOf, StoreError> {
        let (consents, ages) = (self.consents().await?, self.ages().await?);
        Ok(KnownOf { consents, ages, tombstones: self.tombstones().await? })
    }
}

/// Consent, erasures and persons as of one moment.
#[derive(Debug)]
pub struct Visibility {
    pub(crate) epochs: Epochs,
    pub(crate) persons_version: u64,
    pub(crate) persons: Arc<PersonMap>,
    pub(crate) tombstones: RoaringBitmap,
    consents: Arc<ConsentBook>,
    /// How old people are, where a law asks.
    ages: Option<Arc<Ages>>,
    now: Timestamp,
    /// When the next consent runs out, or somebody comes of age, for whatever purpose.
    next_expiry: Option<Timestamp>,
    serial: u64,
    visible: Mutex<HashMap<(Purpose, Asked), Arc<VisibleSubjects>>>,
}

/// What a purpose asks of people before it may show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asked {
    /// What its legal basis asks.
    pub basis: RowBasis,
    /// The separate consents that it needs besides.
    pub separate: SeparateConsents,
}

impl From<RowBasis> for Asked {
    fn from(basis: RowBasis) -> Self {
        Self { basis, separate: SeparateConsents::NONE }
    }
}

impl From<RowRule> for Asked {
    fn from(rule: RowRule) -> Self {
        Self { basis: rule.basis, separate: rule.separate }
    }
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
    /// Which [`Visibility`] of this process: two of equal epochs may have read different states.
    serial: u64,
    pub(crate) purpose: Purpose,
    pub(crate) asked: Asked,
    pub(crate) subject_max: u32,
}

/// Visibilities that were made in this process.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Visibility {
    pub(crate) fn new(
        epochs: Epochs,
        persons: (u64, Arc<PersonMap>),
        (consents, ages): (Arc<ConsentBook>, Option<Arc<Ages>>),
        tombstones: RoaringBitmap,
        now: Timestamp,
    ) -> Self {
        let birthday = ages.as_ref().and_then(|ages| ages.next_change(now));
        Self {
            epochs,
            persons_version: persons.0,
            persons: persons.1,
            tombstones,
            next_expiry: consents.next_expiry(now).into_iter().chain(birthday).min(),
            serial: MADE.fetch_add(1, Ordering::Relaxed),
            consents,
            ages,
            now,
            visible: Mutex::default(),
        }
    }

    /// Whether nothing changed since: no event, no new resolution, no expiry.
    pub(crate) fn is_current(&self, epochs: Epochs, persons_version: u64, now: Timestamp) -> bool {
        (self.epochs == epochs || mutants::is_on(Mutant::OldVisibility))
            && self.persons_version == persons_version
            && self.next_expiry.is_none_or(|expiry| expiry > now)
    }

    /// Which one of this process it is; none has the number of another.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
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

    /// Whether a purpose that asks this may show any of these subjects, who are all those of their
    /// people.
    pub fn is_visible(&self, purpose: &Purpose, asked: Asked, subjects: &[Rid]) -> bool {
        let subjects = subjects.iter().map(|rid| rid.get()).collect();
        self.people(purpose, asked, &subjects) > 0
    }

    /// The same if all of them were of age.
    pub fn is_visible_of_age(&self, purpose: &Purpose, asked: Asked, subjects: &[Rid]) -> bool {
        let Self { consents, persons, now, .. } = self;
        let requirements = Requirements { separate: asked.separate, ages: None };
        let of = subjects.iter().map(|rid| rid.get()).collect();
        let shown = consents.visible_under(purpose, asked.basis, requirements, persons, &of, *now);
        !(shown - &self.tombstones).is_empty()
    }

    /// How many people, out of those with a subject `among` these, a purpose that asks this may
    /// show.
    pub fn people(&self, purpose: &Purpose, asked: Asked, among: &RoaringBitmap) -> u64 {
        let mut subjects = self.consenting(purpose, asked, among);
        subjects -= &self.tombstones;
        let people = subjects.iter().map(|rid| self.persons.person_of(Rid::new(rid)).0.get());
        people.collect::<RoaringBitmap>().len()
    }

    /// The subjects, out of these, of whom people said what is asked.
    fn consenting(&self, purpose: &Purpose, asked: Asked, of: &RoaringBitmap) -> RoaringBitmap {
        let ages = self.ages.as_deref().filter(|_| !mutants::is_on(Mutant::MinorsShown));
        let requirements = Requirements { separate: asked.separate, ages };
        let Self { consents, persons, now, .. } = self;
        consents.visible_under(purpose, asked.basis, requirements, persons, of, *now)
    }

    /// Which of these subjects, who are all those of their people, a purpose that asks this may
    /// show.
    pub(crate) fn shown(
        &self,
        purpose: &Purpose,
        asked: Asked,
        of: &RoaringBitmap,
    ) -> RoaringBitmap {
        self.consenting(purpose, asked, of) - &self.tombstones
    }

    /// What these subjects said of a purpose, or of one that covers it, newest first.
    pub(crate) fn said(&self, purpose: &Purpose, subjects: &RoaringBitmap) -> Vec<&ConsentEvent> {
        let histories = subjects.iter().flat_map(|rid| self.consents.history(Rid::new(rid)));
        let mut said: Vec<_> =
            histories.filter(|event| purpose.is_within(&event.purpose)).collect();
        said.sort_by_key(|event| std::cmp::Reverse(event.at));
        said
    }

    /// The subjects up to `subject_max` that a purpose that asks this may show.
    pub(crate) fn visible(
        &self,
        purpose: &Purpose,
        asked: Asked,
        subject_max: u32,
    ) -> Arc<VisibleSubjects> {
        let key = (purpose.clone(), asked);
        let mut cached = self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cached.get(&key)
            && found.stamp.subject_max >= subject_max
        {
            return Arc::clone(found);
        }
        // A person's grant may be by an account that is larger than any that the table knows.
        let mut everyone = RoaringBitmap::new();
        everyone.insert_range(1..=subject_max.max(self.consents.subject_max()));
        let mut subjects = self.consenting(purpose, asked, &everyone);
        if !mutants::is_on(Mutant::TombstonesIgnored) {
            subjects -= &self.tombstones;
        }
        if mutants::is_on(Mutant::ConsentIgnored) {
            subjects = everyone - &self.tombstones;
        }
        let stamp = Stamp { serial: self.serial, purpose: purpose.clone(), asked, subject_max };
        let visible = Arc::new(VisibleSubjects::new(stamp, subjects));
        cached.insert(key, Arc::clone(&visible));
        visible
    }
}

#[cfg(test)]
mod tests {
    use custos_consent::{ConsentEvent, ConsentStatus};

    use super::*;

    #[test]
    fn a_grant_counts_whichever_account_of_the_person_gave_it() {
        let purpose: Purpose = "analytics".parse().unwrap();
        let given = ConsentEvent {
            rid: Rid::new(9),
            at: Timestamp::from_micros(1),
            purpose: purpose.clone(),
            status: ConsentStatus::Given,
            expires_at: None,
            notice: None,
            channel: None,
            authority: true,
        };
        let persons = PersonMap::from_clusters([vec![Rid::new(2), Rid::new(9)]]);
        let visibility = Visibility::new(
            Epochs { consent: 1, ..Epochs::default() },
            (0, Arc::new(persons)),
            (Arc::new(ConsentBook::from_events([given])), None),
            RoaringBitmap::new(),
            Timestamp::from_micros(5),
        );
        // Of a table that knows the smaller account alone.
        let visible = visibility.visible(&purpose, RowBasis::NeedsGrant.into(), 3);
        assert!(visible.subjects.contains(2) && !visible.subjects.contains(3));
    }

    #[test]
    fn a_consent_that_ran_out_is_noticed_by_the_first_who_asks_for_its_purpose() {
        let purpose: Purpose = "analytics".parse().unwrap();
        let at = Timestamp::from_micros;
        let given = ConsentEvent {
            rid: Rid::new(1),
            at: at(1),
            purpose: purpose.clone(),
            status: ConsentStatus::Given,
            expires_at: Some(at(10)),
            notice: None,
            channel: None,
            authority: true,
        };
        let epochs = Epochs { consent: 1, ..Epochs::default() };
        let book = Arc::new(ConsentBook::from_events([given]));
        let seen = |now| {
            let book = Arc::clone(&book);
            Visibility::new(
                epochs,
                (0, Arc::default()),
                (book, None),
                RoaringBitmap::new(),
                at(now),
            )
        };
        // Nobody asked for the purpose before.
        let before = seen(5);
        assert!(before.is_current(epochs, 0, at(9)));
        assert!(!before.is_current(epochs, 0, at(10)));
        let visible = |seen: &Visibility| {
            seen.visible(&purpose, RowBasis::NeedsGrant.into(), 9)
                .subjects
                .iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(visible(&before), [1]);
        assert_eq!(visible(&seen(10)), [0_u32; 0]);
    }
}
