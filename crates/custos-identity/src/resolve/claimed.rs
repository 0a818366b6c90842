//! Identifiers that somebody only claims.

use custos_core::IdentifierType;

use crate::resolve::Resolver;
use crate::resolve::holdings::Identifier;
use crate::{RefusalReason, Rule};

impl Resolver<'_> {
    /// Joins by what at least one side only claims.
    ///
    /// Devices are left to the last pass: a claim to have used one says nothing about who else
    /// does.
    pub(super) fn join_claimed(&mut self) {
        for identifier in self.joining() {
            let holders = self.holdings.holders(identifier);
            if identifier.kind != IdentifierType::DeviceId
                && holders.iter().any(|holder| !holder.is_verified)
            {
                self.join_claimants(identifier);
            }
        }
    }

    fn join_claimants(&mut self, identifier: &Identifier) {
        let holders = self.holdings.holders(identifier).iter();
        let owners = self.verified_holders(identifier);
        let owners = self.clusters.distinct(owners.into_iter());
        let all = owners.iter().copied().chain(holders.map(|holder| holder.subject));
        let claimants = self.clusters.distinct(all).split_off(owners.len());
        let (verified, unverified): (Vec<_>, Vec<_>) =
            claimants.into_iter().partition(|&claimant| self.clusters.is_verified(claimant));

        let is_owned = !owners.is_empty();
        let between_verified = if is_owned { !verified.is_empty() } else { verified.len() >= 2 };
        // Who has verified the identifier goes before other people who claim it.
        let mut joining = if is_owned { owners } else { verified };
        let all_joined = unverified.is_empty() || {
            joining.extend(unverified);
            joining.sort_unstable();
            self.join_unless_conflicting(identifier, &joining, Rule::Claimed)
        };
        if between_verified {
            self.refuse(identifier, RefusalReason::ClaimedBetweenVerified);
        } else if !all_joined {
            self.refuse(identifier, RefusalReason::HeldByDifferentPeople);
        }
    }
}
