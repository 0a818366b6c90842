//! Messages on a connection.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use custos_query::ClientMemory;
use futures::FutureExt;
use pgwire::messages::{
    DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion,
    SslNegotiationMetaMessage,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::error::PgError;
use super::shape::is_formed;

/// Longest message of somebody who did not log in yet, in bytes.
const STRANGER_BYTES_MAX: usize = 16 * 1024;

/// Longest message of a client, in bytes: statements are shorter, and so are their parameters.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// How much is gathered before it is sent, in bytes.
pub(super) const SEND_BYTES: usize = 64 * 1024;

/// What every connection may hold of what its client sends, in bytes: a message that is longer, and
/// what comes ahead while a statement runs.
const RECEIVE_BYTES: usize = 64 * 1024;

/// How long a client may take nothing of what it is sent.
const SEND_TIME_MAX: Duration = Duration::from_secs(300);

/// How often it is looked whether a client that sent much ahead is still there.
const LOOK: Duration = Duration::from_millis(250);

/// What messages come and go on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Whether the client has hung up, be it behind bytes that were not read yet.
    fn has_hung_up(&self) -> bool;
}

impl Stream for TcpStream {
    fn has_hung_up(&self) -> bool {
        let ready = self.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl Stream for TlsStream<TcpStream> {
    fn has_hung_up(&self) -> bool {
        self.get_ref().0.has_hung_up()
    }
}

/// Both directions of a connection.
pub(super) struct Wire<S> {
    stream: S,
    incoming: BytesMut,
    outgoing: BytesMut,
    context: DecodeContext,
    message_bytes_max: usize,
    /// For the message that comes, if it is a long one.
    memory: ClientMemory,
}

impl<S: Stream> Wire<S> {
    /// A connection on which nothing was said yet.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            context: DecodeContext::new(ProtocolVersion::PROTOCOL3_0),
            message_bytes_max: STRANGER_BYTES_MAX,
            memory: ClientMemory::up_to(0),
        }
    }

    /// The stream below, if nothing was read beyond the last message: bytes that came before
    /// encryption are not to be taken for bytes that came with it.
    pub(super) fn into_stream(self) -> Option<S> {
        self.incoming.is_empty().then_some(self.stream)
    }

    /// The client logged in, and may have memory of its principal.
    pub(super) fn trust(&mut self, version: ProtocolVersion, memory: ClientMemory) {
        self.context.protocol_version = version;
        self.message_bytes_max = MESSAGE_BYTES_MAX;
        self.memory = memory;
    }

    /// A first message, which has no type; `None` when the client has left.
    pub(super) async fn first(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        self.context.awaiting_frontend_startup = true;
        self.context.awaiting_frontend_ssl = true;
        let length = loop {
            if let Some(length) = self.incoming.first_chunk::<4>() {
                break u32::from_be_bytes(*length) as usize;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        };
        if !(8..=STRANGER_BYTES_MAX).contains(&length) {
            return Err(malformed());
        }
        while self.incoming.len() < length {
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
        let mut message = self.incoming.split_to(length);
        match self.decoded(&mut message)? {
            // It asks for no encryption, so it is one that is looked for after that.
            Some(PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::None)) => {
                self.context.awaiting_frontend_ssl = false;
                self.decoded(&mut message)?.map(Some).ok_or_else(malformed)
            }
            decoded => decoded.map(Some).ok_or_else(malformed),
        }
    }

    /// The next message; `None` when the client has left.
    ///
    /// One for which there is no memory is [`io::ErrorKind::OutOfMemory`] once all of it has come: a
    /// client that is still sending would not read why it is left.
    pub(super) async fn next(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        self.context.awaiting_frontend_startup = false;
        self.context.awaiting_frontend_ssl = false;
        self.give_back();
        loop {
            if let Some(length) = self.message_length()?
                && self.incoming.len() > length
            {
                let mut message = self.incoming.split_to(length + 1);
                if !is_formed(&message) {
                    return Err(malformed());
                }
                let decoded = self.decoded(&mut message)?.ok_or_else(malformed)?;
                return if message.has_remaining() { Err(malformed()) } else { Ok(Some(decoded)) };
            }
            if !self.make_room()? {
                return self.pass_over().await;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Makes room for a long message of which some has come, unless there is none: as it grows by
    /// itself, the buffer would get twice as large.
    fn make_room(&mut self) -> io::Result<bool> {
        let come = self.incoming.len();
        if come >= RECEIVE_BYTES
            && let Some(length) = self.message_length()?
        {
            if self.memory.hold(length as u64 + 1).is_err() {
                return Ok(false);
            }
            self.incoming.reserve((length + 1).saturating_sub(come));
        }
        Ok(true)
    }

    /// Gives back what a long message took: it is done with when the next one is asked for.
    fn give_back(&mut self) {
        if self.memory.held() > 0 && self.memory.hold(0).is_ok() {
            self.incoming = BytesMut::from(&self.incoming[..]);
        }
    }

    /// Reads the message that begins to its end and keeps nothing of it.
    async fn pass_over(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        let mut rest = self.message_length()?.map_or(0, |length| length + 1);
        loop {
            let come = rest.min(self.incoming.len());
            self.incoming.advance(come);
            rest -= come;
            if rest == 0 {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The length of the message that begins, without its type.
    fn message_length(&self) -> io::Result<Option<usize>> {
        let Some([_, length @ ..]) = self.incoming.first_chunk::<5>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(4..=self.message_bytes_max).contains(&length) {
            return Err(malformed());
        }
        Ok(Some(length))
    }

    fn decoded(&self, message: &mut BytesMut) -> io::Result<Option<PgWireFrontendMessage>> {
        PgWireFrontendMessage::decode(message, &self.context).map_err(|_| malformed())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.incoming).await
    }

    /// Resolves when the client has left.
    pub(super) async fn left(&mut self) {
        while self.incoming.len() < RECEIVE_BYTES {
            if !matches!(self.fill().await, Ok(1..)) {
                return;
            }
        }
        while !self.stream.has_hung_up() {
            sleep(LOOK).await;
        }
    }

    /// Puts a message behind those that wait to be sent.
    #[expect(clippy::needless_pass_by_value, reason = "nobody has a use for a message afterwards")]
    pub(super) fn put(&mut self, message: PgWireBackendMessage) -> io::Result<()> {
        message.encode(&mut self.outgoing).map_err(|_| malformed())
    }

    /// Where rows are written that are to be sent.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    /// Sends what waits, if it is enough to be worth it.
    pub(super) async fn send_if_full(&mut self) -> io::Result<()> {
        match self.outgoing.len() >= SEND_BYTES {
            true => self.send().await,
            false => Ok(()),
        }
    }

    /// Sends what waits.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        let send = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        };
        let sent = timeout(SEND_TIME_MAX, send).await;
        self.outgoing.clear();
        // A large answer must not keep its memory for the life of the connection.
        if self.outgoing.capacity() > 4 * SEND_BYTES {
            self.outgoing = BytesMut::new();
        }
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends single bytes that are no message.
    pub(super) async fn send_byte(&mut self, byte: u8) -> io::Result<()> {
        self.outgoing.extend_from_slice(&[byte]);
        self.send().await
    }

    /// Tells the client why it is left, and leaves.
    pub(super) async fn close(mut self, error: PgError) {
        let told = self.put(error.fatal().into_message());
        // It may be gone already.
        if told.is_ok() && self.send().await.is_ok() {
            let _gone = self.stream.shutdown().await;
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed message")
}

#[cfg(test)]
mod tests;
