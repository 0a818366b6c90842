//! Who calls, and what for.

use custos_core::Purpose;
use custos_policy::{PolicySet, Principal};
use tonic::Request;

use super::refusal::Refusal;
use super::shelf::Owner;
use crate::sql;
use crate::wire_error::Failure;

/// The principal whose token a call carried. [`Gate`](super::gate::Gate) leaves it with the call.
#[derive(Debug, Clone)]
pub(super) struct Known(pub(super) Principal);

/// Who asks, and what for.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) principal: Principal,
    pub(super) purpose: Purpose,
}

impl Asker {
    /// The caller, for the purpose that the call names or else for the caller's default one.
    pub(super) fn of<T>(request: &Request<T>, policy: &PolicySet) -> Result<Self, Failure> {
        let Known(principal) = request.extensions().get().ok_or(Refusal::NoCaller)?;
        let default = policy.default_purpose(principal);
        let purpose = sql::purpose(request.metadata().as_ref(), default)?;
        Ok(Self { principal: principal.clone(), purpose })
    }

    /// Whose what this caller leaves with the server is.
    pub(super) fn owner(&self) -> Owner {
        Owner { principal: self.principal.id.clone(), purpose: self.purpose.clone() }
    }
}
