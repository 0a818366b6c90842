//! What browsers and consent platforms say: TCF and GPP strings, US Privacy strings and GPC.
//!
//! Decoders of what strangers send: their time and memory are bounded by the length of the string,
//! which is bounded itself, and no error repeats any of it. They state what the signal says;
//! what follows from that for our purposes is for [`SignalRules`] to say.

mod bits;
mod error;
mod gpc;
mod gpp;
mod rules;
mod tcf;
mod tcf_ca;
mod us;
mod us_layouts;
mod us_privacy;

pub use bits::{Letters, NumberSet};
pub use error::SignalError;
pub use gpc::{GpcSupport, gpc_of_headers, gpc_of_navigator};
pub use gpp::{GppSection, GppString};
pub use rules::{Observation, Signal, SignalRules, TcfRule};
pub use tcf::{PublisherPurposes, RestrictionType, TcString};
pub use tcf_ca::TcfCaString;
pub use us::{UsField, UsSection};
pub use us_privacy::UsPrivacy;
