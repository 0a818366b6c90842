//! Which fields the sections of GPP for the United States have, in the order of their bits.

use super::UsField;
use super::UsField::{
    AdditionalDataProcessingConsent, KnownChildSensitiveDataConsents, MspaCoveredTransaction,
    MspaMode, MspaOptOutOptionMode, MspaServiceProviderMode, PersonalDataConsents,
    ProcessingNotice, SaleOptOut, SaleOptOutNotice, SensitiveDataLimitUseNotice,
    SensitiveDataOptOutNotice, SensitiveDataProcessing, SensitiveDataProcessingOptOutNotice,
    SharingNotice, SharingOptOut, SharingOptOutNotice, TargetedAdvertisingOptOut,
    TargetedAdvertisingOptOutNotice,
};

/// The fields of one section's first segment. Each has one value but for the two that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    first: &'static [UsField],
    sensitive_count: usize,
    child_count: usize,
    last: &'static [UsField],
}

/// What the second segment of a section is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// Global Privacy Control, after two bits for the segment's type.
    Gpc,
    /// Consents for kinds of sensitive data.
    Sensitive(usize),
}

impl Layout {
    /// The layout of the section with this id in this version; `None` if there is none such.
    ///
    /// The states' sections have one layout each so far, whatever version they state: the later
    /// ones state that of an agreement, and the IAB's own decoders read them all the same.
    pub(super) fn of(id: u16, version: u8) -> Option<Self> {
        let layout = match (id, version) {
            (7, 1) => NATIONAL_1,
            (7, 2) => NATIONAL_2,
            (8, _) => layout(CALIFORNIA, 9, 2, PERSONAL),
            (9, _) => layout(SHARING, 8, 1, AGREEMENT),
            (10, _) => layout(SHARING, 7, 1, AGREEMENT),
            (11, _) => layout(UTAH, 8, 1, AGREEMENT),
            (12, _) => layout(SHARING, 8, 3, AGREEMENT),
            (14, _) => layout(SHARING, 8, 3, ADDITIONAL),
            (15, _) => layout(PROCESSING, 11, 3, ADDITIONAL),
            (13 | 20, _) => layout(PROCESSING, 8, 3, ADDITIONAL),
            (16 | 19 | 22 | 23, _) => layout(PROCESSING, 8, 1, ADDITIONAL),
            (17, _) => layout(PROCESSING, 9, 5, ADDITIONAL),
            (18, _) => layout(IOWA, 8, 1, AGREEMENT),
            (21, _) => layout(PROCESSING, 10, 5, ADDITIONAL),
            (24, _) => layout(SINCE_2025, 0, 0, &[AdditionalDataProcessingConsent]),
            (25..=27, _) => layout(SINCE_2025, 0, 1, &[AdditionalDataProcessingConsent]),
            _ => return None,
        };
        Some(layout)
    }

    /// The layout that a segment of so many bits is really written in.
    ///
    /// While `usnat` went from 12 kinds of sensitive data to 16, encoders put the version of one
    /// over the layout of the other. The IAB's own decoders go by the length, so this does too.
    pub(super) fn written(self, bits: usize) -> Self {
        let is_national = self == NATIONAL_1 || self == NATIONAL_2;
        match bits {
            66 if is_national => NATIONAL_1,
            _ if is_national => NATIONAL_2,
            _ => self,
        }
    }

    /// The fields with their counts of values.
    pub(super) fn fields(self) -> impl Iterator<Item = (UsField, usize)> {
        let single = |&field| (field, 1);
        let counted = [
            (SensitiveDataProcessing, self.sensitive_count),
            (KnownChildSensitiveDataConsents, self.child_count),
        ];
        let counted = counted.into_iter().filter(|&(_, count)| count > 0);
        self.first.iter().map(single).chain(counted).chain(self.last.iter().map(single))
    }
}

/// Whether a section is for the United States.
pub(super) const fn is_us(id: u16) -> bool {
    matches!(id, 7..=27)
}

/// What the second segment of the section with this id is about.
pub(super) const fn second(id: u16) -> Second {
    match id {
        25..=27 => Second::Sensitive(8),
        _ => Second::Gpc,
    }
}

const fn layout(
    first: &'static [UsField],
    sensitive_count: usize,
    child_count: usize,
    last: &'static [UsField],
) -> Layout {
    Layout { first, sensitive_count, child_count, last }
}

const NATIONAL_1: Layout = layout(NATIONAL, 12, 2, PERSONAL);
const NATIONAL_2: Layout = layout(NATIONAL, 16, 3, PERSONAL);

const NATIONAL: &[UsField] = &[
    SharingNotice,
    SaleOptOutNotice,
    SharingOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SensitiveDataProcessingOptOutNotice,
    SensitiveDataLimitUseNotice,
    SaleOptOut,
    SharingOptOut,
    TargetedAdvertisingOptOut,
];
const CALIFORNIA: &[UsField] = &[
    SaleOptOutNotice,
    SharingOptOutNotice,
    SensitiveDataLimitUseNotice,
    SaleOptOut,
    SharingOptOut,
];
const SHARING: &[UsField] = &[
    SharingNotice,
    SaleOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SaleOptOut,
    TargetedAdvertisingOptOut,
];
const UTAH: &[UsField] = &[
    SharingNotice,
    SaleOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SensitiveDataProcessingOptOutNotice,
    SaleOptOut,
    TargetedAdvertisingOptOut,
];
const PROCESSING: &[UsField] = &[
    ProcessingNotice,
    SaleOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SaleOptOut,
    TargetedAdvertisingOptOut,
];
const IOWA: &[UsField] = &[
    ProcessingNotice,
    SaleOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SensitiveDataOptOutNotice,
    SaleOptOut,
    TargetedAdvertisingOptOut,
];
const SINCE_2025: &[UsField] = &[
    MspaCoveredTransaction,
    MspaMode,
    ProcessingNotice,
    SaleOptOutNotice,
    TargetedAdvertisingOptOutNotice,
    SaleOptOut,
    TargetedAdvertisingOptOut,
];

const AGREEMENT: &[UsField] =
    &[MspaCoveredTransaction, MspaOptOutOptionMode, MspaServiceProviderMode];
const PERSONAL: &[UsField] =
    &[PersonalDataConsents, MspaCoveredTransaction, MspaOptOutOptionMode, MspaServiceProviderMode];
const ADDITIONAL: &[UsField] = &[
    AdditionalDataProcessingConsent,
    MspaCoveredTransaction,
    MspaOptOutOptionMode,
    MspaServiceProviderMode,
];
