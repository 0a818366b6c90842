//! Rules about words that may not stand anywhere.
//!
//! The words are put together from halves here, so that this file does not find itself.

use super::Finding;
use crate::{SourceFile, Sources};

/// Marks of unfinished work.
const MARKERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("HA", "CK"), concat!("XX", "X:")];

/// Attributes that switch off what everybody else obeys, and the remedy.
const LINT_ESCAPES: [(&str, &str); 3] = [
    (concat!("#[", "allow("), "use `#[expect(.., reason = \"..\")]`"),
    (concat!("#![", "allow("), "use `#![expect(.., reason = \"..\")]`"),
    (concat!("#[", "ignore"), "a test that is not run is not a test: run it or remove it"),
];

/// Where developers keep things on their own machines.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// No file holds marks of unfinished work.
pub fn markers(sources: &Sources) -> Vec<Finding> {
    lines(sources.files(), |line| {
        let marker = MARKERS.into_iter().find(|marker| has_word(line, marker))?;
        Some(format!("`{marker}` marks unfinished work: finish it, or leave it out"))
    })
}

/// No Rust file allows a lint or ignores a test.
pub fn lint_escapes(sources: &Sources) -> Vec<Finding> {
    lines(sources.rust(), |line| {
        let (escape, remedy) =
            LINT_ESCAPES.into_iter().find(|(escape, _)| line.contains(escape))?;
        Some(format!("`{escape}`: {remedy}"))
    })
}

/// No file names a folder of a developer's machine.
pub fn machine_paths(sources: &Sources) -> Vec<Finding> {
    lines(sources.files(), |line| {
        let path = MACHINE_PATHS.into_iter().find(|path| has_absolute(line, path))?;
        Some(format!("`{path}` exists on some machine only"))
    })
}

/// What `check` says about each line of each file.
fn lines<'a>(
    files: impl Iterator<Item = &'a SourceFile>,
    check: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(problem) = check(line) {
                found.push(Finding::new(&file.path, index + 1, problem));
            }
        }
    }
    found
}

/// Whether `word` stands in `line` and is not part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(in_word) && !line[at + word.len()..].starts_with(in_word)
    })
}

/// Whether `path` stands in `line` as the beginning of a path, not in the middle of one.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-})*".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::found;

    #[test]
    fn markers_are_found_as_whole_words() {
        let marker = concat!("TO", "DO");
        let text = format!("fine\n-- {marker}: later\nMAS{marker}S\nxx{marker}\n");
        let problem = format!("2: `{marker}` marks unfinished work: finish it, or leave it out");
        assert_eq!(found(markers, "a.sql", &text), [problem]);
    }

    #[test]
    fn allowed_lints_and_ignored_tests_are_found() {
        let text =
            format!("{}dead_code)]\n{}]\n#[expect(x)]\n", LINT_ESCAPES[0].0, LINT_ESCAPES[2].0);
        let found = found(lint_escapes, "a.rs", &text);
        assert_eq!(found.len(), 2);
        assert!(found[1].starts_with("2: "));
    }

    #[test]
    fn paths_of_a_machine_are_found_but_not_parts_of_other_paths() {
        let home = concat!("/ho", "me/");
        let problem = |line| format!("{line}: `{home}` exists on some machine only");
        let text = format!("a = {home}x\nfile://{home}x\nhttps://example.test{home}x\na{home}\n");
        assert_eq!(found(machine_paths, "a.md", &text), [problem(1), problem(2)]);
    }
}
