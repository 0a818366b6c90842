//! What can be wrong with a call before anything is asked of the rest of Custos.

use custos_core::{Classify, ErrorKind};
use tonic::Status;

use crate::observe::CallId;
use crate::wire_error::Failure;

/// A call that the door turns away. No text repeats what was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A name and a secret that are not those of one principal.
    #[error("the call carries no valid name and secret")]
    WrongLogin,
    /// A ticket that this caller cannot use; why is not told.
    #[error("the ticket is none of this principal for this purpose, or it has expired")]
    UnknownTicket,
    /// A part of an answer whose other parts failed or were left.
    #[error("the answer was not fetched to its end by the calls for its other parts")]
    Incomplete,
    /// A prepared statement that this caller cannot use; why is not told.
    #[error("the prepared statement is none of this principal for this purpose, or it was dropped")]
    UnknownStatement,
    /// Parameters for several runs at once.
    #[error("parameters of several rows cannot be bound")]
    SeveralRows,
    /// Parameters without a row.
    #[error("no row of parameters was sent")]
    NoRow,
    /// What was sent as parameters is something else.
    #[error("the parameters are not a record batch that can be read")]
    BadParameters,
    /// Longer than parameters may be.
    #[error("the parameters are larger than {limit} bytes")]
    ParametersTooLarge {
        /// How large they may be.
        limit: usize,
    },
    /// The descriptor or the action is none of Flight SQL.
    #[error("the message is none of Flight SQL that is known")]
    BadMessage,
    /// Something that is not done.
    #[error("{what} not supported; only statements that read are")]
    NotServed {
        /// What is not.
        what: &'static str,
    },
    /// No randomness for the number of a ticket.
    #[error("there is no randomness")]
    NoRandomness,
    /// The answer could not be encoded; a defect.
    #[error("an answer could not be encoded")]
    Encode,
    /// A call without its caller; a defect.
    #[error("a call came past the check of who calls")]
    NoCaller,
}

impl Classify for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::WrongLogin => ErrorKind::Unauthenticated,
            Self::UnknownTicket => ErrorKind::Denied,
            Self::Incomplete => ErrorKind::Conflict,
            Self::UnknownStatement => ErrorKind::NotFound,
            Self::NoRow | Self::BadParameters | Self::BadMessage => ErrorKind::Invalid,
            Self::ParametersTooLarge { .. } => ErrorKind::TooLarge,
            Self::SeveralRows | Self::NotServed { .. } => ErrorKind::Unsupported,
            Self::NoRandomness | Self::Encode | Self::NoCaller => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::WrongLogin => {
                "send the name of a principal and the secret made for it by `custos principal add`"
            }
            Self::UnknownTicket => "ask for the statement again and fetch its rows within a minute",
            Self::Incomplete => "ask for the statement again and fetch all its parts to their ends",
            Self::UnknownStatement => "prepare it again",
            Self::SeveralRows => "run the statement once for each row",
            Self::NoRow => "send one row, with a column for each parameter",
            Self::BadParameters
            | Self::ParametersTooLarge { .. }
            | Self::BadMessage
            | Self::NotServed { .. }
            | Self::NoRandomness
            | Self::Encode
            | Self::NoCaller => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Failure> for Status {
    /// Logs what an operator must see, under an id that the caller is told.
    fn from(failure: Failure) -> Self {
        let id = CallId::fresh();
        failure.log(id.as_str());
        failure.status(id.as_str())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}
