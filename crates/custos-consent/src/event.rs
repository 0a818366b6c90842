//! One thing that happened to a consent.

use custos_core::{Purpose, Rid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ConsentStatus;
use crate::topic::is_too_wide_for_a_grant;

/// An event of a consent record after ISO/IEC TS 27560.
///
/// Events order by subject and then by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConsentEvent {
    /// Whose consent it is.
    pub rid: Rid,
    /// When it happened, as the source says.
    pub at: Timestamp,
    /// What for; covers every purpose within it.
    pub purpose: Purpose,
    /// What happened.
    pub status: ConsentStatus,
    /// When a grant runs out by itself.
    pub expires_at: Option<Timestamp>,
    /// The notice the person was shown, by name and version.
    pub notice: Option<String>,
    /// Where it was said: web, app, shop.
    pub channel: Option<String>,
    /// Whether the source may record a grant; any source may record a refusal.
    pub authority: bool,
}

impl ConsentEvent {
    /// Whether it is a grant that counts: one that its source may record, and that is not for a
    /// reserved branch of purposes as a whole.
    pub(crate) fn grants(&self) -> bool {
        self.status == ConsentStatus::Given
            && self.authority
            && !is_too_wide_for_a_grant(&self.purpose)
    }
}
