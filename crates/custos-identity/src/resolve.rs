//! Subjects joined to persons.
//!
//! Identifiers are taken from the strongest to the weakest in four passes, each over all of them:
//! what both sides have verified and belongs to one person; what both have verified and may be
//! shared; what somebody only claims; and last devices that nobody has logged in on. Within a
//! pass the order is that of kind, scope and hash, so the answer depends on the set of links only.

mod claimed;
mod clusters;
mod devices;
mod holdings;
mod names;
mod shared;

use custos_core::IdentifierType;

use crate::resolve::clusters::Clusters;
use crate::resolve::holdings::{Holdings, Identifier};
use crate::resolve::names::Names;
use crate::{Limits, Link, Refusal, RefusalReason, Resolution, Rule, SubjectName};

/// Finds out which subjects are one person.
///
/// - An identifier that more subjects hold than the limit joins nobody.
/// - A verified national id, customer id (within its scope), e-mail address or social id joins
///   all who have verified it.
/// - A verified phone number or device joins those who have verified it, unless names or other
///   verified identifiers tell them apart; then those whose names agree are joined.
/// - A claimed identifier joins as a shared one does, but never two sides of which each has
///   verified something. Who has verified it goes before who claims it.
/// - A subject that has a device and nothing else joins the only person seen on that device.
pub fn resolve(links: &[Link], names: &[SubjectName], limits: &Limits) -> Resolution {
    let holdings = Holdings::of(links);
    let names = Names::of(names, &holdings);
    let anonymous = anonymous_subjects(&holdings, &names);
    let mut resolver = Resolver {
        holdings: &holdings,
        limits,
        anonymous,
        clusters: Clusters::new(&holdings, names),
        refused: Vec::new(),
    };
    resolver.join_verified_exclusive();
    resolver.clusters.describe();
    resolver.join_verified_shared();
    resolver.join_claimed();
    resolver.join_anonymous_devices();
    resolver.finish()
}

struct Resolver<'a> {
    holdings: &'a Holdings,
    limits: &'a Limits,
    /// By number of subject: whether it has a device and nothing else.
    anonymous: Vec<bool>,
    clusters: Clusters<'a>,
    refused: Vec<Refusal>,
}

impl<'a> Resolver<'a> {
    /// The identifiers that two or more subjects hold, and not too many.
    fn joining(&self) -> impl Iterator<Item = &'a Identifier> + use<'a> {
        let (holdings, limits) = (self.holdings, *self.limits);
        holdings.identifiers.iter().filter(move |identifier| {
            let holders = holdings.holders(identifier).len();
            holders >= 2 && holders <= limits.subjects_per_identifier_max
        })
    }

    /// The subjects that have verified an identifier, without anonymous ones.
    fn verified_holders(&self, identifier: &Identifier) -> Vec<u32> {
        let holders = self.holdings.holders(identifier).iter();
        holders
            .filter(|holder| holder.is_verified && !self.anonymous[holder.subject as usize])
            .map(|holder| holder.subject)
            .collect()
    }

    fn join_verified_exclusive(&mut self) {
        for identifier in self.joining().filter(|identifier| is_exclusive(identifier.kind)) {
            let holders = self.verified_holders(identifier);
            self.clusters.join(identifier, &holders, Rule::VerifiedExclusive);
        }
    }

    fn join_verified_shared(&mut self) {
        for identifier in self.joining().filter(|identifier| !is_exclusive(identifier.kind)) {
            let holders = self.verified_holders(identifier).into_iter();
            let holders = self.clusters.distinct(holders);
            if !self.join_unless_conflicting(identifier, &holders, Rule::VerifiedShared) {
                self.refuse(identifier, RefusalReason::HeldByDifferentPeople);
            }
        }
    }

    fn refuse(&mut self, identifier: &Identifier, reason: RefusalReason) {
        let subjects = self.holdings.holders(identifier).len();
        self.refused.push(Refusal {
            kind: identifier.kind,
            hash: identifier.hash,
            reason,
            subjects: u32::try_from(subjects).unwrap_or(u32::MAX),
        });
    }

    fn finish(mut self) -> Resolution {
        let holdings = self.holdings;
        for identifier in &holdings.identifiers {
            if holdings.holders(identifier).len() > self.limits.subjects_per_identifier_max {
                self.refuse(identifier, RefusalReason::TooManySubjects);
            }
        }
        let mut refused = self.refused;
        refused.sort_unstable_by_key(|refusal| (refusal.kind, refusal.hash, refusal.reason));
        refused.dedup();
        let (persons, evidence) = self.clusters.into_persons();
        Resolution { persons, evidence, refused }
    }
}

/// Whether a value belongs to one person; others are shared by families and colleagues.
fn is_exclusive(kind: IdentifierType) -> bool {
    matches!(
        kind,
        IdentifierType::NationalId
            | IdentifierType::CustomerId
            | IdentifierType::Email
            | IdentifierType::SocialId
    )
}

fn anonymous_subjects(holdings: &Holdings, names: &Names<'_>) -> Vec<bool> {
    let mut anonymous: Vec<_> = names.of_subjects.iter().map(Vec::is_empty).collect();
    for identifier in &holdings.identifiers {
        if identifier.kind != IdentifierType::DeviceId {
            for holder in holdings.holders(identifier) {
                anonymous[holder.subject as usize] = false;
            }
        }
    }
    anonymous
}

#[cfg(test)]
mod tests;
