//! The certificates of the doors, which are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use custos_core::ErrorKind;
use custos_gateway::Encryption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::config::Tls;
use crate::failure::Failure;

/// How long certificates are used before it is looked whether there are newer ones.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Encryption with certificates that can be exchanged while they are in use.
pub(crate) fn encryption(tls: &Tls) -> Result<Encryption, Failure> {
    let certificates = Certificates::read(tls)?;
    Ok(Encryption::with(move || certificates.config(), tls.is_required))
}

/// What is made of the files.
#[derive(Debug)]
struct Certificates {
    tls: Tls,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    written: Vec<SystemTime>,
    looked: Instant,
}

impl Certificates {
    fn read(tls: &Tls) -> Result<Self, Failure> {
        let written = written(tls)?;
        let current = Current { config: config(tls)?, written, looked: Instant::now() };
        Ok(Self { tls: tls.clone(), current: Mutex::new(current) })
    }

    fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK_AGAIN {
            current.looked = Instant::now();
            if let Ok(written) = written(&self.tls)
                && written != current.written
            {
                match config(&self.tls) {
                    Ok(config) => (current.config, current.written) = (config, written),
                    // The files are exchanged one after the other.
                    Err(_) => tracing::warn!("the new certificate cannot be used yet"),
                }
            }
        }
        Arc::clone(&current.config)
    }
}

fn files(tls: &Tls) -> impl Iterator<Item = &PathBuf> {
    [&tls.certificate, &tls.key].into_iter().chain(&tls.client_ca)
}

fn written(tls: &Tls) -> Result<Vec<SystemTime>, Failure> {
    let at = |path: &PathBuf| {
        let written = std::fs::metadata(path).and_then(|file| file.modified());
        written.map_err(|error| unusable(path, &error))
    };
    files(tls).map(at).collect()
}

fn config(tls: &Tls) -> Result<Arc<ServerConfig>, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in chain(path)? {
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(path, &error))?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unusable(&tls.key, &error))?;
    let mut config = builder
        .with_single_cert(chain(&tls.certificate)?, key)
        .map_err(|error| unusable(&tls.certificate, &error))?;
    if tls.client_ca.is_some() {
        // A session that is resumed brings its certificate along, and nobody would look again
        // whether it still holds.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("`{}` cannot be used for TLS: {why}", path.display()))
        .with_hint(
            "server.tls_certificate, server.tls_key and server.tls_client_ca name files in PEM",
        )
}
