//! What can be wrong with a request before anything is asked of the rest of Custos.

use custos_core::{Classify, ErrorKind};
use custos_erasure::{SubjectRefError, UnknownLevel};
use custos_query::UnknownProfilePart;

/// A request that the door turns away. No text repeats what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// No token, several, or one that nobody has.
    #[error("the request carries no valid bearer token")]
    Unauthenticated,
    /// There is nothing at the address.
    #[error("there is nothing at this address")]
    NoSuchAddress,
    /// The body is longer than the address takes.
    #[error("the body is longer than this address takes")]
    BodyTooLarge,
    /// The body broke off.
    #[error("the body could not be read to its end")]
    BodyCut,
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
    /// A column's type has no form in JSON.
    #[error("a column of the answer has a type that JSON cannot carry")]
    NotJson,
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
            Self::NoSuchAddress => ErrorKind::NotFound,
            Self::BodyTooLarge => ErrorKind::TooLarge,
            Self::BodyCut
            | Self::BadBody { .. }
            | Self::BadSqlParameter
            | Self::NoPurpose
            | Self::BadPurpose
            | Self::BadProfileAddress
            | Self::BadProfileParameter
            | Self::BadProfilePart(_)
            | Self::BadRequestId
            | Self::BadSubject(_)
            | Self::NobodyVerified
            | Self::BadLevel(_) => ErrorKind::Invalid,
            Self::LinesOverHttp10 | Self::NotJson | Self::UnknownRequestType => {
                ErrorKind::Unsupported
            }
            Self::WorkBrokeOff => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unauthenticated => {
                "send the header `authorization: Bearer SECRET` with a secret made by `custos principal add`"
            }
            Self::BadBody { shape, .. } => return Some(format!("send {shape}")),
            Self::BadSqlParameter => "send `?sql=` with a SELECT, percent-encoded",
            Self::NoPurpose | Self::BadPurpose => {
                "send the header `x-custos-purpose` once, with a purpose such as `analytics`"
            }
            Self::LinesOverHttp10 => "use HTTP/1.1, or take `application/json`",
            Self::NotJson => "cast the column to a type such as VARCHAR",
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
            Self::NoSuchAddress
            | Self::BodyTooLarge
            | Self::BodyCut
            | Self::BadRequestId
            | Self::BadLevel(_)
            | Self::WorkBrokeOff => return None,
        };
        Some(hint.to_owned())
    }
}
