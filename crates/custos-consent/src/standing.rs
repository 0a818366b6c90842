//! What a subject's events add up to.

use std::fmt;

use custos_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ConsentEvent, ConsentStatus};

/// What holds for a subject and a purpose at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Nobody said anything.
    Absent,
    /// A grant is valid.
    Given,
    /// The person said no.
    Refused,
    /// The person took the grant back.
    Withdrawn,
    /// There was a grant, and it ran out.
    Expired,
    /// The person objected.
    Objected,
    /// Processing is restricted.
    Restricted,
}

impl ConsentState {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
        }
    }

    /// Whether the person stands against the processing; absence and expiry are neutral.
    pub const fn is_against(self) -> bool {
        match self {
            Self::Refused | Self::Withdrawn | Self::Objected | Self::Restricted => true,
            Self::Absent | Self::Given | Self::Expired => false,
        }
    }
}

impl fmt::Display for ConsentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);
const FOREVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// What can end a grant, from the least to the most restrictive.
const ENDINGS: [ConsentState; 5] = [
    ConsentState::Expired,
    ConsentState::Refused,
    ConsentState::Withdrawn,
    ConsentState::Objected,
    ConsentState::Restricted,
];

/// The latest grant and the latest of each status that ends one.
///
/// Joining two standings keeps the later of everything, so neither the order nor the number of
/// times that events arrive can matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    granted_at: Timestamp,
    granted_until: Timestamp,
    ended_at: [Timestamp; ENDINGS.len()],
}

impl Standing {
    /// The standing of a subject without events.
    pub(crate) const ABSENT: Self =
        Self { granted_at: NEVER, granted_until: FOREVER, ended_at: [NEVER; ENDINGS.len()] };

    /// The standing after this event alone. A grant that does not count is none.
    pub(crate) fn of(event: &ConsentEvent) -> Self {
        let mut standing = Self::ABSENT;
        let ending = match event.status {
            ConsentStatus::Given if event.grants() => {
                standing.granted_at = event.at;
                standing.granted_until = event.expires_at.unwrap_or(FOREVER);
                return standing;
            }
            ConsentStatus::Given => return standing,
            ConsentStatus::Expired => 0,
            ConsentStatus::Refused => 1,
            ConsentStatus::Withdrawn => 2,
            ConsentStatus::Objected => 3,
            ConsentStatus::Restricted => 4,
        };
        standing.ended_at[ending] = event.at;
        standing
    }

    /// The standing after the events of both.
    pub(crate) fn join(&mut self, other: &Self) {
        if other.granted_at > self.granted_at {
            self.granted_at = other.granted_at;
            self.granted_until = other.granted_until;
        } else if other.granted_at == self.granted_at {
            // Of two grants of one instant the shorter counts.
            self.granted_until = self.granted_until.min(other.granted_until);
        }
        for (mine, theirs) in self.ended_at.iter_mut().zip(other.ended_at) {
            *mine = (*mine).max(theirs);
        }
    }

    /// What holds at `now`.
    ///
    /// The latest event wins, at equal times the more restrictive one. What is not a grant never
    /// loosens: withdrawing after an objection leaves the objection, and only a later grant
    /// lifts either.
    pub(crate) fn state(&self, now: Timestamp) -> ConsentState {
        let ended = ENDINGS
            .into_iter()
            .zip(self.ended_at)
            .rev()
            .find(|&(_, at)| at != NEVER && at >= self.granted_at);
        match ended {
            Some((state, _)) => state,
            None if self.granted_at == NEVER => ConsentState::Absent,
            None if self.granted_until <= now => ConsentState::Expired,
            None => ConsentState::Given,
        }
    }

    /// Whether time alone ends the latest grant.
    pub(crate) fn runs_out(&self) -> bool {
        self.granted_until != FOREVER
    }

    /// When the grant that holds at `now` runs out; `None` without one, or if it never does.
    pub(crate) fn expires_after(&self, now: Timestamp) -> Option<Timestamp> {
        (self.runs_out() && self.state(now) == ConsentState::Given).then_some(self.granted_until)
    }
}
