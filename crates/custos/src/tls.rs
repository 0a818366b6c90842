//! The certificate of the doors, which is read again when its file changes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use custos_core::ErrorKind;
use custos_gateway::Encryption;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Tls;
use crate::failure::Failure;

/// How long a certificate is used before it is looked whether there is a newer one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Encryption with a certificate that can be exchanged while it is in use.
pub(crate) fn encryption(tls: &Tls) -> Result<Encryption, Failure> {
    let certificate = Arc::new(Certificate::read(tls)?);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    Ok(Encryption::with(Arc::new(config), tls.is_required))
}

/// The certificate of a file.
#[derive(Debug)]
struct Certificate {
    tls: Tls,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    written: [SystemTime; 2],
    looked: Instant,
}

impl Certificate {
    fn read(tls: &Tls) -> Result<Self, Failure> {
        let written = written(tls)?;
        let current = Current { key: certified(tls)?, written, looked: Instant::now() };
        Ok(Self { tls: tls.clone(), current: Mutex::new(current) })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK_AGAIN {
            current.looked = Instant::now();
            if let Ok(written) = written(&self.tls)
                && written != current.written
            {
                match certified(&self.tls) {
                    Ok(key) => (current.key, current.written) = (key, written),
                    // The two files are exchanged one after the other.
                    Err(_) => tracing::warn!("the new certificate cannot be used yet"),
                }
            }
        }
        Some(Arc::clone(&current.key))
    }
}

fn written(tls: &Tls) -> Result<[SystemTime; 2], Failure> {
    let at = |path: &Path| {
        let written = std::fs::metadata(path).and_then(|file| file.modified());
        written.map_err(|error| unusable(path, &error.to_string()))
    };
    Ok([at(&tls.certificate)?, at(&tls.key)?])
}

fn certified(tls: &Tls) -> Result<Arc<CertifiedKey>, Failure> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&tls.certificate, &error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| unusable(&tls.key, &error.to_string()))?;
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    key.map(Arc::new).map_err(|error| unusable(&tls.certificate, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{}` cannot be used for TLS: {why}", path.display()))
        .with_hint("server.tls_certificate and server.tls_key name files in PEM")
}
