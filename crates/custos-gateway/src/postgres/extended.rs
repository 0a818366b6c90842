//! The extended query protocol: statements that are prepared, bound, described and executed.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use custos_query::{Description, PgType};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage as Message};

use super::Stop;
use super::command::{Command, Fetch};
use super::connection::Connection;
use super::encode::RowEncoder;
use super::error::PgError;
use super::format::Format;
use super::parameter;
use super::rows::{Writer, description, text_columns};
use super::session::{Portal, PortalState, Prepared};
use super::settings::Settings;
use super::text::pieces;
use super::wire::Stream;

impl<S: Stream> Connection<'_, S> {
    /// Answers a message of the extended protocol. After one that fails, all up to the next `Sync`
    /// are passed over.
    pub(super) async fn extended(&mut self, message: Message) -> Result<(), Stop> {
        let answered = match message {
            Message::Sync(_) => return self.ready().await,
            Message::Flush(_) => return Ok(self.wire.send().await?),
            Message::Parse(parse) => self.parse(parse),
            Message::Bind(bind) => self.bind(bind).await,
            Message::Describe(describe) => self.describe(&describe).await,
            Message::Execute(execute) => self.execute(execute).await,
            Message::Close(close) => self.close(&close),
            // What is left of a copy that failed.
            Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => Ok(()),
            _ => Err(PgError::protocol("a message is out of place").fatal().into()),
        };
        let Err(stop) = answered else { return Ok(()) };
        self.tell(stop)?;
        self.wire.send().await?;
        loop {
            match self.wire.next().await?.ok_or(Stop::Gone)? {
                Message::Sync(_) => return self.ready().await,
                Message::Terminate(_) => return Err(Stop::Gone),
                // Whoever sends many of them must not keep others from their turn.
                _ => tokio::task::coop::consume_budget().await,
            }
        }
    }

    fn parse(&mut self, parse: Parse) -> Result<(), Stop> {
        let prepared = self.prepared(&parse.query, parse.type_oids)?;
        self.session.admit(prepared.command.as_ref())?;
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            self.session.statements.remove("");
        }
        self.session.keep_statement(name, prepared)?;
        Ok(self.wire.put(PgWireBackendMessage::ParseComplete(ParseComplete::new()))?)
    }

    /// A statement that is one, or nothing at all.
    pub(super) fn prepared(&self, sql: &str, oids: Vec<u32>) -> Result<Prepared, PgError> {
        let pieces = pieces(sql)?;
        let (sql, command) = match &pieces[..] {
            [] => (String::new(), None),
            [piece] => (piece.text.to_owned(), Some(Command::of(piece)?)),
            _ => {
                let text = "cannot insert multiple commands into a prepared statement";
                return Err(PgError::new("42601", text));
            }
        };
        Ok(Prepared { sql, command, oids, description: None })
    }

    async fn bind(&mut self, bind: Bind) -> Result<(), Stop> {
        let name = bind.statement_name.unwrap_or_default();
        let prepared = self.session.statement(&name)?.clone();
        self.session.admit(prepared.command.as_ref())?;
        let given = formats(&bind.parameter_format_codes)?;
        if given.len() > 1 && given.len() != bind.parameters.len() {
            let text = "the number of formats is not that of the parameters";
            return Err(PgError::protocol(text).into());
        }
        let oids = self.parameter_types(&name, &prepared, bind.parameters.len()).await?;
        if oids.len() != bind.parameters.len() {
            return Err(
                PgError::protocol("the number of parameters is not that of the statement").into()
            );
        }
        let zone = self.session.settings.zone();
        let format = |at: usize| match &given[..] {
            [one] => *one,
            each => each.get(at).copied().unwrap_or(Format::Text),
        };
        let parameters = bind.parameters.iter().zip(&oids).enumerate();
        let parameters = parameters
            .map(|(at, (bytes, oid))| parameter::decode(*oid, format(at), bytes.as_deref(), zone));
        let parameters = parameters.collect::<Result<Vec<ArrayRef>, _>>().map_err(PgError::from)?;
        let portal = Portal {
            sql: prepared.sql,
            command: prepared.command,
            parameters,
            formats: formats(&bind.result_column_format_codes)?,
            state: PortalState::Ready,
            is_held: false,
        };
        let name = bind.portal_name.unwrap_or_default();
        if name.is_empty() {
            self.session.portals.remove("");
        }
        self.session.keep_portal(name, portal)?;
        Ok(self.wire.put(PgWireBackendMessage::BindComplete(BindComplete::new()))?)
    }

    /// The types of the parameters: those that were declared, and of the others what the statement
    /// takes them for. Where all that are given were declared, the statement need not be asked.
    async fn parameter_types(
        &mut self,
        name: &str,
        prepared: &Prepared,
        given: usize,
    ) -> Result<Vec<u32>, Stop> {
        if prepared.oids.len() == given && !prepared.oids.contains(&0) {
            return Ok(prepared.oids.clone());
        }
        let described = self.described(name).await?;
        Ok(oids(&prepared.oids, described.as_deref()))
    }

    /// What a prepared statement takes and gives; none if it is not one that asks for rows.
    async fn described(&mut self, name: &str) -> Result<Option<Arc<Description>>, Stop> {
        let prepared = self.session.statement(name)?;
        if let Some(known) = &prepared.description {
            return Ok(Some(Arc::clone(known)));
        }
        let sql = match &prepared.command {
            Some(Command::Rows | Command::SetConfig { .. }) => prepared.sql.clone(),
            _ => return Ok(None),
        };
        let zone = self.session.settings.zone();
        let typed = prepared.oids.iter().map(|oid| match oid {
            0 => Ok(new_null_array(&DataType::Null, 1)),
            oid => parameter::decode(*oid, Format::Text, None, zone),
        });
        let typed = typed.collect::<Result<Vec<_>, _>>().map_err(PgError::from)?;
        self.session.know_again(&self.door.gateway).await?;
        let description = self.session.describe(&self.door.gateway, &sql, &typed).await?;
        let description = Arc::new(description);
        if let Some(prepared) = self.session.statements.get_mut(name) {
            prepared.description = Some(Arc::clone(&description));
        }
        Ok(Some(description))
    }

    async fn describe(&mut self, describe: &Describe) -> Result<(), Stop> {
        let name = describe.name.as_deref().unwrap_or_default();
        match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                let prepared = self.session.statement(name)?.clone();
                let described = self.described(name).await?;
                let types = oids(&prepared.oids, described.as_deref());
                let types = ParameterDescription::new(types);
                self.wire.put(PgWireBackendMessage::ParameterDescription(types))?;
                let columns = match described {
                    Some(described) => Some(Arc::clone(&described.columns)),
                    None => self.columns(prepared.command.as_ref()).await?,
                };
                self.put_columns(columns.as_ref(), &[])
            }
            TARGET_TYPE_BYTE_PORTAL => {
                self.start(name).await?;
                let portal = self.session.portal(name)?;
                let formats = portal.formats.clone();
                let columns = match (&portal.state, portal.command.clone()) {
                    (PortalState::Running(rows), _) => Some(Arc::clone(rows.schema())),
                    (_, command) => self.columns(command.as_ref()).await?,
                };
                self.put_columns(columns.as_ref(), &formats)
            }
            _ => Err(PgError::protocol("something is to be described that cannot be").into()),
        }
    }

    /// The columns of what does not ask the governor.
    async fn columns(&mut self, command: Option<&Command>) -> Result<Option<SchemaRef>, Stop> {
        Ok(match command {
            Some(Command::Show(name)) => {
                self.session.settings.show(name)?;
                let name = Settings::shown_name(name);
                Some(text_columns([name.as_str()].into_iter()))
            }
            Some(Command::ShowAll) => {
                Some(text_columns(["name", "setting", "description"].into_iter()))
            }
            Some(Command::Fetch(Fetch { name, is_move: false, .. })) => {
                match self.session.portals.get(name).map(|portal| &portal.state) {
                    Some(PortalState::Running(rows)) => Some(Arc::clone(rows.schema())),
                    Some(PortalState::Ready | PortalState::Done(_)) | None => None,
                }
            }
            Some(Command::Execute { name, .. }) => {
                let name = name.clone();
                let described = self.described(&name).await?;
                described.map(|described| Arc::clone(&described.columns))
            }
            _ => None,
        })
    }

    fn put_columns(&mut self, columns: Option<&SchemaRef>, formats: &[Format]) -> Result<(), Stop> {
        Ok(self.wire.put(match columns {
            Some(columns) => PgWireBackendMessage::RowDescription(description(columns, formats)),
            None => PgWireBackendMessage::NoData(NoData::new()),
        })?)
    }

    /// Begins to answer a portal that asks for rows, if that was not done yet.
    async fn start(&mut self, name: &str) -> Result<(), Stop> {
        let portal = self.session.portal(name)?;
        let is_new = matches!(portal.state, PortalState::Ready);
        let command = match &portal.command {
            Some(
                command @ (Command::Rows
                | Command::SetConfig { .. }
                | Command::Show(_)
                | Command::ShowAll
                | Command::Execute { .. }),
            ) if is_new => command.clone(),
            _ => return Ok(()),
        };
        let (sql, parameters) = (portal.sql.clone(), portal.parameters.clone());
        let formats = portal.formats.len();
        let rows = self.rows(&command, &sql, &parameters).await?;
        if formats > 1 && formats != rows.schema().fields().len() {
            let text = "the number of formats is not that of the columns";
            return Err(PgError::protocol(text).into());
        }
        self.session.portal(name)?.state = PortalState::Running(Box::new(rows));
        Ok(())
    }

    async fn execute(&mut self, execute: Execute) -> Result<(), Stop> {
        let name = execute.name.unwrap_or_default();
        let portal = self.session.portal(&name)?;
        let command = portal.command.clone();
        let formats = portal.formats.clone();
        self.session.admit(command.as_ref())?;
        let Some(command) = command else {
            let empty = PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new());
            return Ok(self.wire.put(empty)?);
        };
        let tag = match &command {
            Command::Fetch(fetch) => self.fetch(fetch, Some(&formats)).await?,
            Command::Copy { sql, format } => self.copy(sql, format).await?,
            Command::Rows
            | Command::SetConfig { .. }
            | Command::Show(_)
            | Command::ShowAll
            | Command::Execute { .. } => return self.give(&name, execute.max_rows).await,
            command => self.perform(command).await?,
        };
        self.complete(tag)
    }

    /// Gives rows of a portal, up to so many, or all if that is 0.
    async fn give(&mut self, name: &str, max_rows: i32) -> Result<(), Stop> {
        let is_begun = matches!(self.session.portal(name)?.state, PortalState::Running(_));
        match is_begun {
            true => self.session.may_go_on(&self.door.gateway, name).await?,
            false => self.start(name).await?,
        }
        let zone = self.session.settings.zone();
        let portal = self.session.portal(name)?;
        let rows = match &mut portal.state {
            PortalState::Running(rows) => rows,
            PortalState::Done(tag) => {
                let tag = format!("{tag} 0");
                return self.complete(tag);
            }
            PortalState::Ready => return Err(super::session::no_portal().into()),
        };
        let encoder = RowEncoder::new(Arc::clone(rows.schema()), &portal.formats, zone);
        let most = u64::try_from(max_rows).ok().filter(|most| *most > 0);
        let given = rows.give(most, &Writer::Rows(encoder), &mut self.wire, &self.cancel).await?;
        if !given.is_all {
            let suspended = PgWireBackendMessage::PortalSuspended(PortalSuspended::new());
            return Ok(self.wire.put(suspended)?);
        }
        let tag = rows.tag;
        portal.state = PortalState::Done(tag);
        self.complete(match tag {
            "SELECT" => format!("SELECT {}", given.rows),
            tag => tag.to_owned(),
        })
    }

    fn close(&mut self, close: &Close) -> Result<(), Stop> {
        let name = close.name.as_deref().unwrap_or_default();
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => drop(self.session.statements.remove(name)),
            TARGET_TYPE_BYTE_PORTAL => drop(self.session.portals.remove(name)),
            _ => return Err(PgError::protocol("something is to be closed that cannot be").into()),
        }
        Ok(self.wire.put(PgWireBackendMessage::CloseComplete(CloseComplete::new()))?)
    }
}

/// The types of all parameters.
fn oids(declared: &[u32], described: Option<&Description>) -> Vec<u32> {
    let described = described.map_or(&[][..], |described| &described.parameters[..]);
    let of = |at: usize| {
        let declared = declared.get(at).copied().filter(|oid| *oid != 0);
        declared.unwrap_or_else(|| match described.get(at) {
            Some(DataType::Null) | None => PgType::of(&DataType::Utf8).oid,
            Some(data_type) => PgType::of(data_type).oid,
        })
    };
    (0..declared.len().max(described.len())).map(of).collect()
}

fn formats(codes: &[i16]) -> Result<Vec<Format>, PgError> {
    let format = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        _ => Err(PgError::protocol("a format is neither text nor binary")),
    };
    codes.iter().map(format).collect()
}
