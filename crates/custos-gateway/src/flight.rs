//! The Flight SQL door: statements by gRPC, rows as Arrow.
//!
//! Whoever calls is told from the token of that very call. A statement is announced with tickets, of
//! which each is for a part of its answer, and governed again when its rows are fetched.

mod asker;
mod catalog;
mod door;
mod encode;
mod gate;
mod handshake;
mod in_flight;
mod parameters;
mod parts;
mod refusal;
mod sent;
mod service;
mod shelf;
mod sql_info;
mod statement;
mod xdbc_types;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tonic::transport::Server;

use self::gate::Gate;
use self::service::Flight;
use crate::listener::{Connection, Entrance, serve_each};
use crate::serve::DRAIN_SECONDS_MAX;
use crate::{Encryption, Gateway};

/// Calls of a connection at a time; others wait for the client to have one fewer.
const CONNECTION_STREAMS_MAX: u32 = 64;

/// Longest headers of a call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// A silent client is asked this often whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// And has this long to say so.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);

/// How long a connection is kept of somebody who does not prove who they are.
const STRANGER_TIME_MAX: Duration = Duration::from_secs(30);

/// Answers Flight SQL on `listener` until `shutdown` completes.
///
/// Then no connection is accepted any more, and what was begun has 30 seconds to end. Statements
/// that are cut off go on until the executor that all doors share is closed.
pub async fn serve_flight(
    listener: TcpListener,
    gateway: Gateway,
    encryption: Encryption,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let open = gateway.metrics.connections("flight");
    let gate = Gate::new(Arc::new(Flight::new(gateway)));
    let (stop, stopping) = oneshot::channel::<()>();
    // A client that speaks no TLS has nothing that a text could be shown in.
    let entrance = Entrance { encryption, protocol: b"h2", refusal: b"", open };
    let (greeted, mut incoming) = mpsc::channel(1);
    let accepting = async move {
        let shutdown = async {
            shutdown.await;
            drop(stop);
        };
        // With what is returned, those go who were not greeted yet. Then no connection comes in any
        // more, which makes the server end.
        drop(serve_each(listener, entrance, shutdown, hand_on(greeted)).await);
    };
    let incoming =
        stream::poll_fn(move |context| incoming.poll_recv(context)).map(Ok::<_, io::Error>);
    let serving = Server::builder()
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .serve_with_incoming_shutdown(gate, incoming, pending());
    let served = async {
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => return served,
            () = accepting => {}
        }
        serving.await
    };
    let overdue = async {
        // Resolves when the other end is dropped, which is when the shutdown begins.
        if stopping.await.is_err() {
            sleep(Duration::from_secs(DRAIN_SECONDS_MAX)).await;
        }
    };
    tokio::select! {
        served = served => served.map_err(io::Error::other),
        () = overdue => {
            tracing::warn!("calls did not end in time and are cut off");
            Ok(())
        }
    }
}

/// Gives connections to the server of gRPC.
fn hand_on(
    server: mpsc::Sender<Connection>,
) -> impl Fn(Connection) -> BoxFuture<'static, ()> + Clone + Send + 'static {
    move |connection| {
        let server = server.clone();
        Box::pin(async move {
            if server.send(connection.known_within(STRANGER_TIME_MAX)).await.is_err() {
                tracing::debug!("a connection came after the server ended");
            }
        })
    }
}
