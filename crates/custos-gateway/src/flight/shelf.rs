//! Statements that callers left with the server, to name them later by a handle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use custos_core::{PrincipalId, Purpose};
use custos_query::ClientMemory;

use super::refusal::Refusal;
use crate::wire_error::Failure;

/// What names a statement: random, and of use to its owner only.
///
/// It is the number of an entry here and not a sealed statement, because a ticket with parameters
/// could be longer than a message may be, and because SQL has nothing to do in the logs of whoever
/// passes tickets on.
pub(super) type Handle = [u8; 16];

/// Whose a statement is: nobody else can use it, nor can they themselves for another purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) principal: PrincipalId,
    pub(super) purpose: Purpose,
}

/// How long statements are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    /// For this long, used or not.
    For(Duration),
    /// For this long after the last use.
    Unused(Duration),
}

/// What can be kept.
pub(super) trait Weigh {
    /// What it takes to keep it.
    fn bytes(&self) -> u64;
}

/// Statements that are kept for a time, in memory of whoever sent them.
///
/// A principal may keep so many; then the oldest goes. When the memory of the principal, or of
/// all, is full, nothing more is kept: to drop what somebody was promised would not make room where
/// others hold it.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    kept: Kept,
    statements_max: usize,
    /// Those of each principal, the oldest first.
    held: Mutex<HashMap<PrincipalId, Vec<Held<T>>>>,
}

#[derive(Debug)]
struct Held<T> {
    handle: Handle,
    purpose: Purpose,
    statement: Arc<T>,
    memory: ClientMemory,
    since: Instant,
}

impl<T: Weigh> Shelf<T> {
    pub(super) fn new(kept: Kept, statements_max: usize) -> Self {
        Self { kept, statements_max, held: Mutex::default() }
    }

    /// Keeps a statement in `memory`, which is of its owner.
    pub(super) fn put(
        &self,
        owner: Owner,
        statement: Arc<T>,
        mut memory: ClientMemory,
        now: Instant,
    ) -> Result<Handle, Failure> {
        let mut handle = Handle::default();
        getrandom::fill(&mut handle).map_err(|_| Refusal::NoRandomness)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever never comes back leaves nothing behind.
        held.retain(|_, own| {
            own.retain(|held| self.is_fresh(held, now));
            !own.is_empty()
        });
        if let Some(own) = held.get_mut(&owner.principal)
            && own.len() >= self.statements_max
        {
            own.remove(0);
        }
        memory.hold(statement.bytes())?;
        let kept = Held { handle, purpose: owner.purpose, statement, memory, since: now };
        held.entry(owner.principal).or_default().push(kept);
        Ok(handle)
    }

    /// A statement that was kept.
    pub(super) fn find(&self, handle: &[u8], owner: &Owner, now: Instant) -> Option<Arc<T>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.get_mut(&owner.principal)?;
        let place = place(own, handle, owner)?;
        if !own.get(place).is_some_and(|held| self.is_fresh(held, now)) {
            return None;
        }
        if let Kept::Unused(_) = self.kept {
            let mut used = own.remove(place);
            used.since = now;
            own.push(used);
            return own.last().map(|held| Arc::clone(&held.statement));
        }
        own.get(place).map(|held| Arc::clone(&held.statement))
    }

    /// Keeps another statement in the place of one. Whether there was one.
    pub(super) fn replace(
        &self,
        handle: &[u8],
        owner: &Owner,
        statement: Arc<T>,
    ) -> Result<bool, Failure> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = held.get_mut(&owner.principal) else { return Ok(false) };
        let found = place(own, handle, owner).and_then(|place| own.get_mut(place));
        let Some(found) = found else { return Ok(false) };
        found.memory.hold(statement.bytes())?;
        found.statement = statement;
        Ok(true)
    }

    /// Keeps a statement no longer. Whether there was one.
    pub(super) fn remove(&self, handle: &[u8], owner: &Owner) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = held.get_mut(&owner.principal) else { return false };
        let Some(place) = place(own, handle, owner) else { return false };
        own.remove(place);
        true
    }

    fn is_fresh(&self, held: &Held<T>, now: Instant) -> bool {
        let (Kept::For(time) | Kept::Unused(time)) = self.kept;
        now.saturating_duration_since(held.since) < time
    }
}

fn place<T>(own: &[Held<T>], handle: &[u8], owner: &Owner) -> Option<usize> {
    own.iter().position(|held| held.handle == handle && held.purpose == owner.purpose)
}

#[cfg(test)]
mod tests {
    use super::super::statement::Statement;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn owner(principal: &str, purpose: &str) -> Owner {
        Owner { principal: principal.parse().unwrap(), purpose: purpose.parse().unwrap() }
    }

    fn shelf(kept: Kept) -> Shelf<Statement> {
        Shelf::new(kept, 3)
    }

    fn put(shelf: &Shelf<Statement>, owner: &Owner, sql: &str, now: Instant) -> Handle {
        shelf.put(owner.clone(), statement(sql), ClientMemory::up_to(1 << 20), now).unwrap()
    }

    fn statement(sql: &str) -> Arc<Statement> {
        Arc::new(Statement { sql: sql.to_owned(), parameters: Vec::new() })
    }

    #[test]
    fn a_handle_is_of_use_to_its_owner_only_and_as_it_was_given() {
        let (shelf, now) = (shelf(Kept::For(MINUTE)), Instant::now());
        let ana = owner("ana", "analytics");
        let handle = put(&shelf, &ana, "SELECT 1", now);
        put(&shelf, &owner("bo", "analytics"), "SELECT 2", now);
        assert_eq!(shelf.find(&handle, &ana, now).unwrap().sql, "SELECT 1");
        for other in [owner("bo", "analytics"), owner("ana", "marketing")] {
            assert!(shelf.find(&handle, &other, now).is_none());
            assert!(!shelf.remove(&handle, &other));
            assert!(!shelf.replace(&handle, &other, statement("SELECT 3")).unwrap());
        }
        for place in 0..handle.len() {
            let mut altered = handle;
            altered[place] ^= 1;
            assert!(shelf.find(&altered, &ana, now).is_none());
        }
        assert!(shelf.find(&handle[1..], &ana, now).is_none());
        assert!(shelf.remove(&handle, &ana));
        assert!(shelf.find(&handle, &ana, now).is_none());
    }

    #[test]
    fn tickets_expire_and_what_is_used_is_kept() {
        let (tickets, prepared) = (shelf(Kept::For(MINUTE)), shelf(Kept::Unused(MINUTE)));
        let (ana, now) = (owner("ana", "analytics"), Instant::now());
        let ticket = put(&tickets, &ana, "SELECT 1", now);
        let handle = put(&prepared, &ana, "SELECT 1", now);
        let later = now + MINUTE / 2;
        assert!(tickets.find(&ticket, &ana, later).is_some());
        assert!(prepared.find(&handle, &ana, later).is_some());
        let later = now + MINUTE;
        assert!(tickets.find(&ticket, &ana, later).is_none());
        assert!(prepared.find(&handle, &ana, later).is_some());
        assert!(prepared.find(&handle, &ana, later + MINUTE).is_none());
        put(&tickets, &owner("bo", "analytics"), "SELECT 2", later);
        assert_eq!(tickets.held.lock().unwrap().len(), 1, "nothing expired is kept");
    }

    #[test]
    fn the_oldest_goes_when_a_principal_keeps_too_many() {
        let (shelf, now) = (shelf(Kept::Unused(MINUTE)), Instant::now());
        let (ana, bo) = (owner("ana", "analytics"), owner("bo", "analytics"));
        let others = put(&shelf, &bo, "SELECT 0", now);
        let handles = ["a", "b", "c"].map(|sql| put(&shelf, &ana, sql, now));
        assert!(shelf.find(&handles[0], &ana, now).is_some(), "the oldest is used");
        put(&shelf, &ana, "d", now);
        assert!(shelf.find(&handles[1], &ana, now).is_none());
        assert!(shelf.find(&handles[0], &ana, now).is_some());
        assert!(shelf.find(&others, &bo, now).is_some());
    }

    #[test]
    fn nothing_is_kept_beyond_its_memory_and_what_is_kept_stays_as_it_was() {
        let (shelf, now) = (shelf(Kept::Unused(MINUTE)), Instant::now());
        let ana = owner("ana", "analytics");
        let keep = |bytes: usize, of: u64| {
            let sql = statement(&"x".repeat(bytes));
            shelf.put(ana.clone(), sql, ClientMemory::up_to(of), now)
        };
        let size = statement("").bytes();
        let handle = keep(100, size + 100).unwrap();
        assert!(keep(101, size + 100).is_err());
        let replace = |bytes: usize| shelf.replace(&handle, &ana, statement(&"y".repeat(bytes)));
        assert!(replace(101).is_err());
        assert!(shelf.find(&handle, &ana, now).unwrap().sql.starts_with('x'));
        assert!(replace(99).unwrap());
        assert_eq!(shelf.find(&handle, &ana, now).unwrap().sql.len(), 99);
    }
}
