//! Shared by this crate's tests.

use crate::{ModelFiles, Models, Problem, Sources};

/// The problems, one a line.
pub(crate) fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The sources `pos_orders` with two columns and `web_events` with one.
pub(crate) fn sources() -> Sources {
    let columns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    [
        ("pos_orders".parse().unwrap(), columns(&["order_id", "amount"])),
        ("web_events".parse().unwrap(), columns(&["event"])),
    ]
    .into_iter()
    .collect()
}

/// A file with a description and this SELECT, which begins at line 4.
pub(crate) fn file(sql: &str) -> String {
    format!("/* custos\ndescription: A model.\n*/\n{sql}")
}

/// Loads one set of files.
pub(crate) fn load(files: &[(&str, &str)]) -> Result<Models, Vec<Problem>> {
    Models::load(&[ModelFiles::from_pairs(files.iter().copied())], &sources())
}
