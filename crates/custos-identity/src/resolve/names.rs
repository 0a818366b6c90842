//! The names of subjects.

use crate::SubjectName;
use crate::name::are_compatible;
use crate::resolve::holdings::Holdings;

/// A person has few names; what has more is not told apart by them.
const NAMES_MAX: usize = 32;

/// All names, and which subject has which, by place in the input.
pub(crate) struct Names<'a> {
    names: &'a [SubjectName],
    /// By the number of the subject.
    pub(crate) of_subjects: Vec<Vec<u32>>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(names: &'a [SubjectName], holdings: &Holdings) -> Self {
        let mut of_subjects = vec![Vec::new(); holdings.subjects.len()];
        for (place, name) in (0u32..).zip(names) {
            let subject = holdings.number_of(name.rid);
            if let Some(subject) = subject.filter(|_| !name.key.expose().is_empty()) {
                of_subjects[subject as usize].push(place);
            }
        }
        Self { names, of_subjects }
    }

    /// The different names of both. Of too many the first by spelling are kept, so that the order
    /// in which clusters are joined does not matter.
    pub(crate) fn merge(&self, known: &mut Vec<u32>, names: Vec<u32>) {
        if known.is_empty() && names.len() == 1 {
            *known = names;
            return;
        }
        known.extend(names);
        known.sort_unstable_by_key(|&name| self.key(name));
        known.dedup_by_key(|name| self.key(*name));
        known.truncate(NAMES_MAX);
    }

    /// Whether some name of one side may be some name of the other; `None` if a side has none.
    pub(crate) fn agree(&self, left: &[u32], right: &[u32]) -> Option<bool> {
        if left.is_empty() || right.is_empty() {
            return None;
        }
        let is_one =
            |&own: &u32| right.iter().any(|&other| are_compatible(self.key(own), self.key(other)));
        Some(left.iter().any(is_one))
    }

    fn key(&self, name: u32) -> &'a str {
        self.names[name as usize].key.expose()
    }
}
