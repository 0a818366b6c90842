//! Statements: described when they are announced, governed again when they run.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, SchemaRef};
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use custos_query::{Description, QueryError, Question, RowStream};
use prost::Message;

use super::asker::Asker;
use super::encode;
use super::parts::{Announced, Run, parts};
use super::refusal::Refusal;
use super::service::{Flight, FlightDataStream};
use super::shelf::{Handle, Weigh};
use crate::wire_error::Failure;
use crate::wire_schema::wire_schema;

/// A statement and the values of its parameters, as a caller sent them.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<ArrayRef>,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("parameters", &self.parameters.len())
            .finish_non_exhaustive()
    }
}

impl Statement {
    /// A statement without values.
    pub(super) const fn new(sql: String) -> Self {
        Self { sql, parameters: Vec::new() }
    }

    const fn asked_by<'a>(&'a self, asker: &'a Asker) -> Question<'a> {
        Question {
            sql: self.sql.as_str(),
            parameters: self.parameters.as_slice(),
            principal: &asker.principal,
            purpose: &asker.purpose,
            session: None,
        }
    }
}

impl Weigh for Statement {
    fn bytes(&self) -> u64 {
        let values = self.parameters.iter().map(|value| value.get_array_memory_size());
        (size_of::<Self>() + self.sql.capacity() + values.sum::<usize>()) as u64
    }
}

/// The columns that an answer will have, if the description tells them: a column whose type is that
/// of a parameter without one gets it with the value.
pub(super) fn columns(description: &Description) -> Option<SchemaRef> {
    let open = description.parameters.contains(&DataType::Null);
    (!open).then(|| wire_schema(&description.columns))
}

impl Flight {
    /// What a statement takes and gives.
    pub(super) async fn describe(
        &self,
        asker: &Asker,
        statement: &Statement,
    ) -> Result<Description, Failure> {
        match self.gateway.governor.describe(&statement.asked_by(asker)).await {
            Ok(description) => Ok(description),
            Err(error) => Err(self.refused(asker, error).await),
        }
    }

    /// What a client is told of a statement before it fetches the rows, for which it gets a ticket.
    pub(super) async fn announce(
        &self,
        asker: &Asker,
        statement: Arc<Statement>,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Failure> {
        let description = self.describe(asker, &statement).await?;
        let given = statement.parameters.len();
        if given < description.parameters.len() {
            return Err(self.refused(asker, QueryError::NoParameter { number: given + 1 }).await);
        }
        let (parts, memory) = (parts(&description), self.memory(asker));
        let announced = Arc::new(Announced::new(statement, parts));
        let handle = self.tickets.put(asker.owner(), announced, memory, Instant::now())?;
        let tickets: Vec<Any> = (0..parts).map(|part| ticket(&handle, part)).collect();
        Ok(told(columns(&description).as_ref(), &tickets, descriptor)?)
    }

    /// The part of the rows that a ticket is for.
    pub(super) async fn fetch(
        &self,
        asker: &Asker,
        ticket: &[u8],
    ) -> Result<FlightDataStream, Failure> {
        let (&part, handle) = ticket.split_last().ok_or(Refusal::UnknownTicket)?;
        // Noted before the ticket is looked for: whoever stops it first takes the ticket away.
        let departed = self.in_flight.depart(handle, &asker.principal.id);
        let announced = self.tickets.find(handle, &asker.owner(), Instant::now());
        let announced = announced.ok_or(Refusal::UnknownTicket)?;
        let visibility = async { Ok(self.gateway.executor.visibility().await?) };
        let run = async { self.run(asker, &announced.statement).await.map(Run::from) };
        tokio::select! {
            biased;
            () = departed.stopped() => Ok(encode::stopped()),
            rows = announced.fetch(part, &asker.principal, visibility, run) => {
                Ok(encode::encoded(rows?, departed))
            }
        }
    }

    /// Stops the answer that a ticket is for, all parts of it, whose tickets are of no use from then
    /// on. Whether there was any.
    pub(super) fn stop(&self, asker: &Asker, ticket: &[u8]) -> bool {
        let Some((_, handle)) = ticket.split_last() else { return false };
        let was_open = self.tickets.remove(handle, &asker.owner());
        self.in_flight.stop(handle, &asker.principal.id) || was_open
    }

    async fn run(&self, asker: &Asker, statement: &Statement) -> Result<RowStream, Failure> {
        let question = statement.asked_by(asker);
        match self.gateway.governor.govern_question(&question).await {
            Ok(governed) => Ok(self.gateway.executor.run(governed).await?),
            Err(error) => Err(self.refused(asker, error).await),
        }
    }

    /// Records a refusal before it is told.
    pub(super) async fn refused(&self, asker: &Asker, error: QueryError) -> Failure {
        let (principal, purpose) = (&asker.principal, &asker.purpose);
        match self.gateway.executor.record_refusal(principal, purpose, &error).await {
            Ok(()) => error.into(),
            Err(unrecorded) => unrecorded.into(),
        }
    }
}

/// The ticket for a part of an answer.
fn ticket(handle: &Handle, part: u8) -> Any {
    let named = [handle.as_slice(), &[part]].concat();
    TicketStatementQuery { statement_handle: named.into() }.as_any()
}

/// What a client is told before it fetches what tickets are for.
pub(super) fn told(
    columns: Option<&SchemaRef>,
    tickets: &[Any],
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Refusal> {
    let mut info = FlightInfo::new().with_descriptor(descriptor);
    for ticket in tickets {
        let ticket = Ticket::new(ticket.encode_to_vec());
        info = info.with_endpoint(FlightEndpoint::new().with_ticket(ticket));
    }
    match columns {
        Some(columns) => info.try_with_schema(columns).map_err(|_| Refusal::Encode),
        None => Ok(info),
    }
}
