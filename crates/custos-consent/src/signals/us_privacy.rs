//! The US Privacy string of the IAB's CCPA framework.

use std::str::FromStr;

use super::SignalError;

/// A [US Privacy string](https://github.com/InteractiveAdvertisingBureau/USPrivacy/blob/master/CCPA/US%20Privacy%20String.md)
/// of version 1, such as `1YNN`; `None` is a hyphen, which says that the law does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsPrivacy {
    /// Whether the person was told and could opt out.
    pub notice: Option<bool>,
    /// Whether the person opted out of sale.
    pub opt_out_sale: Option<bool>,
    /// Whether the publisher is under the IAB's Limited Service Provider Agreement.
    pub lspa_covered: Option<bool>,
}

impl FromStr for UsPrivacy {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let [version, fields @ ..] = text.as_bytes() else {
            return Err(SignalError::Truncated);
        };
        if *version != b'1' {
            return Err(SignalError::Version);
        }
        match fields {
            &[notice, opt_out_sale, lspa_covered] => Ok(Self {
                notice: answer(notice)?,
                opt_out_sale: answer(opt_out_sale)?,
                lspa_covered: answer(lspa_covered)?,
            }),
            [_, _, _, ..] => Err(SignalError::Malformed("length")),
            _ => Err(SignalError::Truncated),
        }
    }
}

fn answer(byte: u8) -> Result<Option<bool>, SignalError> {
    match byte {
        b'Y' | b'y' => Ok(Some(true)),
        b'N' | b'n' => Ok(Some(false)),
        b'-' => Ok(None),
        _ => Err(SignalError::Encoding),
    }
}
