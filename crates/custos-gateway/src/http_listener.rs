//! Connections of HTTP: how long they may take, and how they end.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codegen::Service;

use crate::listener::{Connection, Entrance, serve_each};
use crate::tls::Encryption;

/// How long a client may take to send the head of a request, and may send nothing between two.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// What is told in clear to somebody who has to encrypt.
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: application/problem+json\r\n\
    cache-control: no-store\r\n\
    connection: close\r\n\
    content-length: 157\r\n\
    \r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"code\":\"invalid\",\
    \"detail\":\"connections have to be encrypted\",\"hint\":\"use an address with https://\"}\n";

/// Answers requests until `shutdown` completes and what was begun has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    (encryption, open): (Encryption, Gauge),
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopping) = watch::channel(false);
    let entrance = Entrance { encryption, protocol: b"http/1.1", refusal: REFUSAL, open };
    let mut connections = serve_each(listener, entrance, shutdown, move |connection| {
        talk(connection, router.clone(), stopping.clone())
    })
    .await;
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
}

async fn talk(connection: Connection, router: Router, mut stopping: watch::Receiver<bool>) {
    let peer = connection.peer().clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request.map(Body::new))
    });
    let talking = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(connection), service);
    tokio::pin!(talking);
    // Requests log how they went; that a client left is no news.
    let ending = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
    tokio::select! {
        _ended = &mut talking => return,
        _is_stopping = ending => talking.as_mut().graceful_shutdown(),
    }
    let _ended = talking.await;
}

#[cfg(test)]
mod tests;
