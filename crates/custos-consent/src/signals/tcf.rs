//! TC strings of the IAB Europe Transparency & Consent Framework.

use std::collections::BTreeMap;
use std::str::FromStr;

use custos_core::Timestamp;
use roaring::RoaringBitmap;

use super::SignalError;
use super::bits::{Bits, Letters, NumberSet};
use super::error::bounded;

/// A TC string of
/// [version 2](https://github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework/blob/master/TCFv2/IAB%20Tech%20Lab%20-%20Consent%20string%20and%20vendor%20list%20formats%20v2.md)
/// (TCF 2.0 to 2.3), or of version 1, which has only some of the fields and is out of use.
///
/// Purposes and special features are numbers of the framework, vendors those of its Global Vendor
/// List.
#[derive(Debug, Clone, PartialEq)]
pub struct TcString {
    /// The version of the encoding: 1 or 2.
    pub version: u8,
    /// When it was first made.
    pub created: Timestamp,
    /// When the person last chose; consent platforms round it down to the day.
    pub last_updated: Timestamp,
    /// The consent platform.
    pub cmp_id: u16,
    /// The consent platform's version.
    pub cmp_version: u16,
    /// The screen of the consent platform that the person chose on.
    pub consent_screen: u8,
    /// The language that the person was asked in.
    pub consent_language: Letters,
    /// The version of the Global Vendor List.
    pub vendor_list_version: u16,
    /// The version of the framework's policies; 0 in version 1.
    pub policy_version: u8,
    /// Whether it holds for one service only. Others are no longer valid.
    pub is_service_specific: bool,
    /// Whether the consent platform used texts of its own.
    pub use_non_standard_stacks: bool,
    /// Special features that the person opted in to.
    pub special_feature_opt_ins: NumberSet,
    /// Purposes that the person consented to.
    pub purpose_consents: NumberSet,
    /// Purposes with a legitimate interest that was told and not objected to.
    pub purpose_legitimate_interests: NumberSet,
    /// Whether purpose 1 was not asked about at all.
    pub purpose_one_treatment: bool,
    /// The country whose law the publisher is under.
    pub publisher_country: Letters,
    /// Vendors that the person consented to.
    pub vendor_consents: RoaringBitmap,
    /// Vendors whose legitimate interest was told and not objected to.
    pub vendor_legitimate_interests: RoaringBitmap,
    /// What the publisher restricts vendors to, by purpose.
    pub publisher_restrictions: BTreeMap<(u8, RestrictionType), RoaringBitmap>,
    /// Vendors that the person was told of; strings since TCF 2.3 must say.
    pub vendors_disclosed: Option<RoaringBitmap>,
    /// Vendors that the publisher lets work outside of the framework.
    pub vendors_allowed: Option<RoaringBitmap>,
    /// What the person said to the publisher itself.
    pub publisher: Option<PublisherPurposes>,
}

/// How a publisher restricts vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestrictionType {
    /// The purpose is not allowed at all.
    NotAllowed,
    /// The purpose needs consent.
    RequireConsent,
    /// The purpose needs a legitimate interest.
    RequireLegitimateInterest,
}

/// What a person said to a publisher, for its own purposes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublisherPurposes {
    /// Purposes of the framework consented to.
    pub consents: NumberSet,
    /// Purposes of the framework with a legitimate interest that was not objected to.
    pub legitimate_interests: NumberSet,
    /// The publisher's own purposes consented to.
    pub custom_consents: NumberSet,
    /// The publisher's own purposes with a legitimate interest that was not objected to.
    pub custom_legitimate_interests: NumberSet,
}

impl FromStr for TcString {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let mut segments = bounded(text)?.split('.');
        let mut core = Bits::new(segments.next().unwrap_or_default())?;
        let mut string = match core.small(6)? {
            1 => return only(read_version_1(&mut core)?, segments.next()),
            2 => read_core(&mut core)?,
            _ => return Err(SignalError::Version),
        };
        for segment in segments {
            string.read_segment(Bits::new(segment)?)?;
        }
        Ok(string)
    }
}

impl TcString {
    /// Whether the publisher restricts the vendor to this for the purpose.
    pub fn restricts(&self, purpose: u8, restriction: RestrictionType, vendor: u16) -> bool {
        let restricted = self.publisher_restrictions.get(&(purpose, restriction));
        restricted.is_some_and(|vendors| vendors.contains(u32::from(vendor)))
    }

    /// Adds an optional segment, each of which may be there once, in any order.
    fn read_segment(&mut self, mut bits: Bits) -> Result<(), SignalError> {
        let is_twice = match bits.small(3)? {
            1 => self.vendors_disclosed.replace(bits.vendors()?).is_some(),
            2 => self.vendors_allowed.replace(bits.vendors()?).is_some(),
            3 => self.publisher.replace(read_publisher(&mut bits)?).is_some(),
            _ => return Err(SignalError::Malformed("segment type")),
        };
        if is_twice { Err(SignalError::Malformed("list of segments")) } else { Ok(()) }
    }
}

fn only(string: TcString, further: Option<&str>) -> Result<TcString, SignalError> {
    further.map_or(Ok(string), |_| Err(SignalError::Malformed("list of segments")))
}

/// What both versions begin with, after the version; the rest says nothing yet.
fn read_head(bits: &mut Bits, version: u8) -> Result<TcString, SignalError> {
    Ok(TcString {
        version,
        created: bits.instant()?,
        last_updated: bits.instant()?,
        cmp_id: bits.number(12)?,
        cmp_version: bits.number(12)?,
        consent_screen: bits.small(6)?,
        consent_language: bits.letters()?,
        vendor_list_version: bits.number(12)?,
        policy_version: 0,
        is_service_specific: false,
        use_non_standard_stacks: false,
        special_feature_opt_ins: NumberSet::default(),
        purpose_consents: NumberSet::default(),
        purpose_legitimate_interests: NumberSet::default(),
        purpose_one_treatment: false,
        publisher_country: Letters::default(),
        vendor_consents: RoaringBitmap::new(),
        vendor_legitimate_interests: RoaringBitmap::new(),
        publisher_restrictions: BTreeMap::new(),
        vendors_disclosed: None,
        vendors_allowed: None,
        publisher: None,
    })
}

fn read_core(bits: &mut Bits) -> Result<TcString, SignalError> {
    let head = read_head(bits, 2)?;
    // Fields are read in the order that they are written here.
    Ok(TcString {
        policy_version: bits.small(6)?,
        is_service_specific: bits.flag()?,
        use_non_standard_stacks: bits.flag()?,
        special_feature_opt_ins: bits.numbers(12)?,
        purpose_consents: bits.numbers(24)?,
        purpose_legitimate_interests: bits.numbers(24)?,
        purpose_one_treatment: bits.flag()?,
        publisher_country: bits.letters()?,
        vendor_consents: bits.vendors()?,
        vendor_legitimate_interests: bits.vendors()?,
        publisher_restrictions: read_restrictions(bits)?,
        ..head
    })
}

/// [Version 1.1](https://github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework/blob/master/Consent%20string%20and%20vendor%20list%20formats%20v1.1%20Final.md).
fn read_version_1(bits: &mut Bits) -> Result<TcString, SignalError> {
    let mut string = read_head(bits, 1)?;
    string.purpose_consents = bits.numbers(24)?;
    let vendor_max = bits.number(16)?;
    string.vendor_consents = if bits.flag()? {
        let everybody_else = bits.flag()?;
        let listed = bits.ranges()?;
        if everybody_else {
            (1..=u32::from(vendor_max)).collect::<RoaringBitmap>() - listed
        } else {
            listed
        }
    } else {
        bits.vendor_bits(vendor_max)?
    };
    Ok(string)
}

/// Entries for one purpose and type are joined, so that a string of them stays small.
fn read_restrictions(
    bits: &mut Bits,
) -> Result<BTreeMap<(u8, RestrictionType), RoaringBitmap>, SignalError> {
    let mut restrictions = BTreeMap::<_, RoaringBitmap>::new();
    for _ in 0..bits.number(12)? {
        let purpose = bits.small(6)?;
        let restriction = match bits.small(2)? {
            0 => RestrictionType::NotAllowed,
            1 => RestrictionType::RequireConsent,
            2 => RestrictionType::RequireLegitimateInterest,
            _ => return Err(SignalError::Malformed("publisher restriction")),
        };
        *restrictions.entry((purpose, restriction)).or_default() |= bits.ranges()?;
    }
    Ok(restrictions)
}

/// A publisher's segment after its type; TCF Canada's is of the same form.
pub(super) fn read_publisher(bits: &mut Bits) -> Result<PublisherPurposes, SignalError> {
    let consents = bits.numbers(24)?;
    let legitimate_interests = bits.numbers(24)?;
    let custom_count = bits.small(6)?;
    Ok(PublisherPurposes {
        consents,
        legitimate_interests,
        custom_consents: bits.numbers(custom_count)?,
        custom_legitimate_interests: bits.numbers(custom_count)?,
    })
}

#[cfg(test)]
mod tests;
