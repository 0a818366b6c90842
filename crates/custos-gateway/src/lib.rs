//! The doors of Custos, and the only crate that knows a wire format or a status code.
//!
//! Three doors. HTTP:
//!
//! | address | what it does |
//! |---|---|
//! | `POST /v1/sql` | runs a statement for a purpose and streams its rows as JSON, CSV, Arrow or Parquet |
//! | `POST /v1/statements`, `GET /v1/statements` | starts a statement whose rows are fetched later; lists them |
//! | `GET /v1/statements/{id}`, `DELETE` | tells how it is doing; stops it |
//! | `GET /v1/statements/{id}/rows` | gives its rows, once |
//! | `GET /v1/policy/explain?sql=..` | says which rules and purposes decide what a statement sees |
//! | `GET /v1/profiles/{type}:{value}` | shows what may be seen of one person |
//! | `POST /v1/keys/unwrap` | gives out the key of an export, to read it elsewhere |
//! | `POST /v1/privacy/requests` | receives a request for erasure |
//! | `GET /v1/privacy/requests/{id}` | shows a request |
//! | `POST /v1/privacy/requests/{id}/verify` | records who verified a request |
//! | `GET /healthz`, `GET /readyz` | tell whether the process lives, and whether it can answer |
//! | `GET /metrics` | figures of the process for Prometheus |
//! | `GET /openapi.json` | describes these addresses |
//!
//! PostgreSQL's protocol, for psql, drivers and BI tools: `postgres.rs`. And [Flight SQL](https://arrow.apache.org/docs/format/FlightSql.html), for clients that take
//! rows as Arrow: statements, prepared ones with parameters, and what tables there are; nothing that
//! writes.
//!
//! Whoever asks proves it with a secret as bearer token, with a token of an OpenID provider, with name
//! and secret in a handshake of Flight, by SCRAM-SHA-256, or with a certificate; who guesses has to
//! wait. All failures are [problem documents](https://www.rfc-editor.org/rfc/rfc9457),
//! statuses of gRPC or SQLSTATEs, made by one table from [`ErrorKind`](custos_core::ErrorKind); none repeats a value of the
//! request, and neither do logs.
//!
//! This crate does not know policies, consent, where anything is stored or how a statement becomes
//! rows. It decides nothing: it carries a question in and the answer out.
//!
//! Read first: [`Gateway`], then `wire_error.rs`, where a failure becomes a status.

mod attempts;
mod authenticator;
mod body;
mod caller;
mod error;
mod flight;
mod gateway;
mod health;
mod http_listener;
mod idempotency;
mod identity;
mod keys;
mod listener;
mod metrics;
mod observe;
mod oidc;
mod openapi;
mod postgres;
mod privacy;
mod profiles;
mod sent_memory;
mod serve;
mod sql;
mod statements;
mod tasks;
#[cfg(test)]
mod testing;
mod tls;
mod wire_error;
mod wire_schema;

pub use attempts::Attempts;
pub use authenticator::{Authenticator, Login, salted_password};
pub use flight::serve_flight;
pub use gateway::Gateway;
pub use metrics::Metrics;
pub use oidc::{OidcProblem, OidcProvider, OidcSettings};
pub use postgres::serve_postgres;
pub use serve::serve;
pub use tls::Encryption;
