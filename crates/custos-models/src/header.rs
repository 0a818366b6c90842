//! The header of a model's file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::problem::{Reporter, line_of};

/// What a header says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    #[serde(default)]
    materialized: Option<Spanned<Materialized>>,
    description: Spanned<String>,
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, Column>,
    #[serde(default)]
    pub(crate) tests: Vec<CustomTest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Materialized {
    View,
    Table,
}

/// What a header says about a column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) data_tests: Vec<ColumnTest>,
}

/// What must hold for a column.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ColumnTest {
    /// No two rows have the same value; nulls do not count.
    Unique,
    /// Every row has a value.
    NotNull,
    /// Each value is one of these; nulls do not count.
    AcceptedValues(Vec<Literal>),
    /// Each value is found elsewhere; nulls do not count.
    Relationships(Relationship),
}

/// A column of another model that values must be found in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relationship {
    pub(crate) to: Spanned<String>,
    pub(crate) field: String,
}

/// A value in YAML that SQL can write, too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// A SELECT that finds the rows for which something does not hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomTest {
    pub(crate) name: String,
    pub(crate) sql: Spanned<String>,
}

impl Header {
    /// The description, on one line if it was folded.
    pub(crate) fn description(&self) -> String {
        self.description.value.trim().to_owned()
    }

    fn check(&self, reporter: &mut Reporter<'_>) {
        if let Some(materialized) = &self.materialized
            && materialized.value == Materialized::Table
        {
            let remedy = "not yet; use `view`";
            reporter.report(line(materialized), "models cannot be materialised as a table", remedy);
        }
        if self.description().is_empty() {
            let remedy = "say what a row of the model is";
            reporter.report(line(&self.description), "the description is empty", remedy);
        }
        for (name, column) in &self.columns {
            for test in &column.data_tests {
                if matches!(test, ColumnTest::AcceptedValues(values) if values.is_empty()) {
                    reporter.report(
                        None,
                        format!("the column `{name}` accepts no value at all"),
                        "list values, or remove the test",
                    );
                }
            }
        }
    }
}

/// The line of a value in its file, from 1.
pub(crate) fn line<T>(value: &Spanned<T>) -> u32 {
    u32::try_from(value.referenced.line()).unwrap_or(u32::MAX)
}

/// A file taken apart.
#[derive(Debug)]
pub(crate) struct Parts<'t> {
    /// The header, unless it is missing or wrong.
    pub(crate) header: Option<Header>,
    /// What follows the header.
    pub(crate) body: &'t str,
    /// The line of the file that the body begins at.
    pub(crate) body_line: u32,
}

/// Takes a file apart and reports what is wrong with its header.
pub(crate) fn read<'t>(text: &'t str, reporter: &mut Reporter<'_>) -> Parts<'t> {
    let Some((yaml, body)) = split(text) else {
        reporter.report(
            1,
            "the header is missing",
            "begin the file with `/* custos`, a line `description: ...` and `*/`",
        );
        return Parts { header: None, body: text, body_line: 1 };
    };
    let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let yaml_line = line_of(text, offset(yaml));
    // In front of the header stand as many lines as in the file, so that YAML counts like the file.
    let padded = format!("{}{yaml}", "\n".repeat(yaml_line as usize - 1));
    let header = parse(&padded, yaml_line, reporter);
    Parts { header, body, body_line: line_of(text, offset(body)) }
}

/// The YAML of the header and what follows it.
fn split(text: &str) -> Option<(&str, &str)> {
    let comment = text.trim_start_matches('\u{feff}').trim_start().strip_prefix("/*")?;
    let rest = comment.trim_start_matches([' ', '\t']).strip_prefix("custos")?;
    let (yaml, body) = rest.split_once("*/")?;
    let (name_line, yaml) = yaml.split_once('\n')?;
    name_line.trim().is_empty().then_some((yaml, body))
}

fn parse(yaml: &str, yaml_line: u32, reporter: &mut Reporter<'_>) -> Option<Header> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Header>(yaml, options) {
        Ok(header) => {
            header.check(reporter);
            Some(header)
        }
        Err(error) => {
            let line = error.location().and_then(|at| u32::try_from(at.line()).ok());
            let message = error.to_string();
            let message = without_place(&message);
            reporter.report(
                line.unwrap_or(yaml_line).max(yaml_line),
                format!("the header is wrong: {message}"),
                "correct it; a header has `description` and may have `materialized`, `columns` and `tests`",
            );
            None
        }
    }
}

/// The parser's message without the place, which is told apart, and without advice to programmers.
fn without_place(message: &str) -> &str {
    let message = message.split_once(", set ").map_or(message, |(message, _)| message);
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::testing::lines;

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let mut problems = Vec::new();
        read(text, &mut Reporter { file: "m.sql", problems: &mut problems });
        expected.assert_eq(&lines(&problems));
    }

    #[test]
    fn a_full_header_is_read() {
        let text = "\n/* custos\r\nmaterialized: view # view | table\ndescription: >-\n  One\n  row.\n\
                    columns: {a: {description: An a., data_tests: [unique, not_null]}, b: {data_tests: \
                    [{accepted_values: [x, 'y', 1, 1.5, true]}, {relationships: {to: t, field: f}}]}}\n\
                    tests:\n  - {name: none, sql: select 1}\n*/\nselect 1";
        let mut problems = Vec::new();
        let parts = read(text, &mut Reporter { file: "m.sql", problems: &mut problems });
        assert_eq!(problems, []);
        assert_eq!((parts.body, parts.body_line), ("\nselect 1", 10));
        let header = parts.header.unwrap();
        assert_eq!(header.description(), "One row.");
        assert_eq!(header.columns["a"].description.as_deref(), Some("An a."));
        assert_eq!(line(&header.tests[0].sql), 9);
        let ColumnTest::AcceptedValues(values) = &header.columns["b"].data_tests[0] else {
            panic!("another test");
        };
        assert!(matches!(
            values[..],
            [
                Literal::Text(_),
                Literal::Text(_),
                Literal::Integer(1),
                Literal::Number(_),
                Literal::Flag(true)
            ]
        ));
    }

    #[test]
    fn wrong_headers_are_reported_where_they_are_wrong() {
        check(
            "select 1",
            &expect![[
                r#"m.sql:1: the header is missing (begin the file with `/* custos`, a line `description: ...` and `*/`)"#
            ]],
        );
        check(
            "/* custos */ select 1",
            &expect![[
                r#"m.sql:1: the header is missing (begin the file with `/* custos`, a line `description: ...` and `*/`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\nselect 1",
            &expect![[
                r#"m.sql:1: the header is missing (begin the file with `/* custos`, a line `description: ...` and `*/`)"#
            ]],
        );
        check(
            "/* custos\nmaterialized: view\n*/",
            &expect![[
                r#"m.sql:2: the header is wrong: missing field `description` (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\nmaterialised: view\n*/",
            &expect![[
                r#"m.sql:3: the header is wrong: unknown field `materialised`, expected one of materialized, description, columns, tests (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "\n\n/* custos\ndescription: x\nmaterialized: heap\n*/",
            &expect![[
                r#"m.sql:5: the header is wrong: unknown variant `heap`, expected one of view, table (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\nmaterialized: table\n*/",
            &expect![[
                r#"m.sql:3: models cannot be materialised as a table (not yet; use `view`)"#
            ]],
        );
        check(
            "/* custos\ndescription: ' '\n*/",
            &expect![[r#"m.sql:2: the description is empty (say what a row of the model is)"#]],
        );
        check(
            "/* custos\ndescription: [x\n*/",
            &expect![[
                r#"m.sql:2: the header is wrong: expected string scalar (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\ncolumns:\n  a: {data_tests: [uniq]}\n*/",
            &expect![[
                r#"m.sql:4: the header is wrong: unknown variant `uniq`, expected one of unique, not_null, accepted_values, relationships (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\ncolumns: {a: {data_tests: [{accepted_values: []}]}}\n*/",
            &expect![[
                r#"m.sql: the column `a` accepts no value at all (list values, or remove the test)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\ncolumns: {a: {}}\ncolumns: {b: {}}\n*/",
            &expect![[
                r#"m.sql:4: the header is wrong: duplicate mapping key: columns (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
        check(
            "/* custos\ndescription: x\ncolumns:\n  a:\n    data_tests: [{relationships: {to: b}}]\n*/",
            &expect![[
                r#"m.sql:5: the header is wrong: missing field `field` (correct it; a header has `description` and may have `materialized`, `columns` and `tests`)"#
            ]],
        );
    }
}
