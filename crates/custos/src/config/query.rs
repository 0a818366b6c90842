//! The section `[query]`: what statements may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use custos_query::Limits;
use serde::Deserialize;

/// The variables of the environment that replace settings of this section.
pub(super) const VARIABLES: [&str; 13] = [
    "CUSTOS_QUERY_SPILL",
    "CUSTOS_QUERY_SPILL_SPACE",
    "CUSTOS_QUERY_MEMORY",
    "CUSTOS_QUERY_PRINCIPAL_SPILL",
    "CUSTOS_QUERY_PRINCIPAL_MEMORY",
    "CUSTOS_QUERY_PRINCIPAL_STATEMENTS",
    "CUSTOS_QUERY_PRINCIPAL_STATEMENTS_PER_MINUTE",
    "CUSTOS_QUERY_STATEMENT_SPILL",
    "CUSTOS_QUERY_STATEMENT_MEMORY",
    "CUSTOS_QUERY_STATEMENT_SECONDS",
    "CUSTOS_QUERY_ANSWER_ROWS",
    "CUSTOS_QUERY_ANSWER",
    "CUSTOS_QUERY_KEPT_ANSWERS",
];

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawQuery {
    spill: Option<PathBuf>,
    spill_space: Option<Amount>,
    memory: Option<Amount>,
    principal_spill: Option<Amount>,
    principal_memory: Option<Amount>,
    principal_statements: Option<Amount>,
    principal_statements_per_minute: Option<Amount>,
    statement_spill: Option<Amount>,
    statement_memory: Option<Amount>,
    statement_seconds: Option<Amount>,
    answer_rows: Option<Amount>,
    answer: Option<Amount>,
    kept_answers: Option<Amount>,
}

/// A number, or a number of bytes with its unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(i64),
    Text(String),
}

impl RawQuery {
    /// Resolves the section in a folder; what is wrong is added to `problems`.
    pub(super) fn resolve(
        self,
        folder: &Path,
        environment: &BTreeMap<String, String>,
        problems: &mut Vec<String>,
    ) -> Limits {
        let spill = environment.get("CUSTOS_QUERY_SPILL").map(PathBuf::from).or(self.spill);
        let spill = spill.map_or_else(std::env::temp_dir, |spill| folder.join(spill));
        let mut limits = Limits::with_spill_in(spill);
        let mut seconds = limits.statement_time.as_secs();
        let mut statements = limits.principal_statements as u64;
        let mut per_minute = 0;
        let settings = [
            ("spill_space", self.spill_space, bytes as Parse, &mut limits.spill_bytes),
            ("memory", self.memory, bytes, &mut limits.memory_bytes),
            ("principal_spill", self.principal_spill, bytes, &mut limits.principal_spill_bytes),
            ("principal_memory", self.principal_memory, bytes, &mut limits.principal_memory_bytes),
            ("principal_statements", self.principal_statements, number, &mut statements),
            (
                "principal_statements_per_minute",
                self.principal_statements_per_minute,
                number,
                &mut per_minute,
            ),
            ("statement_spill", self.statement_spill, bytes, &mut limits.statement_spill_bytes),
            ("statement_memory", self.statement_memory, bytes, &mut limits.statement_memory_bytes),
            ("statement_seconds", self.statement_seconds, number, &mut seconds),
            ("answer_rows", self.answer_rows, number, &mut limits.answer_rows),
            ("answer", self.answer, bytes, &mut limits.answer_bytes),
            ("kept_answers", self.kept_answers, bytes, &mut limits.kept_answers_bytes),
        ];
        for (name, written, parse, limit) in settings {
            let variable = format!("CUSTOS_QUERY_{}", name.to_uppercase());
            let text = environment.get(&variable).cloned().or(written.map(|amount| match amount {
                Amount::Number(number) => number.to_string(),
                Amount::Text(text) => text,
            }));
            let Some(text) = text else {
                continue;
            };
            match parse(&text) {
                Ok(value) => *limit = value,
                Err(example) => {
                    problems.push(format!("query.{name}: `{text}` is not {example}"));
                }
            }
        }
        limits.statement_time = Duration::from_secs(seconds);
        limits.principal_statements = usize::try_from(statements).unwrap_or(usize::MAX);
        let per_minute = (per_minute > 0).then_some(per_minute);
        limits.principal_statements_per_minute =
            per_minute.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        limits
    }
}

/// Reads an amount above 0, or says what one looks like.
type Parse = fn(&str) -> Result<u64, &'static str>;

fn number(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("a whole number above 0")
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, 1));
    let number = number.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.filter(|bytes| *bytes > 0).ok_or("a size such as `512MiB`")
}
