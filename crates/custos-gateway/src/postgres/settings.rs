//! The settings of a session.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use super::error::PgError;

/// A setting: its name as it is shown, its value where nobody set it, and what may be done to it.
struct Known {
    name: &'static str,
    default: &'static str,
    takes: Takes,
    /// Whether clients are told of every change.
    is_reported: bool,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Any: it changes nothing here.
    Any,
    /// One of these only, in any case: how values are written.
    Only(&'static [&'static str]),
    /// A zone of the time zone database.
    Zone,
    /// A span of time, 0 for none.
    Span,
    /// None: it tells what is so.
    Nothing,
}

const fn known(name: &'static str, default: &'static str, takes: Takes) -> Known {
    Known { name, default, takes, is_reported: false }
}

const fn reported(name: &'static str, default: &'static str, takes: Takes) -> Known {
    Known { name, default, takes, is_reported: true }
}

/// All settings, by name.
const ALL: &[Known] = &[
    reported("application_name", "", Takes::Any),
    known("bytea_output", "hex", Takes::Only(&["hex"])),
    known("check_function_bodies", "on", Takes::Any),
    reported("client_encoding", "UTF8", Takes::Only(&["utf8", "unicode"])),
    known("client_min_messages", "notice", Takes::Any),
    reported(
        "DateStyle",
        "ISO, MDY",
        Takes::Only(&["iso", "isomdy", "isodmy", "isoymd", "mdy", "ymd", "dmy"]),
    ),
    known("default_tablespace", "", Takes::Any),
    known("default_transaction_deferrable", "off", Takes::Any),
    known("default_transaction_isolation", "read committed", Takes::Any),
    reported("default_transaction_read_only", "on", Takes::Any),
    known("enable_hashjoin", "on", Takes::Any),
    known("enable_mergejoin", "on", Takes::Any),
    known("enable_nestloop", "on", Takes::Any),
    known("enable_seqscan", "on", Takes::Any),
    known("escape_string_warning", "on", Takes::Any),
    known("extra_float_digits", "1", Takes::Any),
    known("geqo", "on", Takes::Any),
    known("idle_in_transaction_session_timeout", "0", Takes::Any),
    reported("in_hot_standby", "off", Takes::Nothing),
    reported("integer_datetimes", "on", Takes::Nothing),
    reported("IntervalStyle", "postgres", Takes::Only(&["postgres"])),
    reported("is_superuser", "off", Takes::Nothing),
    known("jit", "off", Takes::Any),
    known("lc_collate", "C.UTF-8", Takes::Nothing),
    known("lc_ctype", "C.UTF-8", Takes::Nothing),
    known("lc_messages", "C.UTF-8", Takes::Any),
    known("lc_monetary", "C.UTF-8", Takes::Any),
    known("lc_numeric", "C.UTF-8", Takes::Any),
    known("lc_time", "C.UTF-8", Takes::Any),
    known("lock_timeout", "0", Takes::Any),
    known("max_identifier_length", "63", Takes::Nothing),
    known("max_index_keys", "32", Takes::Nothing),
    known("quote_all_identifiers", "off", Takes::Any),
    known("row_security", "on", Takes::Any),
    known("search_path", "customer", Takes::Any),
    reported("server_encoding", "UTF8", Takes::Nothing),
    reported("server_version", "15.0", Takes::Nothing),
    known("server_version_num", "150000", Takes::Nothing),
    reported("session_authorization", "", Takes::Nothing),
    known("ssl", "off", Takes::Nothing),
    reported("standard_conforming_strings", "on", Takes::Only(&["on", "true", "1", "yes"])),
    known("statement_timeout", "0", Takes::Span),
    known("synchronize_seqscans", "on", Takes::Any),
    reported("TimeZone", "UTC", Takes::Zone),
    known("transaction_deferrable", "off", Takes::Any),
    known("transaction_isolation", "read committed", Takes::Any),
    known("transaction_read_only", "on", Takes::Any),
    known("work_mem", "4MB", Takes::Any),
    known("xmloption", "content", Takes::Any),
];

/// Most parameters that a client makes up.
const OWN_MAX: usize = 100;

/// Longest name of a parameter that a client makes up, in bytes.
const NAME_BYTES_MAX: usize = 127;

/// Longest value of a parameter, in bytes.
const VALUE_BYTES_MAX: usize = 1_024;

fn find(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// Values that were set, for the session or for a transaction.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Those of the start, which a reset goes back to; by names in lower case.
    begun: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
    /// Values to go back to once the transaction is over.
    local: BTreeMap<String, Option<String>>,
    zone: Tz,
}

impl Settings {
    /// The settings of a session that begins with these.
    pub(super) fn new(user: &str, is_encrypted: bool) -> Self {
        let own =
            [("session_authorization", user), ("ssl", if is_encrypted { "on" } else { "off" })];
        let begun = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { begun, set: BTreeMap::new(), local: BTreeMap::new(), zone: Tz::UTC }
    }

    /// The bytes of what was set.
    pub(super) fn bytes(&self) -> usize {
        let set = self.set.iter().map(|(name, value)| name.len() + value.len());
        let local = self.local.iter();
        let local = local.map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        set.chain(local).sum()
    }

    /// Sets a value that a session begins with; what is not known is passed over.
    pub(super) fn begin_with(&mut self, name: &str, value: &str) -> Result<(), PgError> {
        if find(name).is_none_or(|known| known.takes == Takes::Nothing) {
            return Ok(());
        }
        let value = checked(name, value)?;
        self.begun.insert(name.to_lowercase(), value);
        self.settle()
    }

    /// The value of a setting, as it is shown.
    pub(super) fn show(&self, name: &str) -> Result<String, PgError> {
        let key = name.to_lowercase();
        let set = self.set.get(&key).or_else(|| self.begun.get(&key)).cloned();
        set.or_else(|| find(name).map(|known| known.default.to_owned()))
            .ok_or_else(|| unknown(name))
    }

    /// The name of a setting, as it is shown.
    pub(super) fn shown_name(name: &str) -> String {
        find(name).map_or_else(|| name.to_owned(), |known| known.name.to_owned())
    }

    /// All settings and their values, by names in lower case.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        let defaults =
            ALL.iter().map(|known| (known.name.to_lowercase(), known.default.to_owned()));
        let mut all: BTreeMap<_, _> = defaults.collect();
        all.extend(self.begun.clone());
        all.extend(self.set.clone());
        all
    }

    /// Those that clients are told of, by the names they are shown with.
    pub(super) fn reported(&self) -> Vec<(&'static str, String)> {
        let all = ALL.iter().filter(|known| known.is_reported);
        all.filter_map(|known| Some((known.name, self.show(known.name).ok()?))).collect()
    }

    /// Sets a value, or the one of the start where none is given.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        is_local: bool,
    ) -> Result<(), PgError> {
        let key = name.to_lowercase();
        if find(name).is_some_and(|known| known.takes == Takes::Nothing) {
            return Err(PgError::new("55P02", format!("parameter \"{key}\" cannot be changed")));
        }
        let value = value.map(|value| checked(name, value)).transpose()?;
        let is_own = |name: &str| find(name).is_none();
        let is_more = value.is_some() && is_own(&key) && !self.set.contains_key(&key);
        if is_more && self.set.keys().filter(|name| is_own(name)).count() >= OWN_MAX {
            let text = format!("a connection has {OWN_MAX} parameters of its own at most");
            return Err(PgError::new("54000", text).with_hint("reset those that are not needed"));
        }
        let before = match value {
            Some(value) => self.set.insert(key.clone(), value),
            None => self.set.remove(&key),
        };
        match is_local {
            true => drop(self.local.entry(key).or_insert(before)),
            // What is set for the session stays when the transaction is over.
            false => drop(self.local.remove(&key)),
        }
        self.settle()
    }

    /// Goes back to the values of the start.
    pub(super) fn reset_all(&mut self) -> Result<(), PgError> {
        self.set.clear();
        self.local.clear();
        self.settle()
    }

    /// Takes back what was set for the transaction only.
    pub(super) fn end_transaction(&mut self) -> Result<(), PgError> {
        for (name, before) in std::mem::take(&mut self.local) {
            match before {
                Some(value) => drop(self.set.insert(name, value)),
                None => drop(self.set.remove(&name)),
            }
        }
        self.settle()
    }

    /// The zone that instants are shown in.
    pub(super) const fn zone(&self) -> Tz {
        self.zone
    }

    /// How long a statement may take, if the client set it.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        let text = self.show("statement_timeout").ok()?;
        span(&text).filter(|span| !span.is_zero())
    }

    fn settle(&mut self) -> Result<(), PgError> {
        self.zone = zone(&self.show("TimeZone")?)?;
        Ok(())
    }
}

fn unknown(name: &str) -> PgError {
    // A name could hold anything; only what looks like one is repeated.
    let plain =
        name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
    let name = if plain { name } else { "?" };
    PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

/// A value in the form in which it is kept.
fn checked(name: &str, value: &str) -> Result<String, PgError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(PgError::new("22023", "the value of a parameter is too long"));
    }
    let Some(known) = find(name) else {
        // Names with a dot are the client's own.
        let is_own = name.contains('.') && name.len() <= NAME_BYTES_MAX;
        return if is_own { Ok(value.to_owned()) } else { Err(unknown(name)) };
    };
    match known.takes {
        Takes::Only(values) if values.contains(&plain(value).as_str()) => {
            Ok(known.default.to_owned())
        }
        Takes::Only(_) => Err(PgError::unsupported(format!(
            "parameter \"{}\" takes no other value than \"{}\"",
            known.name, known.default
        ))),
        Takes::Zone => zone(value).map(|zone| zone.name().to_owned()),
        Takes::Span => match span(value) {
            Some(_) => Ok(value.to_owned()),
            None => Err(invalid(known.name)),
        },
        Takes::Any | Takes::Nothing => Ok(value.to_owned()),
    }
}

/// The letters and digits of a value, as PostgreSQL compares names of encodings.
fn plain(value: &str) -> String {
    value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

fn invalid(name: &str) -> PgError {
    PgError::new("22023", format!("invalid value for parameter \"{name}\""))
}

/// A zone by its name, in any case.
fn zone(name: &str) -> Result<Tz, PgError> {
    let name = match name.to_lowercase().as_str() {
        "utc" | "gmt" | "z" | "zulu" | "etc/utc" | "default" | "local" | "0" => "UTC",
        _ => name,
    };
    Tz::from_str_insensitive(name).map_err(|_| invalid("TimeZone"))
}

/// A span: milliseconds, or a number with a unit.
fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("ana", false)
    }

    #[test]
    fn what_is_set_for_a_transaction_ends_with_it() {
        let mut settings = settings();
        settings.set("timezone", Some("Asia/Shanghai"), false).unwrap();
        settings.set("TimeZone", Some("Europe/Berlin"), true).unwrap();
        settings.set("TIMEZONE", Some("utc"), true).unwrap();
        assert_eq!(settings.zone(), Tz::UTC);
        settings.end_transaction().unwrap();
        assert_eq!(settings.zone(), Tz::Asia__Shanghai);
        settings.set("TimeZone", None, false).unwrap();
        assert_eq!(settings.show("timezone").unwrap(), "UTC");
    }

    #[test]
    fn values_that_would_change_the_form_of_answers_are_refused() {
        let mut settings = settings();
        for (name, value, code) in [
            ("bytea_output", "escape", "0A000"),
            ("client_encoding", "LATIN1", "0A000"),
            ("datestyle", "German", "0A000"),
            ("timezone", "Moon/Sea", "22023"),
            ("statement_timeout", "soon", "22023"),
            ("server_version", "9", "55P02"),
            ("no_such", "1", "42704"),
        ] {
            assert_eq!(settings.set(name, Some(value), false).unwrap_err().code, code, "{name}");
        }
        settings.set("client_encoding", Some("unicode"), false).unwrap();
        assert_eq!(settings.show("client_encoding").unwrap(), "UTF8");
        settings.set("my.own", Some("x"), false).unwrap();
        assert_eq!(settings.show("my.own").unwrap(), "x");
        settings.set("statement_timeout", Some("2s"), false).unwrap();
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        assert_eq!(settings.set("my.own", Some(&long), false).unwrap_err().code, "22023");
        for number in 1..OWN_MAX {
            settings.set(&format!("my.own{number}"), Some("x"), false).unwrap();
        }
        settings.set("my.own1", Some("y"), false).unwrap();
        assert_eq!(settings.set("my.more", Some("x"), false).unwrap_err().code, "54000");
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
    }
}
