//! What rules let pass, and why.

use super::Finding;

/// A file that a rule lets pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exception {
    /// Where it lies, from the workspace root.
    pub(crate) path: &'static str,
    /// Why the rule does not fit it, for whoever reads the list.
    pub(crate) reason: &'static str,
}

/// Findings of a rule, without those that are excepted; exceptions that excuse nothing are
/// findings.
pub(crate) fn except(found: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let idle: Vec<Finding> = exceptions
        .iter()
        .filter(|exception| !found.iter().any(|finding| finding.path == exception.path))
        .map(|exception| {
            let problem = format!("is excepted without need (listed because {})", exception.reason);
            Finding::new(exception.path, 1, problem)
        })
        .collect();
    found
        .into_iter()
        .filter(|finding| !exceptions.iter().any(|exception| exception.path == finding.path))
        .chain(idle)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_excuse_their_file_and_nothing_else() {
        let found = vec![Finding::new("a.rs", 1, "x"), Finding::new("b.rs", 2, "y")];
        let exceptions =
            [Exception { path: "a.rs", reason: "r" }, Exception { path: "c.rs", reason: "it was" }];
        let left = except(found, &exceptions);
        assert_eq!(left.len(), 2);
        assert_eq!(left[0], Finding::new("b.rs", 2, "y"));
        let idle = "c.rs:1: is excepted without need (listed because it was)";
        assert_eq!(left[1].to_string(), idle);
    }
}
