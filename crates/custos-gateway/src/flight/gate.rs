//! What every call passes: who calls, how long a message may be, one line in the log.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::http::{HeaderMap, Request, Response};
use custos_policy::Principal;
use custos_query::{ClientMemory, Governor};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status};
use tracing::Instrument;

use super::asker::Known;
use super::door::Door;
use super::sent::Sent;
use super::service::Flight;
use crate::error::RequestError;
use crate::identity::Identity;
use crate::listener::Peer;
use crate::observe::CallId;
use crate::wire_error::Failure;

/// Longest message with a statement.
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

/// Longest message with parameters.
pub(super) const PARAMETERS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Lets nobody in who does not prove who they are, call by call, so that a secret that is revoked
/// opens nothing from then on. Messages of others are not even read.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    identity: Identity,
    governor: Arc<Governor>,
    statements: FlightServiceServer<Door>,
    parameters: FlightServiceServer<Door>,
}

impl Gate {
    pub(super) fn new(flight: Arc<Flight>) -> Self {
        let identity = Identity::of(&flight.gateway);
        let governor = Arc::clone(&flight.gateway.governor);
        let door = Arc::new(Door(flight));
        let limited = |bytes| {
            FlightServiceServer::from_arc(Arc::clone(&door)).max_decoding_message_size(bytes)
        };
        Self {
            identity,
            governor,
            statements: limited(STATEMENT_BYTES_MAX),
            parameters: limited(PARAMETERS_BYTES_MAX),
        }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let method = method(request.uri().path());
        let mut service =
            if method == "DoPut" { self.parameters.clone() } else { self.statements.clone() };
        let (identity, governor) = (self.identity.clone(), Arc::clone(&self.governor));
        let id = CallId::fresh();
        let span = tracing::info_span!("request", id = id.as_str(), method);
        let answered = async move {
            let started = Instant::now();
            let memory = match method {
                "Handshake" => Ok(ClientMemory::up_to(0)),
                _ => caller(&identity, request.extensions().get(), request.headers()).await.map(
                    |principal| {
                        let memory = governor.client_memory(&principal.id);
                        request.extensions_mut().insert(Known(principal));
                        memory
                    },
                ),
            };
            let response = match memory {
                Err(failure) => Status::from(failure).into_http(),
                Ok(memory) => {
                    let request = request.map(|body| Body::new(Sent::new(body, memory)));
                    match service.call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    }
                }
            };
            let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let status = i32::from(status(response.headers()));
            tracing::info!(status, millis, "request answered");
            Ok(response)
        };
        Box::pin(answered.instrument(span))
    }
}

async fn caller(
    identity: &Identity,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Principal, Failure> {
    identity.caller(peer.ok_or(RequestError::NoPeer)?, headers).await
}

/// The status, if it is known before the answer's last byte.
fn status(headers: &HeaderMap) -> Code {
    headers.get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// The method, unless the client made it up.
fn method(path: &str) -> &'static str {
    const METHODS: [&str; 10] = [
        "Handshake",
        "ListFlights",
        "GetFlightInfo",
        "PollFlightInfo",
        "GetSchema",
        "DoGet",
        "DoPut",
        "DoExchange",
        "DoAction",
        "ListActions",
    ];
    let name = path.strip_prefix("/arrow.flight.protocol.FlightService/");
    METHODS.into_iter().find(|method| Some(*method) == name).unwrap_or("other")
}
