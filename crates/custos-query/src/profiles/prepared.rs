//! The profiles of everybody who may be shown, in readiness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use custos_core::{PersonId, PersonMap, Rid, TableName, Timestamp};
use custos_policy::Principal;
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use super::aging_out::subjects_aging_out;
use super::part::PLACE;
use super::shelf::{Shelf, Shelving};
use super::sight::{Shown, Sight};
use super::{ProfilePart, Profiles, ROWS_KEPT_MAX};
use crate::QueryError;
use crate::governor::Preparing;
use crate::others_named::OthersNamed;
use crate::population::{Asked, Epochs, Visibility, VisibleSubjects};

/// What profiles were made from. As long as it is the same they are what statements would answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) epochs: Epochs,
    pub(super) persons: u64,
    pub(super) tables: BTreeMap<TableName, u64>,
    pub(super) day: i64,
}

/// The rows of all people whom those of one class may see, made by governed statements.
///
/// Serves a person only while all that could hide something of them is as it was.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) made_at: Timestamp,
    pub(super) origin: Origin,
    shelves: BTreeMap<ProfilePart, Arc<Shelf>>,
    persons: Arc<PersonMap>,
    /// The subjects that were visible then, for each thing that is asked of people.
    visible: Vec<(Asked, Arc<VisibleSubjects>)>,
    /// The subjects in rows that will be too old on the day after.
    aging_out: RoaringBitmap,
    /// The state of consent that they were made on, if rows name others than whom they are about:
    /// then they are good only as long as nobody says anything.
    on: Option<Arc<Visibility>>,
}

impl Prepared {
    /// Runs the statements.
    pub(super) async fn make(
        profiles: &Profiles,
        principal: &Principal,
        sight: &Sight,
    ) -> Result<Self, QueryError> {
        let began = Instant::now();
        let made_at = profiles.now();
        let origin = profiles.origin(sight).await?;
        let subject_max = profiles.index().await?.subject_max();
        let visibility = profiles.executor().visibility().await?;
        let others = Arc::<OthersNamed>::default();
        let on = Preparing { visibility: Arc::clone(&visibility), others: Arc::clone(&others) };
        let mut shelves = BTreeMap::new();
        for part in &sight.parts {
            let shelf = shelve(profiles, *part, (principal, sight), on.clone()).await?;
            shelves.insert(*part, Arc::new(shelf));
        }
        let visible =
            |&asked: &Asked| (asked, visibility.visible(&sight.purpose, asked, subject_max));
        let aging_out = subjects_aging_out(
            profiles.governor(),
            (principal, &sight.purpose),
            &sight.tables,
            made_at,
        );
        let prepared = Self {
            made_at,
            origin,
            persons: Arc::clone(&visibility.persons),
            visible: sight.asked.iter().map(visible).collect(),
            aging_out: aging_out.await?,
            on: others.any().then_some(visibility),
            shelves,
        };
        let bytes: u64 = prepared.shelves.values().map(|shelf| shelf.bytes()).sum();
        let seconds = began.elapsed().as_secs();
        tracing::info!(purpose = %sight.purpose, bytes, seconds, "profiles are in readiness");
        Ok(prepared)
    }

    /// Whether it matters what anybody says, and not the person alone.
    pub(super) const fn minds_others(&self) -> bool {
        self.on.is_some()
    }

    /// Whether anybody said something since, or was erased, or found to be somebody else.
    pub(super) fn is_outdated(&self, (epochs, persons): (Epochs, u64), now: Timestamp) -> bool {
        self.on.as_ref().is_some_and(|on| !on.is_current(epochs, persons, now))
    }

    /// Whether what was prepared of a person is what a statement would answer now, but for what
    /// landed since: the same day, the same accounts, and the same of them to be shown.
    pub(super) fn serves(&self, sight: &Sight, person: &Person<'_>) -> bool {
        let is_young = match sight.day - self.origin.day {
            0 => true,
            1 => self.aging_out.is_disjoint(person.members),
            _ => false,
        };
        is_young && self.knows_the_same(person) && self.shows_the_same(person)
    }

    fn knows_the_same(&self, person: &Person<'_>) -> bool {
        let members = self.persons.members(person.id);
        members.iter().map(|rid| rid.get()).eq(person.members.iter())
            && members.iter().all(|rid| self.persons.person_of(*rid) == person.id)
    }

    fn shows_the_same(&self, person: &Person<'_>) -> bool {
        person.shown.0.iter().all(|(asked, shown)| {
            let then = self.visible.iter().find(|(of, _)| of == asked);
            then.is_some_and(|(_, then)| &then.subjects & person.members == *shown)
        })
    }

    /// What was prepared of a person. Reads from disk.
    pub(super) fn rows(
        &self,
        person_id: i64,
        part: ProfilePart,
    ) -> Result<Option<RecordBatch>, QueryError> {
        self.shelves.get(&part).map(|shelf| shelf.rows_of(person_id)).transpose()
    }
}

/// Somebody, with all of their accounts and those of them that may be shown now.
#[derive(Debug)]
pub(super) struct Person<'a> {
    pub(super) id: PersonId,
    pub(super) members: &'a RoaringBitmap,
    pub(super) shown: &'a Shown,
}

/// All accounts of a person.
pub(super) fn members_of(persons: &PersonMap, person: PersonId) -> RoaringBitmap {
    persons.members(person).into_iter().map(Rid::get).collect()
}

async fn shelve(
    profiles: &Profiles,
    part: ProfilePart,
    (principal, sight): (&Principal, &Sight),
    on: Preparing,
) -> Result<Shelf, QueryError> {
    let sql = part.sql_of_all(ROWS_KEPT_MAX).ok_or(QueryError::Internal)?;
    let governor = profiles.governor();
    let mut governed = governor.govern(&sql, principal, &sight.purpose).await?;
    governed.prepare(on);
    let mut rows = profiles.executor().run(governed).await?;
    let kept: Vec<usize> = (0..rows.schema().fields().len())
        .filter(|at| rows.schema().field(*at).name() != PLACE)
        .collect();
    let schema = rows.schema().project(&kept).map_err(|_| QueryError::Internal)?;
    let resources = governor.resources();
    let folder = &resources.limits().spill;
    let mut shelving = Shelving::new(folder, resources.space(), &Arc::new(schema), "person_id")?;
    while let Some(batch) = rows.try_next().await? {
        let batch = batch.project(&kept).map_err(|_| QueryError::Internal)?;
        shelving.put(&batch)?;
    }
    shelving.finish()
}
