//! What a statement asks of a session.

use sqlparser::tokenizer::Token;

use super::encode::CopyFormat;
use super::error::PgError;
use super::text::{Piece, Words};

/// A statement, as far as the session has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Asks for rows.
    Rows,
    /// Asks for rows, and sets a value that is given as text or as the parameter of a number.
    SetConfig {
        name: String,
        value: Given,
        is_local: bool,
    },
    Begin(Vec<Mode>),
    /// Sets modes of the transaction, or of all to come.
    Modes {
        modes: Vec<Mode>,
        is_session: bool,
    },
    Commit {
        is_chained: bool,
    },
    Rollback {
        is_chained: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    Set {
        name: String,
        value: Option<String>,
        is_local: bool,
    },
    Show(String),
    ShowAll,
    Reset(Option<String>),
    DiscardAll,
    Declare(Declare),
    Fetch(Fetch),
    /// Closes a cursor, or all.
    Close(Option<String>),
    Prepare {
        name: String,
        sql: String,
    },
    Execute {
        name: String,
        arguments: String,
    },
    /// Forgets a prepared statement, or all.
    Deallocate(Option<String>),
    Copy {
        sql: String,
        format: CopyFormat,
    },
    /// Changes nothing here.
    Nothing(&'static str),
}

/// A mode of transactions: the setting that shows it, and its value.
pub(super) type Mode = (&'static str, &'static str);

/// A value that a statement gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Text(String),
    Parameter(usize),
}

/// A cursor to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declare {
    pub(super) name: String,
    pub(super) is_binary: bool,
    pub(super) is_held: bool,
    pub(super) sql: String,
}

/// Rows to be taken from a cursor, or to be passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) name: String,
    /// How many; all if not said.
    pub(super) rows: Option<u64>,
    pub(super) is_move: bool,
}

/// Statements that would change something.
const WRITING: [&str; 22] = [
    "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "grant",
    "revoke", "comment", "security", "vacuum", "analyze", "cluster", "reindex", "refresh",
    "import", "load", "lock", "call", "do",
];

impl Command {
    /// Reads a statement.
    pub(super) fn of(piece: &Piece<'_>) -> Result<Self, PgError> {
        let mut words = Words::of(piece);
        let words = &mut words;
        let syntax = || PgError::new("42601", "the statement is not valid SQL");
        if let Some(word) = words.take_any(&WRITING) {
            let what = word.to_uppercase();
            return Err(PgError::new(
                "25006",
                format!("cannot execute {what}: nothing can be changed"),
            ));
        }
        let word = words.take_any(&[
            "select",
            "begin",
            "start",
            "commit",
            "end",
            "rollback",
            "abort",
            "savepoint",
            "release",
            "set",
            "show",
            "reset",
            "discard",
            "declare",
            "fetch",
            "move",
            "close",
            "prepare",
            "execute",
            "deallocate",
            "copy",
            "listen",
            "notify",
            "unlisten",
            "checkpoint",
        ]);
        let read = match word {
            Some("select") => Some(set_config(words).unwrap_or(Self::Rows)),
            Some("begin") => {
                words.take_any(&["work", "transaction"]);
                modes(words).map(Self::Begin)
            }
            Some("start") => {
                words.take("transaction").then(|| modes(words)).flatten().map(Self::Begin)
            }
            Some("commit" | "end") => {
                words.take_any(&["work", "transaction"]);
                chained(words).map(|is_chained| Self::Commit { is_chained })
            }
            Some("rollback" | "abort") => rollback(words),
            Some("savepoint") => words.name().map(Self::Savepoint),
            Some("release") => {
                words.take("savepoint");
                words.name().map(Self::Release)
            }
            Some("set") => set(words),
            Some("show") => show(words),
            Some("reset") => reset(words),
            Some("discard") => discard(words),
            Some("declare") => declare(words),
            Some(word @ ("fetch" | "move")) => return fetch(words, word == "move"),
            Some("close") => close(words).map(Self::Close),
            Some("prepare") => prepare(words),
            Some("execute") => execute(words),
            Some("deallocate") => {
                words.take("prepare");
                close(words).map(Self::Deallocate)
            }
            Some("copy") => return copy(words),
            Some("unlisten") => Some(Self::Nothing("UNLISTEN")),
            Some(word) => {
                return Err(PgError::unsupported(format!(
                    "{} is not supported",
                    word.to_uppercase()
                )));
            }
            None => Some(Self::Rows),
        };
        read.ok_or_else(syntax)
    }

    /// Whether it may run in a transaction that failed.
    pub(super) const fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_))
    }
}

/// `SELECT set_config('name', value, is_local)`.
fn set_config(words: &Words<'_>) -> Option<Command> {
    let mut words = words.clone();
    if words.take("pg_catalog") && !words.take_token(&Token::Period) {
        return None;
    }
    if !words.take("set_config") || !words.take_token(&Token::LParen) {
        return None;
    }
    let name = words.value()?;
    if !words.take_token(&Token::Comma) {
        return None;
    }
    let value = match words.parameter() {
        Some(number) => Given::Parameter(number),
        None => Given::Text(words.value()?),
    };
    if !words.take_token(&Token::Comma) {
        return None;
    }
    let is_local = words.take("true");
    Some(Command::SetConfig { name, value, is_local })
}

fn rollback(words: &mut Words<'_>) -> Option<Command> {
    words.take_any(&["work", "transaction"]);
    if !words.take("to") {
        return chained(words).map(|is_chained| Command::Rollback { is_chained });
    }
    words.take("savepoint");
    words.name().map(Command::RollbackTo)
}

/// `AND CHAIN`, which begins the next transaction at once.
fn chained(words: &mut Words<'_>) -> Option<bool> {
    if !words.take("and") {
        return words.is_done().then_some(false);
    }
    let is_not = words.take("no");
    words.take("chain").then_some(!is_not)
}

/// The modes of a transaction.
fn modes(words: &mut Words<'_>) -> Option<Vec<Mode>> {
    let mut modes = Vec::new();
    while !words.is_done() {
        modes.push(match words.take_any(&["isolation", "read", "not", "deferrable"])? {
            "isolation" => ("transaction_isolation", words.take("level").then(|| level(words))??),
            "read" => match words.take_any(&["only", "write"])? {
                "only" => ("transaction_read_only", "on"),
                _ => ("transaction_read_only", "off"),
            },
            "not" => ("transaction_deferrable", words.take("deferrable").then_some("off")?),
            _ => ("transaction_deferrable", "on"),
        });
        words.take_token(&Token::Comma);
    }
    Some(modes)
}

fn level(words: &mut Words<'_>) -> Option<&'static str> {
    match words.take_any(&["serializable", "repeatable", "read"])? {
        "serializable" => Some("serializable"),
        "repeatable" => words.take("read").then_some("repeatable read"),
        _ => match words.take_any(&["committed", "uncommitted"])? {
            "committed" => Some("read committed"),
            _ => Some("read uncommitted"),
        },
    }
}

fn set(words: &mut Words<'_>) -> Option<Command> {
    let scope = words.take_any(&["session", "local"]);
    if scope == Some("session") && words.take("characteristics") {
        let is_so = words.take("as") && words.take("transaction");
        return is_so
            .then(|| modes(words))
            .flatten()
            .map(|modes| Command::Modes { modes, is_session: true });
    }
    if scope.is_none() && words.take("transaction") {
        return modes(words).map(|modes| Command::Modes { modes, is_session: false });
    }
    if words.take("constraints") {
        return Some(Command::Nothing("SET CONSTRAINTS"));
    }
    let is_local = scope == Some("local");
    if words.take("time") {
        let value = words.take("zone").then(|| words.value()).flatten()?;
        let value = Some(value).filter(|value| !value.eq_ignore_ascii_case("default"));
        return Some(Command::Set { name: "TimeZone".to_owned(), value, is_local });
    }
    if words.take("names") {
        let value = words.value();
        return Some(Command::Set { name: "client_encoding".to_owned(), value, is_local });
    }
    let name = match (scope, words.take("authorization")) {
        // Who asks is known from the login and stays so.
        (Some("session"), true) => "session_authorization".to_owned(),
        (_, true) => return None,
        (_, false) => setting_name(words)?,
    };
    if !words.take("to") && !words.take_token(&Token::Eq) && name != "session_authorization" {
        return None;
    }
    let mut values = vec![words.value()?];
    while words.take_token(&Token::Comma) {
        values.push(words.value()?);
    }
    let value = Some(values.join(", ")).filter(|value| !value.eq_ignore_ascii_case("default"));
    words.is_done().then_some(Command::Set { name, value, is_local })
}

/// A name of a setting, which may have parts.
fn setting_name(words: &mut Words<'_>) -> Option<String> {
    let mut name = words.name()?;
    while words.take_token(&Token::Period) {
        name = format!("{name}.{}", words.name()?);
    }
    Some(name)
}

fn show(words: &mut Words<'_>) -> Option<Command> {
    if words.take("all") {
        return Some(Command::ShowAll);
    }
    if words.take("time") {
        return words.take("zone").then(|| Command::Show("TimeZone".to_owned()));
    }
    if words.take("transaction") {
        let is_isolation = words.take("isolation") && words.take("level");
        return is_isolation.then(|| Command::Show("transaction_isolation".to_owned()));
    }
    if words.take("session") {
        let is_user = words.take("authorization");
        return is_user.then(|| Command::Show("session_authorization".to_owned()));
    }
    setting_name(words).map(Command::Show)
}

fn reset(words: &mut Words<'_>) -> Option<Command> {
    if words.take("all") {
        return Some(Command::Reset(None));
    }
    if words.take("time") {
        return words.take("zone").then(|| Command::Reset(Some("TimeZone".to_owned())));
    }
    if words.take("session") {
        return words.take("authorization").then_some(Command::Nothing("RESET"));
    }
    if words.take("role") {
        return Some(Command::Nothing("RESET"));
    }
    setting_name(words).map(|name| Command::Reset(Some(name)))
}

fn discard(words: &mut Words<'_>) -> Option<Command> {
    match words.take_any(&["all", "plans", "sequences", "temp", "temporary"])? {
        "all" => Some(Command::DiscardAll),
        "plans" => Some(Command::Nothing("DISCARD PLANS")),
        "sequences" => Some(Command::Nothing("DISCARD SEQUENCES")),
        _ => Some(Command::Nothing("DISCARD TEMP")),
    }
}

fn declare(words: &mut Words<'_>) -> Option<Command> {
    let name = words.name()?;
    let mut is_binary = false;
    while let Some(word) = words.take_any(&["binary", "insensitive", "asensitive", "no", "scroll"])
    {
        is_binary |= word == "binary";
    }
    if !words.take("cursor") {
        return None;
    }
    let is_held = words.take("with");
    if (is_held || words.take("without")) && !words.take("hold") {
        return None;
    }
    let sql = words.take("for").then(|| words.rest().to_owned())?;
    Some(Command::Declare(Declare { name, is_binary, is_held, sql }))
}

fn fetch(words: &mut Words<'_>, is_move: bool) -> Result<Command, PgError> {
    let backward =
        || PgError::new("55000", "cursor can only scan forward").with_hint("declare it again");
    let rows = if let Some(count) = words.count() {
        Some(u64::try_from(count).map_err(|_| backward())?)
    } else {
        match words.take_any(&[
            "next", "forward", "all", "prior", "first", "last", "absolute", "relative", "backward",
        ]) {
            None | Some("next") => Some(1),
            Some("all") => None,
            Some("forward") if words.take("all") => None,
            Some("forward" | "relative") => {
                let count = words.count().unwrap_or(1);
                Some(u64::try_from(count).map_err(|_| backward())?)
            }
            Some(_) => return Err(backward()),
        }
    };
    words.take_any(&["from", "in"]);
    let name = words.name().ok_or_else(|| PgError::new("42601", "no cursor is named"))?;
    Ok(Command::Fetch(Fetch { name, rows, is_move }))
}

fn close(words: &mut Words<'_>) -> Option<Option<String>> {
    if words.take("all") {
        return Some(None);
    }
    words.name().map(Some)
}

fn prepare(words: &mut Words<'_>) -> Option<Command> {
    let name = words.name()?;
    // The types of parameters are found out.
    words.parenthesised();
    let sql = words.take("as").then(|| words.rest().to_owned())?;
    Some(Command::Prepare { name, sql })
}

fn execute(words: &mut Words<'_>) -> Option<Command> {
    let name = words.name()?;
    let arguments = words.parenthesised().unwrap_or_default().to_owned();
    words.is_done().then_some(Command::Execute { name, arguments })
}

fn copy(words: &mut Words<'_>) -> Result<Command, PgError> {
    let syntax = || PgError::new("42601", "the statement is not valid SQL");
    let sql = match words.parenthesised() {
        Some(query) => query.to_owned(),
        None => table(words).ok_or_else(syntax)?,
    };
    match words.take_any(&["from", "to"]).ok_or_else(syntax)? {
        "from" => {
            return Err(PgError::new("42501", "cannot execute COPY FROM: nothing can be changed"));
        }
        _ if words.take("stdout") => {}
        _ => {
            return Err(PgError::new("42501", "COPY to a file or a program is not allowed")
                .with_hint("use COPY .. TO STDOUT, or \\copy in psql"));
        }
    }
    words.take("with");
    let format = Options::read(words)?.format()?;
    Ok(Command::Copy { sql, format })
}

/// `table` or `table (columns)` as a query.
fn table(words: &mut Words<'_>) -> Option<String> {
    let quoted = |name: String| format!("\"{}\"", name.replace('"', "\"\""));
    let mut name = quoted(words.name()?);
    while words.take_token(&Token::Period) {
        name = format!("{name}.{}", quoted(words.name()?));
    }
    let columns = words.parenthesised().unwrap_or("*");
    Some(format!("SELECT {columns} FROM {name}"))
}

/// The options of a copy, as they were given.
#[derive(Debug, Default)]
struct Options {
    format: Option<String>,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    header: bool,
    force_quote_all: bool,
}

impl Options {
    fn read(words: &mut Words<'_>) -> Result<Self, PgError> {
        let mut options = Self::default();
        let is_list = words.take_token(&Token::LParen);
        while !words.is_done() && !words.take_token(&Token::RParen) {
            options.option(words, is_list).ok_or_else(|| {
                PgError::unsupported("an option of COPY is not supported").with_hint(
                    "known are FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE, FORCE_QUOTE *",
                )
            })?;
            words.take_token(&Token::Comma);
        }
        Ok(options)
    }

    /// Reads an option, in today's form or in that of older versions, which is not in a list.
    fn option(&mut self, words: &mut Words<'_>, is_list: bool) -> Option<()> {
        match words.name()?.as_str() {
            format @ ("csv" | "binary") if !is_list => self.format = Some(format.to_owned()),
            "format" => self.format = Some(words.value()?.to_lowercase()),
            "delimiter" | "delimiters" => self.delimiter = text(words),
            "null" => self.null = text(words),
            "quote" => self.quote = text(words),
            "escape" => self.escape = text(words),
            "encoding" => drop(text(words)),
            "header" => {
                let value = words.take_any(&["true", "on", "false", "off"]);
                self.header = !matches!(value, Some("false" | "off"));
            }
            "force_quote" => {
                self.force_quote_all = words.take_token(&Token::Mul).then_some(true)?
            }
            "force" => {
                self.force_quote_all =
                    (words.take("quote") && words.take_token(&Token::Mul)).then_some(true)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn format(self) -> Result<CopyFormat, PgError> {
        let byte = |text: Option<String>, default: u8, what: &str| match text
            .as_deref()
            .map(str::as_bytes)
        {
            None => Ok(default),
            Some([byte]) => Ok(*byte),
            Some(_) => Err(PgError::new(
                "22023",
                format!("COPY {what} must be a single one-byte character"),
            )),
        };
        match self.format.as_deref().unwrap_or("text") {
            "binary" => Ok(CopyFormat::Binary),
            "text" => Ok(CopyFormat::Text {
                delimiter: byte(self.delimiter, b'\t', "delimiter")?,
                null: self.null.unwrap_or_else(|| "\\N".to_owned()),
            }),
            "csv" => {
                let quote = byte(self.quote, b'"', "quote")?;
                Ok(CopyFormat::Csv {
                    delimiter: byte(self.delimiter, b',', "delimiter")?,
                    quote,
                    escape: byte(self.escape, quote, "escape")?,
                    null: self.null.unwrap_or_default(),
                    header: self.header,
                    // More columns than there can be.
                    force_quote: if self.force_quote_all { vec![true; 2_000] } else { Vec::new() },
                })
            }
            _ => Err(PgError::new("22023", "COPY format not recognized")),
        }
    }
}

/// A text, which older forms put behind AS.
fn text(words: &mut Words<'_>) -> Option<String> {
    words.take("as");
    words.value()
}

#[cfg(test)]
mod tests;
