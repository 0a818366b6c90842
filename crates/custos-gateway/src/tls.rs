//! Encryption of connections.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Whether and how connections are encrypted.
#[derive(Clone, Default)]
pub struct Encryption {
    config: Option<Arc<ServerConfig>>,
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
    /// Encryption for clients that ask for it, or for all.
    pub const fn with(config: Arc<ServerConfig>, is_required: bool) -> Self {
        Self { config: Some(config), is_required }
    }

    /// What encrypts a connection, if anything does.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.config.as_ref().map(|config| TlsAcceptor::from(Arc::clone(config)))
    }

    /// Whether nobody is answered in clear.
    pub(crate) const fn is_required(&self) -> bool {
        self.is_required
    }
}
