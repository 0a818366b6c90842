//! Patterns of times as PostgreSQL has them, and as the engine has them.

/// Patterns that follow each other without anything between are told apart by their length: longer
/// ones first. The second is without zeros and blanks before it (`FM`), where there is such.
const PATTERNS: [(&str, &str, Option<&str>); 23] = [
    ("HH24", "%H", Some("%-H")),
    ("HH12", "%I", Some("%-I")),
    ("IYYY", "%G", Some("%G")),
    ("YYYY", "%Y", Some("%Y")),
    ("DDD", "%j", Some("%-j")),
    ("DD", "%d", Some("%-d")),
    ("HH", "%I", Some("%-I")),
    ("ID", "%u", Some("%u")),
    ("IW", "%V", Some("%-V")),
    ("MI", "%M", Some("%-M")),
    ("MM", "%m", Some("%-m")),
    ("MS", "%3f", None),
    ("SS", "%S", Some("%-S")),
    ("US", "%6f", None),
    ("YY", "%y", None),
    ("TZ", "%Z", None),
    ("AM", "%p", None),
    ("PM", "%p", None),
    ("D", "", None),
    ("J", "", None),
    ("Q", "", None),
    ("W", "", None),
    ("Y", "", None),
];

/// Names of months and days. Whole ones are filled up with blanks, but for `FM`; the engine does not
/// fill up.
const NAMES: [(&str, &str, bool); 8] = [
    ("Month", "%B", true),
    ("Mon", "%b", false),
    ("Day", "%A", true),
    ("Dy", "%a", false),
    ("am", "%P", false),
    ("pm", "%P", false),
    ("AM", "%p", false),
    ("PM", "%p", false),
];

/// The pattern in the engine's words; nothing if it has none for all of it
/// ([PostgreSQL, 9.8](https://www.postgresql.org/docs/15/functions-formatting.html)).
pub(crate) fn of_engine(pattern: &str) -> Option<String> {
    let (mut rest, mut out) = (pattern, String::new());
    while let Some(first) = rest.chars().next() {
        let (bare, after) = match rest.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("FM") => (true, &rest[2..]),
            _ => (false, rest),
        };
        let name = NAMES.iter().find(|(name, _, _)| after.starts_with(name));
        if let Some((name, words, is_filled)) = name {
            if *is_filled && !bare {
                return None;
            }
            out.push_str(words);
            rest = &after[name.len()..];
            continue;
        }
        let begins = |name: &str| {
            after.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        if let Some((name, words, without)) = PATTERNS.iter().find(|(name, _, _)| begins(name)) {
            let words = if bare { (*without)? } else { words };
            if words.is_empty() {
                return None;
            }
            out.push_str(words);
            rest = &after[name.len()..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"')?;
            out.push_str(&text.replace('%', "%%"));
            rest = after;
        } else if first.is_ascii_alphabetic() || bare {
            return None;
        } else {
            out.push_str(if first == '%' { "%%" } else { &rest[..first.len_utf8()] });
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_said_in_the_engines_words_or_not_at_all() {
        for (pattern, expected) in [
            ("YYYY-MM-DD HH24:MI:SS", Some("%Y-%m-%d %H:%M:%S")),
            ("YYYY-MM-DD HH24:MI:SS.US", Some("%Y-%m-%d %H:%M:%S.%6f")),
            ("yyyymmdd", Some("%Y%m%d")),
            ("FMDD.FMMM.YYYY", Some("%-d.%-m.%Y")),
            ("IYYY-\"W\"IW", Some("%G-W%V")),
            ("YYYY年MM月DD日", Some("%Y年%m月%d日")),
            ("YYYY\"年\"MM\"月\"", Some("%Y年%m月")),
            ("Mon DD, YYYY HH12:MI am", Some("%b %d, %Y %I:%M %P")),
            ("FMMonth", Some("%B")),
            ("Month", None),
            ("100%", Some("100%%")),
            ("Q", None),
            ("DY", None),
            ("\"open", None),
            ("TH", None),
        ] {
            assert_eq!(of_engine(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
