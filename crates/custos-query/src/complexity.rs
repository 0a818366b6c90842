//! How much there may be of a statement before anybody reads it.
//!
//! The parser tries several readings of what stands in the brackets of a call, of an array and of a
//! WITH, and so takes twice the time for each level; and what it has read is copied, walked and
//! dropped by recursion, an operator a level.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::QueryError;

/// Words, numbers and signs of a statement. The stacks of [`STACK_BYTES`] hold what they can nest.
const TOKENS_MAX: usize = 10_000;

/// Calls within calls: the parser takes a tenth of a second for these.
const CALLS_MAX: usize = 14;

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

/// Refuses a statement that would take long to read, or more stack than there is.
pub(crate) fn check(sql: &str) -> Result<(), QueryError> {
    // What is no SQL is for the parser to refuse.
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return Ok(()) };
    let tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    let (mut count, mut calls, mut open) = (0, 0, Vec::new());
    let mut before = None;
    for token in tokens {
        count += 1;
        match &token {
            Token::LParen | Token::LBracket => {
                let is_call =
                    matches!(&before, Some(Token::Word(word)) if !NO_CALL.contains(&word.keyword));
                calls += usize::from(is_call);
                open.push(is_call);
            }
            Token::RParen | Token::RBracket => {
                calls -= usize::from(open.pop().unwrap_or(false));
            }
            _ => {}
        }
        if count > TOKENS_MAX || calls > CALLS_MAX {
            return Err(QueryError::TooComplex);
        }
        before = Some(token);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, depth: usize) -> String {
        format!("SELECT {}1{}", open.repeat(depth), ")".repeat(depth))
    }

    #[test]
    fn calls_nest_so_deep_and_conditions_deeper() {
        assert!(check(&nested("abs(", CALLS_MAX)).is_ok());
        for open in ["abs(", "replace(", "WITH a AS (", "coalesce (", "f(("] {
            let refused = check(&nested(open, CALLS_MAX + 1));
            assert!(matches!(refused, Err(QueryError::TooComplex)), "{open}");
        }
        assert!(check(&format!("SELECT {}1", "ARRAY[".repeat(CALLS_MAX + 1))).is_err());
        assert!(check(&nested("(", 40)).is_ok());
        assert!(check(&nested("1 AND (", 40)).is_ok());
        let beside = vec!["abs(abs(1))"; 100].join(" + ");
        assert!(check(&format!("SELECT {beside}")).is_ok());
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
