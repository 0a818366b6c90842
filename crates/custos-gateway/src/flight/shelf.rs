//! Statements that callers left with the server, to name them later by a handle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use custos_core::{PrincipalId, Purpose};

use super::refusal::Refusal;
use super::statement::Statement;

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

/// What a principal may keep at most; then the oldest goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) statements: usize,
    pub(super) bytes: usize,
}

/// Statements that are kept for a time, so many of a principal and not more.
#[derive(Debug)]
pub(super) struct Shelf {
    kept: Kept,
    room: Room,
    /// Those of each principal, the oldest first.
    held: Mutex<HashMap<PrincipalId, Vec<Held>>>,
}

#[derive(Debug)]
struct Held {
    handle: Handle,
    purpose: Purpose,
    statement: Arc<Statement>,
    since: Instant,
}

impl Shelf {
    pub(super) fn new(kept: Kept, room: Room) -> Self {
        Self { kept, room, held: Mutex::default() }
    }

    /// Keeps a statement.
    pub(super) fn put(
        &self,
        owner: Owner,
        statement: Arc<Statement>,
        now: Instant,
    ) -> Result<Handle, Refusal> {
        let mut handle = Handle::default();
        getrandom::fill(&mut handle).map_err(|_| Refusal::NoRandomness)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever never comes back leaves nothing behind.
        held.retain(|_, own| {
            own.retain(|held| self.is_fresh(held, now));
            !own.is_empty()
        });
        let own = held.entry(owner.principal).or_default();
        own.push(Held { handle, purpose: owner.purpose, statement, since: now });
        self.make_room(own);
        Ok(handle)
    }

    /// A statement that was kept.
    pub(super) fn find(
        &self,
        handle: &[u8],
        owner: &Owner,
        now: Instant,
    ) -> Option<Arc<Statement>> {
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
    pub(super) fn replace(&self, handle: &[u8], owner: &Owner, statement: Arc<Statement>) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = held.get_mut(&owner.principal) else { return false };
        let found = place(own, handle, owner).and_then(|place| own.get_mut(place));
        let Some(found) = found else { return false };
        found.statement = statement;
        self.make_room(own);
        true
    }

    /// Keeps a statement no longer. Whether there was one.
    pub(super) fn remove(&self, handle: &[u8], owner: &Owner) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = held.get_mut(&owner.principal) else { return false };
        let Some(place) = place(own, handle, owner) else { return false };
        own.remove(place);
        true
    }

    fn is_fresh(&self, held: &Held, now: Instant) -> bool {
        let (Kept::For(time) | Kept::Unused(time)) = self.kept;
        now.saturating_duration_since(held.since) < time
    }

    fn make_room(&self, own: &mut Vec<Held>) {
        let bytes = |own: &[Held]| own.iter().map(|held| held.statement.bytes()).sum::<usize>();
        while own.len() > 1 && (own.len() > self.room.statements || bytes(own) > self.room.bytes) {
            own.remove(0);
        }
    }
}

fn place(own: &[Held], handle: &[u8], owner: &Owner) -> Option<usize> {
    own.iter().position(|held| held.handle == handle && held.purpose == owner.purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn owner(principal: &str, purpose: &str) -> Owner {
        Owner { principal: principal.parse().unwrap(), purpose: purpose.parse().unwrap() }
    }

    fn shelf(kept: Kept) -> Shelf {
        Shelf::new(kept, Room { statements: 3, bytes: 100 })
    }

    fn statement(sql: &str) -> Arc<Statement> {
        Arc::new(Statement { sql: sql.to_owned(), parameters: Vec::new() })
    }

    #[test]
    fn a_handle_is_of_use_to_its_owner_only_and_as_it_was_given() {
        let (shelf, now) = (shelf(Kept::For(MINUTE)), Instant::now());
        let ana = owner("ana", "analytics");
        let handle = shelf.put(ana.clone(), statement("SELECT 1"), now).unwrap();
        shelf.put(owner("bo", "analytics"), statement("SELECT 2"), now).unwrap();
        assert_eq!(shelf.find(&handle, &ana, now).unwrap().sql, "SELECT 1");
        for other in [owner("bo", "analytics"), owner("ana", "marketing")] {
            assert!(shelf.find(&handle, &other, now).is_none());
            assert!(!shelf.remove(&handle, &other));
            assert!(!shelf.replace(&handle, &other, statement("SELECT 3")));
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
        let ticket = tickets.put(ana.clone(), statement("SELECT 1"), now).unwrap();
        let handle = prepared.put(ana.clone(), statement("SELECT 1"), now).unwrap();
        let later = now + MINUTE / 2;
        assert!(tickets.find(&ticket, &ana, later).is_some());
        assert!(prepared.find(&handle, &ana, later).is_some());
        let later = now + MINUTE;
        assert!(tickets.find(&ticket, &ana, later).is_none());
        assert!(prepared.find(&handle, &ana, later).is_some());
        assert!(prepared.find(&handle, &ana, later + MINUTE).is_none());
        tickets.put(owner("bo", "analytics"), statement("SELECT 2"), later).unwrap();
        assert_eq!(tickets.held.lock().unwrap().len(), 1, "nothing expired is kept");
    }

    #[test]
    fn the_oldest_goes_when_a_principal_keeps_too_much() {
        let (shelf, now) = (shelf(Kept::Unused(MINUTE)), Instant::now());
        let (ana, bo) = (owner("ana", "analytics"), owner("bo", "analytics"));
        let others = shelf.put(bo.clone(), statement("SELECT 0"), now).unwrap();
        let put = |sql: &str| shelf.put(ana.clone(), statement(sql), now).unwrap();
        let handles = ["a", "b", "c"].map(put);
        assert!(shelf.find(&handles[0], &ana, now).is_some(), "the oldest is used");
        let more = put("d");
        assert!(shelf.find(&handles[1], &ana, now).is_none());
        assert!(shelf.find(&handles[0], &ana, now).is_some());
        let long = put(&"x".repeat(99));
        assert!(shelf.find(&more, &ana, now).is_none());
        assert!(shelf.find(&long, &ana, now).is_some());
        assert!(shelf.find(&others, &bo, now).is_some());
    }
}
