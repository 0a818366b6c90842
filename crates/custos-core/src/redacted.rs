//! Values that must not be printed.

use std::fmt;

/// A personal value: it can be used, but `Debug` shows nothing of it and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a personal value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value. Each use is a place to look at in review.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redacted(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Some(Redacted::new("canary"))), "Some(Redacted(..))");
    }
}
