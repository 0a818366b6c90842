//! What a statement asks for: rows, or why it would give the rows it gives.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{self, SqlStatementRewriteRule};

use super::parameters;
use crate::catalogue::{self, Reads};
use crate::labels::{self, Labels};
use crate::{QueryError, Question, dialect, postgres_functions};

/// Puts what PostgreSQL understands and the engine does not into words that both do.
static RULES: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| {
    vec![
        Box::new(rules::AliasDuplicatedProjectionRewrite),
        Box::new(rules::ResolveUnqualifiedIdentifier),
        Box::new(rules::RewriteArrayAnyAllOperation),
        Box::new(rules::PrependUnqualifiedPgTableName),
        Box::new(rules::StripCallableQualifier),
        Box::new(rules::FixArrayLiteral),
        Box::new(rules::CurrentUserVariableToSessionUserFunctionCall),
        Box::new(rules::StripCollate),
        Box::new(rules::RewritePgCatalogOperator),
        Box::new(rules::RewriteRegCastToSubquery::new()),
        Box::new(rules::FixVersionColumnName),
    ]
});

/// The same, and more that changes what is asked for: subqueries that may not be planned are NULL,
/// others have one row, and statements of some clients are others. For the catalogue alone.
static LENIENT: LazyLock<PostgresCompatibilityParser> =
    LazyLock::new(PostgresCompatibilityParser::new);

/// A SELECT, and what of it is asked for. `EXPLAIN POLICY` is no SQL: see [`policy_of`].
#[derive(Debug)]
pub(super) enum Asked {
    /// Its rows.
    Rows(Statement),
    /// Its plan.
    Plan(Statement),
}

/// A statement that was read, with what it reads and what its columns are called.
pub(super) struct Read {
    pub(super) asked: Asked,
    /// Over the catalogue, what to ask for if that cannot be planned.
    pub(super) lenient: Option<Statement>,
    pub(super) reads: Reads,
    pub(super) labels: Option<Labels>,
    /// Whether it has no rows, whatever else it says.
    pub(super) is_empty: bool,
    /// The parameters that are arrays, by their numbers from 1, if they were singled out.
    pub(super) arrays: BTreeSet<usize>,
}

impl Read {
    /// The same with one value in the place of each array that is a parameter, to find out of what
    /// type it is.
    pub(super) fn single_out(&mut self) {
        if let Some(Statement::Statement(statement)) = &mut self.lenient {
            parameters::single_out(statement);
        }
        if let Asked::Rows(Statement::Statement(statement)) = &mut self.asked {
            self.arrays = parameters::single_out(statement);
        }
    }

    /// Reads a statement in the dialect of the connection that it came by.
    pub(super) fn of(question: &Question<'_>, state: &SessionState) -> Result<Self, QueryError> {
        if question.session.is_none() {
            let mut asked = read(state, question.sql)?;
            let (Asked::Rows(statement) | Asked::Plan(statement)) = &mut asked;
            if let Statement::Statement(statement) = statement {
                parameters::number_marks(statement);
            }
            return Ok(Self {
                asked,
                lenient: None,
                reads: Reads::Published,
                labels: None,
                is_empty: false,
                arrays: BTreeSet::new(),
            });
        }
        let (mut asked, labels) = read_as_postgres(state, question.sql)?;
        let types = parameters::types_of(question.parameters);
        if let Asked::Rows(Statement::Statement(statement)) = &mut asked {
            parameters::declare(statement, &types);
        }
        let (Asked::Rows(statement) | Asked::Plan(statement)) = &mut asked;
        let tables = state
            .resolve_table_references(statement)
            .map_err(|error| QueryError::from_planning(&error))?;
        let reads = Reads::of(&tables)?;
        let mut is_empty = false;
        if let (Reads::Catalogue, Statement::Statement(statement)) = (reads, statement) {
            if let ast::Statement::Query(query) = &**statement {
                is_empty = catalogue::is_empty(query);
            }
            catalogue::adapt(statement);
        }
        let lenient = match (reads, &asked) {
            (Reads::Catalogue, Asked::Rows(asked)) => lenient(question.sql)
                .map(|mut statement| {
                    parameters::declare(&mut statement, &types);
                    catalogue::adapt(&mut statement);
                    Statement::Statement(Box::new(statement))
                })
                .filter(|lenient| lenient != asked),
            _ => None,
        };
        Ok(Self { reads, asked, lenient, labels: Some(labels), is_empty, arrays: BTreeSet::new() })
    }
}

/// Reads a statement as PostgreSQL would, and tells what PostgreSQL would call its columns.
fn read_as_postgres(state: &SessionState, sql: &str) -> Result<(Asked, Labels), QueryError> {
    let sql = catalogue::plain(sql);
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql);
    let mut statements = statements.map_err(|_| QueryError::Syntax)?;
    let (Some(written), true) = (statements.pop(), statements.is_empty()) else {
        return Err(QueryError::NotSelect { what: "more than one statement" });
    };
    let ast::Statement::Query(query) = &written else {
        return Ok((read(state, sql)?, Labels::one("QUERY PLAN")));
    };
    // What is rewritten may lose the names that PostgreSQL would choose.
    let labels = Labels::of(query);
    let mut statement = RULES.iter().fold(written, |statement, rule| rule.rewrite(statement));
    say(&mut statement);
    Ok((Asked::Rows(Statement::Statement(Box::new(statement))), labels))
}

/// A SELECT over the catalogue, changed so that more of it can be planned.
fn lenient(sql: &str) -> Option<ast::Statement> {
    let mut statement = LENIENT.parse(catalogue::plain(sql)).ok()?.pop()?;
    say(&mut statement);
    Some(statement)
}

/// Says in the engine's words what PostgreSQL means.
fn say(statement: &mut ast::Statement) {
    postgres_functions::translate(statement);
    labels::tell_apart(statement);
    dialect::translate(statement);
}

/// Reads a statement, which is one SELECT or an EXPLAIN without options of one.
pub(super) fn read(state: &SessionState, sql: &str) -> Result<Asked, QueryError> {
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(sql, &dialect).map_err(|error| {
        // The engine calls several statements in one text unimplemented.
        match QueryError::from_planning(&error) {
            QueryError::NotSupported => QueryError::NotSelect { what: "more than one statement" },
            _ => QueryError::Syntax,
        }
    })?;
    let said = match &mut statement {
        Statement::Explain(explain) => &mut *explain.statement,
        other => other,
    };
    if let Statement::Statement(said) = said {
        postgres_functions::translate(said);
    }
    let what = match statement {
        Statement::Statement(inner) if matches!(*inner, ast::Statement::Query(_)) => {
            return Ok(Asked::Rows(Statement::Statement(inner)));
        }
        Statement::Explain(explain) => match (&*explain.statement, &explain.options) {
            (_, options) if options.analyze => "EXPLAIN ANALYZE",
            (_, options) if *options != Default::default() => "EXPLAIN with options",
            (Statement::Statement(inner), _) if matches!(**inner, ast::Statement::Query(_)) => {
                return Ok(Asked::Plan(*explain.statement));
            }
            _ => "EXPLAIN of anything else",
        },
        other => refused(&other),
    };
    Err(QueryError::NotSelect { what })
}

/// Reads a SELECT, of which the rows are asked for.
pub(super) fn query(state: &SessionState, sql: &str) -> Result<Statement, QueryError> {
    match read(state, sql)? {
        Asked::Rows(query) => Ok(query),
        Asked::Plan(_) => Err(QueryError::NotSelect { what: "EXPLAIN" }),
    }
}

fn refused(statement: &Statement) -> &'static str {
    match statement {
        Statement::Statement(inner) => match &**inner {
            ast::Statement::Explain { .. } | ast::Statement::ExplainTable { .. } => "EXPLAIN",
            ast::Statement::Insert(_)
            | ast::Statement::Update { .. }
            | ast::Statement::Delete(_) => "changing data",
            ast::Statement::Set(_) => "SET",
            _ => "this statement",
        },
        Statement::Explain(_) => "EXPLAIN",
        Statement::CopyTo(_) => "COPY",
        Statement::CreateExternalTable(_) => "changing tables",
        Statement::Reset(_) => "RESET",
    }
}

/// The SELECT after `EXPLAIN POLICY`, if the text begins with that.
pub(super) fn policy_of(sql: &str) -> Option<&str> {
    after_word(after_word(sql, "explain")?, "policy")
}

/// What follows a word that comes first but for white space and comments.
fn after_word<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let start = after_comments(sql)?;
    let (first, rest) = start.split_at_checked(word.len())?;
    let is_longer = rest.starts_with(|c: char| c.is_alphanumeric() || "_$".contains(c));
    (first.eq_ignore_ascii_case(word) && !is_longer).then_some(rest)
}

/// What follows white space and comments; none if a comment does not end.
fn after_comments(sql: &str) -> Option<&str> {
    let mut rest = sql.trim_start();
    loop {
        rest = if let Some(line) = rest.strip_prefix("--") {
            line.split_once('\n')?.1.trim_start()
        } else if let Some(block) = rest.strip_prefix("/*") {
            after_block(block)?.trim_start()
        } else {
            return Some(rest);
        };
    }
}

/// What follows a comment, which may hold others.
fn after_block(comment: &str) -> Option<&str> {
    let mut rest = comment;
    let mut depth = 1_u32;
    while depth > 0 {
        let end = rest.find("*/")?;
        match rest.find("/*").filter(|start| *start < end) {
            Some(start) => (depth, rest) = (depth + 1, &rest[start + 2..]),
            None => (depth, rest) = (depth - 1, &rest[end + 2..]),
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_policy_is_told_from_all_else_by_its_first_two_words() {
        for sql in [
            "explain policy select 1",
            " EXPLAIN\n\tPolicy select 1",
            "/* a /* b */ c */ explain -- policy\n policy select 1",
        ] {
            assert_eq!(policy_of(sql).map(str::trim), Some("select 1"), "{sql}");
        }
        assert_eq!(policy_of("explain policy(select 1)"), Some("(select 1)"));
        for sql in [
            "explain select 1",
            "explain policy_of select 1",
            "explained policy select 1",
            "select 'explain policy'",
            "/* explain policy select 1",
            "-- explain policy select 1",
            "\"explain\" policy select 1",
            "é",
            "",
        ] {
            assert_eq!(policy_of(sql), None, "{sql}");
        }
    }
}
