//! What can be wrong with a request before anything is asked of the rest of Custos.

use std::time::Duration;

use arrow::datatypes::DataType;
use custos_core::{Classify, ErrorKind};
use custos_erasure::{SubjectRefError, UnknownLevel};
use custos_query::{QueryError, UnknownProfilePart};

/// A request that the door turns away. No text repeats what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// No token, several, or one that nobody has.
    #[error("the request carries no valid bearer token")]
    Unauthenticated,
    /// Too many failures before.
    #[error("there were too many failed logins from this address")]
    LockedOut {
        /// How long there is to wait.
        wait: Duration,
    },
    /// A request without its sender; a defect.
    #[error("a request came past the listener")]
    NoPeer,
    /// There is nothing at the address.
    #[error("there is nothing at this address")]
    NoSuchAddress,
    /// The address takes other methods.
    #[error("this address does not take this method")]
    NoSuchMethod,
    /// The body is longer than the address takes.
    #[error("the body is longer than this address takes")]
    BodyTooLarge,
    /// The body broke off.
    #[error("the body could not be read to its end")]
    BodyCut,
    /// The body came too slowly.
    #[error("the body did not come within {seconds} s")]
    BodySlow {
        /// How long it may take.
        seconds: u64,
    },
    /// The body is not the JSON that is expected. The parser's own text quotes it.
    #[error("the body is not the JSON that this address takes (line {line}, column {column})")]
    BadBody {
        /// Where it stops to be, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
        /// What is expected.
        shape: &'static str,
    },
    /// The address does not hold one statement.
    #[error("the address does not hold one parameter `sql` and nothing else")]
    BadSqlParameter,
    /// No purpose was named and the principal has no default one.
    #[error("no purpose is named, and this principal has no default purpose")]
    NoPurpose,
    /// The header holds no purpose, or there are several.
    #[error("the header `x-custos-purpose` is not one purpose")]
    BadPurpose,
    /// Lines over a protocol that cannot say that the answer broke off.
    #[error("an answer in lines cannot be given over HTTP/1.0")]
    LinesOverHttp10,
    /// A column's type has no form in the format of the answer.
    #[error("a column of the answer has a type that this format cannot carry")]
    Unwritable,
    /// A Parquet file could not be written.
    #[error(transparent)]
    Parquet(#[from] QueryError),
    /// A value for a parameter is not of its type.
    #[error("parameter ${number} takes a value of the type {of}")]
    BadParameter {
        /// Which, from 1.
        number: usize,
        /// What it takes.
        of: DataType,
    },
    /// There are values for parameters that the statement does not have.
    #[error("the statement has {taken} parameter(s), and {given} values are given")]
    ParameterCount {
        /// Parameters.
        taken: usize,
        /// Values.
        given: usize,
    },
    /// The address does not say how long to wait.
    #[error("`wait` is not a number of seconds from 0 to 30")]
    BadWait,
    /// The header holds no key, or there are several.
    #[error("the header `idempotency-key` is not one key of 1 to 255 visible characters")]
    BadIdempotencyKey,
    /// The key stands for something else.
    #[error("this idempotency key was used for another request")]
    IdempotencyKeyUsed,
    /// Nobody has such a statement, or somebody else.
    #[error("there is no such statement")]
    NoSuchStatement,
    /// Others have to be fetched or stopped first.
    #[error("a principal has {limit} statements whose rows are not fetched at most")]
    TooManyStatements {
        /// How many.
        limit: usize,
    },
    /// Its rows are gone.
    #[error("the statement was cancelled")]
    StatementCancelled,
    /// Its rows are gone.
    #[error("the rows of the statement were fetched already")]
    AlreadyFetched,
    /// Its rows could be of somebody who must not be seen any more.
    #[error("consent or access changed since the statement began")]
    ConsentChanged,
    /// The address holds no text.
    #[error("the address does not say who is meant")]
    BadProfileAddress,
    /// A parameter of a profile is not one, or too large.
    #[error("the address has a parameter that a profile does not have, or that is out of range")]
    BadProfileParameter,
    /// No part of a profile.
    #[error(transparent)]
    BadProfilePart(UnknownProfilePart),
    /// The address holds no request id.
    #[error("the address does not hold the id of a request")]
    BadRequestId,
    /// A kind of request that Custos does not handle.
    #[error("this type of privacy request is not handled")]
    UnknownRequestType,
    /// The subject is not written as it must be.
    #[error(transparent)]
    BadSubject(#[from] SubjectRefError),
    /// Verification by nobody.
    #[error("`verified_by` is empty")]
    NobodyVerified,
    /// Not a level to wait for.
    #[error(transparent)]
    BadLevel(#[from] UnknownLevel),
    /// Work for the request stopped in the middle; a defect.
    #[error("the work for the request broke off")]
    WorkBrokeOff,
}

impl Classify for RequestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unauthenticated => ErrorKind::Unauthenticated,
            Self::NoSuchAddress | Self::NoSuchStatement => ErrorKind::NotFound,
            Self::IdempotencyKeyUsed
            | Self::StatementCancelled
            | Self::AlreadyFetched
            | Self::ConsentChanged => ErrorKind::Conflict,
            Self::TooManyStatements { .. } | Self::LockedOut { .. } => ErrorKind::Throttled,
            Self::BodyTooLarge => ErrorKind::TooLarge,
            Self::BodyCut
            | Self::BodySlow { .. }
            | Self::BadBody { .. }
            | Self::BadSqlParameter
            | Self::NoPurpose
            | Self::BadPurpose
            | Self::BadProfileAddress
            | Self::BadProfileParameter
            | Self::BadProfilePart(_)
            | Self::BadRequestId
            | Self::BadSubject(_)
            | Self::BadParameter { .. }
            | Self::ParameterCount { .. }
            | Self::BadWait
            | Self::BadIdempotencyKey
            | Self::UnknownRequestType
            | Self::NobodyVerified
            | Self::BadLevel(_) => ErrorKind::Invalid,
            Self::LinesOverHttp10 | Self::Unwritable | Self::NoSuchMethod => ErrorKind::Unsupported,
            Self::Parquet(error) => error.kind(),
            Self::WorkBrokeOff | Self::NoPeer => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unauthenticated => {
                "send the header `authorization: Bearer SECRET` with a secret made by `custos principal add`"
            }
            Self::LockedOut { wait } => return Some(try_again(*wait)),
            Self::BadBody { shape, .. } => return Some(format!("send {shape}")),
            Self::BadSqlParameter => "send `?sql=` with a SELECT, percent-encoded",
            Self::NoPurpose | Self::BadPurpose => {
                "send the header `x-custos-purpose` once, with a purpose such as `analytics`"
            }
            Self::LinesOverHttp10 => "use HTTP/1.1, or take `application/json`",
            Self::Unwritable => {
                "cast the column to a type such as VARCHAR, or take `application/vnd.apache.arrow.stream`"
            }
            Self::BadParameter { .. } => {
                "send numbers and truth values as in JSON, decimals, dates and instants as texts in ISO 8601, and cast the parameter in the statement if another type is meant"
            }
            Self::ParameterCount { .. } => {
                "send `parameters` with a value for each of `$1`, `$2` and so on, `null` included"
            }
            Self::Parquet(error) => return error.hint(),
            Self::UnknownRequestType => "the type that is handled is `erasure`",
            Self::BadSubject(error) => return error.hint(),
            Self::BadProfilePart(error) => return error.hint(),
            Self::BadProfileAddress => {
                "ask for `/v1/profiles/TYPE:VALUE`, percent-encoded, such as `email:ana%40example.com`"
            }
            Self::BadProfileParameter => {
                "parameters are `limit`, up to 100, and `include`, with names of parts and commas between"
            }
            Self::NobodyVerified => "name who made sure that the person is who they say",
            Self::NoSuchMethod => "the header `allow` of the answer names those that it takes",
            Self::BadWait => "send `?wait=10`, or nothing to be answered at once",
            Self::BadIdempotencyKey => {
                "send a random UUID, the same one when a request is repeated"
            }
            Self::IdempotencyKeyUsed => "send a new key with a new request",
            Self::NoSuchStatement => {
                "list yours with `GET /v1/statements`; they are forgotten some minutes after they end"
            }
            Self::TooManyStatements { .. } => {
                "fetch their rows, or stop them with `DELETE /v1/statements/{id}`"
            }
            Self::StatementCancelled | Self::AlreadyFetched | Self::ConsentChanged => {
                "send the statement again"
            }
            Self::NoPeer
            | Self::NoSuchAddress
            | Self::BodyTooLarge
            | Self::BodyCut
            | Self::BodySlow { .. }
            | Self::BadRequestId
            | Self::BadLevel(_)
            | Self::WorkBrokeOff => return None,
        };
        Some(hint.to_owned())
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LockedOut { wait } => Some(*wait),
            _ => None,
        }
    }
}

fn try_again(wait: Duration) -> String {
    format!("try again in {} seconds", wait.as_secs() + 1)
}
