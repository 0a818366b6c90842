//! A server and a client for tests, over the loopback device.

use std::future::pending;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use custos_query::Tally;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::metrics::Metrics;
use crate::observe::observe;
use crate::{Encryption, http_listener};

/// What came back, byte for byte.
pub(crate) struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        Self { head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body, and whether it came to its end.
    pub(crate) fn body(&self) -> (String, bool) {
        if self.header("transfer-encoding") != Some("chunked") {
            let length: usize = self.header("content-length").unwrap().parse().unwrap();
            return (String::from_utf8(self.body.clone()).unwrap(), self.body.len() == length);
        }
        let (mut text, mut rest) = (String::new(), &self.body[..]);
        while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return (text, true);
            }
            text.push_str(std::str::from_utf8(&rest[end + 2..end + 2 + size]).unwrap());
            rest = &rest[end + 4 + size..];
        }
        (text, false)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let (body, whole) = self.body();
        assert!(whole);
        serde_json::from_str(&body).unwrap()
    }

    /// The answer as text, for searches.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.head, String::from_utf8_lossy(&self.body))
    }
}

/// Sends one request to a server of its own.
pub(crate) async fn send(router: Router, head: &str, body: &str) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut server = JoinSet::new();
    server.spawn(http_listener::serve(
        listener,
        (Encryption::default(), Gauge::default()),
        router,
        pending(),
    ));
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A server that breaks off may reset the connection; what came before counts.
    if let Err(error) = stream.read_to_end(&mut bytes).await {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    Answer::new(&bytes)
}

/// The router as it is served: with ids, and with problems written.
pub(crate) fn observed<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let metrics = Arc::new(Metrics::new(&Tally::default()));
    router.layer(from_fn_with_state(metrics, observe))
}
