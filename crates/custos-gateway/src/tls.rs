//! Encryption of connections, and whom a client's certificate names.

use std::fmt;
use std::sync::Arc;

use custos_core::PrincipalId;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{CommonState, ServerConfig};
use x509_certificate::X509Certificate;

/// What a record that begins a handshake of TLS begins with
/// ([RFC 8446, 5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)). No protocol that is
/// served begins so in clear.
const HANDSHAKE: u8 = 0x16;

/// Whether and how connections are encrypted.
#[derive(Clone, Default)]
pub struct Encryption {
    config: Option<Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>>,
    is_required: bool,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("offered", &self.config.is_some())
            .field("required", &self.is_required)
            .finish()
    }
}

impl Encryption {
    /// Encryption for clients that ask for it, or for all. The configuration is asked for with each
    /// connection, so that certificates can be exchanged.
    pub fn with(
        config: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
        is_required: bool,
    ) -> Self {
        Self { config: Some(Arc::new(config)), is_required }
    }

    /// What encrypts a connection, if anything does. It speaks this protocol
    /// ([IANA](https://www.iana.org/assignments/tls-extensiontype-values/tls-extensiontype-values.xhtml#alpn-protocol-ids)):
    /// a client that names others only is turned away.
    pub(crate) fn acceptor(&self, protocol: &[u8]) -> Option<TlsAcceptor> {
        let current = self.config.as_ref()?;
        let mut config = ServerConfig::clone(&current());
        config.alpn_protocols = vec![protocol.to_vec()];
        Some(TlsAcceptor::from(Arc::new(config)))
    }

    /// Whether nobody is answered in clear.
    pub(crate) const fn is_required(&self) -> bool {
        self.is_required
    }
}

/// Whether a client begins to encrypt; nothing if it left. Takes nothing from the connection.
pub(crate) async fn begins(stream: &TcpStream) -> Option<bool> {
    let mut first = [0];
    let count = stream.peek(&mut first).await.ok()?;
    (count > 0).then_some(first == [HANDSHAKE])
}

/// A certificate that a client showed, and that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Its subject's common name; none if there is no such name, several, or one that nobody can
    /// have.
    pub(crate) name: Option<PrincipalId>,
}

impl Certificate {
    /// That of the client at the other end, if it showed one.
    pub(crate) fn of(connection: &CommonState) -> Option<Self> {
        let own = connection.peer_certificates()?.first()?;
        Some(Self { name: common_name(own) })
    }
}

fn common_name(certificate: &[u8]) -> Option<PrincipalId> {
    let certificate = X509Certificate::from_der(certificate).ok()?;
    let mut names = certificate.subject_name().iter_common_name();
    let name = names.next()?.to_string().ok()?;
    // Of several names it would be a guess which one is meant.
    if names.next().is_some() {
        return None;
    }
    name.parse().ok()
}
