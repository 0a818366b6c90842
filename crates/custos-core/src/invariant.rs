//! What must hold at every moment, crashes included.

use std::fmt;

/// The catalogue that code, tests, `custos doctor` and documents cite by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// Every live file opens, and its AAD is that of its entry in the log.
    I1,
    /// Rows are the acknowledged loads minus the erased, without duplicates.
    I2,
    /// No readable byte is about an erased subject.
    I3,
    /// No secret is destroyed while a live file needs it.
    I4,
    /// No live file lacks secrets.
    I5,
    /// No certificate claims a level that was not reached.
    I6,
    /// The audit log verifies.
    I7,
    /// Consent and suppression epochs only grow.
    I8,
    /// Objects that no log entry names are removed in the end.
    I9,
    /// A suppression is visible before it is acknowledged.
    I10,
    /// Every committed subject is in the vault or tombstoned.
    I11,
}

impl Invariant {
    /// All invariants, in order.
    pub const ALL: [Self; 11] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
    ];

    /// What holds, as a sentence.
    pub const fn statement(self) -> &'static str {
        match self {
            Self::I1 => "every live file opens with the address its log entry gives it",
            Self::I2 => "rows are the acknowledged loads minus the erased, without duplicates",
            Self::I3 => "no readable byte is about an erased subject",
            Self::I4 => "no secret is destroyed while a live file needs it",
            Self::I5 => "no live file lacks secrets",
            Self::I6 => "no certificate claims a level that was not reached",
            Self::I7 => "the audit log verifies",
            Self::I8 => "consent and suppression epochs only grow",
            Self::I9 => "objects that no log entry names are removed in the end",
            Self::I10 => "a suppression is visible before it is acknowledged",
            Self::I11 => "every committed subject is in the vault or tombstoned",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
