//! Numbers and uuids that name things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The subject of a row: one account of one source as first seen in a cell.
///
/// Dense and positive; 0 is a row without subject. Stored as `i64`, since Delta has no unsigned
/// integers. Never leaves a scan: callers see keyed permutations of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Rid(u32);

impl Rid {
    /// The subject of rows that are about nobody in particular.
    pub const NONE: Self = Self(0);

    /// The subject with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, as bitmaps hold it.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, as tables hold it.
    pub const fn column_value(self) -> i64 {
        self.0 as i64
    }

    /// Reads the number as tables hold it; `None` outside the range of subjects.
    pub fn from_column(value: i64) -> Option<Self> {
        u32::try_from(value).ok().map(Self)
    }

    /// Whether this is [`Rid::NONE`].
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// A person: a cluster of subjects, named by its smallest [`Rid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub Rid);

/// A generation of the key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochId(pub u32);

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// The id made of these random bytes.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// A stored object that has secrets of its own: data file or journal.
    FileId
}
uuid_id! {
    /// One load on its way into the lake; joins journal, vault commit and fact commit.
    BatchId
}
uuid_id! {
    /// A request of a person about their data.
    RequestId
}
