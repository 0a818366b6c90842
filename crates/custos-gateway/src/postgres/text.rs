//! Texts of SQL, taken apart as far as a session needs: statements, words, and where they stand.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::error::PgError;

/// Longest text of statements, in bytes. One statement may have a quarter of it, and a text that is
/// taken apart takes a hundred times its length.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A statement of a text, with its words.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    /// The statement without the semicolon at its end.
    pub(super) text: &'a str,
    words: Vec<Word>,
}

/// A token other than white space, and the bytes of the statement that it takes.
#[derive(Debug, Clone)]
struct Word {
    token: Token,
    start: usize,
    end: usize,
}

/// The statements of a text; those that are empty are left out.
pub(super) fn pieces(sql: &str) -> Result<Vec<Piece<'_>>, PgError> {
    if sql.len() > TEXT_BYTES_MAX {
        let text = format!("statements that are sent at once have {TEXT_BYTES_MAX} bytes at most");
        return Err(PgError::new("54000", text));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|_| PgError::new("42601", "the statement is not valid SQL"))?;
    let mut places = Places::of(sql);
    let mut pieces = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    for token in tokens {
        let (start, end) = (places.byte(token.span.start), places.byte(token.span.end));
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => pieces.extend(piece(sql, std::mem::take(&mut words))),
            token => words.push(Word { token, start, end }),
        }
    }
    pieces.extend(piece(sql, words));
    Ok(pieces)
}

fn piece(sql: &str, mut words: Vec<Word>) -> Option<Piece<'_>> {
    let (start, end) = (words.first()?.start, words.last()?.end);
    for word in &mut words {
        word.start -= start;
        word.end -= start;
    }
    Some(Piece { text: sql.get(start..end)?, words })
}

/// A place in a text, which goes forward only: to look for each token from the beginning of its
/// line would take the square of the time.
struct Places<'a> {
    sql: &'a str,
    line: u64,
    column: u64,
    byte: usize,
}

impl<'a> Places<'a> {
    const fn of(sql: &'a str) -> Self {
        Self { sql, line: 1, column: 1, byte: 0 }
    }

    /// The byte at a line and column, which count from 1 and by characters, and which are not
    /// before those that were asked for last.
    fn byte(&mut self, at: sqlparser::tokenizer::Location) -> usize {
        let mut rest = self.sql.get(self.byte..).unwrap_or_default().chars();
        while (self.line, self.column) < (at.line, at.column) {
            let Some(next) = rest.next() else { break };
            (self.line, self.column) = match next {
                '\n' => (self.line + 1, 1),
                _ => (self.line, self.column + 1),
            };
            self.byte += next.len_utf8();
        }
        self.byte
    }
}

/// Reads the words of a statement one after the other.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    piece: &'a Piece<'a>,
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(piece: &'a Piece<'a>) -> Self {
        Self { piece, at: 0 }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.piece.words.get(self.at).map(|word| &word.token)
    }

    /// Takes a keyword, if it is the next word.
    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    /// Takes any of these keywords, and tells which.
    pub(super) fn take_any(&mut self, keywords: &[&'static str]) -> Option<&'static str> {
        keywords.iter().copied().find(|keyword| self.take(keyword))
    }

    /// Takes a token, if it is the next one.
    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        let is = self.peek() == Some(token);
        self.at += usize::from(is);
        is
    }

    /// Takes a name, in lower case unless it is quoted.
    pub(super) fn name(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        self.at += 1;
        Some(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        })
    }

    /// Takes a value: a word, a text or a number, as text.
    pub(super) fn value(&mut self) -> Option<String> {
        let is_negative = self.take_token(&Token::Minus);
        let value = match self.peek()? {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::Number(digits, _) if is_negative => format!("-{digits}"),
            Token::Number(digits, _) => digits.clone(),
            Token::Word(word) => word.value.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(value)
    }

    /// Takes a whole number.
    pub(super) fn count(&mut self) -> Option<i64> {
        let mut ahead = self.clone();
        let is_negative = ahead.take_token(&Token::Minus);
        let Some(Token::Number(digits, _)) = ahead.peek() else { return None };
        let count: i64 = digits.parse().ok()?;
        self.at = ahead.at + 1;
        Some(if is_negative { -count } else { count })
    }

    /// Takes the number of a parameter.
    pub(super) fn parameter(&mut self) -> Option<usize> {
        let Some(Token::Placeholder(text)) = self.peek() else { return None };
        let number = text.strip_prefix('$')?.parse().ok()?;
        self.at += 1;
        Some(number)
    }

    /// Whether all words are taken.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.piece.words.len()
    }

    /// What was not taken yet, as it was written.
    pub(super) fn rest(&self) -> &'a str {
        let start = self.piece.words.get(self.at).map(|word| word.start);
        start.and_then(|start| self.piece.text.get(start..)).unwrap_or_default()
    }

    /// Takes what stands between this parenthesis and the one that closes it, as it was written.
    pub(super) fn parenthesised(&mut self) -> Option<&'a str> {
        if !self.take_token(&Token::LParen) {
            return None;
        }
        let start = self.piece.words.get(self.at)?.start;
        let mut depth = 1_u32;
        loop {
            let word = self.piece.words.get(self.at)?;
            self.at += 1;
            match word.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return self.piece.text.get(start..word.start).map(str::trim);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        pieces(sql).unwrap().into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn a_text_is_cut_at_semicolons_that_end_statements() {
        assert_eq!(texts("select 1; select 2 ;"), ["select 1", "select 2"]);
        assert_eq!(texts(" ; ;; -- nothing\n"), [""; 0]);
        assert_eq!(
            texts("select ';', \"a;b\", $$x;y$$, E'\\';' -- c;\n; b"),
            ["select ';', \"a;b\", $$x;y$$, E'\\';'", "b"]
        );
        assert_eq!(texts("/* a; /* b; */ c; */ select 1"), ["select 1"]);
        assert_eq!(
            texts("select '张;三'\n  , 1;\nselect '李'"),
            ["select '张;三'\n  , 1", "select '李'"]
        );
        assert_eq!(pieces("select 'open").unwrap_err().code, "42601");
    }

    #[test]
    fn a_long_line_is_taken_apart_in_no_time() {
        let began = std::time::Instant::now();
        let line = format!("select 1{}", "+1".repeat(100_000));
        assert_eq!(texts(&line), [line.as_str()]);
        // By the square of its length it would be minutes.
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        assert_eq!(pieces(&" ".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().code, "54000");
    }

    #[test]
    fn words_are_read_as_they_stand() {
        let all = pieces("declare \"C\" cursor for select (1)").unwrap();
        let mut words = Words::of(&all[0]);
        assert!(words.take("DECLARE") && !words.take("cursor"));
        assert_eq!(words.name().as_deref(), Some("C"));
        assert!(words.take("cursor") && words.take("for"));
        assert_eq!(words.rest(), "select (1)");
        let all = pieces("copy (select ')', (1)) to stdout").unwrap();
        let mut words = Words::of(&all[0]);
        assert!(words.take("copy"));
        assert_eq!(words.parenthesised(), Some("select ')', (1)"));
        assert_eq!(words.take_any(&["from", "to"]), Some("to"));
    }
}
