//! Clusters of subjects, and what is known of each.

use custos_core::{IdentifierType, PersonMap, Rid};

use crate::resolve::holdings::{Holdings, Identifier};
use crate::resolve::names::Names;
use crate::{Evidence, Rule};

/// A union-find of subjects that keeps evidence of each union.
pub(crate) struct Clusters<'a> {
    holdings: &'a Holdings,
    names: Names<'a>,
    parents: Vec<u32>,
    /// Of the cluster whose root has that number.
    profiles: Vec<Profile>,
    pub(crate) evidence: Vec<Evidence>,
}

/// What tells a cluster apart from others.
#[derive(Default)]
struct Profile {
    is_verified: bool,
    /// The verified national ids, customer ids and e-mail addresses, as numbers of identifiers,
    /// in order.
    marks: Vec<u32>,
    names: Vec<u32>,
}

impl<'a> Clusters<'a> {
    /// Each subject by itself.
    pub(crate) fn new(holdings: &'a Holdings, names: Names<'a>) -> Self {
        let parents = (0..).take(holdings.subjects.len()).collect();
        Self { holdings, names, parents, profiles: Vec::new(), evidence: Vec::new() }
    }

    /// The number of the subject that stands for the cluster of this one.
    pub(crate) fn root(&mut self, subject: u32) -> u32 {
        let mut at = subject;
        loop {
            let parent = self.parents[at as usize];
            if parent == at {
                return at;
            }
            let above = self.parents[parent as usize];
            self.parents[at as usize] = above;
            at = above;
        }
    }

    /// One holder of each cluster among these, in order.
    pub(crate) fn distinct(&mut self, holders: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut roots = Vec::new();
        let mut distinct = Vec::new();
        for holder in holders {
            let root = self.root(holder);
            if !roots.contains(&root) {
                roots.push(root);
                distinct.push(holder);
            }
        }
        distinct
    }

    /// Makes all of these subjects one cluster.
    pub(crate) fn join(&mut self, identifier: &Identifier, subjects: &[u32], rule: Rule) {
        let Some((&first, others)) = subjects.split_first() else {
            return;
        };
        for &other in others {
            self.join_two(identifier, first, other, rule);
        }
    }

    fn join_two(&mut self, identifier: &Identifier, left: u32, right: u32, rule: Rule) {
        let (left_root, right_root) = (self.root(left), self.root(right));
        if left_root == right_root {
            return;
        }
        // The smaller root stays, so that trees do not depend on who is named first.
        let (kept, absorbed) = (left_root.min(right_root), left_root.max(right_root));
        self.parents[absorbed as usize] = kept;
        if !self.profiles.is_empty() {
            let absorbed = std::mem::take(&mut self.profiles[absorbed as usize]);
            self.profiles[kept as usize].absorb(absorbed, &self.names);
        }
        let (left, right) = (left.min(right) as usize, left.max(right) as usize);
        self.evidence.push(Evidence {
            left: self.holdings.subjects[left],
            right: self.holdings.subjects[right],
            kind: identifier.kind,
            hash: identifier.hash,
            rule,
        });
    }

    /// Learns what tells the present clusters apart; later unions keep it up to date.
    pub(crate) fn describe(&mut self) {
        self.profiles.resize_with(self.parents.len(), Profile::default);
        let holdings = self.holdings;
        for (number, identifier) in (0u32..).zip(&holdings.identifiers) {
            for holder in holdings.holders(identifier).iter().filter(|holder| holder.is_verified) {
                let root = self.root(holder.subject);
                let profile = &mut self.profiles[root as usize];
                profile.is_verified = true;
                if is_mark(identifier.kind) && profile.marks.last() != Some(&number) {
                    profile.marks.push(number);
                }
            }
        }
        for subject in 0..self.parents.len() {
            let names = std::mem::take(&mut self.names.of_subjects[subject]);
            if let (false, Ok(number)) = (names.is_empty(), u32::try_from(subject)) {
                let root = self.root(number);
                self.names.merge(&mut self.profiles[root as usize].names, names);
            }
        }
    }

    /// Whether the cluster of a subject holds a verified identifier.
    pub(crate) fn is_verified(&mut self, subject: u32) -> bool {
        let root = self.root(subject);
        self.profiles[root as usize].is_verified
    }

    /// Whether the cluster of a subject has a name.
    pub(crate) fn is_named(&mut self, subject: u32) -> bool {
        let root = self.root(subject);
        !self.profiles[root as usize].names.is_empty()
    }

    /// Whether the clusters of two subjects have names that may be one person's.
    pub(crate) fn names_agree(&mut self, left: u32, right: u32) -> Option<bool> {
        let (left, right) = (self.root(left) as usize, self.root(right) as usize);
        self.names.agree(&self.profiles[left].names, &self.profiles[right].names)
    }

    /// Whether the clusters of two subjects are those of different people.
    ///
    /// They are if no name of theirs agrees, or if they have verified different numbers of which
    /// a person has one. A person may have several e-mail addresses, so these only count while
    /// names do not say that it is one person.
    pub(crate) fn conflict(&mut self, left: u32, right: u32) -> bool {
        let names_agree = self.names_agree(left, right);
        let (left, right) = (self.root(left) as usize, self.root(right) as usize);
        if names_agree == Some(false) {
            return true;
        }
        let (left, right) = (&self.profiles[left].marks, &self.profiles[right].marks);
        let (few, many) = if left.len() <= right.len() { (left, right) } else { (right, left) };
        few.chunk_by(|&one, &next| self.is_same_kind(one, next)).any(|own| {
            let kind = self.identifier(own[0]).kind;
            (kind != IdentifierType::Email || names_agree.is_none())
                && self.differ(own, self.of_same_kind(many, own[0]))
        })
    }

    fn identifier(&self, number: u32) -> &Identifier {
        &self.holdings.identifiers[number as usize]
    }

    fn is_same_kind(&self, one: u32, other: u32) -> bool {
        let (one, other) = (self.identifier(one), self.identifier(other));
        (one.kind, one.scope) == (other.kind, other.scope)
    }

    /// The marks of the kind and scope of `sample`; equal kinds and scopes are neighbours.
    fn of_same_kind<'m>(&self, marks: &'m [u32], sample: u32) -> &'m [u32] {
        let from = marks.partition_point(|&mark| mark < sample && !self.is_same_kind(mark, sample));
        let length = marks[from..].partition_point(|&mark| self.is_same_kind(mark, sample));
        &marks[from..from + length]
    }

    fn differ(&self, own: &[u32], theirs: &[u32]) -> bool {
        !theirs.is_empty() && !own.iter().any(|mark| theirs.binary_search(mark).is_ok())
    }

    /// The clusters as persons.
    pub(crate) fn into_persons(mut self) -> (PersonMap, Vec<Evidence>) {
        let mut members: Vec<Vec<Rid>> = vec![Vec::new(); self.parents.len()];
        let holdings = self.holdings;
        for (number, &rid) in (0u32..).zip(&holdings.subjects) {
            let root = self.root(number);
            members[root as usize].push(rid);
        }
        (PersonMap::from_clusters(members), self.evidence)
    }
}

impl Profile {
    fn absorb(&mut self, other: Self, names: &Names<'_>) {
        self.is_verified |= other.is_verified;
        if !other.marks.is_empty() {
            self.marks.extend(other.marks);
            self.marks.sort_unstable();
            self.marks.dedup();
        }
        if !other.names.is_empty() {
            names.merge(&mut self.names, other.names);
        }
    }
}

/// Whether a person normally has one such value, or few.
fn is_mark(kind: IdentifierType) -> bool {
    matches!(kind, IdentifierType::NationalId | IdentifierType::CustomerId | IdentifierType::Email)
}
