//! Strings of the IAB's Global Privacy Platform.

use std::str::FromStr;

use super::bits::Bits;
use super::error::bounded;
use super::{SignalError, TcString, TcfCaString, UsPrivacy, UsSection};

/// A [GPP string](https://github.com/InteractiveAdvertisingBureau/Global-Privacy-Platform/blob/main/Core/Consent%20String%20Specification.md):
/// a header that lists sections, and the sections.
#[derive(Debug, Clone, PartialEq)]
pub struct GppString {
    /// The sections by id, in ascending order.
    pub sections: Vec<(u16, GppSection)>,
}

/// What one region's law or framework has people say.
#[derive(Debug, Clone, PartialEq)]
pub enum GppSection {
    /// `tcfeuv2`, id 2.
    TcfEu(Box<TcString>),
    /// `tcfcav1`, id 5.
    TcfCa(Box<TcfCaString>),
    /// `uspv1`, id 6.
    UsPrivacy(UsPrivacy),
    /// `usnat` and those of the states, ids 7 to 27.
    Us(UsSection),
    /// One that is not read: `tcfeuv1`, or newer than this decoder.
    Unread,
}

const HEADER_TYPE: u8 = 3;
const HEADER_VERSION: u8 = 1;

impl FromStr for GppString {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let mut parts = bounded(text)?.split('~');
        let mut header = Bits::new(parts.next().unwrap_or_default())?;
        if header.small(6)? != HEADER_TYPE {
            return Err(SignalError::Malformed("header"));
        }
        if header.small(6)? != HEADER_VERSION {
            return Err(SignalError::Version);
        }
        let parts: Vec<_> = parts.collect();
        let ids = header.fibonacci_range(parts.len())?;
        if ids.len() != parts.len() {
            return Err(SignalError::Malformed("list of sections"));
        }
        let sections =
            ids.into_iter().zip(parts).map(|(id, part)| Ok((id, read_section(id, part)?)));
        Ok(Self { sections: sections.collect::<Result<_, _>>()? })
    }
}

fn read_section(id: u16, part: &str) -> Result<GppSection, SignalError> {
    match id {
        2 => match part.parse::<TcString>()? {
            string if string.version == 2 => Ok(GppSection::TcfEu(Box::new(string))),
            _ => Err(SignalError::Version),
        },
        5 => Ok(GppSection::TcfCa(Box::new(part.parse()?))),
        6 => Ok(GppSection::UsPrivacy(part.parse()?)),
        _ => match UsSection::read(id, part) {
            Some(section) => Ok(GppSection::Us(section?)),
            None => Ok(GppSection::Unread),
        },
    }
}

#[cfg(test)]
mod tests;
