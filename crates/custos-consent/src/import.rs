//! Consent events out of a CSV file.

use std::io::Read;

use csv::ByteRecord;
use custos_core::{IdentifierType, Purpose, Redacted, Timestamp};
use serde::Serialize;

use crate::ConsentStatus;

const REQUIRED: [Column; 7] = [
    Column::IdentifierType,
    Column::Identifier,
    Column::Purpose,
    Column::Status,
    Column::At,
    Column::Notice,
    Column::Channel,
];
const OPTIONAL: [Column; 2] = [Column::Scope, Column::ExpiresAt];

/// What a file of consent events says.
#[derive(Debug, Default)]
pub struct CsvImport {
    /// The rows that can be applied once their identifier is looked up.
    pub rows: Vec<ImportRow>,
    /// What is wrong with the others, in the order of the file.
    pub problems: Vec<ImportProblem>,
}

/// One event about somebody named by an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// The line of the file the row starts on; the header is line 1.
    pub line: u64,
    /// What the identifier is; always one that points to a person.
    pub identifier_type: IdentifierType,
    /// Within what the identifier means something; always there for a customer id.
    pub scope: Option<String>,
    /// The identifier as written, not normalised.
    pub identifier: Redacted<String>,
    /// What for.
    pub purpose: Purpose,
    /// What happened.
    pub status: ConsentStatus,
    /// When it happened.
    pub at: Timestamp,
    /// When a grant runs out by itself.
    pub expires_at: Option<Timestamp>,
    /// The notice the person was shown.
    pub notice: Option<String>,
    /// Where it was said.
    pub channel: Option<String>,
}

/// Why a row, or the file, cannot be taken. Never holds a value of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportProblem {
    /// The line of the file; the header is line 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl ImportProblem {
    fn new(line: u64, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, message: message.into(), remedy: remedy.into() }
    }
}

/// Reads consent events from CSV in UTF-8, with or without byte order mark.
///
/// The header names `identifier_type,identifier,purpose,status,at,notice,channel`, and may name
/// `scope` (which a customer id needs) and `expires_at`. A row with a problem is left out; a
/// header with one leaves out all.
pub fn read_csv(reader: impl Read) -> CsvImport {
    // Rows of the wrong length are to be named, not to end the file. Lines end with a line feed
    // only, or the numbers of lines would be wrong; trimming removes the carriage return.
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(reader.chain(&b"\n"[..]));
    let mut import = CsvImport::default();
    let mut record = ByteRecord::new();
    let mut layout = None;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => {
                import.problems.push(unreadable(reader.position().line()));
                return import;
            }
        }
        if is_blank(&record) {
            continue;
        }
        let line = line_of(&record, reader.position().line());
        match &layout {
            None => match Layout::read(&record, line) {
                Ok(read) => layout = Some(read),
                Err(problems) => {
                    import.problems = problems;
                    return import;
                }
            },
            Some(layout) => match read_row(layout, &record, line) {
                Ok(row) => import.rows.push(row),
                Err(problems) => import.problems.extend(problems),
            },
        }
    }
    if layout.is_none() {
        import.problems.push(ImportProblem::new(1, "the file is empty", header_remedy()));
    }
    import
}

fn is_blank(record: &ByteRecord) -> bool {
    record.len() <= 1 && record.as_slice().trim_ascii().is_empty()
}

/// The line a record starts on, when the next one is looked for from `line_next`.
///
/// The reader's own answer is where it began to look, before any empty lines.
fn line_of(record: &ByteRecord, line_next: u64) -> u64 {
    let from = record.position().map_or(1, csv::Position::line);
    let breaks = record.as_slice().iter().filter(|&&byte| byte == b'\n').count();
    let empty = line_next.saturating_sub(from + breaks as u64 + 1);
    from + empty
}

fn unreadable(line: u64) -> ImportProblem {
    ImportProblem::new(
        line,
        "the file could not be read any further",
        "check that the file is still there and may be read, then import it again",
    )
}

fn header_remedy() -> String {
    let required = REQUIRED.map(Column::name).join(",");
    format!("make the first line `{required}`; `scope` and `expires_at` may be added")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    IdentifierType,
    Identifier,
    Purpose,
    Status,
    At,
    Notice,
    Channel,
    Scope,
    ExpiresAt,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::IdentifierType => "identifier_type",
            Self::Identifier => "identifier",
            Self::Purpose => "purpose",
            Self::Status => "status",
            Self::At => "at",
            Self::Notice => "notice",
            Self::Channel => "channel",
            Self::Scope => "scope",
            Self::ExpiresAt => "expires_at",
        }
    }
}

/// Which column stands where.
struct Layout(Vec<Column>);

impl Layout {
    fn read(header: &ByteRecord, line: u64) -> Result<Self, Vec<ImportProblem>> {
        let mut columns = Vec::new();
        let mut problems = Vec::new();
        for (index, field) in header.iter().enumerate() {
            let place = index + 1;
            // A file without header has somebody's data here, so it is told by place, not by name.
            match column_named(field) {
                None => problems.push(ImportProblem::new(
                    line,
                    format!("the header's column {place} is none of consent events"),
                    header_remedy(),
                )),
                Some(column) if columns.contains(&column) => problems.push(ImportProblem::new(
                    line,
                    format!("the header has `{}` twice", column.name()),
                    "leave one of them out",
                )),
                Some(column) => columns.push(column),
            }
        }
        for column in REQUIRED {
            if !columns.contains(&column) {
                problems.push(ImportProblem::new(
                    line,
                    format!("the header lacks `{}`", column.name()),
                    header_remedy(),
                ));
            }
        }
        if problems.is_empty() { Ok(Self(columns)) } else { Err(problems) }
    }
}

fn column_named(field: &[u8]) -> Option<Column> {
    let name = std::str::from_utf8(field).ok()?;
    let name = name.trim_start_matches('\u{feff}').trim();
    REQUIRED.into_iter().chain(OPTIONAL).find(|column| column.name() == name)
}

fn read_row(
    layout: &Layout,
    record: &ByteRecord,
    line: u64,
) -> Result<ImportRow, Vec<ImportProblem>> {
    let (wanted, found) = (layout.0.len(), record.len());
    if wanted != found {
        return Err(vec![ImportProblem::new(
            line,
            format!("the row has {found} columns where the header has {wanted}"),
            "give every column a field, and put quotation marks around fields with commas",
        )]);
    }
    let mut fields = Fields { layout, record, line, problems: Vec::new() };
    let row = fields.row();
    match row {
        Some(row) if fields.problems.is_empty() => Ok(row),
        _ => Err(fields.problems),
    }
}

/// A row on its way, with all that is wrong with it.
struct Fields<'a> {
    layout: &'a Layout,
    record: &'a ByteRecord,
    line: u64,
    problems: Vec<ImportProblem>,
}

impl<'a> Fields<'a> {
    /// Reads every field before it gives up, so that all problems of a row are told at once.
    fn row(&mut self) -> Option<ImportRow> {
        let identifier_type = self.identifier_type();
        let scope = self.scope(identifier_type);
        let identifier = self.required(Column::Identifier).map(str::to_owned);
        let purpose = self.parsed(
            Column::Purpose,
            "is not a purpose",
            "write lower-case words joined by dots, such as `marketing.advertising`",
        );
        let status = self.parsed(
            Column::Status,
            "is not a consent status",
            "write given, refused, withdrawn, expired, objected or restricted",
        );
        let at = self.parsed(Column::At, NOT_AN_INSTANT, WRITE_AN_INSTANT);
        let expires_at = self.expires_at();
        let notice = self.optional(Column::Notice).map(str::to_owned);
        let channel = self.optional(Column::Channel).map(str::to_owned);
        Some(ImportRow {
            line: self.line,
            identifier_type: identifier_type?,
            scope,
            identifier: Redacted::new(identifier?),
            purpose: purpose?,
            status: status?,
            at: at?,
            expires_at,
            notice,
            channel,
        })
    }

    fn identifier_type(&mut self) -> Option<IdentifierType> {
        const REMEDY: &str = "use customer_id, email, phone, national_id, device_id or social_id";
        let kind: IdentifierType =
            self.parsed(Column::IdentifierType, "is not a type of identifier", REMEDY)?;
        if !kind.links() {
            self.problem(Column::IdentifierType, "does not point to one person", REMEDY);
        }
        Some(kind)
    }

    fn scope(&mut self, kind: Option<IdentifierType>) -> Option<String> {
        let scope = self.optional(Column::Scope).map(str::to_owned);
        if kind == Some(IdentifierType::CustomerId) && scope.is_none() {
            self.problem(
                Column::Scope,
                "is missing, and a customer id means nothing without it",
                "add a column `scope` with the scope that the source's contract names",
            );
        }
        scope
    }

    fn expires_at(&mut self) -> Option<Timestamp> {
        self.optional(Column::ExpiresAt)?;
        self.parsed(Column::ExpiresAt, NOT_AN_INSTANT, WRITE_AN_INSTANT)
    }

    fn parsed<T: std::str::FromStr>(
        &mut self,
        column: Column,
        fault: &str,
        remedy: &str,
    ) -> Option<T> {
        let parsed = self.required(column)?.parse().ok();
        if parsed.is_none() {
            self.problem(column, fault, remedy);
        }
        parsed
    }

    fn required(&mut self, column: Column) -> Option<&'a str> {
        let problems = self.problems.len();
        let field = self.optional(column);
        if field.is_none() && self.problems.len() == problems {
            self.problem(column, "is empty", "fill it in");
        }
        field
    }

    fn optional(&mut self, column: Column) -> Option<&'a str> {
        let place = self.layout.0.iter().position(|&own| own == column)?;
        let Ok(field) = std::str::from_utf8(self.record.get(place)?) else {
            self.problem(column, "is not UTF-8", "save the file as CSV in UTF-8");
            return None;
        };
        let field = field.trim();
        if field.contains(char::is_control) {
            self.problem(
                column,
                "has a line break or another control character",
                "look for a quotation mark that is never closed",
            );
            return None;
        }
        (!field.is_empty()).then_some(field)
    }

    fn problem(&mut self, column: Column, fault: &str, remedy: &str) {
        let message = format!("`{}` {fault}", column.name());
        self.problems.push(ImportProblem::new(self.line, message, remedy));
    }
}

const NOT_AN_INSTANT: &str = "is not an instant with its offset from UTC";
const WRITE_AN_INSTANT: &str = "write it as `2026-03-01T10:00:00+08:00`";

#[cfg(test)]
mod tests;
