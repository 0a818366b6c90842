//! Rules that neither the compiler nor clippy knows; `cargo xtask tidy` runs them all at once.

use custos_testkit::tidy::{self, Finding};
use custos_testkit::{Sources, Workspace, workspace_root};

#[track_caller]
fn assert_tidy(found: &[Finding]) {
    let found: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[track_caller]
fn check(rule: fn(&Sources) -> Vec<Finding>) {
    let sources = Sources::read(&workspace_root()).unwrap();
    assert!(sources.rust().count() > 50, "the sources were not found");
    assert_tidy(&rule(&sources));
}

#[test]
fn every_file_says_first_what_it_is_about() {
    check(tidy::module_docs);
}

#[test]
fn no_module_is_named_mod_rs() {
    check(tidy::no_mod_rs);
}

#[test]
fn no_file_is_too_long() {
    check(tidy::file_lengths);
}

#[test]
fn nothing_is_marked_as_unfinished() {
    check(tidy::markers);
}

#[test]
fn no_lint_is_allowed_and_no_test_is_ignored() {
    check(tidy::lint_escapes);
}

#[test]
fn no_path_of_a_developers_machine_is_named() {
    check(tidy::machine_paths);
}

#[test]
fn log_messages_are_lower_case() {
    check(tidy::log_messages);
}

#[test]
fn every_policy_has_tests_beside_it() {
    check(tidy::policy_tests);
}

#[test]
fn the_crate_table_of_the_readme_is_current() {
    let sources = Sources::read(&workspace_root()).unwrap();
    assert_tidy(&tidy::crate_table(&sources, &Workspace::load().unwrap()));
}
