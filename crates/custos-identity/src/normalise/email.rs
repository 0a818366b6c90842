//! E-mail addresses.

use super::is_one_repeated;
use crate::NormaliseError;

const ADDRESS_BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// Mailboxes that are nobody's at any domain.
const NOBODY: [&str; 14] = [
    "noreply",
    "no-reply",
    "no_reply",
    "no.reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "unknown",
    "none",
    "null",
    "noemail",
    "no-email",
    "nomail",
    "n/a",
];

/// Mailboxes that are nobody's at a domain of the same name, as in `test@test.com`.
const MADE_UP: [&str; 11] =
    ["a", "aa", "aaa", "abc", "asdf", "email", "mail", "test", "user", "x", "xxx"];

/// The address in lower case throughout. What follows a plus stays, since providers differ.
pub(crate) fn normalise(value: &str) -> Result<String, NormaliseError> {
    // Chinese input methods write the dot of a domain this way.
    let address = value.to_lowercase().replace(['。', '｡'], ".");
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(NormaliseError::Invalid);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(NormaliseError::Invalid)?;
    if is_nobody(local, domain) {
        return Err(NormaliseError::Blocked);
    }
    if !is_local(local) || !is_domain(domain) {
        return Err(NormaliseError::Invalid);
    }
    Ok(address)
}

fn is_nobody(local: &str, domain: &str) -> bool {
    let name = domain.split('.').next().unwrap_or_default();
    NOBODY.contains(&local)
        || (local == name && (MADE_UP.contains(&local) || is_one_repeated(local)))
        || (local == "test" && name == "example")
        || domain == "invalid"
        || domain.ends_with(".invalid")
}

fn is_local(local: &str) -> bool {
    let fits = (1..=LOCAL_BYTES_MAX).contains(&local.len());
    fits && !local.contains(|c: char| c.is_whitespace() || "@<>()[],;:\\\"".contains(c))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let is_top = |label: &str| label.chars().nth(1).is_some() && !label.starts_with(is_digit);
    domain.split('.').all(is_label) && domain.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}
