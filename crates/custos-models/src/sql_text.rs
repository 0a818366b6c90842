//! What can be said about a statement without parsing it.
//!
//! The engine parses every statement again and is the one to refuse it. What is found here is told
//! earlier, with the line, and together with everything else that is wrong.

use crate::problem::{Reporter, line_of};

/// Schemas whose tables are to be named by functions.
const SCHEMAS: [(&str, &str); 3] = [("customer", "ref"), ("landing", "source"), ("vault", "vault")];

/// A piece of SQL outside of comments and literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'t> {
    offset: usize,
    text: &'t str,
}

impl Token<'_> {
    fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// Reports unless `template` is one SELECT that names its tables by functions.
///
/// `first_line` is the line of the file that the template begins at.
pub(crate) fn check(template: &str, first_line: u32, reporter: &mut Reporter<'_>) {
    let sql = without_template_tags(template);
    let tokens = tokens(&sql);
    let line = |offset: usize| first_line.saturating_add(line_of(&sql, offset) - 1);
    match tokens.iter().find(|token| !token.is("(")) {
        Some(first) if first.is("select") || first.is("with") => {}
        Some(first) => {
            reporter.report(
                line(first.offset),
                "not a SELECT",
                "write one SELECT, or WITH and one",
            );
        }
        None => reporter.report(first_line, "there is no SELECT", "write one SELECT"),
    }
    let before_last = tokens.iter().rev().skip(1);
    if let Some(semicolon) = before_last.rev().find(|token| token.is(";")) {
        let remedy = "write one SELECT, and no more";
        reporter.report(line(semicolon.offset), "something follows after a `;`", remedy);
    }
    for (at, schema, function) in named_directly(&tokens) {
        reporter.report(
            line(at),
            format!("a table of the schema `{schema}` is named directly"),
            format!("name it by `{{{{ {function}('...') }}}}`"),
        );
    }
}

/// Tables after FROM or JOIN that are written with a schema of ours.
fn named_directly(tokens: &[Token<'_>]) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        let [before, schema, dot] = window else {
            continue;
        };
        if !(before.is("from") || before.is("join")) || !dot.is(".") {
            continue;
        }
        let ours = SCHEMAS.iter().find(|(name, _)| schema.text.trim_matches('"') == *name);
        found.extend(ours.map(|(name, function)| (schema.offset, *name, *function)));
    }
    found
}

/// The text with template tags blanked, so that all else stays where it is.
fn without_template_tags(template: &str) -> String {
    let mut sql = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) =
        rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min()
    {
        let (before, tag) = rest.split_at(start);
        let close = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => "#}",
        };
        let end = tag.find(close).map_or(tag.len(), |end| end + close.len());
        let (tag, after) = tag.split_at(end);
        sql.push_str(before);
        sql.extend(tag.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    sql.push_str(rest);
    sql
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some(rest) = sql.get(offset..).filter(|rest| !rest.is_empty()) {
        let (length, is_token) = piece(rest);
        if is_token && let Some(text) = rest.get(..length) {
            tokens.push(Token { offset, text });
        }
        offset += length;
    }
    tokens
}

/// The length in bytes of what `sql` begins with, and whether it is a token.
fn piece(sql: &str) -> (usize, bool) {
    let Some(first) = sql.chars().next() else {
        return (0, false);
    };
    let until = |end: Option<usize>| end.unwrap_or(sql.len());
    match first {
        _ if sql.starts_with("--") => (until(sql.find('\n')), false),
        _ if sql.starts_with("/*") => (block_comment(sql), false),
        '\'' => (quoted(sql, '\''), false),
        '"' => (quoted(sql, '"'), true),
        _ if first.is_whitespace() => (first.len_utf8(), false),
        _ if is_of_word(first) => (until(sql.find(|c| !is_of_word(c))), true),
        _ => (first.len_utf8(), true),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a text in quotes; a doubled quote stands for one and does not end it.
fn quoted(sql: &str, quote: char) -> usize {
    let mut characters = sql.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    sql.len()
}

/// The length of a comment that may hold others.
fn block_comment(sql: &str) -> usize {
    let mut depth = 0_usize;
    let mut offset = 0;
    while let Some(rest) = sql.get(offset..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            offset += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            offset += 2;
            if depth == 0 {
                return offset;
            }
        } else {
            offset += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::lines;

    fn problems(template: &str) -> Vec<crate::Problem> {
        let mut problems = Vec::new();
        check(template, 10, &mut Reporter { file: "m.sql", problems: &mut problems });
        problems
    }

    #[track_caller]
    fn check_problems(template: &str, expected: &Expect) {
        expected.assert_eq(&lines(&problems(template)));
    }

    #[test]
    fn one_select_passes_whatever_its_comments_and_literals_hold() {
        for sql in [
            "select 1",
            "select 1; -- and no more",
            "(select 1) union (select 2)",
            "-- first; then\nWITH a as (select ';' as x) select x from a /* ; /* ; */ ; */",
            "select 'it''s; fine' as \"a;b\"",
            "{# it's; a comment #}{% if x %}select{% else %}select{% endif %} 1",
            "select customer.name from {{ ref('profiles') }} as customer",
            "select extract(year from vault) from {{ ref('a') }}",
        ] {
            assert_eq!(problems(sql), [], "{sql}");
        }
    }

    #[test]
    fn anything_else_than_one_select_is_reported() {
        check_problems(
            "\ninsert into t values (1)",
            &expect![[r#"m.sql:11: not a SELECT (write one SELECT, or WITH and one)"#]],
        );
        check_problems(
            "-- nothing\n",
            &expect![[r#"m.sql:10: there is no SELECT (write one SELECT)"#]],
        );
        check_problems(
            "select 1;\nselect 2;",
            &expect![[
                r#"m.sql:10: something follows after a `;` (write one SELECT, and no more)"#
            ]],
        );
    }

    #[test]
    fn tables_named_past_the_functions_are_reported() {
        check_problems(
            "select *\nfrom landing.pos_orders o\njoin \"vault\".identifiers i on true\n, customer.x",
            &expect![[r#"
                m.sql:11: a table of the schema `landing` is named directly (name it by `{{ source('...') }}`)
                m.sql:12: a table of the schema `vault` is named directly (name it by `{{ vault('...') }}`)"#]],
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_check(text in r#"[-a-z'"/*;{}%#é\n. ]{0,60}"#) {
            problems(&text);
        }

        #[test]
        fn tokens_lie_within_the_text_in_order(text in r#"[-a-z'"/*;é\n. ]{0,60}"#) {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.offset >= end);
                end = token.offset + token.text.len();
                prop_assert_eq!(text.get(token.offset..end), Some(token.text));
            }
        }
    }
}
