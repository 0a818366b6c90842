//! The PostgreSQL door: what speaks the frontend/backend protocol of PostgreSQL, version 3
//! ([documentation](https://www.postgresql.org/docs/15/protocol.html)).
//!
//! A client logs in by SCRAM-SHA-256 with the name of a principal and its secret, or with a certificate
//! for that name; the database that it names is the purpose. Every statement that reads published tables goes the way of all
//! statements, through the governor; the system catalogue shows what the principal may see. Nothing
//! can be changed.
//!
//! Messages are decoded and encoded by `pgwire`. The loop around them is ours: rows are written as
//! they come into one buffer of a bounded size, so that an answer costs the same memory however
//! large it is and however slow its reader, and cancelling works while rows are on their way.

mod cancel;
mod command;
mod connection;
mod encode;
mod error;
mod extended;
mod format;
mod parameter;
mod rows;
mod session;
mod settings;
mod shape;
mod simple;
mod startup;
mod text;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use custos_query::QueryError;
use pgwire::messages::{PgWireFrontendMessage, SslNegotiationMetaMessage};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use self::cancel::Cancels;
use self::connection::Connection;
use self::error::PgError;
use self::wire::{Stream, Wire};
use crate::Gateway;
use crate::attempts::Attempts;
use crate::listener::{Peer, accept, places};
use crate::metrics::Open;
use crate::tls::{self, Certificate, Encryption};

/// What is spoken, as TLS names it.
const PROTOCOL: &[u8] = b"postgresql";

/// How long a client may take to log in.
const LOGIN_TIME_MAX: Duration = Duration::from_secs(30);

/// How long connections may go on after the shutdown began.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// What connections share.
struct Door {
    gateway: Gateway,
    cancels: Arc<Cancels>,
    attempts: Arc<Attempts>,
    encryption: Encryption,
    /// Turns true when the shutdown begins.
    stopping: watch::Receiver<bool>,
}

/// Why a connection, or what it was doing, ends.
enum Stop {
    /// The client is to be told.
    Error(PgError),
    /// There is nobody to tell.
    Gone,
}

impl<E: Into<PgError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => {
                Self::Error(PgError::protocol("a message is malformed or too long").fatal())
            }
            io::ErrorKind::OutOfMemory => {
                Self::Error(PgError::from(QueryError::ClientMemoryFull).fatal())
            }
            _ => Self::Gone,
        }
    }
}

/// Answers clients on `listener` until `shutdown` completes. Then no connection is accepted any
/// more, and those that are there have 30 seconds.
pub async fn serve_postgres(
    listener: TcpListener,
    gateway: Gateway,
    encryption: Encryption,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (cancels, attempts) = (Arc::default(), Arc::clone(&gateway.attempts));
    let (stop, stopping) = watch::channel(false);
    let door = Arc::new(Door { gateway, cancels, attempts, encryption, stopping });
    let places = places();
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            stream = accept(&listener) => stream,
        };
        while connections.try_join_next().is_some() {}
        let place = Arc::clone(&places).try_acquire_owned().ok();
        connections.spawn(serve_one(Arc::clone(&door), stream, place));
    }
    drop(listener);
    stop.send_replace(true);
    let drained =
        timeout(DRAIN_TIME_MAX, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("connections did not end in time and are cut off");
    }
    Ok(())
}

async fn serve_one(door: Arc<Door>, stream: TcpStream, place: Option<OwnedSemaphorePermit>) {
    let address = match stream.peer_addr() {
        Ok(peer) => peer.ip(),
        Err(_) => return,
    };
    let _counted = Open::counted_in(&door.gateway.metrics.connections("postgres"));
    // Rows are gathered here; to wait for more of them in the kernel only costs time.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if place.is_none() {
        let wire = Wire::new(stream);
        return wire.close(PgError::new("53300", "there are too many connections")).await;
    }
    let peer = |certificate| Peer::new(address, certificate);
    let greeted = timeout(LOGIN_TIME_MAX, greet(&door, stream)).await;
    match greeted {
        Ok(Some(Greeted::Plain(wire, startup))) => {
            talk(&door, wire, startup, (peer(None), false)).await;
        }
        Ok(Some(Greeted::Encrypted(wire, startup, certificate))) => {
            talk(&door, *wire, startup, (peer(certificate), true)).await;
        }
        Ok(None) | Err(_) => {}
    }
    drop(place);
}

type Startup = pgwire::messages::startup::Startup;

/// A client that said who it is.
enum Greeted {
    Plain(Wire<TcpStream>, Startup),
    Encrypted(Box<Wire<TlsStream<TcpStream>>>, Startup, Option<Certificate>),
}

/// Takes what comes before a login: requests for encryption, or to cancel something.
async fn greet(door: &Door, stream: TcpStream) -> Option<Greeted> {
    // A client that does not ask first has to say by ALPN what it means to speak
    // (https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL).
    if let Some(acceptor) = door.encryption.acceptor(PROTOCOL)
        && tls::begins(&stream).await?
    {
        let stream = acceptor.accept(stream).await.ok()?;
        let is_meant = stream.get_ref().1.alpn_protocol() == Some(PROTOCOL);
        return if is_meant { encrypted(door, stream).await } else { None };
    }
    let mut wire = Wire::new(stream);
    loop {
        match wire.first().await.ok()?? {
            PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresSsl(_)) => {
                let Some(acceptor) = door.encryption.acceptor(PROTOCOL) else {
                    wire.send_byte(b'N').await.ok()?;
                    continue;
                };
                wire.send_byte(b'S').await.ok()?;
                let stream = acceptor.accept(wire.into_stream()?).await.ok()?;
                return encrypted(door, stream).await;
            }
            PgWireFrontendMessage::SslNegotiation(_) => wire.send_byte(b'N').await.ok()?,
            PgWireFrontendMessage::CancelRequest(request) => {
                door.cancels.cancel(request.pid, &request.secret_key);
                return None;
            }
            PgWireFrontendMessage::Startup(_) if door.encryption.is_required() => {
                let text = "connections have to be encrypted";
                wire.close(PgError::new("28000", text).with_hint("use sslmode=require")).await;
                return None;
            }
            PgWireFrontendMessage::Startup(startup) => return Some(Greeted::Plain(wire, startup)),
            _ => return None,
        }
    }
}

async fn encrypted(door: &Door, stream: TlsStream<TcpStream>) -> Option<Greeted> {
    let certificate = Certificate::of(stream.get_ref().1);
    let mut wire = Wire::new(stream);
    match wire.first().await.ok()?? {
        PgWireFrontendMessage::CancelRequest(request) => {
            door.cancels.cancel(request.pid, &request.secret_key);
            None
        }
        PgWireFrontendMessage::Startup(startup) => {
            Some(Greeted::Encrypted(Box::new(wire), startup, certificate))
        }
        _ => None,
    }
}

/// Logs a client in and answers it until it leaves.
async fn talk<S: Stream>(door: &Door, mut wire: Wire<S>, startup: Startup, from: (Peer, bool)) {
    let login = timeout(LOGIN_TIME_MAX, startup::log_in(door, &mut wire, &startup, &from)).await;
    match login {
        Ok(Ok((session, cancel))) => {
            Connection { door, wire, session, cancel }.run().await;
        }
        Ok(Err(Stop::Error(error))) => wire.close(error).await,
        Ok(Err(Stop::Gone)) => {}
        Err(_) => wire.close(PgError::new("08P01", "the login took too long")).await,
    }
}
