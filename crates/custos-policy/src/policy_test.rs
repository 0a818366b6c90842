//! Tests of policies, written beside them as `*.test.yaml`.
//!
//! All files have one form: `version: 1` and `tests`, each with a `name`, what it asks about, and
//! what it expects. `access.test.yaml` expects one word and perhaps a rule; the others expect facts
//! by name.

mod access;
mod facts;

use crate::document::Node;
use crate::files::PolicyFiles;
use crate::policy_set::PolicySet;
use crate::problem::{Problem, Reporter};

/// How one test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// The test file.
    pub file: String,
    /// The line where the test starts.
    pub line: Option<u32>,
    /// What the test says of itself.
    pub name: String,
    /// What was otherwise than expected; none when it passed.
    pub failure: Option<String>,
}

impl TestOutcome {
    /// Whether all was as expected.
    pub const fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

impl From<Problem> for TestOutcome {
    /// A test that cannot be read has failed.
    fn from(problem: Problem) -> Self {
        let failure = Some(problem.to_string());
        let name = "the test can be read".to_owned();
        Self { file: problem.file, line: problem.line, name, failure }
    }
}

/// A test that could be read.
struct Ran {
    name: String,
    failure: Option<String>,
}

type Run = fn(&mut Reporter<'_>, &Node, &PolicySet) -> Option<Ran>;

/// What runs the tests of a file; any but these files asks who may do what.
fn runner(file: &str) -> Run {
    match file {
        "purposes.test.yaml" => facts::purposes,
        "categories.test.yaml" => facts::categories,
        "regimes.test.yaml" => facts::regimes,
        "retention.test.yaml" => facts::retention,
        _ => access::run,
    }
}

pub(crate) fn run(policies: &PolicySet, files: &PolicyFiles) -> Vec<TestOutcome> {
    files.tests().flat_map(|(file, text)| run_file(policies, file, text)).collect()
}

fn run_file(policies: &PolicySet, file: &str, text: &str) -> Vec<TestOutcome> {
    let mut problems = Vec::new();
    let mut outcomes = Vec::new();
    let run = runner(file);
    let mut reporter = Reporter { file, problems: &mut problems };
    let root = reporter.parse(text);
    if let Some(section) = root.as_ref().and_then(|root| reporter.file(root, &["tests"])) {
        for node in reporter.required_list(section, "tests") {
            if let Some(Ran { name, failure }) = run(&mut reporter, node, policies) {
                let (file, line) = (file.to_owned(), Some(node.at.line));
                outcomes.push(TestOutcome { file, line, name, failure });
            }
        }
    }
    outcomes.extend(problems.into_iter().map(TestOutcome::from));
    outcomes
}
