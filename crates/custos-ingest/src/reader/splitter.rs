//! Rows and cells out of a stream of bytes.
//!
//! RFC 4180 with any ASCII delimiter, quote and escape. Line ends are `\n`, `\r\n` and `\r`; empty
//! lines are skipped. Unlike most readers it refuses text after a closing quote, and a quote that
//! is never closed, since both mean that cells are not what they seem.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use super::ROW_BYTES_MAX;
use crate::row::RowFault;

const CHUNK_BYTES: usize = 64 * 1024;

/// Rows with more cells are refused before their cells fill the memory.
const CELLS_MAX: usize = 16 * 1024;

/// The bytes that mean something. Without delimiter a line is one cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) delimiter: Option<u8>,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
}

/// Why no further row can be had.
#[derive(Debug)]
pub(super) enum SplitError {
    Io(io::Error),
    UnclosedQuote { line: u64 },
}

/// Splits a stream into rows, holding one row and one chunk in memory.
pub(super) struct Splitter {
    stream: Box<dyn Read + Send>,
    dialect: Dialect,
    cell_bytes_max: usize,
    buffer: Vec<u8>,
    /// Where the current row starts in the buffer.
    start: usize,
    /// The next byte to look at.
    at: usize,
    /// The end of what was read into the buffer.
    end: usize,
    line: u64,
    /// The last line ended in `\r`, so that a `\n` now belongs to it.
    after_return: bool,
    scan: Scan,
    cells: Vec<Cell>,
}

/// Where in a row the splitter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    Escaped,
    QuoteSeen,
}

/// What is known of the current row.
#[derive(Debug)]
struct Scan {
    state: State,
    cell: Cell,
    line_ends: u64,
    fault: Option<CellFault>,
    /// How many bytes of a row that is too large are kept.
    kept: Option<usize>,
}

/// A cell by its place, counted from the start of the row.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    start: usize,
    end: usize,
    is_quoted: bool,
    has_escapes: bool,
}

/// What makes a row unusable, and the cell it was found in, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellFault {
    pub(super) fault: RowFault,
    pub(super) cell: usize,
}

/// One row, lent until the next.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The line it starts on, from 1.
    pub(super) line: u64,
    /// All of it without line end; of a row that is too large, the first part.
    pub(super) bytes: &'a [u8],
    /// What makes its cells unusable.
    pub(super) fault: Option<CellFault>,
    cells: &'a [Cell],
    dialect: Dialect,
}

impl Scan {
    const fn new() -> Self {
        Self {
            state: State::CellStart,
            cell: Cell { start: 0, end: 0, is_quoted: false, has_escapes: false },
            line_ends: 0,
            fault: None,
            kept: None,
        }
    }
}

impl Splitter {
    pub(super) fn new(
        stream: Box<dyn Read + Send>,
        dialect: Dialect,
        cell_bytes_max: usize,
    ) -> Self {
        Self {
            stream,
            dialect,
            cell_bytes_max,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            end: 0,
            line: 1,
            after_return: false,
            scan: Scan::new(),
            cells: Vec::new(),
        }
    }

    /// The next row that is not empty; `None` at the end.
    pub(super) fn next_row(&mut self) -> Result<Option<Row<'_>>, SplitError> {
        self.cells.clear();
        self.scan = Scan::new();
        if !self.skip_empty_lines().map_err(SplitError::Io)? {
            return Ok(None);
        }
        let line = self.line;
        while !self.scan_buffer() {
            self.limit();
            if self.fill().map_err(SplitError::Io)? {
                continue;
            }
            if matches!(self.scan.state, State::Quoted | State::Escaped) {
                return Err(SplitError::UnclosedQuote { line });
            }
            self.end_cell(self.at);
            break;
        }
        let length = self.scan.kept.unwrap_or(self.scan.cell.end);
        let bytes = self.buffer.get(self.start..self.start + length).unwrap_or_default();
        self.line += self.scan.line_ends;
        Ok(Some(Row {
            line,
            bytes,
            fault: self.scan.fault,
            cells: &self.cells,
            dialect: self.dialect,
        }))
    }

    /// Stands at the first byte of a row; false at the end of the stream.
    fn skip_empty_lines(&mut self) -> io::Result<bool> {
        loop {
            self.start = self.at;
            let Some(byte) = self.buffer.get(self.at..self.end).and_then(<[u8]>::first) else {
                if self.fill()? {
                    continue;
                }
                return Ok(false);
            };
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.after_return = true;
                }
                _ => {
                    self.after_return = false;
                    return Ok(true);
                }
            }
            self.at += 1;
        }
    }

    /// Goes on through the buffer; true if the row ended in it.
    fn scan_buffer(&mut self) -> bool {
        let Dialect { delimiter, quote, .. } = self.dialect;
        while self.at < self.end {
            if self.scan.state == State::Plain {
                self.skip_plain();
            }
            let Some(&byte) = self.buffer.get(self.at..self.end).and_then(<[u8]>::first) else {
                return false;
            };
            let place = self.at;
            self.at += 1;
            match self.scan.state {
                State::Quoted => self.scan_quoted(byte),
                State::Escaped => {
                    self.scan.line_ends += u64::from(byte == b'\n');
                    self.scan.state = State::Quoted;
                }
                State::QuoteSeen if Some(byte) == quote => {
                    self.scan.cell.has_escapes = true;
                    self.scan.state = State::Quoted;
                }
                State::CellStart if Some(byte) == quote => {
                    self.scan.cell.is_quoted = true;
                    self.scan.state = State::Quoted;
                }
                State::CellStart | State::Plain | State::QuoteSeen => {
                    if Some(byte) == delimiter {
                        self.end_cell(place);
                        self.begin_cell();
                    } else if matches!(byte, b'\n' | b'\r') {
                        self.end_cell(place);
                        self.scan.line_ends += 1;
                        self.after_return = byte == b'\r';
                        return true;
                    } else {
                        if self.scan.state == State::QuoteSeen {
                            self.refuse(RowFault::BadQuoting);
                        }
                        self.scan.state = State::Plain;
                    }
                }
            }
        }
        false
    }

    fn scan_quoted(&mut self, byte: u8) {
        if Some(byte) == self.dialect.escape {
            self.scan.cell.has_escapes = true;
            self.scan.state = State::Escaped;
        } else if Some(byte) == self.dialect.quote {
            self.scan.state = State::QuoteSeen;
        } else {
            self.scan.line_ends += u64::from(byte == b'\n');
        }
    }

    /// Moves to the end of an unquoted cell, the most common step by far.
    fn skip_plain(&mut self) {
        let delimiter = self.dialect.delimiter.unwrap_or(b'\n');
        let rest = self.buffer.get(self.at..self.end).unwrap_or_default();
        let ends = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }

    fn begin_cell(&mut self) {
        self.scan.state = State::CellStart;
        self.scan.cell =
            Cell { start: self.at - self.start, end: 0, is_quoted: false, has_escapes: false };
    }

    fn end_cell(&mut self, place: usize) {
        self.scan.cell.end = place - self.start;
        let cell = self.scan.cell;
        if cell.end > ROW_BYTES_MAX {
            self.refuse(RowFault::RowTooLarge);
        } else if self.cells.len() == CELLS_MAX {
            self.refuse(RowFault::WrongColumnCount);
        } else if cell.end.saturating_sub(cell.start) > self.cell_bytes_max {
            self.refuse(RowFault::CellTooLarge);
        } else {
            self.cells.push(cell);
        }
    }

    /// Notes the first fault of a row. Until then every cell is kept, so their number is the place.
    fn refuse(&mut self, fault: RowFault) {
        let cell = self.cells.len();
        self.scan.fault.get_or_insert(CellFault { fault, cell });
    }

    /// Before more is read: gives up keeping a row that is too large already.
    fn limit(&mut self) {
        if let Some(kept) = self.scan.kept {
            (self.at, self.end) = (self.start + kept, self.start + kept);
            return;
        }
        let length = self.at - self.start;
        let fault = if length > ROW_BYTES_MAX {
            RowFault::RowTooLarge
        } else if length.saturating_sub(self.scan.cell.start) > self.cell_bytes_max {
            RowFault::CellTooLarge
        } else {
            return;
        };
        self.refuse(fault);
        self.scan.kept = Some(length);
    }

    /// Reads a chunk more behind what is kept; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.at -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + CHUNK_BYTES {
            self.buffer.resize(self.end + CHUNK_BYTES, 0);
        }
        loop {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(free) {
                Ok(length) => {
                    self.end += length;
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<'a> Row<'a> {
    /// How many cells the row has.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Where the row has a cell, its quotes included.
    pub(super) fn range(&self, index: usize) -> Option<Range<usize>> {
        self.cells.get(index).map(|cell| cell.start..cell.end)
    }

    /// The content of a cell; `text` is the row as text.
    pub(super) fn cell(&self, text: &'a str, index: usize) -> Option<Cow<'a, str>> {
        let cell = self.cells.get(index)?;
        let content = match cell.is_quoted {
            true => text.get(cell.start + 1..cell.end.checked_sub(1)?)?,
            false => text.get(cell.start..cell.end)?,
        };
        Some(match cell.has_escapes {
            true => Cow::Owned(self.unescaped(content)),
            false => Cow::Borrowed(content),
        })
    }

    fn unescaped(&self, content: &str) -> String {
        let mut plain = String::with_capacity(content.len());
        let mut characters = content.chars();
        while let Some(character) = characters.next() {
            let byte = u8::try_from(character).ok();
            let is_escape =
                byte.is_some() && (byte == self.dialect.escape || byte == self.dialect.quote);
            plain.extend(if is_escape { characters.next() } else { Some(character) });
        }
        plain
    }
}
