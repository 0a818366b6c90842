//! The simple query protocol: a text of statements in, their answers out.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::EmptyQueryResponse;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Stop;
use super::command::{Command, Fetch};
use super::connection::Connection;
use super::encode::RowEncoder;
use super::format::Format;
use super::rows::{Writer, description};
use super::session::PortalState;
use super::text::{Piece, pieces};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
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
        let pieces = pieces(sql)?;
        if pieces.is_empty() {
            let empty = PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new());
            return Ok(self.wire.put(empty)?);
        }
        for piece in &pieces {
            self.statement(piece).await?;
        }
        Ok(())
    }

    async fn statement(&mut self, piece: &Piece<'_>) -> Result<(), Stop> {
        let command = Command::of(piece);
        self.session.admit(command.as_ref().ok())?;
        let tag = match &command? {
            Command::Fetch(fetch) => self.fetch_described(fetch).await?,
            Command::Copy { sql, format } => self.copy(sql, format).await?,
            command @ (Command::Rows
            | Command::SetConfig { .. }
            | Command::Show(_)
            | Command::ShowAll
            | Command::Execute { .. }) => {
                let mut rows = self.rows(command, piece.text, &[]).await?;
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
