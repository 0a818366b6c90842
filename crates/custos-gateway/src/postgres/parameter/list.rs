//! Arrays of one dimension.

use chrono_tz::Tz;

use super::datum::Datum;
use super::kind::Kind;
use super::{Problem, binary, text};
use crate::postgres::format::Format;

const BRACES: Problem = Problem::Not("an array such as {1,2,NULL}");
const PARTS: Problem = Problem::Not("an array of items of the type that was announced");
const DIMENSIONS: Problem = Problem::Unsupported("an array of several dimensions");

type Items = Vec<Option<Datum>>;

pub(super) fn read(kind: Kind, format: Format, bytes: &[u8], zone: Tz) -> Result<Items, Problem> {
    match format {
        Format::Text => of_text(kind, text::utf8(bytes)?, zone),
        Format::Binary => of_binary(kind, bytes),
    }
}

/// How an item ended.
enum End {
    Comma,
    Brace,
}

fn of_text(kind: Kind, text: &str, zone: Tz) -> Result<Items, Problem> {
    let text = text.trim_matches(is_space);
    let mut rest = text.strip_prefix('{').ok_or(BRACES)?.trim_start_matches(is_space);
    let mut items = Items::new();
    if let Some(after) = rest.strip_prefix('}') {
        return if after.is_empty() { Ok(items) } else { Err(BRACES) };
    }
    loop {
        let (item, end, after) = item(rest.trim_start_matches(is_space))?;
        items.push(item.map(|item| text::read(kind, &item, zone)).transpose()?);
        rest = after;
        if matches!(end, End::Brace) {
            return if rest.is_empty() { Ok(items) } else { Err(BRACES) };
        }
    }
}

/// The next item without its quotes and escapes, how it ended, and what follows.
fn item(text: &str) -> Result<(Option<String>, End, &str), Problem> {
    let mut item = String::new();
    let (mut in_quotes, mut quoted, mut escaped, mut closed) = (false, false, false, false);
    // How much of the item is kept when the space behind it is cut off.
    let mut kept = 0;
    for (at, c) in text.char_indices() {
        let plain = !escaped && !in_quotes;
        match c {
            _ if escaped => {
                item.push(c);
                (escaped, kept) = (false, item.len());
            }
            c if closed && !matches!(c, ',' | '}') && !is_space(c) => return Err(BRACES),
            '\\' => (escaped, quoted) = (true, true),
            '"' if !in_quotes && (quoted || !item.is_empty()) => return Err(BRACES),
            '"' => {
                (in_quotes, quoted, closed) = (!in_quotes, true, in_quotes);
                kept = item.len();
            }
            '{' if plain => return Err(DIMENSIONS),
            ',' | '}' if plain => {
                item.truncate(kept);
                if item.is_empty() && !quoted {
                    return Err(BRACES);
                }
                let end = if c == ',' { End::Comma } else { End::Brace };
                let null = !quoted && item.eq_ignore_ascii_case("null");
                return Ok(((!null).then_some(item), end, text.get(at + 1..).unwrap_or("")));
            }
            c if plain && is_space(c) => item.push(c),
            c => {
                item.push(c);
                kept = item.len();
            }
        }
    }
    Err(BRACES)
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

fn of_binary(kind: Kind, mut bytes: &[u8]) -> Result<Items, Problem> {
    let dimensions = number(&mut bytes)?;
    let flags = number(&mut bytes)?;
    let element = u32::from_be_bytes(number(&mut bytes)?.to_be_bytes());
    if !matches!(flags, 0 | 1) || Kind::of(element) != Some(kind) {
        return Err(PARTS);
    }
    match dimensions {
        0 if bytes.is_empty() => return Ok(Items::new()),
        1 => {}
        2..=6 => return Err(DIMENSIONS),
        _ => return Err(PARTS),
    }
    let count = number(&mut bytes)?;
    let _lower_bound = number(&mut bytes)?;
    let count = usize::try_from(count).map_err(|_| PARTS)?;
    // Each item has at least its length, so that a wrong count takes no memory.
    if count > bytes.len() / 4 {
        return Err(PARTS);
    }
    let mut items = Items::with_capacity(count);
    for _ in 0..count {
        let length = number(&mut bytes)?;
        if length == -1 {
            items.push(None);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| PARTS)?;
        let (item, rest) = bytes.split_at_checked(length).ok_or(PARTS)?;
        items.push(Some(binary::read(kind, item)?));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(items) } else { Err(PARTS) }
}

fn number(bytes: &mut &[u8]) -> Result<i32, Problem> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(PARTS)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*number))
}
