//! What a purpose asks of people beyond its legal basis.

use crate::{Ages, SeparateConsents};

/// What a purpose asks of people beyond its legal basis, because of the data it reads, where they
/// go, and how old people are. The default is nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requirements<'a> {
    /// Separate consents, each of which is needed on top of all else.
    pub separate: SeparateConsents,
    /// How old people are, where the law asks. Without it nobody is too young.
    pub ages: Option<&'a Ages>,
}

#[cfg(test)]
mod tests;
