//! How much there may be of a statement before anybody reads it.
//!
//! The parser tries several readings of what stands in the brackets of a call, of an array and of a
//! WITH, and so takes twice the time for each level, as the planner does for subqueries; and what was
//! read is copied, walked and dropped by recursion, an operator a level.

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, PostgreSqlDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::QueryError;

/// Words, numbers and signs of a statement. The stacks of [`STACK_BYTES`] hold what they can nest.
const TOKENS_MAX: usize = 10_000;

/// Calls and subqueries within each other: they take a tenth of a second.
const LEVELS_MAX: usize = 14;

/// Stack of the threads that read and run statements: a level takes six kilobytes at most, measured.
pub const STACK_BYTES: usize = 128 << 20;

/// Words before a bracket that do not make it that of a call.
const NO_CALL: [Keyword; 24] = [
    Keyword::ALL,
    Keyword::AND,
    Keyword::ANY,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::CASE,
    Keyword::ELSE,
    Keyword::EXCEPT,
    Keyword::EXISTS,
    Keyword::FROM,
    Keyword::HAVING,
    Keyword::IN,
    Keyword::INTERSECT,
    Keyword::JOIN,
    Keyword::NOT,
    Keyword::ON,
    Keyword::OR,
    Keyword::OVER,
    Keyword::SELECT,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::VALUES,
    Keyword::WHEN,
    Keyword::WHERE,
];

/// Refuses a statement that would take long to read, or more stack than there is. It is cut into
/// words as its parser does: PostgreSQL's, or the engine's own.
pub(crate) fn check(sql: &str, is_postgres: bool) -> Result<(), QueryError> {
    let dialect: &dyn Dialect = if is_postgres { &PostgreSqlDialect {} } else { &GenericDialect };
    // What is no SQL is for that parser to refuse, which cuts before it reads.
    let Ok(tokens) = Tokenizer::new(dialect, sql).tokenize() else { return Ok(()) };
    let tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    let (mut count, mut levels, mut open) = (0, 0, Vec::new());
    let mut before = None;
    for token in tokens {
        count += 1;
        match &token {
            Token::Word(word)
                if begins_query(word.keyword)
                    && before == Some(Token::LParen)
                    && open.last() == Some(&false) =>
            {
                open.pop();
                open.push(true);
                levels += 1;
            }
            Token::LParen | Token::LBracket => {
                let is_call =
                    matches!(&before, Some(Token::Word(word)) if !NO_CALL.contains(&word.keyword));
                levels += usize::from(is_call);
                open.push(is_call);
            }
            Token::RParen | Token::RBracket => {
                levels -= usize::from(open.pop().unwrap_or(false));
            }
            _ => {}
        }
        if count > TOKENS_MAX || levels > LEVELS_MAX {
            return Err(QueryError::TooComplex);
        }
        before = Some(token);
    }
    Ok(())
}

const fn begins_query(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::WITH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both say, which is the same but for what only one of them takes for SQL.
    fn check(sql: &str) -> Result<(), QueryError> {
        let own = super::check(sql, false);
        assert_eq!(own.is_ok(), super::check(sql, true).is_ok(), "{sql}");
        own
    }

    fn nested(open: &str, depth: usize) -> String {
        format!("SELECT {}1{}", open.repeat(depth), ")".repeat(depth))
    }

    #[test]
    fn calls_nest_so_deep_and_conditions_deeper() {
        assert!(check(&nested("abs(", LEVELS_MAX)).is_ok());
        for open in
            ["abs(", "replace(", "WITH a AS (", "coalesce (", "f((", "(SELECT ", "1 IN (SELECT "]
        {
            let refused = check(&nested(open, LEVELS_MAX + 1));
            assert!(matches!(refused, Err(QueryError::TooComplex)), "{open}");
        }
        assert!(check(&format!("SELECT {}1", "ARRAY[".repeat(LEVELS_MAX + 1))).is_err());
        assert!(check(&nested("(", 40)).is_ok());
        assert!(check(&nested("1 AND (", 40)).is_ok());
        assert!(check(&nested("(SELECT ", LEVELS_MAX)).is_ok());
        let beside = vec!["abs(abs(1))"; 100].join(" + ");
        assert!(check(&format!("SELECT {beside}")).is_ok());
    }

    #[test]
    fn what_one_dialect_reads_otherwise_is_checked_as_it_is_read() {
        // A comment nests for PostgreSQL, and ends with its first end for the engine.
        let deep = nested("abs(", LEVELS_MAX + 1);
        let sql = format!("/* /* */ {deep} /* */ */");
        assert!(super::check(&sql, true).is_ok());
        let reads_it = |tokens: Vec<Token>| tokens.contains(&Token::LParen);
        let own = Tokenizer::new(&GenericDialect, &sql).tokenize().is_ok_and(reads_it);
        assert_eq!(super::check(&sql, false).is_err(), own);
    }

    #[test]
    fn a_statement_has_so_many_words() {
        assert!(check(&format!("SELECT 1{}", "+1".repeat(4_000))).is_ok());
        assert!(check(&format!("SELECT 1{}", "+1".repeat(TOKENS_MAX / 2))).is_err());
        assert!(check(&format!("SELECT '{}'", "+1".repeat(TOKENS_MAX))).is_ok());
    }

    #[test]
    fn the_longest_chains_are_read_copied_and_dropped_on_that_stack() {
        let chains = [
            ("SELECT 1", "+1", 2),
            ("SELECT 1 WHERE true", " AND true", 2),
            ("SELECT 1", "::int", 2),
            ("SELECT 1", " BETWEEN 1 AND 2", 4),
            ("SELECT ", "interval ", 1),
        ];
        for (chain, link, tokens) in chains {
            let sql = format!("{chain}{}'1'", link.repeat((TOKENS_MAX - 8) / tokens));
            assert!(check(&sql).is_ok(), "{link}");
            let read = move || {
                let read = datafusion::sql::sqlparser::parser::Parser::parse_sql(
                    &PostgreSqlDialect {},
                    &sql,
                );
                // A refusal is an answer, too.
                drop(read.clone());
                read.is_ok()
            };
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(read).unwrap();
            let _read = thread.join().unwrap();
        }
    }
}
