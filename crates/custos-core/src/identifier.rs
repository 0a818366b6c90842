//! What kinds of identifiers there are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DataCategory, NameError, Rid};

/// What a direct identifier is. Each has a column of its own in `vault.identifiers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierType {
    /// The number a source gave its customer; only meaningful within a scope.
    CustomerId,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A person's name.
    Name,
    /// The number of an identity document.
    NationalId,
    /// A postal address.
    Address,
    /// A device or browser id.
    DeviceId,
    /// An id at a social network, such as a WeChat openid.
    SocialId,
    /// An IP address.
    Ip,
}

impl IdentifierType {
    /// All types, in the order of the vault's columns.
    pub const ALL: [Self; 9] = [
        Self::CustomerId,
        Self::Email,
        Self::Phone,
        Self::Name,
        Self::NationalId,
        Self::Address,
        Self::DeviceId,
        Self::SocialId,
        Self::Ip,
    ];

    /// The name in contracts, on the command line and of the vault's column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerId => "customer_id",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
            Self::NationalId => "national_id",
            Self::Address => "address",
            Self::DeviceId => "device_id",
            Self::SocialId => "social_id",
            Self::Ip => "ip",
        }
    }

    /// Whether an equal value says that two records are about one person, or one household.
    ///
    /// Names, addresses and IP addresses are kept and erased, but never join anybody.
    pub const fn links(self) -> bool {
        match self {
            Self::CustomerId
            | Self::Email
            | Self::Phone
            | Self::NationalId
            | Self::DeviceId
            | Self::SocialId => true,
            Self::Name | Self::Address | Self::Ip => false,
        }
    }

    /// The Fideslang category of such a value unless the contract names another.
    pub fn default_category(self) -> Result<DataCategory, NameError> {
        match self {
            Self::CustomerId => "user.unique_id",
            Self::Email => "user.contact.email",
            Self::Phone => "user.contact.phone_number",
            Self::Name => "user.name",
            Self::NationalId => "user.government_id",
            Self::Address => "user.contact.address",
            Self::DeviceId => "user.device.device_id",
            Self::SocialId => "user.social",
            Self::Ip => "user.device.ip_address",
        }
        .parse()
    }
}

impl fmt::Display for IdentifierType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names no type of identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an identifier type: use customer_id, email, phone, name, national_id, address, device_id, social_id or ip"
)]
pub struct IdentifierTypeError;

impl FromStr for IdentifierType {
    type Err = IdentifierTypeError;

    fn from_str(text: &str) -> Result<Self, IdentifierTypeError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(IdentifierTypeError)
    }
}

/// How sure a source is that an identifier belongs to the person.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Somebody said so, a browser for instance.
    #[default]
    Claimed,
    /// The source checked it: a login, a code by text message, a document.
    Verified,
}

impl Assurance {
    /// The name in contracts and in the vault.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Verified => "verified",
        }
    }
}

/// Who is meant by an identifier, out of those who hold it.
///
/// Who holds it verified is the person, whoever else claims it. If nobody does, it is those who
/// claim it and of whom nothing is verified: a claim never leads to somebody known.
pub fn meant_by(
    holders: impl IntoIterator<Item = (Rid, Assurance)>,
    is_known: impl Fn(Rid) -> bool,
) -> BTreeSet<Rid> {
    let (mut verified, mut claimed) = (BTreeSet::new(), BTreeSet::new());
    for (rid, assurance) in holders {
        match assurance {
            Assurance::Verified => verified.insert(rid),
            Assurance::Claimed => claimed.insert(rid),
        };
    }
    if verified.is_empty() {
        claimed.retain(|rid| !is_known(*rid));
        return claimed;
    }
    verified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_leads_to_nobody_who_is_known() {
        let rid = Rid::new;
        let meant = |holders: &[(u32, Assurance)]| {
            let holders = holders.iter().map(|(number, assurance)| (rid(*number), *assurance));
            meant_by(holders, |known| known == rid(9)).into_iter().map(Rid::get).collect::<Vec<_>>()
        };
        assert_eq!(meant(&[(1, Assurance::Claimed), (2, Assurance::Verified)]), [2]);
        assert_eq!(meant(&[(1, Assurance::Claimed), (9, Assurance::Claimed)]), [1]);
        assert_eq!(meant(&[(9, Assurance::Verified)]), [9]);
        assert_eq!(meant(&[]), [0_u32; 0]);
    }
}
