//! Numbers of identity documents.

use super::is_one_repeated;
use crate::NormaliseError;

/// The weight of each digit of a Chinese identity number (GB 11643), and what the sum modulo 11
/// makes the last character.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// The number in upper case without spaces and dashes; a Chinese one must pass its checksum.
pub(crate) fn normalise(value: &str, region: Option<&str>) -> Result<String, NormaliseError> {
    let number: String = value
        .chars()
        .filter(|&c| !c.is_whitespace() && c != '-')
        .flat_map(char::to_uppercase)
        .collect();
    if is_one_repeated(&number) || !number.contains(|c: char| c.is_alphanumeric() && c != '0') {
        return Err(NormaliseError::Blocked);
    }
    let is_chinese = region.is_none_or(|region| region.eq_ignore_ascii_case("CN"));
    if is_chinese && looks_chinese(&number) && !has_valid_checksum(&number) {
        return Err(NormaliseError::Invalid);
    }
    Ok(number)
}

fn looks_chinese(number: &str) -> bool {
    number.len() == 18
        && number.char_indices().all(|(place, c)| c.is_ascii_digit() || (place == 17 && c == 'X'))
}

fn has_valid_checksum(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .zip(WEIGHTS)
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or_default() * weight)
        .sum();
    CHECK_CHARACTERS.get(sum as usize % 11).copied() == number.chars().last()
}
