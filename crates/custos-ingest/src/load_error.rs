//! Why a load did not happen.

use custos_audit::AuditError;
use custos_core::{Classify, ErrorKind, NameError, StoreError};
use custos_keys::KeyError;
use custos_lake::LakeError;

use crate::{ContractProblem, ReadError};

/// A load that did not happen, or not to its end; repeating it is safe.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The contract has mistakes, or may not follow the registered one.
    #[error("the contract has {} mistake(s):\n{}", .0.len(), list(.0))]
    Contract(Vec<ContractProblem>),
    /// The file as a whole cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Keys could not be had or destroyed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The control store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A name in a contract is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A defect of Custos.
    #[error("internal error while loading")]
    Internal,
}

fn list(problems: &[ContractProblem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

impl Classify for IngestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Contract(_) | Self::Name(_) => ErrorKind::Invalid,
            Self::Read(error) => error.kind(),
            Self::Lake(error) => error.kind(),
            Self::Keys(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Audit(error) => error.kind(),
            Self::Internal => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) => error.hint(),
            Self::Lake(error) => error.hint(),
            Self::Keys(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Audit(error) => error.hint(),
            Self::Contract(_) | Self::Name(_) | Self::Internal => None,
        }
    }
}
