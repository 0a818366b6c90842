//! From what a signal says to consent events for our purposes.

use std::collections::{BTreeMap, BTreeSet};

use custos_core::{Purpose, Rid, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::{GppSection, GppString, RestrictionType, TcString, UsField, UsPrivacy};
use crate::{ConsentEvent, ConsentStatus};

/// A decoded signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A TC string.
    Tcf(Box<TcString>),
    /// A GPP string.
    Gpp(GppString),
    /// A US Privacy string.
    UsPrivacy(UsPrivacy),
    /// Global Privacy Control is on. When it is off, there is no signal.
    Gpc,
}

/// Where a signal was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Whose signal it is.
    pub rid: Rid,
    /// When it was received.
    pub at: Timestamp,
    /// Whether its source may record a grant; any source may record a refusal.
    pub authority: bool,
    /// Where it was received: web, app.
    pub channel: Option<String>,
}

/// What signals mean for our purposes, as a policy or contract states it.
///
/// A signal grants only by a TC string's consents, and only to [`vendor`](Self::vendor). Opt-outs
/// refuse, and not having opted out says nothing. What a signal does not speak about is left as
/// it is.
///
/// ```
/// let rules: custos_consent::signals::SignalRules = serde_json::from_str(
///     r#"{
///         "vendor": 755,
///         "tcf": [
///             {"purpose": "marketing.advertising", "consents": [1, 3, 4]},
///             {"purpose": "analytics", "legitimate_interests": [8, 9]}
///         ],
///         "opt_outs": {
///             "SaleOptOut": ["marketing.advertising.third_party"],
///             "TargetedAdvertisingOptOut": ["marketing.advertising"]
///         },
///         "gpc": ["marketing.advertising"]
///     }"#,
/// )?;
/// assert_eq!(rules.tcf.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRules {
    /// Our number in the IAB's Global Vendor List; without it no TC string speaks about us.
    #[serde(default)]
    pub vendor: Option<u16>,
    /// For how many days after it was last updated a TC string grants.
    #[serde(default = "thirteen_months")]
    pub grant_days_max: u16,
    /// What our purposes need of a TC string.
    #[serde(default)]
    pub tcf: Vec<TcfRule>,
    /// The purposes that a no in a field of a section for the United States refuses.
    ///
    /// `SaleOptOut` counts for US Privacy strings as well.
    #[serde(default, deserialize_with = "choices_only")]
    pub opt_outs: BTreeMap<UsField, Vec<Purpose>>,
    /// The purposes that Global Privacy Control refuses, in whatever signal it is told.
    #[serde(default)]
    pub gpc: Vec<Purpose>,
}

/// What one of our purposes needs of a TC string: all of it, for our vendor number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcfRule {
    /// Our purpose.
    pub purpose: Purpose,
    /// Purposes of the framework, from 1 to 24, that need consent. Without any, nothing is granted.
    #[serde(default, deserialize_with = "framework_purposes")]
    pub consents: BTreeSet<u8>,
    /// Purposes of the framework that may not be objected to.
    #[serde(default, deserialize_with = "framework_purposes")]
    pub legitimate_interests: BTreeSet<u8>,
    /// Special features, from 1 to 12, that need an opt-in.
    #[serde(default, deserialize_with = "special_features")]
    pub special_features: BTreeSet<u8>,
}

/// How long consent may be relied on without asking again, by the framework's policies.
const fn thirteen_months() -> u16 {
    390
}

/// From when on a TC string without disclosed vendors is no longer valid (TCF 2.3): 2026-02-28.
const DISCLOSURE_SINCE: Timestamp = Timestamp::from_micros(1_772_236_800_000_000);

const DAY_SECONDS: i64 = 86_400;
const DAY_MICROS: i64 = DAY_SECONDS * 1_000_000;

impl SignalRules {
    /// What a signal says about our purposes, as events. Applying them twice changes nothing.
    pub fn events(&self, signal: &Signal, seen: &Observation) -> Vec<ConsentEvent> {
        match signal {
            Signal::Tcf(string) => self.tcf_events(string, seen),
            Signal::Gpp(string) => self.gpp_events(string, seen),
            Signal::UsPrivacy(string) => refusals(self.refused_by_us_privacy(*string), seen),
            Signal::Gpc => refusals(self.gpc.iter().collect(), seen),
        }
    }

    fn tcf_events(&self, string: &TcString, seen: &Observation) -> Vec<ConsentEvent> {
        // Version 1 has other purposes.
        let Some(vendor) = self.vendor.filter(|_| string.version == 2) else {
            return Vec::new();
        };
        let status = |rule| Some((rule, status(string, vendor, rule)?));
        let event = |(rule, status)| self.tcf_event(string, rule, status, seen);
        self.tcf.iter().filter_map(status).map(event).collect()
    }

    fn tcf_event(
        &self,
        string: &TcString,
        rule: &TcfRule,
        status: ConsentStatus,
        seen: &Observation,
    ) -> ConsentEvent {
        let is_grant = status == ConsentStatus::Given;
        let at = if is_grant { string.last_updated.min(seen.at) } else { latest(string, seen.at) };
        let grant_seconds = i64::from(self.grant_days_max) * DAY_SECONDS;
        ConsentEvent {
            rid: seen.rid,
            at,
            purpose: rule.purpose.clone(),
            status,
            expires_at: is_grant.then(|| at.plus_seconds(grant_seconds)),
            notice: Some(format!(
                "iab-tcf cmp {} vendor-list {}",
                string.cmp_id, string.vendor_list_version
            )),
            channel: seen.channel.clone(),
            authority: seen.authority,
        }
    }

    fn gpp_events(&self, string: &GppString, seen: &Observation) -> Vec<ConsentEvent> {
        let mut refused = BTreeSet::new();
        let mut events = Vec::new();
        for (_, section) in &string.sections {
            match section {
                GppSection::TcfEu(string) => events.extend(self.tcf_events(string, seen)),
                GppSection::UsPrivacy(string) => {
                    refused.extend(self.refused_by_us_privacy(*string))
                }
                GppSection::Us(section) => {
                    for (_, purposes) in
                        self.opt_outs.iter().filter(|(field, _)| section.refuses(**field))
                    {
                        refused.extend(purposes);
                    }
                    if section.gpc == Some(true) {
                        refused.extend(&self.gpc);
                    }
                }
                GppSection::TcfCa(_) | GppSection::Unread => {}
            }
        }
        events.extend(refusals(refused, seen));
        events
    }

    fn refused_by_us_privacy(&self, string: UsPrivacy) -> BTreeSet<&Purpose> {
        let opted_out = string.opt_out_sale == Some(true);
        let purposes = self.opt_outs.get(&UsField::SaleOptOut).filter(|_| opted_out);
        purposes.into_iter().flatten().collect()
    }
}

/// What a string of version 2 says about a rule; `None` if it does not speak about us.
///
/// With the disclosed vendors, a zero is a no if we are among them, and says nothing if not.
/// Without, as before TCF 2.3, a zero can be either: it counts as a no, since a withdrawal
/// looks the same.
fn status(string: &TcString, vendor: u16, rule: &TcfRule) -> Option<ConsentStatus> {
    let id = u32::from(vendor);
    if string.vendors_disclosed.as_ref().is_some_and(|disclosed| !disclosed.contains(id)) {
        return None;
    }
    let objected = |&purpose: &u8| {
        !string.purpose_legitimate_interests.contains(purpose)
            || !string.vendor_legitimate_interests.contains(id)
            || string.restricts(purpose, RestrictionType::NotAllowed, vendor)
            || string.restricts(purpose, RestrictionType::RequireConsent, vendor)
    };
    if rule.legitimate_interests.iter().any(objected) {
        return Some(ConsentStatus::Objected);
    }
    if rule.consents.is_empty() {
        return None;
    }
    let consented = |purpose: u8| {
        string.purpose_consents.contains(purpose)
            && !string.restricts(purpose, RestrictionType::NotAllowed, vendor)
            && !string.restricts(purpose, RestrictionType::RequireLegitimateInterest, vendor)
    };
    let was_asked = |purpose: u8| purpose != 1 || !string.purpose_one_treatment;
    let opted_in = |&feature: &u8| string.special_feature_opt_ins.contains(feature);
    let refused = !string.vendor_consents.contains(id)
        || rule.consents.iter().any(|&purpose| was_asked(purpose) && !consented(purpose))
        || !rule.special_features.iter().all(opted_in);
    if refused {
        return Some(ConsentStatus::Refused);
    }
    // Consents that are void, or were not asked for, are no refusals either.
    let counts = may_grant(string) && rule.consents.iter().all(|&purpose| was_asked(purpose));
    counts.then_some(ConsentStatus::Given)
}

/// Whether the string is of a form whose consents the framework still lets count.
fn may_grant(string: &TcString) -> bool {
    let tells_vendors = string.vendors_disclosed.is_some();
    string.is_service_specific && (tells_vendors || string.last_updated < DISCLOSURE_SINCE)
}

/// The latest instant at which the choices of a string that is there at `now` can have been made.
///
/// `last_updated` may be rounded down to the day. A grant counts from there, so that it lifts no
/// withdrawal of that day, and a refusal from the other end, so that no grant of that day
/// outlives it.
fn latest(string: &TcString, now: Timestamp) -> Timestamp {
    let updated = string.last_updated;
    let is_day = updated.micros() % DAY_MICROS == 0;
    if is_day { updated.plus_seconds(DAY_SECONDS).min(now) } else { updated.min(now) }
}

fn refusals(purposes: BTreeSet<&Purpose>, seen: &Observation) -> Vec<ConsentEvent> {
    let refusal = |purpose: &Purpose| ConsentEvent {
        rid: seen.rid,
        at: seen.at,
        purpose: purpose.clone(),
        status: ConsentStatus::Refused,
        expires_at: None,
        notice: None,
        channel: seen.channel.clone(),
        authority: seen.authority,
    };
    purposes.into_iter().map(refusal).collect()
}

/// A notice that was given is a 1 as well, and no refusal.
fn choices_only<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<UsField, Vec<Purpose>>, D::Error> {
    let opt_outs = BTreeMap::<UsField, Vec<Purpose>>::deserialize(deserializer)?;
    match opt_outs.keys().find(|field| !field.is_choice()) {
        None => Ok(opt_outs),
        Some(_) => Err(serde::de::Error::custom("a notice or mode cannot be opted out of")),
    }
}

fn framework_purposes<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<u8>, D::Error> {
    numbers_up_to(24, d)
}

fn special_features<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<u8>, D::Error> {
    numbers_up_to(12, d)
}

fn numbers_up_to<'de, D: Deserializer<'de>>(max: u8, d: D) -> Result<BTreeSet<u8>, D::Error> {
    let numbers = BTreeSet::deserialize(d)?;
    match numbers.iter().all(|number| (1..=max).contains(number)) {
        true => Ok(numbers),
        false => Err(serde::de::Error::custom(format!("use numbers from 1 to {max}"))),
    }
}

#[cfg(test)]
mod tests;
