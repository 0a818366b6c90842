//! How connections come in over HTTP and Flight: encrypted or in clear, and from whom.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::metrics::Open;
use crate::tls::{self, Certificate, Encryption};

/// Most connections of a door at a time; others are closed.
const CONNECTIONS_MAX: usize = 2_000;

/// How many doors there are, which share half of the files that the process may open.
const DOORS: usize = 3;

/// How long a client may take to begin, and then to agree on encryption.
const GREETING_TIME_MAX: Duration = Duration::from_secs(10);

/// How long somebody who is turned away may take to hear it.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(2);

/// How much of what somebody sends who is turned away is read, so that the refusal arrives.
const REFUSED_BYTES_MAX: u64 = 64 * 1024;

/// Where a call comes from.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The address at the other end: of a proxy, if there is one.
    pub(crate) address: IpAddr,
    /// The certificate that the client showed.
    pub(crate) certificate: Option<Certificate>,
    known: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn new(address: IpAddr, certificate: Option<Certificate>) -> Self {
        Self { address, certificate, known: Arc::default() }
    }

    /// A call over the connection proved who calls.
    pub(crate) fn is_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }
}

/// What clients of a door come to.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) encryption: Encryption,
    /// What is spoken, as TLS names it.
    pub(crate) protocol: &'static [u8],
    /// What somebody is told in clear who has to encrypt.
    pub(crate) refusal: &'static [u8],
    /// Counts connections that are open.
    pub(crate) open: Gauge,
}

/// The next connection.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors, mostly: wait for some to be given back.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Places for the connections of a door: fewer where the process may open few files, so that neither
/// other doors nor work in the background are left without.
pub(crate) fn places() -> Arc<Semaphore> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|rest| rest.split_whitespace().next());
    let share = soft.and_then(|soft| soft.parse::<usize>().ok()).map(|files| files / 2 / DOORS);
    Arc::new(Semaphore::new(share.map_or(CONNECTIONS_MAX, |share| share.min(CONNECTIONS_MAX))))
}

/// Accepts connections until `shutdown` completes. Each is greeted and then served in a task of its
/// own, so that none waits for another. Returns the tasks that are left.
pub(crate) async fn serve_each<F>(
    listener: TcpListener,
    entrance: Entrance,
    shutdown: impl Future<Output = ()>,
    serve: impl Fn(Connection) -> F + Clone + Send + 'static,
) -> JoinSet<()>
where
    F: Future<Output = ()> + Send,
{
    let entrance = Arc::new(entrance);
    let places = places();
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => return tasks,
            stream = accept(&listener) => stream,
        };
        while tasks.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (entrance, serve) = (Arc::clone(&entrance), serve.clone());
        tasks.spawn(async move {
            if let Some(connection) = entrance.greet(stream, place).await {
                serve(connection).await;
            }
        });
    }
}

impl Entrance {
    /// Encrypts a connection if its client asks for it; none if it is turned away.
    async fn greet(&self, stream: TcpStream, place: OwnedSemaphorePermit) -> Option<Connection> {
        let address = stream.peer_addr().ok()?.ip();
        stream.set_nodelay(true).ok()?;
        let connection = |io, certificate| Connection {
            io,
            peer: Peer::new(address, certificate),
            stranger_until: None,
            _place: place,
            _open: Open::counted_in(&self.open),
        };
        let Some(acceptor) = self.encryption.acceptor(self.protocol) else {
            return Some(connection(Io::Clear(stream), None));
        };
        if timeout(GREETING_TIME_MAX, tls::begins(&stream)).await.ok()?? {
            let encrypted = timeout(GREETING_TIME_MAX, acceptor.accept(stream)).await.ok()?.ok()?;
            let certificate = Certificate::of(encrypted.get_ref().1);
            return Some(connection(Io::Encrypted(Box::new(encrypted)), certificate));
        }
        if self.encryption.is_required() {
            // Whoever left before the end of it has no need of it.
            let _heard = timeout(REFUSAL_TIME_MAX, self.refuse(stream)).await;
            return None;
        }
        Some(connection(Io::Clear(stream), None))
    }

    async fn refuse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.write_all(self.refusal).await?;
        stream.shutdown().await?;
        // A connection that is closed with something unread is reset, and the refusal lost with it.
        let mut rest = stream.take(REFUSED_BYTES_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(())
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    io: Io,
    peer: Peer,
    stranger_until: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
    _open: Open,
}

#[derive(Debug)]
enum Io {
    Clear(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Who is at the other end.
    pub(crate) const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The same, which breaks unless a call proves within this time who calls.
    pub(crate) fn known_within(mut self, time: Duration) -> Self {
        self.stranger_until = Some(Box::pin(sleep(time)));
        self
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// Lends what is below a connection.
macro_rules! io {
    ($connection:ident, $io:ident => $done:expr) => {
        match &mut $connection.get_mut().io {
            Io::Clear($io) => {
                let $io = Pin::new($io);
                $done
            }
            Io::Encrypted($io) => {
                let $io = Pin::new(&mut **$io);
                $done
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(end) = &mut self.stranger_until
            && end.as_mut().poll(context).is_ready()
        {
            if !self.peer.known.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.stranger_until = None;
        }
        io!(self, io => io.poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        io!(self, io => io.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self, io => io.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self, io => io.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        io!(self, io => io.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Clear(io) => io.is_write_vectored(),
            Io::Encrypted(io) => io.is_write_vectored(),
        }
    }
}
