//! All published tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use custos_core::SourceId;

use crate::header::{self, ColumnTest, Header};
use crate::order::{Edges, Order};
use crate::problem::{Reporter, listed};
use crate::template::{self, Scope};
use crate::{Model, ModelFiles, ModelTest, Problem, Sources, model_test, sql_text};

/// The tables of the schema `customer`, each after those that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Models {
    ordered: Vec<Model>,
}

/// A model's file.
#[derive(Debug, Clone, Copy)]
struct File<'t> {
    name: &'t str,
    text: &'t str,
}

impl Models {
    /// Reads sets of files, of which a later one replaces models of the same name of an earlier
    /// one, and publishes each of `sources` that has no model of its name as it landed.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files, in order of file and line.
    pub fn load(sets: &[ModelFiles], sources: &Sources) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let files = chosen(sets, &mut problems);
        let mut names: BTreeSet<String> = files.keys().map(|&name| name.to_owned()).collect();
        names.extend(sources.ids().map(|id| id.as_str().to_owned()));
        let scope = Scope { models: names, sources: sources.clone(), published_only: false };
        let scopes = Scopes::new(scope);
        let mut models = BTreeMap::new();
        for (name, file) in &files {
            let mut reporter = Reporter { file: file.name, problems: &mut problems };
            models.insert((*name).to_owned(), scopes.model(name, *file, &mut reporter));
        }
        for id in sources.ids() {
            models.entry(id.as_str().to_owned()).or_insert_with(|| automatic(id));
        }
        let ordered = in_order(models, &files, &scopes, &mut problems);
        if problems.is_empty() {
            return Ok(Self { ordered });
        }
        problems.sort();
        Err(problems)
    }

    /// All models, each after those that it reads.
    pub fn ordered(&self) -> &[Model] {
        &self.ordered
    }

    /// The model with this name.
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.ordered.iter().find(|model| model.name == name)
    }
}

/// The file that defines each model.
fn chosen<'t>(sets: &'t [ModelFiles], problems: &mut Vec<Problem>) -> BTreeMap<&'t str, File<'t>> {
    let mut chosen = BTreeMap::new();
    for set in sets {
        let mut of_set: BTreeMap<&str, File<'_>> = BTreeMap::new();
        for (name, text) in set.iter() {
            let mut reporter = Reporter { file: name, problems: &mut *problems };
            let stem = name.rsplit('/').next().unwrap_or(name);
            let stem = stem.strip_suffix(".sql").unwrap_or(stem);
            // Sources and models share their form of names, since a source may become a model.
            if stem.parse::<SourceId>().is_err() {
                let remedy = "use lower-case letters, digits and `_`, starting with a letter";
                reporter.report(None, "the file's name is no name of a table", remedy);
            } else if let Some(other) = of_set.get(stem) {
                let message = format!("`{}` defines the model `{stem}`, too", other.name);
                reporter.report(None, message, "rename one of the files");
            } else {
                of_set.insert(stem, File { name, text });
            }
        }
        chosen.extend(of_set);
    }
    chosen
}

fn automatic(id: &SourceId) -> Model {
    let table = id.landing_table();
    Model {
        name: id.as_str().to_owned(),
        description: format!("The rows of the source `{id}` as they landed."),
        columns: BTreeMap::new(),
        sql: format!("select * from {table}"),
        views: Vec::new(),
        tables: vec![table],
        tests: Vec::new(),
        file: String::new(),
    }
}

/// What can be named where.
struct Scopes {
    models: Arc<Scope>,
    tests: Arc<Scope>,
}

impl Scopes {
    fn new(scope: Scope) -> Self {
        let tests = Arc::new(Scope { published_only: true, ..scope.clone() });
        Self { models: Arc::new(scope), tests }
    }

    fn model(&self, name: &str, file: File<'_>, reporter: &mut Reporter<'_>) -> Model {
        let parts = header::read(file.text, reporter);
        sql_text::check(parts.body, parts.body_line, reporter);
        let rendered = template::render(parts.body, parts.body_line, &self.models, reporter);
        let rendered = rendered.unwrap_or_default();
        let header = parts.header.as_ref();
        Model {
            name: name.to_owned(),
            description: header.map(Header::description).unwrap_or_default(),
            columns: header.map(described).unwrap_or_default(),
            sql: rendered.sql,
            views: rendered.views,
            tables: rendered.tables,
            tests: header.map(|header| self.tests(name, header, reporter)).unwrap_or_default(),
            file: file.name.to_owned(),
        }
    }

    fn tests(&self, name: &str, header: &Header, reporter: &mut Reporter<'_>) -> Vec<ModelTest> {
        self.check_relationships(header, reporter);
        let mut tests = model_test::of_columns(name, header);
        for test in &header.tests {
            let line = header::line(&test.sql);
            sql_text::check(&test.sql.value, line, reporter);
            let rendered = template::render(&test.sql.value, line, &self.tests, reporter);
            let sql = rendered.unwrap_or_default().sql;
            tests.push(ModelTest { model: name.to_owned(), name: test.name.clone(), sql });
        }
        let mut names = BTreeSet::new();
        for test in &tests {
            if !names.insert(&test.name) {
                let message = format!("there are two tests `{}`", test.name);
                reporter.report(None, message, "rename or remove one");
            }
        }
        tests
    }

    fn check_relationships(&self, header: &Header, reporter: &mut Reporter<'_>) {
        for test in header.columns.values().flat_map(|column| &column.data_tests) {
            let ColumnTest::Relationships(relationship) = test else {
                continue;
            };
            let to = &relationship.to;
            if !self.models.models.contains(&to.value) {
                let known = listed(self.models.models.iter().map(String::as_str));
                let message = format!("there is no model `{}`", to.value);
                reporter.report(header::line(to), message, format!("use one of {known}"));
            }
        }
    }

    /// The line of `file` that names the model `name`.
    fn line_of_reference(&self, file: File<'_>, name: &str) -> Option<u32> {
        let mut models = self.models.models.clone();
        models.remove(name);
        let without = Arc::new(Scope { models, ..Scope::clone(&self.models) });
        let mut header_problems = Vec::new();
        let mut reporter = Reporter { file: file.name, problems: &mut header_problems };
        let parts = header::read(file.text, &mut reporter);
        let mut problems = Vec::new();
        let mut reporter = Reporter { file: file.name, problems: &mut problems };
        // What is missing now, and was there before, is this name.
        template::render(parts.body, parts.body_line, &without, &mut reporter)?;
        problems.first()?.line
    }
}

fn described(header: &Header) -> BTreeMap<String, String> {
    let columns = header.columns.iter();
    columns.filter_map(|(name, column)| Some((name.clone(), column.description.clone()?))).collect()
}

fn in_order(
    mut models: BTreeMap<String, Model>,
    files: &BTreeMap<&str, File<'_>>,
    scopes: &Scopes,
    problems: &mut Vec<Problem>,
) -> Vec<Model> {
    let edges: Edges =
        models.values().map(|model| (model.name.clone(), model.views.clone())).collect();
    let order = Order::of(&edges);
    for cycle in &order.cycles {
        let Some(first) = cycle.first() else { continue };
        let Some(file) = files.get(first.as_str()) else {
            continue;
        };
        let line = scopes.line_of_reference(*file, cycle.get(1).unwrap_or(first));
        let path: Vec<&str> = cycle.iter().chain([first]).map(String::as_str).collect();
        Reporter { file: file.name, problems }.report(
            line,
            format!("the models read each other in a circle: {}", path.join(" -> ")),
            "let one of them read what the others are made from",
        );
    }
    order.names.iter().filter_map(|name| models.remove(name)).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::testing::{file, lines, load, sources};

    #[track_caller]
    fn check_problems(files: &[(&str, &str)], expected: &Expect) {
        expected.assert_eq(&lines(&load(files).unwrap_err()));
    }

    #[test]
    fn models_come_after_those_they_read_and_sources_publish_themselves() {
        let models = load(&[
            ("a.sql", &file("select * from {{ ref('z') }}")),
            ("deep/z.sql", &file("select * from {{ ref('pos_orders') }}")),
            ("web_events.sql", &file("select event from {{ source('web_events') }}")),
        ])
        .unwrap();
        let shown: Vec<String> = models
            .ordered()
            .iter()
            .map(|model| format!("{} [{}]: {}", model.name, model.file, model.sql))
            .collect();
        expect![[r#"
            pos_orders []: select * from landing.pos_orders
            z [deep/z.sql]: select * from customer.pos_orders
            a [a.sql]: select * from customer.z
            web_events [web_events.sql]: select event from landing.web_events"#]]
        .assert_eq(&shown.join("\n"));
        assert_eq!(models.get("z").unwrap().views, ["pos_orders"]);
        assert_eq!(models.get("pos_orders").unwrap().tables[0].as_str(), "landing.pos_orders");
        assert_eq!(models.get("y"), None);
    }

    #[test]
    fn a_later_set_replaces_models_of_the_same_name_even_broken_ones() {
        let shipped = ModelFiles::from_pairs([("a.sql", "broken"), ("b.sql", &file("select 1"))]);
        let own = ModelFiles::from_pairs([("team/a.sql", file("select 2"))]);
        let models = Models::load(&[shipped, own], &sources()).unwrap();
        assert_eq!(models.get("a").unwrap().sql, "select 2");
        assert_eq!(models.get("a").unwrap().file, "team/a.sql");
        assert_eq!(models.get("b").unwrap().sql, "select 1");
    }

    #[test]
    fn problems_of_all_files_are_told_at_once() {
        let tested = "/* custos\ndescription: x\ncolumns:\n  a:\n    data_tests:\n      - relationships: {to: none, field: a}\n\
                      tests:\n  - {name: t, sql: \"delete from {{ source('pos_orders') }}\"}\n  - {name: t, sql: select 1}\n*/\nselect 1 as a";
        check_problems(
            &[
                ("Bad-Name.sql", &file("select 1")),
                ("a.sql", &file("select * from {{ ref('none') }}\njoin {{ source('none') }}")),
                ("b.sql", "select 1; select 2"),
                ("c.sql", tested),
                ("d/a.sql", &file("select 1")),
            ],
            &expect![[r#"
                Bad-Name.sql: the file's name is no name of a table (use lower-case letters, digits and `_`, starting with a letter)
                a.sql:4: there is no model `none` (use one of `a`, `b`, `c`, `pos_orders`, `web_events`)
                a.sql:5: there is no source `none` (use one of `pos_orders`, `web_events`, or ask `has_source('none')` first)
                b.sql:1: something follows after a `;` (write one SELECT, and no more)
                b.sql:1: the header is missing (begin the file with `/* custos`, a line `description: ...` and `*/`)
                c.sql: there are two tests `t` (rename or remove one)
                c.sql:6: there is no model `none` (use one of `a`, `b`, `c`, `pos_orders`, `web_events`)
                c.sql:8: a test may not use `source('pos_orders')` (publish what it needs by a model and name that by `ref`)
                c.sql:8: not a SELECT (write one SELECT, or WITH and one)
                d/a.sql: `a.sql` defines the model `a`, too (rename one of the files)"#]],
        );
    }

    #[test]
    fn circles_are_told_with_the_line_that_begins_them() {
        check_problems(
            &[
                ("a.sql", &file("select *\nfrom {{ ref('pos_orders') }}\njoin {{ ref('b') }}")),
                ("b.sql", &file("select * from {{ ref('c') }}")),
                ("c.sql", &file("select * from {{ ref('a') }}")),
                ("d.sql", &file("select * from {{ ref('d') }} join {{ ref('e') }}")),
            ],
            &expect![[r#"
                a.sql:6: the models read each other in a circle: a -> b -> c -> a (let one of them read what the others are made from)
                d.sql:4: the models read each other in a circle: d -> d (let one of them read what the others are made from)
                d.sql:4: there is no model `e` (use one of `a`, `b`, `c`, `d`, `pos_orders`, `web_events`)"#]],
        );
    }
}
