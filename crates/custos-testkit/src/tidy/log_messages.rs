//! Log messages are lower case, like error messages.

use super::Finding;
use crate::{SourceFile, Sources};

const MACROS: [&str; 5] = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];

/// No log message starts with a capitalised word; names in capitals, as `SQL`, may start one.
pub fn log_messages(sources: &Sources) -> Vec<Finding> {
    sources.rust().flat_map(in_file).collect()
}

fn in_file(file: &SourceFile) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in MACROS {
        for (at, _) in file.text.match_indices(name) {
            let part_of_a_name = |before: char| before.is_alphanumeric() || before == '_';
            if file.text[..at].ends_with(part_of_a_name) {
                continue;
            }
            if message(&file.text[at + name.len()..]).is_some_and(is_capitalised) {
                let line = file.text[..at].matches('\n').count() + 1;
                found.push(Finding::new(&file.path, line, "the log message is not lower case"));
            }
        }
    }
    found
}

fn is_capitalised(message: &str) -> bool {
    let mut characters = message.chars();
    characters.next().is_some_and(char::is_uppercase)
        && !characters.next().is_some_and(char::is_uppercase)
}

/// The message among a macro's arguments: the first that is a string and not a field's value.
///
/// `arguments` begins behind the opening parenthesis, and goes on behind the closing one.
fn message(arguments: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut begins = true;
    let mut rest = arguments;
    while let Some(character) = rest.chars().next() {
        let step = match character {
            '"' if depth == 0 && begins => return rest[1..].split('"').next(),
            '"' => string_bytes(rest),
            '\'' => quoted_character_bytes(rest),
            _ => character.len_utf8(),
        };
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        begins = (character == ',' && depth == 0) || (begins && character.is_whitespace());
        rest = &rest[step..];
    }
    None
}

/// Bytes of the string literal that `text` starts with, quotes included.
fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the character literal that `text` starts with; 1 if the quote begins a lifetime.
fn quoted_character_bytes(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let escaped = characters.next().is_some_and(|(_, character)| character == '\\');
    match characters.nth(usize::from(escaped)) {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::found;

    #[test]
    fn capitalised_messages_are_found_where_they_stand() {
        let text = "fn f() {\n    tracing::info!(\n        key = %k,\n        \"Key shredded\"\n    );\n}\n";
        assert_eq!(found(log_messages, "a.rs", text), ["2: the log message is not lower case"]);
    }

    #[test]
    fn the_message_is_told_from_values_of_fields() {
        for (arguments, expected) in [
            ("\"key shredded\")", Some("key shredded")),
            ("a = \"Value\", b = f(\"X\", 'Y'), \"said\", 1)", Some("said")),
            ("a = f('('), \"said\")", Some("said")),
            ("a = '\\'', \"said\")", Some("said")),
            ("a = \"\\\"), \\\"\", \"said\")", Some("said")),
            ("f::<'static>(x), \"said\")", Some("said")),
            ("?error); other(\"Not\")", None),
        ] {
            assert_eq!(message(arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn names_in_capitals_may_begin_a_message() {
        assert!(is_capitalised("Key shredded"));
        assert!(is_capitalised("A key"));
        assert!(!is_capitalised("SQL refused"));
        assert!(!is_capitalised("key shredded"));
        assert!(!is_capitalised("{count} keys"));
    }
}
