//! SPDX licence expressions, as packages write them.

/// Whether `expression` can be met by licences that `allowed` accepts.
///
/// `OR` needs one side, `AND` both and binds tighter; `A WITH B` is asked for as a whole. The
/// slash of old manifests means `OR`. What cannot be read is not met.
pub(crate) fn permits(expression: &str, allowed: impl Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed: &allowed };
    reader.any() == Some(true) && reader.words.is_empty()
}

/// Reads from the front of `words`; `None` is an expression that is no expression.
struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any()?;
            return self.take(")").then_some(met);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Some((self.allowed)(&format!("{licence} WITH {exception}")));
        }
        Some((self.allowed)(licence))
    }

    fn name(&mut self) -> Option<&'a str> {
        let (name, rest) = self.words.split_first()?;
        if ["OR", "AND", "WITH", "(", ")"].contains(name) {
            return None;
        }
        self.words = rest;
        Some(name)
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_what_is_allowed() {
        let allowed = |licence: &str| ["MIT", "ISC", "A WITH E"].contains(&licence);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 / Apache-2.0", false),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            ("GPL-3.0 AND MIT OR ISC", true),
            ("GPL-3.0 AND (MIT OR ISC)", false),
            ("ISC AND (GPL-3.0 OR ISC)", true),
            ("A WITH E", true),
            ("MIT WITH E", false),
            ("A", false),
            ("", false),
            ("MIT ISC", false),
            ("(MIT", false),
            ("MIT OR", false),
            ("MIT WITH", false),
        ] {
            assert_eq!(permits(expression, allowed), expected, "{expression}");
        }
    }
}
