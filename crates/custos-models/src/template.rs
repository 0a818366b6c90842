//! From a template to a SELECT, and what it reads.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use custos_core::TableName;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::Sources;
use crate::problem::{Reporter, listed};

/// The tables of the vault that models may read.
const VAULT_TABLES: [&str; 1] = ["identifiers"];

/// What templates can name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) models: BTreeSet<String>,
    pub(crate) sources: Sources,
    /// Whether only models can be named, as in tests, which run as statements of people do.
    pub(crate) published_only: bool,
}

/// A template with its references resolved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    pub(crate) views: Vec<String>,
    pub(crate) tables: Vec<TableName>,
}

/// Resolves a template and reports everything it names that is not there.
///
/// `first_line` is the line of the file that the template begins at.
pub(crate) fn render(
    template: &str,
    first_line: u32,
    scope: &Arc<Scope>,
    reporter: &mut Reporter<'_>,
) -> Option<Rendered> {
    let names = Names { scope: Arc::clone(scope), noted: Arc::default() };
    let environment = names.environment();
    let template = match environment.template_from_named_str("model.sql", template) {
        Ok(template) => template,
        Err(error) => {
            report(&error, first_line, reporter);
            return None;
        }
    };
    loop {
        match template.render(()) {
            Ok(sql) => {
                let noted = names.noted();
                return Some(Rendered {
                    sql: one_statement(&sql).to_owned(),
                    views: noted.views.iter().cloned().collect(),
                    tables: noted.tables.iter().cloned().collect(),
                });
            }
            Err(error) => match names.noted().refused.take() {
                // It is passed over from now on, so the next turn gets past it and finds others.
                Some(Refused { message, remedy }) => {
                    reporter.report(line(&error, first_line), message, remedy);
                }
                None => {
                    report(&error, first_line, reporter);
                    return None;
                }
            },
        }
    }
}

fn one_statement(sql: &str) -> &str {
    let sql = sql.trim();
    sql.strip_suffix(';').unwrap_or(sql).trim_end()
}

fn line(error: &Error, first_line: u32) -> Option<u32> {
    let line = u32::try_from(error.line()?).ok()?;
    Some(first_line.saturating_add(line).saturating_sub(1))
}

fn report(error: &Error, first_line: u32, reporter: &mut Reporter<'_>) {
    let message = match error.detail() {
        Some(detail) => format!("the template does not resolve: {}: {detail}", error.kind()),
        None => format!("the template does not resolve: {}", error.kind()),
    };
    let remedy =
        "templates know ref, source, vault, has_source and column, each with texts in quotes";
    reporter.report(line(error, first_line), message, remedy);
}

/// What a template named so far.
#[derive(Debug, Default)]
struct Noted {
    views: BTreeSet<String>,
    tables: BTreeSet<TableName>,
    refused: Option<Refused>,
    passed_over: BTreeSet<String>,
}

/// A name that is not there.
#[derive(Debug)]
struct Refused {
    message: String,
    remedy: String,
}

/// The functions of templates.
#[derive(Debug, Clone)]
struct Names {
    scope: Arc<Scope>,
    noted: Arc<Mutex<Noted>>,
}

impl Names {
    fn environment(&self) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let names = self.clone();
        environment.add_function("ref", move |name: String| names.model(name));
        let names = self.clone();
        environment.add_function("source", move |id: String| names.source(&id));
        let names = self.clone();
        environment.add_function("vault", move |table: String| names.vault(&table));
        let names = self.clone();
        environment
            .add_function("has_source", move |id: String| names.scope.sources.get(&id).is_some());
        let names = self.clone();
        environment.add_function("column", move |id: String, column: String, kind: String| {
            names.column(&id, &column, &kind)
        });
        environment
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn model(&self, name: String) -> Result<String, Error> {
        if !self.scope.models.contains(&name) {
            let known = listed(self.scope.models.iter().map(String::as_str));
            let remedy = format!("use one of {known}");
            return self.refuse(format!("there is no model `{name}`"), remedy);
        }
        let table = format!("customer.{name}");
        self.noted().views.insert(name);
        Ok(table)
    }

    fn source(&self, id: &str) -> Result<String, Error> {
        if self.scope.published_only {
            return self.unpublished(&format!("source('{id}')"));
        }
        match self.scope.sources.get(id) {
            Some((id, _)) => self.table(id.landing_table()),
            None => self.unknown_source(id),
        }
    }

    fn vault(&self, name: &str) -> Result<String, Error> {
        if self.scope.published_only {
            return self.unpublished(&format!("vault('{name}')"));
        }
        match format!("vault.{name}").parse() {
            Ok(table) if VAULT_TABLES.contains(&name) => self.table(table),
            _ => {
                let remedy = format!("use {}", listed(VAULT_TABLES));
                self.refuse(format!("there is no table `{name}` in the vault"), remedy)
            }
        }
    }

    fn column(&self, id: &str, column: &str, kind: &str) -> Result<String, Error> {
        match self.scope.sources.get(id) {
            Some((_, columns)) if columns.iter().any(|known| known == column) => {
                Ok(column.to_owned())
            }
            Some(_) => Ok(format!("cast(null as {kind})")),
            None => self.unknown_source(id),
        }
    }

    fn table(&self, table: TableName) -> Result<String, Error> {
        let name = table.to_string();
        self.noted().tables.insert(table);
        Ok(name)
    }

    fn unknown_source(&self, id: &str) -> Result<String, Error> {
        let known = listed(self.scope.sources.ids().map(custos_core::SourceId::as_str));
        let remedy = format!("use one of {known}, or ask `has_source('{id}')` first");
        self.refuse(format!("there is no source `{id}`"), remedy)
    }

    fn unpublished(&self, call: &str) -> Result<String, Error> {
        let remedy = "publish what it needs by a model and name that by `ref`";
        self.refuse(format!("a test may not use `{call}`"), remedy)
    }

    /// Ends the rendering to learn the line, the first time that the same is wrong.
    fn refuse(&self, message: String, remedy: impl Into<String>) -> Result<String, Error> {
        let mut noted = self.noted();
        if !noted.passed_over.insert(message.clone()) {
            return Ok(String::new());
        }
        noted.refused = Some(Refused { message, remedy: remedy.into() });
        Err(Error::from(ErrorKind::InvalidOperation))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::testing::{lines, sources};

    fn rendered(template: &str, published_only: bool) -> (Option<Rendered>, String) {
        let models = ["customers", "orders"].map(str::to_owned).into();
        let scope = Arc::new(Scope { models, sources: sources(), published_only });
        let mut problems = Vec::new();
        let mut reporter = Reporter { file: "m.sql", problems: &mut problems };
        let rendered = render(template, 10, &scope, &mut reporter);
        (rendered, lines(&problems))
    }

    #[test]
    fn references_are_resolved_and_noted_in_order() {
        let (rendered, problems) = rendered(
            "\nselect {{ column('pos_orders', 'amount', 'int') }}, {{ column('pos_orders', 'tip', 'decimal(9, 2)') }}\n\
             from {{ source('pos_orders') }} join {{ ref('orders') }} join {{ ref('customers') }}\n\
             join {{ ref('orders') }} join {{ vault('identifiers') }};\n",
            false,
        );
        assert_eq!(problems, "");
        assert_eq!(
            rendered,
            Some(Rendered {
                sql: "select amount, cast(null as decimal(9, 2))\nfrom landing.pos_orders join customer.orders \
                      join customer.customers\njoin customer.orders join vault.identifiers"
                    .to_owned(),
                views: vec!["customers".to_owned(), "orders".to_owned()],
                tables: vec![
                    "landing.pos_orders".parse().unwrap(),
                    "vault.identifiers".parse().unwrap()
                ],
            })
        );
    }

    #[test]
    fn a_source_that_is_not_there_can_be_left_out() {
        let template = "{% if has_source('shop') %}{{ source('shop') }}{% else %}{{ source('web_events') }}{% endif %}";
        let (rendered, problems) = rendered(template, false);
        assert_eq!(problems, "");
        assert_eq!(rendered.unwrap().sql, "landing.web_events");
    }

    #[track_caller]
    fn check(template: &str, expected: &Expect) {
        expected.assert_eq(&rendered(template, false).1);
    }

    #[test]
    fn everything_that_is_not_there_is_reported_at_once_with_its_line() {
        check(
            "select\n{{ ref('order') }} {{ source('shop') }}\n{{ ref('orders') }}\n\
             {{ ref('order') }} {{ ref('custom' ~ 'er') }}\n{{ vault('index') }}\n{{ column('till', 'a', 'int') }}",
            &expect![[r#"
                m.sql:11: there is no model `order` (use one of `customers`, `orders`)
                m.sql:11: there is no source `shop` (use one of `pos_orders`, `web_events`, or ask `has_source('shop')` first)
                m.sql:13: there is no model `customer` (use one of `customers`, `orders`)
                m.sql:14: there is no table `index` in the vault (use `identifiers`)
                m.sql:15: there is no source `till` (use one of `pos_orders`, `web_events`, or ask `has_source('till')` first)"#]],
        );
    }

    #[test]
    fn templates_that_do_not_resolve_are_reported() {
        check(
            "select\n{{ orders }}",
            &expect![[
                r#"m.sql:11: the template does not resolve: undefined value (templates know ref, source, vault, has_source and column, each with texts in quotes)"#
            ]],
        );
        check(
            "select\n\n{{ reff('orders') }}",
            &expect![[
                r#"m.sql:12: the template does not resolve: unknown function: reff is unknown (templates know ref, source, vault, has_source and column, each with texts in quotes)"#
            ]],
        );
        check(
            "select {{ ref( }}",
            &expect![[
                r#"m.sql:10: the template does not resolve: syntax error: unexpected `}` (templates know ref, source, vault, has_source and column, each with texts in quotes)"#
            ]],
        );
        check(
            "select {{ ref() }}",
            &expect![[
                r#"m.sql:10: the template does not resolve: missing argument (templates know ref, source, vault, has_source and column, each with texts in quotes)"#
            ]],
        );
        check(
            "{% if true %} select 1",
            &expect![[
                r#"m.sql:10: the template does not resolve: syntax error: unexpected end of input, expected end of block (templates know ref, source, vault, has_source and column, each with texts in quotes)"#
            ]],
        );
    }

    #[test]
    fn tests_read_published_models_only() {
        let template = "{{ ref('orders') }} {{ source('pos_orders') }} {{ vault('identifiers') }}";
        expect![[r#"
            m.sql:10: a test may not use `source('pos_orders')` (publish what it needs by a model and name that by `ref`)
            m.sql:10: a test may not use `vault('identifiers')` (publish what it needs by a model and name that by `ref`)"#]].assert_eq(&rendered(template, true).1);
    }
}
