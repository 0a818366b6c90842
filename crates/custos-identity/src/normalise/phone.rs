//! Telephone numbers.

use phonenumber::{Mode, country};

use super::is_one_repeated;
use crate::NormaliseError;

const RAW_BYTES_MAX: usize = 64;
/// Fewer digits are a short code, more are no number (ITU-T E.164).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// National numbers that forms and demonstrations are filled with.
const MADE_UP: [&str; 6] =
    ["13800138000", "12345678", "123456789", "1234567890", "12345678901", "12345678910"];

/// The number in the form of E.164: `+8613812345678`.
pub(crate) fn normalise(value: &str, region: Option<&str>) -> Result<String, NormaliseError> {
    if value.len() > RAW_BYTES_MAX {
        return Err(NormaliseError::Invalid);
    }
    if is_made_up(&digits(value)) {
        return Err(NormaliseError::Blocked);
    }
    let country = country_of(region)?;
    let dialled = dialled(value);
    if let Some(number) = chinese_mobile(&dialled, country) {
        return if is_made_up(&number) {
            Err(NormaliseError::Blocked)
        } else {
            Ok(format!("+86{number}"))
        };
    }
    let (number, e164) = parsed(&dialled, country)?;
    if is_made_up(&number) {
        return Err(NormaliseError::Blocked);
    }
    // What the parser makes something else of the second time was no number the first time.
    if !DIGITS.contains(&digits(&e164).len()) || parsed(&e164, country)?.1 != e164 {
        return Err(NormaliseError::Invalid);
    }
    Ok(e164)
}

/// The national number, and the number in the form of E.164.
fn parsed(value: &str, country: Option<country::Id>) -> Result<(String, String), NormaliseError> {
    let number = phonenumber::parse(country, value).map_err(|_| NormaliseError::Invalid)?;
    let e164 = number.format().mode(Mode::E164).to_string();
    Ok((number.national().value().to_string(), e164))
}

/// The eleven digits of a number that is plainly a Chinese mobile phone's.
///
/// Most numbers of a Chinese source are, and the parser takes a hundred times as long.
fn chinese_mobile(dialled: &str, country: Option<country::Id>) -> Option<String> {
    let (has_prefix, rest) = match dialled.strip_prefix("+86") {
        Some(rest) => (true, rest),
        None => (false, dialled),
    };
    let is_plain = rest.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-');
    let number = digits(rest);
    let is_mobile = number.len() == 11
        && number.starts_with('1')
        && number[1..].starts_with(|c: char| ('3'..='9').contains(&c))
        // A code that selects a carrier, before some other number.
        && !number.starts_with("179");
    (is_plain && is_mobile && (has_prefix || country == Some(country::CN))).then_some(number)
}

fn country_of(region: Option<&str>) -> Result<Option<country::Id>, NormaliseError> {
    region
        .map(|region| region.to_ascii_uppercase().parse().map_err(|_| NormaliseError::Invalid))
        .transpose()
}

/// The number as one would dial it: no `.0` of a spreadsheet, and `+` for the prefix `00`.
fn dialled(value: &str) -> String {
    let value = value.strip_prefix("tel:").unwrap_or(value);
    let whole = value.strip_suffix(".0").filter(|whole| whole.bytes().all(|b| b.is_ascii_digit()));
    let value = whole.unwrap_or(value).trim_start_matches(['(', ' ']);
    match value.strip_prefix("00") {
        Some(international) if !international.starts_with('0') => format!("+{international}"),
        _ => value.to_owned(),
    }
}

fn digits(value: &str) -> String {
    value.chars().filter(char::is_ascii_digit).collect()
}

fn is_made_up(digits: &str) -> bool {
    is_one_repeated(digits)
        || MADE_UP.contains(&digits)
        // A mobile network and nothing else, as in 13800000000.
        || (digits.len() == 11 && digits.starts_with('1') && digits.ends_with("00000000"))
}
