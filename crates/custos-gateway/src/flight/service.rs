//! Flight SQL, message by message.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{DoPutError, FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginSavepointRequest, ActionBeginSavepointResult, ActionBeginTransactionRequest,
    ActionBeginTransactionResult, ActionCancelQueryRequest, ActionCancelQueryResult,
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, ActionCreatePreparedSubstraitPlanRequest,
    ActionEndSavepointRequest, ActionEndTransactionRequest, Any, Command, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan,
    CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightData,
    FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc,
    Ticket,
};
use bytes::Bytes;
use custos_query::{ClientMemory, Description};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::asker::Asker;
use super::in_flight::InFlight;
use super::parts::Announced;
use super::refusal::Refusal;
use super::shelf::{Kept, Shelf};
use super::statement::{Statement, columns, told};
use super::{catalog, encode, handshake, parameters, sql_info, xdbc_types};
use crate::Gateway;
use crate::error::RequestError;
use crate::identity::Identity;
use crate::listener::Peer;
use crate::wire_error::Failure;

/// How long a ticket can be used. What it names is governed when it is, so this is no matter of
/// consent but of what is kept.
const TICKET: Duration = Duration::from_secs(60);

/// How long a prepared statement is kept without being used.
const PREPARED: Duration = Duration::from_secs(15 * 60);

/// How many of either a principal may have.
const STATEMENTS_MAX: usize = 64;

/// The messages of an answer.
pub(super) type FlightDataStream =
    Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send + 'static>>;

type Fetched = Result<Response<FlightDataStream>, Status>;

/// What is served as Flight SQL.
pub(super) struct Flight {
    pub(super) gateway: Gateway,
    pub(super) tickets: Shelf<Announced>,
    pub(super) in_flight: InFlight,
    prepared: Shelf<Statement>,
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight")
    }
}

impl Flight {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self {
            gateway,
            tickets: Shelf::new(Kept::For(TICKET), STATEMENTS_MAX),
            in_flight: InFlight::default(),
            prepared: Shelf::new(Kept::Unused(PREPARED), STATEMENTS_MAX),
        }
    }

    fn asker<T>(&self, request: &Request<T>) -> Result<Asker, Failure> {
        Asker::of(request, self.gateway.governor.policy())
    }

    /// Memory of the one who asks, for something that is kept for them.
    pub(super) fn memory(&self, asker: &Asker) -> ClientMemory {
        self.gateway.governor.client_memory(&asker.principal.id)
    }

    fn prepared(&self, asker: &Asker, handle: &[u8]) -> Result<Arc<Statement>, Failure> {
        let found = self.prepared.find(handle, &asker.owner(), Instant::now());
        Ok(found.ok_or(Refusal::UnknownStatement)?)
    }

    async fn prepare(
        &self,
        asker: &Asker,
        sql: String,
    ) -> Result<ActionCreatePreparedStatementResult, Failure> {
        let statement = Statement::new(sql);
        let description = self.describe(asker, &statement).await?;
        let (statement, memory) = (Arc::new(statement), self.memory(asker));
        let handle = self.prepared.put(asker.owner(), statement, memory, Instant::now())?;
        let dataset = columns(&description).map(|columns| ipc(&columns)).transpose()?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.to_vec().into(),
            dataset_schema: dataset.unwrap_or_default(),
            parameter_schema: ipc(&parameter_schema(&description))?,
        })
    }

    /// Stops the statement that a client was told of.
    fn cancel(&self, asker: &Asker, info: &FlightInfo) -> Result<(), Failure> {
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        let mut found = false;
        for ticket in tickets {
            let message = Any::decode(&*ticket.ticket).map_err(|_| Refusal::BadMessage)?;
            if let Ok(Some(ticket)) = message.unpack::<TicketStatementQuery>() {
                found |= self.stop(asker, &ticket.statement_handle);
            }
        }
        if found { Ok(()) } else { Err(Refusal::UnknownTicket.into()) }
    }
}

/// A column for each parameter.
fn parameter_schema(description: &Description) -> SchemaRef {
    let fields = description.parameters.iter().enumerate();
    let fields = fields.map(|(at, kind)| Field::new(format!("${}", at + 1), kind.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn ipc(schema: &Schema) -> Result<Bytes, Refusal> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options));
    message.map(|IpcMessage(bytes)| bytes).map_err(|_| Refusal::Encode)
}

/// Announces what needs no ticket of its own: the command is the ticket.
fn announced(
    columns: &SchemaRef,
    command: &impl ProstMessageExt,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    Ok(Response::new(told(Some(columns), &[command.as_any()], request.into_inner())?))
}

fn fetched(batch: RecordBatch) -> Fetched {
    Ok(Response::new(encode::whole(batch)))
}

fn none(columns: &SchemaRef) -> Fetched {
    fetched(RecordBatch::new_empty(Arc::clone(columns)))
}

fn not_served(what: &'static str) -> Status {
    Refusal::NotServed { what }.into()
}

/// `CANCEL_RESULT_CANCELLED`, which the crate keeps to itself.
const CANCELLED: i32 = 1;

const TRANSACTIONS: &str = "transactions are";

const SAVEPOINTS: &str = "savepoints are";

const SUBSTRAIT: &str = "Substrait plans are";

const UPDATES: &str = "statements that change data are";

#[tonic::async_trait]
impl FlightSqlService for Flight {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<
        Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>,
        Status,
    > {
        let peer = request.extensions().get::<Peer>();
        let peer = peer.ok_or(RequestError::NoPeer).map_err(Failure::from)?;
        let identity = Identity::of(&self.gateway);
        let token = handshake::token(&identity, peer, request.metadata().as_ref()).await?;
        let header = MetadataValue::try_from(format!("Bearer {token}"));
        let mut header = header.map_err(|_| Status::from(Refusal::WrongLogin))?;
        header.set_sensitive(true);
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let mut response = Response::new(stream::iter([Ok(answer)]).boxed() as _);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        if query.transaction_id.is_some() {
            return Err(not_served(TRANSACTIONS));
        }
        let asker = self.asker(&request)?;
        let statement = Arc::new(Statement::new(query.query));
        Ok(Response::new(self.announce(&asker, statement, request.into_inner()).await?))
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let asker = self.asker(&request)?;
        let statement = self.prepared(&asker, &query.prepared_statement_handle)?;
        Ok(Response::new(self.announce(&asker, statement, request.into_inner()).await?))
    }

    async fn get_flight_info_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(not_served(SUBSTRAIT))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&query.into_builder().schema(), &query, request)
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&query.clone().into_builder().schema(), &query, request)
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&query.clone().into_builder().schema(), &query, request)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&query.into_builder().schema(), &query, request)
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&sql_info::sql_info()?.schema(), &query, request)
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&catalog::PRIMARY_KEYS, &query, request)
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&catalog::FOREIGN_KEYS, &query, request)
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&catalog::FOREIGN_KEYS, &query, request)
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&catalog::FOREIGN_KEYS, &query, request)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announced(&xdbc_types::types()?.schema(), &query, request)
    }

    async fn get_flight_info_fallback(
        &self,
        _: Command,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(Refusal::BadMessage.into())
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let asker = self.asker(&request)?;
        Ok(Response::new(self.fetch(&asker, &ticket.statement_handle).await?))
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, _: Request<Ticket>) -> Fetched {
        fetched(catalog::catalogs(query)?)
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, _: Request<Ticket>) -> Fetched {
        fetched(catalog::schemas(query)?)
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Fetched {
        let asker = self.asker(&request)?;
        fetched(self.tables(&asker, query).await?)
    }

    async fn do_get_table_types(&self, query: CommandGetTableTypes, _: Request<Ticket>) -> Fetched {
        fetched(catalog::table_types(query)?)
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> Fetched {
        let info = query.into_builder(&sql_info::sql_info()?).build();
        fetched(info.map_err(|_| Status::from(Refusal::Encode))?)
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> Fetched {
        none(&catalog::PRIMARY_KEYS)
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> Fetched {
        none(&catalog::FOREIGN_KEYS)
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> Fetched {
        none(&catalog::FOREIGN_KEYS)
    }

    async fn do_get_cross_reference(
        &self,
        _: CommandGetCrossReference,
        _: Request<Ticket>,
    ) -> Fetched {
        none(&catalog::FOREIGN_KEYS)
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        _: Request<Ticket>,
    ) -> Fetched {
        let types = query.into_builder(&xdbc_types::types()?).build();
        fetched(types.map_err(|_| Status::from(Refusal::Encode))?)
    }

    async fn do_get_fallback(&self, _: Request<Ticket>, _: Any) -> Fetched {
        Err(Refusal::BadMessage.into())
    }

    async fn do_put_fallback(
        &self,
        _: Request<PeekableFlightDataStream>,
        _: Any,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        Err(Refusal::BadMessage.into())
    }

    async fn do_put_error_callback(
        &self,
        _: Request<PeekableFlightDataStream>,
        _: DoPutError,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        Err(Refusal::BadMessage.into())
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(not_served(UPDATES))
    }

    async fn do_put_statement_ingest(
        &self,
        _: CommandStatementIngest,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(not_served("ingestion is"))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let asker = self.asker(&request)?;
        let handle = query.prepared_statement_handle;
        let prepared = self.prepared(&asker, &handle)?;
        let parameters = parameters::one_row(request.into_inner()).await?;
        let bound = Arc::new(Statement { sql: prepared.sql.clone(), parameters });
        if !self.prepared.replace(&handle, &asker.owner(), bound)? {
            return Err(Refusal::UnknownStatement.into());
        }
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(not_served(UPDATES))
    }

    async fn do_put_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(not_served(SUBSTRAIT))
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let action = request.get_ref();
        match action.r#type.as_str() {
            "CancelFlightInfo" => {
                let message = CancelFlightInfoRequest::decode(&*action.body);
                let message = message.map_err(|_| Status::from(Refusal::BadMessage))?;
                let asker = self.asker(&request)?;
                self.cancel(&asker, &message.info.unwrap_or_default())?;
                let done = CancelFlightInfoResult::new(CancelStatus::Cancelled);
                let done = arrow_flight::Result::new(done.encode_to_vec());
                Ok(Response::new(stream::iter([Ok(done)]).boxed()))
            }
            // Nothing is kept for a connection.
            "CloseSession" => {
                // `CloseSessionResult` with the status `CLOSED`.
                let done = arrow_flight::Result::new(vec![0x08, 0x01]);
                Ok(Response::new(stream::iter([Ok(done)]).boxed()))
            }
            _ => Err(not_served("this action is")),
        }
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        if query.transaction_id.is_some() {
            return Err(not_served(TRANSACTIONS));
        }
        let asker = self.asker(&request)?;
        Ok(self.prepare(&asker, query.query).await?)
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let asker = self.asker(&request)?;
        // What is gone already is as closed as it can be.
        let _closed = self.prepared.remove(&query.prepared_statement_handle, &asker.owner());
        Ok(())
    }

    async fn do_action_create_prepared_substrait_plan(
        &self,
        _: ActionCreatePreparedSubstraitPlanRequest,
        _: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        Err(not_served(SUBSTRAIT))
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        _: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        Err(not_served(TRANSACTIONS))
    }

    async fn do_action_end_transaction(
        &self,
        _: ActionEndTransactionRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Err(not_served(TRANSACTIONS))
    }

    async fn do_action_begin_savepoint(
        &self,
        _: ActionBeginSavepointRequest,
        _: Request<Action>,
    ) -> Result<ActionBeginSavepointResult, Status> {
        Err(not_served(SAVEPOINTS))
    }

    async fn do_action_end_savepoint(
        &self,
        _: ActionEndSavepointRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Err(not_served(SAVEPOINTS))
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let info = FlightInfo::decode(query.info).map_err(|_| Status::from(Refusal::BadMessage))?;
        let asker = self.asker(&request)?;
        self.cancel(&asker, &info)?;
        Ok(ActionCancelQueryResult { result: CANCELLED })
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
