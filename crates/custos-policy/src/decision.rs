//! Yes with a grant, or no with a reason.

use custos_core::{Classify, ErrorKind};

use crate::grant::ReadGrant;

/// What the policy says to a request for a table.
#[derive(Debug)]
#[must_use = "a decision that nobody looks at decides nothing"]
pub enum Decision {
    /// The table may be read, through the grant.
    Permit(ReadGrant),
    /// The table may not be read.
    Deny(Denial),
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    /// The reason.
    pub reason: DenialReason,
    /// The id of the forbidding or failing rule; none when no rule permitted it.
    pub rule: Option<String>,
}

/// The reasons for a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DenialReason {
    /// The purpose is not in the tree.
    #[error("the purpose is not known")]
    UnknownPurpose,
    /// Other purposes lie below it.
    #[error("the purpose has narrower ones below it")]
    NotALeaf,
    /// The principal may not act for it.
    #[error("the principal may not act for the purpose")]
    PurposeNotAllowed,
    /// The purpose was not notified where the data were collected.
    #[error("the purpose was not notified at the source")]
    SourceNotNotified,
    /// The principal does not have the right.
    #[error("the principal does not have the right")]
    RightNotHeld,
    /// No retention rule says how long the rows may be shown and kept.
    #[error("no retention rule covers the table and purpose")]
    RetentionMissing,
    /// A rule could not be evaluated.
    #[error("an access rule could not be evaluated")]
    EvaluationError,
}

impl Classify for Denial {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Denied
    }

    fn hint(&self) -> Option<String> {
        let hint = match self.reason {
            DenialReason::UnknownPurpose => "use a purpose of purposes.yaml",
            DenialReason::NotALeaf => "use one of the purposes below it",
            DenialReason::PurposeNotAllowed => "use a purpose that a role of yours may act for",
            DenialReason::SourceNotNotified => {
                "add the purpose to the source's contract, if it was"
            }
            DenialReason::RightNotHeld => "ask somebody whose role has the right",
            DenialReason::RetentionMissing => {
                "add rules with `show` and `keep` for it to retention.yaml"
            }
            DenialReason::EvaluationError => "correct the rule in access.cedar",
        };
        Some(hint.to_owned())
    }
}
