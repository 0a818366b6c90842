//! TC strings of the IAB Canada Transparency & Consent Framework.

use std::str::FromStr;

use custos_core::Timestamp;
use roaring::RoaringBitmap;

use super::bits::{Bits, Letters, NumberSet};
use super::error::bounded;
use super::tcf::read_publisher;
use super::{PublisherPurposes, SignalError};

/// Section `tcfcav1` of GPP, after
/// [IAB Canada TCF](https://github.com/InteractiveAdvertisingBureau/Global-Privacy-Platform/tree/main/Sections/Canada),
/// without the publisher restrictions that its version 1.1 adds to the end.
#[derive(Debug, Clone, PartialEq)]
pub struct TcfCaString {
    /// When it was first made.
    pub created: Timestamp,
    /// When the person last chose.
    pub last_updated: Timestamp,
    /// The consent platform.
    pub cmp_id: u16,
    /// The consent platform's version.
    pub cmp_version: u16,
    /// The screen of the consent platform that the person chose on.
    pub consent_screen: u8,
    /// The language that the person was asked in.
    pub consent_language: Letters,
    /// The version of the vendor list.
    pub vendor_list_version: u16,
    /// The version of the framework's policies.
    pub policy_version: u8,
    /// Whether the consent platform used texts of its own.
    pub use_non_standard_stacks: bool,
    /// Special features with express consent.
    pub special_feature_express_consents: NumberSet,
    /// Purposes with express consent.
    pub purpose_express_consents: NumberSet,
    /// Purposes with implied consent.
    pub purpose_implied_consents: NumberSet,
    /// Vendors with express consent.
    pub vendor_express_consents: RoaringBitmap,
    /// Vendors with implied consent.
    pub vendor_implied_consents: RoaringBitmap,
    /// Vendors that the person was told of.
    pub vendors_disclosed: Option<RoaringBitmap>,
    /// What the person said to the publisher: express consents, and implied ones in place of
    /// legitimate interests.
    pub publisher: Option<PublisherPurposes>,
}

impl FromStr for TcfCaString {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let mut segments = bounded(text)?.split('.');
        let mut core = Bits::new(segments.next().unwrap_or_default())?;
        if core.small(6)? != 1 {
            return Err(SignalError::Version);
        }
        let mut string = read_core(&mut core)?;
        for segment in segments {
            let mut bits = Bits::new(segment)?;
            let is_twice = match bits.small(3)? {
                1 => string.vendors_disclosed.replace(bits.vendors_in_fibonacci()?).is_some(),
                3 => string.publisher.replace(read_publisher(&mut bits)?).is_some(),
                _ => return Err(SignalError::Malformed("segment type")),
            };
            if is_twice {
                return Err(SignalError::Malformed("list of segments"));
            }
        }
        Ok(string)
    }
}

fn read_core(bits: &mut Bits) -> Result<TcfCaString, SignalError> {
    // Fields are read in the order that they are written here.
    Ok(TcfCaString {
        created: bits.instant()?,
        last_updated: bits.instant()?,
        cmp_id: bits.number(12)?,
        cmp_version: bits.number(12)?,
        consent_screen: bits.small(6)?,
        consent_language: bits.letters()?,
        vendor_list_version: bits.number(12)?,
        policy_version: bits.small(6)?,
        use_non_standard_stacks: bits.flag()?,
        special_feature_express_consents: bits.numbers(12)?,
        purpose_express_consents: bits.numbers(24)?,
        purpose_implied_consents: bits.numbers(24)?,
        vendor_express_consents: bits.vendors_in_fibonacci()?,
        vendor_implied_consents: bits.vendors_in_fibonacci()?,
        vendors_disclosed: None,
        publisher: None,
    })
}
