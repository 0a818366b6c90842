//! The simple query protocol: a text of statements in, their answers out.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::EmptyQueryResponse;

use super::Stop;
use super::command::{Command, Fetch};
use super::connection::Connection;
use super::encode::RowEncoder;
use super::error::PgError;
use super::format::Format;
use super::rows::{Writer, description};
use super::session::PortalState;
use super::text::pieces;
use super::wire::Stream;

/// Most statements of a text: all of it is read before the first is answered.
const STATEMENTS_MAX: usize = 5_000;

impl<S: Stream> Connection<'_, S> {
    /// Answers the statements of a text one after the other, up to the first that fails.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<(), Stop> {
        // The nameless statement and portal are gone with a simple query.
        self.session.statements.remove("");
        self.session.portals.remove("");
        if let Err(stop) = self.statements(sql).await {
            self.tell(stop)?;
        }
        self.ready().await
    }

    async fn statements(&mut self, sql: &str) -> Result<(), Stop> {
        // Their words are gone before the first is answered: they take a hundred times its length.
        let statements: Vec<_> =
            pieces(sql)?.iter().map(|piece| (piece.text, Command::of(piece))).collect();
        if statements.is_empty() {
            let empty = PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new());
            return Ok(self.wire.put(empty)?);
        }
        if statements.len() > STATEMENTS_MAX {
            let text = format!("a text has {STATEMENTS_MAX} statements at most");
            return Err(PgError::new("54000", text).with_hint("send them in several").into());
        }
        for (text, command) in statements {
            self.statement(text, command).await?;
        }
        Ok(())
    }

    async fn statement(
        &mut self,
        text: &str,
        command: Result<Command, PgError>,
    ) -> Result<(), Stop> {
        self.session.admit(command.as_ref().ok())?;
        let tag = match &command? {
            Command::Fetch(fetch) => self.fetch_described(fetch).await?,
            Command::Copy { sql, format } => self.copy(sql, format).await?,
            command @ (Command::Rows
            | Command::SetConfig { .. }
            | Command::Show(_)
            | Command::ShowAll
            | Command::Execute { .. }) => {
                let mut rows = self.rows(command, text, &[]).await?;
                let schema = Arc::clone(rows.schema());
                let described = description(&schema, &[]);
                self.wire.put(PgWireBackendMessage::RowDescription(described))?;
                let zone = self.session.settings.zone();
                let writer = Writer::Rows(RowEncoder::new(schema, &[], zone));
                let given = rows.give(None, &writer, &mut self.wire, &self.cancel).await?;
                match rows.tag {
                    "SELECT" => format!("SELECT {}", given.rows),
                    tag => tag.to_owned(),
                }
            }
            command => self.perform(command).await?,
        };
        self.complete(tag)
    }

    async fn fetch_described(&mut self, fetch: &Fetch) -> Result<String, Stop> {
        let portal = self.session.portal(&fetch.name)?;
        let formats: Vec<Format> = portal.formats.clone();
        if let (PortalState::Running(rows), false) = (&portal.state, fetch.is_move) {
            let described = description(rows.schema(), &formats);
            self.wire.put(PgWireBackendMessage::RowDescription(described))?;
        }
        self.fetch(fetch, None).await
    }
}
