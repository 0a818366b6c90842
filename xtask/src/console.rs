//! The only place of these tasks that prints.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tasks talk to the developer who started them"
)]

/// Prints a line of the answer.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints a line about what went wrong.
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}
