//! Weakenings of the enforcement, each of which tests must notice.
//!
//! In builds without the Cargo feature `mutants` none can be switched on and every question here
//! has a constant answer. With the feature none is on until a test says so.
#![cfg_attr(
    not(feature = "mutants"),
    expect(unreachable_pub, reason = "it is public where tests switch mutants on")
)]

use std::borrow::Cow;
#[cfg(feature = "mutants")]
use std::sync::atomic::{AtomicU8, Ordering};

use arrow::array::ArrayRef;
use custos_core::Purpose;

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One weakening.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

mutants! {
    /// All rows are shown.
    RowBitsDropped,
    /// Erased people are shown.
    TombstonesIgnored,
    /// People who did not agree are shown.
    ConsentIgnored,
    /// Children are shown who agreed themselves.
    MinorsShown,
    /// Rows about nobody are shown.
    UnattributedShown,
    /// A file of which somebody may be seen is shown whole.
    AllIfAny,
    /// Rows of sources that did not notify of the purpose are shown.
    SourcesIgnored,
    /// Superseded rows are shown.
    VersionsIgnored,
    /// The oldest version of a record is shown in place of the newest.
    OldestRows,
    /// Rows are shown however old they are.
    AgeIgnored,
    /// Rows without event time are shown where they may not be.
    UndatedShown,
    /// Bits of rows outlive a change of who is visible.
    OldRowBits,
    /// After a change the bits of one row group only are computed anew.
    OneGroupUpdated,
    /// Who is visible is not asked for again.
    OldVisibility,
    /// Answers outlive a change of who is visible.
    OldAnswers,
    /// Ids of others named in a row are shown whoever they are.
    OthersShown,
    /// Ids are the numbers of subjects.
    PlainIds,
    /// Ids are the same for all purposes.
    SharedIds,
    /// Tokens are the same for all purposes.
    SharedTokens,
    /// Sensitive values of those who gave no separate consent are shown.
    SensitiveShown,
    /// What is to be masked is shown.
    MasksSkipped,
    /// What is shown as null keeps its value below.
    ValuesBelowNulls,
    /// Bounds of raw values decide about masked ones.
    MaskedPruned,
    /// Filters leave out row groups, and rows of the others leave the scan whether they pass or not.
    FiltersOnlyPrune,
    /// The planner is told how many rows there are, hidden ones included.
    RowsCounted,
    /// Functions that tell about files are offered.
    EveryFunction,
}

/// One more than the number of the mutant that is on.
#[cfg(feature = "mutants")]
static ON: AtomicU8 = AtomicU8::new(0);

/// Switches one mutant on and all others off, in the whole process.
#[cfg(feature = "mutants")]
pub fn switch(mutant: Option<Mutant>) {
    ON.store(mutant.map_or(0, |mutant| mutant as u8 + 1), Ordering::SeqCst);
}

/// Whether a mutant is on.
#[cfg(feature = "mutants")]
pub(crate) fn is_on(mutant: Mutant) -> bool {
    ON.load(Ordering::Relaxed) == mutant as u8 + 1
}

/// Whether a mutant is on: none is.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

/// The purpose itself; one for all while the mutant is on.
pub(crate) fn purpose(mutant: Mutant, purpose: &Purpose) -> Cow<'_, Purpose> {
    match is_on(mutant) {
        true => "analytics".parse().map_or(Cow::Borrowed(purpose), Cow::Owned),
        false => Cow::Borrowed(purpose),
    }
}

/// Nulls with the values of an array below.
pub(crate) fn null_above(array: &ArrayRef) -> ArrayRef {
    let nulls = arrow::buffer::NullBuffer::new_null(array.len());
    let data = array.to_data().into_builder().nulls(Some(nulls)).build();
    data.map_or_else(|_| ArrayRef::clone(array), arrow::array::make_array)
}
