//! What a connection has in hand.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use custos_core::Purpose;
use custos_policy::Principal;
use custos_query::{ClientMemory, Description, Question, RowStream, Visibility};
use pgwire::messages::response::TransactionStatus;

use super::command::Command;
use super::error::PgError;
use super::format::Format;
use super::rows::Rows;
use super::settings::Settings;
use crate::Gateway;

/// Most prepared statements, most portals and most savepoints of a connection.
const KEPT_MAX: usize = 1_000;

/// Longest name of a savepoint, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Most bytes that a connection keeps: texts of statements, parameters, and settings of savepoints.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// A statement that was prepared.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) sql: String,
    /// None if there is nothing in it.
    pub(super) command: Option<Command>,
    /// The types that the client declared, 0 where it did not.
    pub(super) oids: Vec<u32>,
    /// What it takes and gives, once that was asked.
    pub(super) description: Option<Arc<Description>>,
}

/// A statement with its parameters, run as far as the client took its rows.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) sql: String,
    pub(super) command: Option<Command>,
    pub(super) parameters: Vec<ArrayRef>,
    pub(super) formats: Vec<Format>,
    pub(super) state: PortalState,
    /// Whether it outlives its transaction.
    pub(super) is_held: bool,
}

#[derive(Debug)]
pub(super) enum PortalState {
    Ready,
    Running(Box<Rows>),
    /// All rows are out.
    Done(&'static str),
}

impl Prepared {
    const fn bytes(&self) -> usize {
        self.sql.len()
    }
}

impl Portal {
    fn bytes(&self) -> usize {
        let parameters = self.parameters.iter().map(|value| value.get_array_memory_size());
        self.sql.len() + parameters.sum::<usize>()
    }
}

/// A block of statements that the client began.
#[derive(Debug)]
struct Transaction {
    has_failed: bool,
    /// The settings to go back to if it is rolled back.
    settings: Settings,
    savepoints: Vec<(String, Settings)>,
}

/// A client that has logged in.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) principal: Principal,
    pub(super) purpose: Purpose,
    pub(super) settings: Settings,
    /// The settings that the client was told of, as it was told.
    reported: Vec<(&'static str, String)>,
    /// What statements are told of the connection.
    told: custos_query::Session,
    transaction: Option<Transaction>,
    pub(super) statements: HashMap<String, Prepared>,
    pub(super) portals: HashMap<String, Portal>,
    /// For what is kept.
    memory: ClientMemory,
}

impl Session {
    pub(super) fn new(
        principal: Principal,
        purpose: Purpose,
        settings: Settings,
        told: custos_query::Session,
        memory: ClientMemory,
    ) -> Self {
        let reported = settings.reported();
        let mut session = Self {
            principal,
            purpose,
            settings,
            reported,
            told,
            transaction: None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            memory,
        };
        session.tell_settings();
        session
    }

    /// The settings that changed since the client was told of them, with their values.
    pub(super) fn changes(&mut self) -> Vec<(&'static str, String)> {
        let now = self.settings.reported();
        let changed = now.iter().zip(&self.reported).filter(|(now, told)| now != told);
        let changed = changed.map(|(now, _)| now.clone()).collect();
        self.reported = now;
        changed
    }

    /// Lets statements see the settings as they are now.
    pub(super) fn tell_settings(&mut self) {
        self.told.settings = self.settings.all();
    }

    /// Whether a transaction is open, and whether it failed.
    pub(super) fn status(&self) -> TransactionStatus {
        match &self.transaction {
            None => TransactionStatus::Idle,
            Some(transaction) if transaction.has_failed => TransactionStatus::Error,
            Some(_) => TransactionStatus::Transaction,
        }
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Refuses what may not run in a transaction that failed.
    pub(super) fn admit(&self, command: Option<&Command>) -> Result<(), PgError> {
        let has_failed = self.transaction.as_ref().is_some_and(|open| open.has_failed);
        if has_failed && !command.is_some_and(Command::ends_transaction) {
            return Err(PgError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Begins a transaction; false if there is one.
    pub(super) fn begin(&mut self) -> bool {
        if self.transaction.is_some() {
            return false;
        }
        let settings = self.settings.clone();
        self.transaction =
            Some(Transaction { has_failed: false, settings, savepoints: Vec::new() });
        true
    }

    /// Ends a transaction; tells whether it was committed, or none if there was none.
    pub(super) fn end(&mut self, is_commit: bool) -> Result<Option<bool>, PgError> {
        let Some(transaction) = self.transaction.take() else { return Ok(None) };
        let is_committed = is_commit && !transaction.has_failed;
        match is_committed {
            true => self.settings.end_transaction()?,
            false => self.settings = transaction.settings,
        }
        self.tell_settings();
        self.portals.retain(|_, portal| portal.is_held && is_committed);
        Ok(Some(is_committed))
    }

    /// A statement failed.
    pub(super) fn fail(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.has_failed = true;
        }
    }

    /// The end of a message, or of a group of them, outside of a transaction.
    pub(super) fn settle(&mut self) -> Result<(), PgError> {
        if self.transaction.is_none() {
            self.portals.retain(|_, portal| portal.is_held);
            self.settings.end_transaction()?;
            self.tell_settings();
        }
        // What was closed since.
        Ok(self.memory.hold(self.kept_bytes() as u64)?)
    }

    pub(super) fn savepoint(&mut self, name: String) -> Result<(), PgError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(PgError::new("42622", "the name of the savepoint is too long"));
        }
        let settings = self.settings.clone();
        if self.block("SAVEPOINT")?.savepoints.len() >= KEPT_MAX {
            return Err(too_many("savepoints").with_hint("release those that are not needed"));
        }
        self.admit_bytes(name.len() + settings.bytes())?;
        self.block("SAVEPOINT")?.savepoints.push((name, settings));
        Ok(())
    }

    pub(super) fn release(&mut self, name: &str) -> Result<(), PgError> {
        let transaction = self.block("RELEASE SAVEPOINT")?;
        let at = place(transaction, name)?;
        transaction.savepoints.truncate(at);
        Ok(())
    }

    pub(super) fn roll_back_to(&mut self, name: &str) -> Result<(), PgError> {
        let transaction = self.block("ROLLBACK TO SAVEPOINT")?;
        let at = place(transaction, name)?;
        transaction.savepoints.truncate(at + 1);
        transaction.has_failed = false;
        if let Some((_, settings)) = transaction.savepoints.last() {
            self.settings = settings.clone();
        }
        self.tell_settings();
        Ok(())
    }

    fn block(&mut self, what: &str) -> Result<&mut Transaction, PgError> {
        self.transaction.as_mut().ok_or_else(|| {
            PgError::new("25P01", format!("{what} can only be used in transaction blocks"))
        })
    }

    /// Forgets all but who asks, for what, and what the session began with.
    pub(super) fn discard(&mut self) -> Result<(), PgError> {
        self.statements.clear();
        self.portals.clear();
        self.settings.reset_all()?;
        self.tell_settings();
        Ok(())
    }

    /// Keeps a statement under a name.
    pub(super) fn keep_statement(
        &mut self,
        name: String,
        prepared: Prepared,
    ) -> Result<(), PgError> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(PgError::new("42P05", "a prepared statement of this name exists already"));
        }
        if self.statements.len() >= KEPT_MAX {
            return Err(too_many("prepared statements"));
        }
        self.admit_bytes(name.len() + prepared.bytes())?;
        self.statements.insert(name, prepared);
        Ok(())
    }

    /// Keeps a portal under a name.
    pub(super) fn keep_portal(&mut self, name: String, portal: Portal) -> Result<(), PgError> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(PgError::new("42P03", "a cursor of this name exists already"));
        }
        if self.portals.len() >= KEPT_MAX {
            return Err(too_many("cursors"));
        }
        self.admit_bytes(name.len() + portal.bytes())?;
        self.portals.insert(name, portal);
        Ok(())
    }

    /// Refuses to keep so many bytes more than there are, if that is too much for a connection or
    /// for all of them.
    fn admit_bytes(&mut self, more: usize) -> Result<(), PgError> {
        let bytes = self.kept_bytes() + more;
        if bytes > KEPT_BYTES_MAX {
            let text = "what this connection has kept is too large";
            return Err(PgError::new("54000", text).with_hint(CLOSE));
        }
        Ok(self.memory.hold(bytes as u64)?)
    }

    fn kept_bytes(&self) -> usize {
        let statements = self.statements.iter().map(|(name, kept)| name.len() + kept.bytes());
        let portals = self.portals.iter().map(|(name, kept)| name.len() + kept.bytes());
        let savepoints = self.transaction.iter().flat_map(|transaction| &transaction.savepoints);
        let savepoints = savepoints.map(|(name, settings)| name.len() + settings.bytes());
        statements.chain(portals).chain(savepoints).sum()
    }

    pub(super) fn statement(&self, name: &str) -> Result<&Prepared, PgError> {
        self.statements.get(name).ok_or_else(no_statement)
    }

    pub(super) fn portal(&mut self, name: &str) -> Result<&mut Portal, PgError> {
        self.portals.get_mut(name).ok_or_else(no_portal)
    }

    /// What a statement takes and gives, if its parameters have the types of these values.
    pub(super) async fn describe(
        &self,
        gateway: &Gateway,
        sql: &str,
        typed: &[ArrayRef],
    ) -> Result<Description, PgError> {
        Ok(gateway.governor.describe(&self.question(sql, typed)).await?)
    }

    fn question<'a>(&'a self, sql: &'a str, parameters: &'a [ArrayRef]) -> Question<'a> {
        Question {
            sql,
            parameters,
            principal: &self.principal,
            purpose: &self.purpose,
            session: Some(&self.told),
        }
    }

    /// Looks who the principal is now; one whose access was revoked is told so for the last time.
    pub(super) async fn know_again(&mut self, gateway: &Gateway) -> Result<(), PgError> {
        let known = gateway.authenticator.principal(&self.principal.id).await;
        match known.map_err(|error| PgError::of(&error))? {
            Some(principal) => self.principal = principal,
            None => {
                let text = "terminating connection: this principal has no access any more";
                return Err(PgError::new("57P01", text).fatal());
            }
        }
        Ok(())
    }

    /// Refuses to go on with an answer that was begun if consent changed since: what comes next could
    /// be of somebody who must not be seen any more.
    pub(super) async fn may_go_on(&mut self, gateway: &Gateway, name: &str) -> Result<(), PgError> {
        self.know_again(gateway).await?;
        let now = Self::visibility(gateway).await?;
        let begun = match &self.portal(name)?.state {
            PortalState::Running(rows) => rows.visibility.clone(),
            PortalState::Ready | PortalState::Done(_) => None,
        };
        if begun.is_some_and(|begun| !Arc::ptr_eq(&begun, &now)) {
            self.portals.remove(name);
            let text = "consent changed since the cursor was opened";
            return Err(PgError::new("40001", text).with_hint("open it again"));
        }
        Ok(())
    }

    /// Begins to answer a statement.
    pub(super) async fn ask(
        &mut self,
        gateway: &Gateway,
        sql: &str,
        parameters: &[ArrayRef],
    ) -> Result<RowStream, PgError> {
        self.know_again(gateway).await?;
        let question = self.question(sql, parameters);
        let executor = &gateway.executor;
        match gateway.governor.govern_question(&question).await {
            Ok(governed) => Ok(executor.run(governed).await?),
            Err(error) => {
                executor.record_refusal(question.principal, question.purpose, &error).await?;
                Err(error.into())
            }
        }
    }

    /// Consent as it is now, to tell later whether it is still so.
    pub(super) async fn visibility(gateway: &Gateway) -> Result<Arc<Visibility>, PgError> {
        Ok(gateway.executor.visibility().await?)
    }
}

fn place(transaction: &Transaction, name: &str) -> Result<usize, PgError> {
    let place = transaction.savepoints.iter().rposition(|(known, _)| known == name);
    place.ok_or_else(|| PgError::new("3B001", "there is no savepoint of this name"))
}

pub(super) fn no_statement() -> PgError {
    PgError::new("26000", "there is no prepared statement of this name")
}

pub(super) fn no_portal() -> PgError {
    PgError::new("34000", "there is no cursor of this name")
}

const CLOSE: &str = "close what is not needed any more";

fn too_many(what: &str) -> PgError {
    PgError::new("54000", format!("a connection has {KEPT_MAX} {what} at most")).with_hint(CLOSE)
}
