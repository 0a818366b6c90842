//! Where a server is, and how to get in.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use custos_core::{Classify, ErrorKind};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Parameters after the `?`. Others are refused, since the driver would ignore them.
const PARAMETERS: [&str; 5] = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=MODE&…]`.
///
/// What it leaves out comes from `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD` and the
/// password file, as with all clients of PostgreSQL. Unless it or `PGSSLMODE` says otherwise, a
/// server on another machine must show a certificate for its name (`sslmode=verify-full`), so that
/// nobody in between can read or answer.
#[derive(Clone)]
pub struct PostgresUrl {
    place: String,
    options: Box<PgConnectOptions>,
}

/// Why a text is not the URL of a control store. It names no values, since one may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostgresUrlError {
    /// It is no URL of a PostgreSQL database.
    #[error("this is not a URL such as `postgres://user@host/database`")]
    Form,
    /// A parameter is not known.
    #[error("the URL has a parameter that is not known; known are {}", PARAMETERS.join(", "))]
    Parameter,
    /// A parameter has a value that it cannot have.
    #[error(
        "a parameter of the URL is wrong; sslmode is one of disable, prefer, require, verify-ca, \
         verify-full"
    )]
    Value,
}

impl Classify for PostgresUrlError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Form | Self::Parameter | Self::Value => ErrorKind::Invalid,
        }
    }
}

impl PostgresUrl {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    /// The database without user and password, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        (*self.options).clone()
    }
}

impl FromStr for PostgresUrl {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, PostgresUrlError> {
        let url = Url::parse(text).map_err(|_| PostgresUrlError::Form)?;
        if !["postgres", "postgresql"].contains(&url.scheme()) || url.cannot_be_a_base() {
            return Err(PostgresUrlError::Form);
        }
        let mut says_mode =
            std::env::var("PGSSLMODE").is_ok_and(|mode| mode.parse::<PgSslMode>().is_ok());
        for (name, value) in url.query_pairs() {
            if !PARAMETERS.contains(&&*name) {
                return Err(PostgresUrlError::Parameter);
            }
            // The driver takes `allow` for `disable`, which is not what it says.
            if name == "sslmode" && value == "allow" {
                return Err(PostgresUrlError::Value);
            }
            says_mode |= name == "sslmode";
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| PostgresUrlError::Value)?;
        let mut options = options.application_name("custos").disable_statement_logging();
        if !says_mode && !is_here(&options) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
        Ok(Self { place: place(&options), options: Box::new(options) })
    }
}

/// Whether the server is on this machine.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_some_and(|address| address.is_loopback())
}

fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.to_string_lossy(),
        None => Cow::Borrowed(options.get_host()),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres://{host}:{}/{database}", options.get_port())
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        let user = |url: &Self| url.options.get_username().to_owned();
        self.place == other.place && user(self) == user(other)
    }
}

impl Eq for PostgresUrl {}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.place).finish()
    }
}

#[cfg(test)]
mod tests;
