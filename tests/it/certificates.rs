//! Certificates for tests, made by openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An authority that signs certificates, and its folder.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
    name: &'static str,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Issued {
    /// Puts this in the place of another, as an operator does: one file after the other.
    pub(crate) fn replace(&self, other: &Self) {
        std::fs::copy(&self.key, &other.key).expect("a key is copied");
        std::fs::copy(&self.certificate, &other.certificate).expect("a certificate is copied");
    }
}

impl Authority {
    /// A new authority.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        let authority = Self { folder: folder.to_owned(), name };
        let subject = format!("/CN={name}");
        let (key, certificate) = (authority.file("key"), authority.certificate());
        let mut make = openssl(&["req", "-x509", "-days", "2", "-subj", &subject]);
        make.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        make.args(NEW_KEY).arg("-keyout").arg(key).arg("-out").arg(certificate);
        run(make);
        authority
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("pem")
    }

    fn file(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }

    /// A certificate for a server on this machine.
    pub(crate) fn server(&self, name: &str) -> Issued {
        self.issue(name, "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    }

    /// A certificate for a client; its subject is such as `/CN=ana`.
    pub(crate) fn client(&self, name: &str, subject: &str) -> Issued {
        self.issue(name, subject, "extendedKeyUsage=clientAuth")
    }

    fn issue(&self, name: &str, subject: &str, extension: &str) -> Issued {
        let file = |end: &str| self.folder.join(format!("{}-{name}.{end}", self.name));
        let issued = Issued { certificate: file("pem"), key: file("key") };
        let request = file("csr");
        let mut ask = openssl(&["req", "-subj", subject]);
        ask.args(NEW_KEY).arg("-keyout").arg(&issued.key).arg("-out").arg(&request);
        run(ask);
        let extensions = file("ext");
        std::fs::write(&extensions, extension).expect("a file is written");
        let mut sign = openssl(&["x509", "-req", "-days", "2"]);
        sign.arg("-in").arg(request).arg("-out").arg(&issued.certificate);
        sign.arg("-CA").arg(self.certificate()).arg("-CAkey").arg(self.file("key"));
        sign.arg("-extfile").arg(extensions);
        run(sign);
        issued
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// openssl with these arguments.
pub(crate) fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("openssl starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
