//! The sections of GPP for the United States.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SignalError;
use super::bits::Bits;
use super::us_layouts::{Layout, Second, is_us, second};

/// A field of a section for the United States, by the standard's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UsField {
    /// Consent to purposes that were not disclosed.
    AdditionalDataProcessingConsent,
    /// Consents about a known child, one or several.
    KnownChildSensitiveDataConsents,
    /// Whether the transaction is under the IAB's Multi-State Privacy Agreement.
    MspaCoveredTransaction,
    /// Which of the agreement's modes is on.
    MspaMode,
    /// Whether the agreement's opt-out option mode is on.
    MspaOptOutOptionMode,
    /// Whether the agreement's service provider mode is on.
    MspaServiceProviderMode,
    /// Consent to collection beyond what is needed.
    PersonalDataConsents,
    /// Notice of processing.
    ProcessingNotice,
    /// Opt-out of sale.
    SaleOptOut,
    /// Notice of the opt-out of sale.
    SaleOptOutNotice,
    /// Notice of the limit on sensitive data.
    SensitiveDataLimitUseNotice,
    /// Notice of the opt-out for sensitive data.
    SensitiveDataOptOutNotice,
    /// Consents or opt-outs, one for each kind of sensitive data that the law names.
    SensitiveDataProcessing,
    /// Notice of the opt-out for sensitive data.
    SensitiveDataProcessingOptOutNotice,
    /// Notice of sharing.
    SharingNotice,
    /// Opt-out of sharing.
    SharingOptOut,
    /// Notice of the opt-out of sharing.
    SharingOptOutNotice,
    /// Opt-out of targeted advertising.
    TargetedAdvertisingOptOut,
    /// Notice of the opt-out of targeted advertising.
    TargetedAdvertisingOptOutNotice,
}

impl UsField {
    /// Whether it is a choice of the person's, and not a notice or a mode.
    ///
    /// A choice is 0 for not applicable, 1 for a no (opted out, no consent) and 2 for no such no.
    pub const fn is_choice(self) -> bool {
        match self {
            Self::AdditionalDataProcessingConsent
            | Self::KnownChildSensitiveDataConsents
            | Self::PersonalDataConsents
            | Self::SaleOptOut
            | Self::SensitiveDataProcessing
            | Self::SharingOptOut
            | Self::TargetedAdvertisingOptOut => true,
            Self::MspaCoveredTransaction
            | Self::MspaMode
            | Self::MspaOptOutOptionMode
            | Self::MspaServiceProviderMode
            | Self::ProcessingNotice
            | Self::SaleOptOutNotice
            | Self::SensitiveDataLimitUseNotice
            | Self::SensitiveDataOptOutNotice
            | Self::SensitiveDataProcessingOptOutNotice
            | Self::SharingNotice
            | Self::SharingOptOutNotice
            | Self::TargetedAdvertisingOptOutNotice => false,
        }
    }
}

/// A section for the United States as a whole or for one state, after the
/// [IAB's specifications](https://github.com/InteractiveAdvertisingBureau/Global-Privacy-Platform/tree/main/Sections).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsSection {
    /// The version that the section states of itself, or of its agreement.
    pub version: u8,
    /// The fields of the section, each with one value or, where the law names several, more.
    pub fields: BTreeMap<UsField, Vec<u8>>,
    /// Whether Global Privacy Control was on; `None` if the section does not say.
    pub gpc: Option<bool>,
}

impl UsSection {
    /// Reads the section with this id; `None` if it is not one for the United States.
    pub(super) fn read(id: u16, text: &str) -> Option<Result<Self, SignalError>> {
        is_us(id).then(|| read(id, text))
    }

    /// Whether the person said no to this.
    pub fn refuses(&self, choice: UsField) -> bool {
        let values = self.fields.get(&choice);
        choice.is_choice() && values.is_some_and(|values| values.contains(&1))
    }
}

fn read(id: u16, text: &str) -> Result<UsSection, SignalError> {
    let mut segments = text.split('.');
    let mut core = Bits::new(segments.next().unwrap_or_default())?;
    let version = core.small(6)?;
    let layout = Layout::of(id, version).ok_or(SignalError::Version)?;
    let mut section = UsSection { version, fields: BTreeMap::new(), gpc: None };
    for ((field, told), (_, written)) in layout.fields().zip(layout.written(core.count()).fields())
    {
        let mut values = values(&mut core, written)?;
        values.resize(told, 0);
        section.fields.insert(field, values);
    }
    for segment in segments {
        let mut bits = Bits::new(segment)?;
        let is_twice = match second(id) {
            Second::Sensitive(count) => {
                let sensitive = values(&mut bits, count)?;
                section.fields.insert(UsField::SensitiveDataProcessing, sensitive).is_some()
            }
            Second::Gpc if bits.small(2)? == 1 => section.gpc.replace(bits.flag()?).is_some(),
            Second::Gpc => return Err(SignalError::Malformed("segment type")),
        };
        if is_twice {
            return Err(SignalError::Malformed("list of segments"));
        }
    }
    Ok(section)
}

/// Values of two bits each.
fn values(bits: &mut Bits, count: usize) -> Result<Vec<u8>, SignalError> {
    let value = |bits: &mut Bits| match bits.small(2)? {
        3 => Err(SignalError::Malformed("field")),
        value => Ok(value),
    };
    (0..count).map(|_| value(bits)).collect()
}
