//! Identifiers that several people may share.

use crate::Rule;
use crate::resolve::Resolver;
use crate::resolve::holdings::Identifier;

impl Resolver<'_> {
    /// Joins holders, one of each cluster, and says whether it joined all of them.
    ///
    /// If two of them are different people, only those whose names agree are joined. A holder
    /// without a name then joins nobody, since it may be any of them. Nor does a group of one
    /// name in which two holders are different people all the same.
    pub(super) fn join_unless_conflicting(
        &mut self,
        identifier: &Identifier,
        holders: &[u32],
        rule: Rule,
    ) -> bool {
        if !self.any_conflict(holders, rule) {
            self.clusters.join(identifier, holders, rule);
            return true;
        }
        for group in self.groups_by_name(holders) {
            if !self.any_conflict(&group, rule) {
                self.clusters.join(identifier, &group, Rule::SameName);
            }
        }
        false
    }

    fn any_conflict(&mut self, holders: &[u32], rule: Rule) -> bool {
        pairs(holders).any(|(left, right)| {
            let is_claim_too_many = rule == Rule::Claimed
                && self.clusters.is_verified(left)
                && self.clusters.is_verified(right);
            is_claim_too_many || self.clusters.conflict(left, right)
        })
    }

    /// The holders that have names, grouped so that those whose names agree are together.
    fn groups_by_name(&mut self, holders: &[u32]) -> Vec<Vec<u32>> {
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for &holder in holders {
            if !self.clusters.is_named(holder) {
                continue;
            }
            let mut group = vec![holder];
            groups.retain_mut(|other| {
                let agrees = other
                    .iter()
                    .any(|&member| self.clusters.names_agree(member, holder) == Some(true));
                if agrees {
                    group.append(other);
                }
                !agrees
            });
            group.sort_unstable();
            groups.push(group);
        }
        groups
    }
}

fn pairs(holders: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    holders
        .iter()
        .enumerate()
        .flat_map(|(place, &left)| holders[place + 1..].iter().map(move |&right| (left, right)))
}
