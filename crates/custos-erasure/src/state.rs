//! How far a request came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The states of a request for erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// L0: the subjects are in no query; who asks is not verified yet.
    Suppressed,
    /// Somebody verified who asks; the work begins.
    Verified,
    /// L1: nothing leads from the person's identifiers to their rows.
    Unlinked,
    /// L2: no live file holds the subjects and the secrets of all replaced files are destroyed.
    Rewritten,
    /// The certificate is issued.
    Certified,
}

/// A step that does not follow from the state a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request that is `{from}` cannot become `{to}`")]
pub struct IllegalStep {
    /// The state it is in.
    pub from: State,
    /// The state it was to get.
    pub to: State,
}

impl State {
    const ORDER: [Self; 5] =
        [Self::Suppressed, Self::Verified, Self::Unlinked, Self::Rewritten, Self::Certified];

    /// The state after this one, if `to` is it.
    pub fn step(self, to: Self) -> Result<Self, IllegalStep> {
        let next = Self::ORDER.iter().skip_while(|state| **state != self).nth(1);
        if next == Some(&to) { Ok(to) } else { Err(IllegalStep { from: self, to }) }
    }

    /// The level of forgetting that this state proves.
    pub const fn level(self) -> Level {
        match self {
            Self::Suppressed | Self::Verified => Level::L0,
            Self::Unlinked => Level::L1,
            Self::Rewritten | Self::Certified => Level::L2,
        }
    }

    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Verified => "verified",
            Self::Unlinked => "unlinked",
            Self::Rewritten => "rewritten",
            Self::Certified => "certified",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How thoroughly somebody is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// In no query that starts after the acknowledgement; reversible.
    L0,
    /// No live copy leads from identifiers to facts.
    L1,
    /// No live file holds the subject; the secrets of replaced files are destroyed.
    L2,
}

impl std::str::FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text {
            "L0" => Ok(Self::L0),
            "L1" => Ok(Self::L1),
            "L2" => Ok(Self::L2),
            _ => Err(UnknownLevel),
        }
    }
}

/// A text names no level that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a level that can be waited for: use L0, L1 or L2")]
pub struct UnknownLevel;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_each_other_and_levels_never_fall() {
        for (at, from) in State::ORDER.into_iter().enumerate() {
            for (to_at, to) in State::ORDER.into_iter().enumerate() {
                assert_eq!(from.step(to).is_ok(), to_at == at + 1);
                assert!(to_at < at || to.level() >= from.level());
            }
        }
    }
}
