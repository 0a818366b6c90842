//! A connection whose client has logged in.

use std::sync::Arc;

use arrow::array::ArrayRef;
use custos_query::QueryError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use pgwire::messages::response::{CommandComplete, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
use tokio::time::Instant;

use super::cancel::Cancel;
use super::command::{Command, Declare, Fetch, Given, Mode};
use super::encode::{CopyEncoder, CopyFormat, RowEncoder};
use super::error::PgError;
use super::format::Format;
use super::rows::{Rows, Writer, interrupted};
use super::session::{Portal, PortalState, Session};
use super::settings::Settings;
use super::wire::{Stream, Wire};
use super::{Door, Stop};

/// A client, and what it has in hand.
pub(super) struct Connection<'a, S> {
    pub(super) door: &'a Door,
    pub(super) wire: Wire<S>,
    pub(super) session: Session,
    pub(super) cancel: Cancel,
}

impl<S: Stream> Connection<'_, S> {
    /// Answers until the client leaves.
    pub(super) async fn run(mut self) {
        loop {
            match self.answer().await {
                Ok(true) => {}
                Ok(false) | Err(Stop::Gone) => return,
                Err(Stop::Error(error)) => return self.wire.close(error).await,
            }
        }
    }

    /// Answers a message; false if it was the last.
    async fn answer(&mut self) -> Result<bool, Stop> {
        let mut stopping = self.door.stopping.clone();
        let message = tokio::select! {
            biased;
            message = self.wire.next() => message?,
            _ = stopping.wait_for(|stopping| *stopping) => {
                let text = "terminating connection due to administrator command";
                return Err(PgError::new("57P01", text).fatal().into());
            }
        };
        let Some(message) = message else { return Ok(false) };
        match message {
            Message::Query(query) => self.simple(&query.query).await?,
            Message::Terminate(_) => return Ok(false),
            message => self.extended(message).await?,
        }
        Ok(true)
    }

    /// Tells the client that it may go on.
    pub(super) async fn ready(&mut self) -> Result<(), Stop> {
        self.session.settle()?;
        for (name, value) in self.session.changes() {
            let status = ParameterStatus::new(name.to_owned(), value);
            self.wire.put(PgWireBackendMessage::ParameterStatus(status))?;
        }
        let status = self.session.status();
        self.wire.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)))?;
        Ok(self.wire.send().await?)
    }

    /// Tells the client of an error, after which it can go on or not.
    pub(super) fn tell(&mut self, stop: Stop) -> Result<(), Stop> {
        match stop {
            Stop::Error(error) if !error.is_fatal() => {
                self.session.fail();
                Ok(self.wire.put(error.into_message())?)
            }
            stop => Err(stop),
        }
    }

    pub(super) fn complete(&mut self, tag: String) -> Result<(), Stop> {
        Ok(self.wire.put(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))?)
    }

    fn warn(&mut self, code: &'static str, text: &str) -> Result<(), Stop> {
        Ok(self.wire.put(PgError::new(code, text).into_notice())?)
    }

    /// Does what a command without rows asks for, and tells what was done.
    pub(super) async fn perform(&mut self, command: &Command) -> Result<String, Stop> {
        let tag = match command {
            Command::Begin(modes) => {
                if !self.session.begin() {
                    self.warn("25001", "there is already a transaction in progress")?;
                }
                self.modes(modes, false)?;
                "BEGIN"
            }
            Command::Modes { modes, is_session } => {
                if !is_session && !self.session.is_in_transaction() {
                    self.warn("25P01", "SET TRANSACTION can only be used in transaction blocks")?;
                } else {
                    self.modes(modes, *is_session)?;
                }
                "SET"
            }
            Command::Commit { is_chained } => match self.end(true, *is_chained)? {
                true => "COMMIT",
                false => "ROLLBACK",
            },
            Command::Rollback { is_chained } => {
                self.end(false, *is_chained)?;
                "ROLLBACK"
            }
            Command::Savepoint(name) => {
                self.session.savepoint(name.clone())?;
                "SAVEPOINT"
            }
            Command::Release(name) => {
                self.session.release(name)?;
                "RELEASE"
            }
            Command::RollbackTo(name) => {
                self.session.roll_back_to(name)?;
                "ROLLBACK"
            }
            Command::Set { name, value, is_local } => {
                self.set(name, value.as_deref(), *is_local)?;
                "SET"
            }
            Command::Reset(name) => {
                match name {
                    Some(name) => self.set(name, None, false)?,
                    None => self.changing(Settings::reset_all)?,
                }
                "RESET"
            }
            Command::DiscardAll => {
                if self.session.is_in_transaction() {
                    let text = "DISCARD ALL cannot run inside a transaction block";
                    return Err(PgError::new("25001", text).into());
                }
                self.session.discard()?;
                "DISCARD ALL"
            }
            Command::Declare(declare) => {
                self.declare(declare).await?;
                "DECLARE CURSOR"
            }
            Command::Close(name) => match name {
                Some(name) => {
                    let closed = self.session.portals.remove(name);
                    closed.ok_or_else(super::session::no_portal)?;
                    "CLOSE CURSOR"
                }
                None => {
                    self.session.portals.clear();
                    "CLOSE CURSOR ALL"
                }
            },
            Command::Prepare { name, sql } => {
                let prepared = self.prepared(sql, Vec::new())?;
                self.session.keep_statement(name.clone(), prepared)?;
                "PREPARE"
            }
            Command::Deallocate(name) => match name {
                Some(name) => {
                    let gone = self.session.statements.remove(name);
                    gone.ok_or_else(super::session::no_statement)?;
                    "DEALLOCATE"
                }
                None => {
                    self.session.statements.clear();
                    "DEALLOCATE ALL"
                }
            },
            Command::Nothing(tag) => tag,
            Command::Rows
            | Command::SetConfig { .. }
            | Command::Show(_)
            | Command::ShowAll
            | Command::Fetch(_)
            | Command::Execute { .. }
            | Command::Copy { .. } => return Err(PgError::from(QueryError::Internal).into()),
        };
        Ok(tag.to_owned())
    }

    /// Sets modes of this transaction, or of all to come.
    fn modes(&mut self, modes: &[Mode], is_session: bool) -> Result<(), Stop> {
        for (name, value) in modes {
            self.session.settings.set(name, Some(value), !is_session)?;
            if is_session {
                self.session.settings.set(&format!("default_{name}"), Some(value), false)?;
            }
        }
        self.session.tell_settings();
        Ok(())
    }

    /// Ends the transaction, and tells whether it was committed. One that is chained to it has the
    /// same modes.
    fn end(&mut self, is_commit: bool, is_chained: bool) -> Result<bool, Stop> {
        let isolation = self.session.settings.show("transaction_isolation")?;
        match self.session.end(is_commit)? {
            Some(is_committed) => {
                if is_chained {
                    self.session.begin();
                    self.session.settings.set("transaction_isolation", Some(&isolation), true)?;
                    self.session.tell_settings();
                }
                Ok(is_committed)
            }
            None => {
                self.warn("25P01", "there is no transaction in progress")?;
                Ok(is_commit)
            }
        }
    }

    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        is_local: bool,
    ) -> Result<(), Stop> {
        if is_local && !self.session.is_in_transaction() {
            self.warn("25P01", "SET LOCAL can only be used in transaction blocks")?;
        }
        self.changing(|settings| settings.set(name, value, is_local))
    }

    fn changing(
        &mut self,
        change: impl FnOnce(&mut Settings) -> Result<(), PgError>,
    ) -> Result<(), Stop> {
        change(&mut self.session.settings)?;
        self.session.tell_settings();
        Ok(())
    }

    /// Begins to answer what asks for rows.
    pub(super) async fn rows(
        &mut self,
        command: &Command,
        sql: &str,
        parameters: &[ArrayRef],
    ) -> Result<Rows, Stop> {
        match command {
            Command::Show(name) => {
                let value = self.session.settings.show(name)?;
                let name = Settings::shown_name(name);
                Ok(Rows::told("SHOW", &[(&name, vec![value])])?)
            }
            Command::ShowAll => {
                let (names, values): (Vec<_>, Vec<_>) =
                    self.session.settings.all().into_iter().unzip();
                let nothing = vec![String::new(); names.len()];
                let columns = [("name", names), ("setting", values), ("description", nothing)];
                Ok(Rows::told("SHOW", &columns)?)
            }
            Command::Execute { name, arguments } => self.execute_prepared(name, arguments).await,
            Command::SetConfig { name, value, is_local } => {
                let value = match value {
                    Given::Text(text) => text.clone(),
                    Given::Parameter(number) => text_parameter(parameters, *number)?,
                };
                self.set(name, Some(&value), *is_local)?;
                self.ask(sql, parameters).await
            }
            _ => self.ask(sql, parameters).await,
        }
    }

    /// Asks for the rows of a statement, which can be cancelled meanwhile.
    pub(super) async fn ask(&mut self, sql: &str, parameters: &[ArrayRef]) -> Result<Rows, Stop> {
        self.cancel.forget().await;
        let timeout = self.session.settings.statement_timeout();
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let gateway = &self.door.gateway;
        // Read before the statement begins, so that no change falls between the two.
        let visibility = Session::visibility(gateway).await?;
        let stream = tokio::select! {
            biased;
            stream = self.session.ask(gateway, sql, parameters) => stream?,
            reason = interrupted(&mut self.wire, &self.cancel, deadline) => return Err(reason),
        };
        let is_explain =
            sql.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("explain"));
        let tag = if is_explain { "EXPLAIN" } else { "SELECT" };
        let mut rows = Rows::of(stream, tag, timeout);
        rows.visibility = Some(visibility);
        Ok(rows)
    }

    async fn execute_prepared(&mut self, name: &str, arguments: &str) -> Result<Rows, Stop> {
        let sql = self.session.statement(name)?.sql.clone();
        let parameters = match arguments.trim() {
            "" => Vec::new(),
            arguments => self.computed(arguments).await?,
        };
        self.ask(&sql, &parameters).await
    }

    /// The values of expressions, which stand in a list.
    async fn computed(&mut self, expressions: &str) -> Result<Vec<ArrayRef>, Stop> {
        use futures::StreamExt;
        let sql = format!("SELECT {expressions}");
        let mut stream = self.session.ask(&self.door.gateway, &sql, &[]).await?;
        let batch = stream.next().await.transpose().map_err(PgError::from)?;
        let batch = batch.filter(|batch| batch.num_rows() == 1);
        let batch = batch.ok_or_else(|| PgError::new("42601", "the arguments are not values"))?;
        Ok(batch.columns().to_vec())
    }

    /// Opens a cursor.
    async fn declare(&mut self, declare: &Declare) -> Result<(), Stop> {
        if !declare.is_held && !self.session.is_in_transaction() {
            let text = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(PgError::new("25P01", text).into());
        }
        let rows = self.ask(&declare.sql, &[]).await?;
        let format = if declare.is_binary { Format::Binary } else { Format::Text };
        let portal = Portal {
            sql: declare.sql.clone(),
            command: Some(Command::Rows),
            parameters: Vec::new(),
            formats: vec![format],
            state: PortalState::Running(Box::new(rows)),
            is_held: declare.is_held,
        };
        Ok(self.session.keep_portal(declare.name.clone(), portal)?)
    }

    /// Takes rows from a cursor, in the formats that are asked for or else in those of the cursor.
    pub(super) async fn fetch(
        &mut self,
        fetch: &Fetch,
        formats: Option<&[Format]>,
    ) -> Result<String, Stop> {
        self.cancel.forget().await;
        self.session.may_go_on(&self.door.gateway, &fetch.name).await?;
        let zone = self.session.settings.zone();
        let portal = self.session.portal(&fetch.name)?;
        let word = if fetch.is_move { "MOVE" } else { "FETCH" };
        let rows = match &mut portal.state {
            PortalState::Running(rows) => rows,
            PortalState::Done(_) | PortalState::Ready => return Ok(format!("{word} 0")),
        };
        let writer = match fetch.is_move {
            true => Writer::Nowhere,
            false => {
                let formats = formats.filter(|formats| !formats.is_empty());
                let formats = formats.unwrap_or(&portal.formats);
                Writer::Rows(RowEncoder::new(Arc::clone(rows.schema()), formats, zone))
            }
        };
        let given = rows.give(fetch.rows, &writer, &mut self.wire, &self.cancel).await?;
        Ok(format!("{word} {}", given.rows))
    }

    /// Gives all rows of a statement as a copy.
    pub(super) async fn copy(&mut self, sql: &str, format: &CopyFormat) -> Result<String, Stop> {
        let mut rows = self.ask(sql, &[]).await?;
        let zone = self.session.settings.zone();
        let encoder = CopyEncoder::new(Arc::clone(rows.schema()), format.clone(), zone);
        let columns = i16::try_from(rows.schema().fields().len()).unwrap_or(i16::MAX);
        let code = i16::from(*format == CopyFormat::Binary);
        let formats = vec![code; usize::try_from(columns).unwrap_or(0)];
        let code = i8::from(*format == CopyFormat::Binary);
        let response = CopyOutResponse::new(code, columns, formats);
        self.wire.put(PgWireBackendMessage::CopyOutResponse(response))?;
        encoder.header(self.wire.outgoing()).map_err(PgError::from)?;
        let writer = Writer::Copy(encoder);
        let given = rows.give(None, &writer, &mut self.wire, &self.cancel).await?;
        if let Writer::Copy(encoder) = &writer {
            encoder.trailer(self.wire.outgoing()).map_err(PgError::from)?;
        }
        self.wire.put(PgWireBackendMessage::CopyDone(CopyDone::new()))?;
        Ok(format!("COPY {}", given.rows))
    }
}

/// The value of a parameter that is text.
fn text_parameter(parameters: &[ArrayRef], number: usize) -> Result<String, PgError> {
    use arrow::array::{Array, AsArray};
    let parameter = number.checked_sub(1).and_then(|at| parameters.get(at));
    let text = parameter.and_then(|value| value.as_string_opt::<i32>());
    let text = text.filter(|text| text.len() == 1 && text.is_valid(0));
    text.map(|text| text.value(0).to_owned())
        .ok_or_else(|| PgError::new("22023", "the value of a setting is not text"))
}
