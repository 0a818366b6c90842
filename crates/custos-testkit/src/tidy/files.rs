//! Rules about whole files.

use super::Finding;
use super::exceptions::{Exception, except};
use crate::Sources;

/// Lines of a Rust file above which a second noun has moved in.
const LINES_MAX: usize = 800;

/// Files that may be longer.
const LONG_FILES: &[Exception] = &[];

/// Every Rust file says first what it is about.
pub fn module_docs(sources: &Sources) -> Vec<Finding> {
    sources
        .rust()
        .filter(|file| !is_test_module(&file.path) && !file.text.starts_with("//! "))
        .map(|file| Finding::new(&file.path, 1, "does not start with a `//!` line"))
        .collect()
}

/// Tests beside the code that they test, whose module says all there is to say.
fn is_test_module(path: &str) -> bool {
    path.contains("/src/") && (path.ends_with("/tests.rs") || path.contains("/tests/"))
}

/// Modules with children are `name.rs` beside `name/`.
pub fn no_mod_rs(sources: &Sources) -> Vec<Finding> {
    sources
        .rust()
        .filter(|file| file.name() == "mod.rs")
        .map(|file| Finding::new(&file.path, 1, "is named mod.rs: name it after its folder"))
        .collect()
}

/// No Rust file is longer than 800 lines.
pub fn file_lengths(sources: &Sources) -> Vec<Finding> {
    let found = sources
        .rust()
        .filter(|file| file.text.lines().count() > LINES_MAX)
        .map(|file| {
            let lines = file.text.lines().count();
            Finding::new(&file.path, lines, format!("has more than {LINES_MAX} lines: split it"))
        })
        .collect();
    except(found, LONG_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::found;

    #[test]
    fn a_file_without_module_doc_is_found() {
        let problem = "1: does not start with a `//!` line";
        assert_eq!(found(module_docs, "a.rs", "fn main() {}\n"), [problem]);
        assert_eq!(found(module_docs, "a.rs", "//! Says it.\n"), [""; 0]);
        assert_eq!(found(module_docs, "a.toml", "[package]\n"), [""; 0]);
    }

    #[test]
    fn a_mod_rs_is_found() {
        assert_eq!(found(no_mod_rs, "a/mod.rs", "").len(), 1);
        assert_eq!(found(no_mod_rs, "a/model.rs", ""), [""; 0]);
    }

    #[test]
    fn a_file_of_801_lines_is_found() {
        assert_eq!(found(file_lengths, "a.rs", &"\n".repeat(800)), [""; 0]);
        assert_eq!(found(file_lengths, "a.rs", &"\n".repeat(801)).len(), 1);
    }
}
