//! What a profile is made of.

use std::fmt;
use std::str::FromStr;

use custos_core::{Classify, ErrorKind};

/// A part of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfilePart {
    /// The row of `profiles`.
    Traits,
    /// The rows of `tags`.
    Tags,
    /// The rows of `segments`.
    Segments,
    /// The newest rows of `events`.
    Events,
    /// The newest rows of `orders`.
    Orders,
    /// The newest rows of `tickets`.
    Tickets,
    /// The newest rows of `surveys`.
    Surveys,
    /// What the person said about the purpose.
    Consent,
}

/// A text names no part of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of a profile that was asked for does not exist")]
pub struct UnknownProfilePart;

impl Classify for UnknownProfilePart {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn hint(&self) -> Option<String> {
        Some(format!("parts are {}", ProfilePart::ALL.map(ProfilePart::as_str).join(", ")))
    }
}

impl ProfilePart {
    /// All parts, in the order that answers have.
    pub const ALL: [Self; 8] = [
        Self::Traits,
        Self::Tags,
        Self::Segments,
        Self::Events,
        Self::Orders,
        Self::Tickets,
        Self::Surveys,
        Self::Consent,
    ];

    /// Those of an answer unless others are asked for.
    pub const USUAL: [Self; 5] =
        [Self::Traits, Self::Tags, Self::Segments, Self::Events, Self::Consent];

    /// The name in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traits => "traits",
            Self::Tags => "tags",
            Self::Segments => "segments",
            Self::Events => "events",
            Self::Orders => "orders",
            Self::Tickets => "tickets",
            Self::Surveys => "surveys",
            Self::Consent => "consent",
        }
    }

    /// The published table whose rows it shows.
    pub(super) const fn table(self) -> Option<&'static str> {
        match self {
            Self::Traits => Some("profiles"),
            Self::Tags => Some("tags"),
            Self::Segments => Some("segments"),
            Self::Events => Some("events"),
            Self::Orders => Some("orders"),
            Self::Tickets => Some("tickets"),
            Self::Surveys => Some("surveys"),
            Self::Consent => None,
        }
    }

    /// In which order the rows of one person are shown.
    const fn order(self) -> &'static str {
        match self {
            Self::Traits | Self::Consent => "person_id",
            Self::Tags => "tag",
            Self::Segments => "segment",
            Self::Events => "occurred_at desc nulls last, message_id",
            Self::Orders => "ordered_at desc nulls last, order_id",
            Self::Tickets => "opened_at desc nulls last, ticket_id",
            Self::Surveys => "answered_at desc nulls last, response_id",
        }
    }

    /// Whether there can be any number of rows, of which the newest are shown.
    pub(super) const fn is_recent(self) -> bool {
        matches!(self, Self::Events | Self::Orders | Self::Tickets | Self::Surveys)
    }

    /// What of the part one person has.
    pub(super) fn sql_of_person(self, person_id: i64, rows_max: usize) -> Option<String> {
        let (table, order) = (self.table()?, self.order());
        let limit = if self.is_recent() { format!(" limit {rows_max}") } else { String::new() };
        Some(format!(
            "select * from customer.{table} where person_id = {person_id} order by {order}{limit}"
        ))
    }

    /// What of the part everybody has, person by person.
    pub(super) fn sql_of_all(self, rows_max: usize) -> Option<String> {
        let (table, order) = (self.table()?, self.order());
        Some(if self.is_recent() {
            format!(
                "select * from (select *, row_number() over (partition by person_id \
                 order by {order}) as {PLACE} from customer.{table} where person_id is not null) \
                 where {PLACE} <= {rows_max} order by person_id, {PLACE}"
            )
        } else {
            format!(
                "select * from customer.{table} where person_id is not null \
                 order by person_id, {order}"
            )
        })
    }
}

/// The column that [`ProfilePart::sql_of_all`] adds.
pub(super) const PLACE: &str = "_place";

impl fmt::Display for ProfilePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProfilePart {
    type Err = UnknownProfilePart;

    fn from_str(text: &str) -> Result<Self, UnknownProfilePart> {
        Self::ALL.into_iter().find(|part| part.as_str() == text).ok_or(UnknownProfilePart)
    }
}
