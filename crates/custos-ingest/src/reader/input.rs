//! From a file's bytes to UTF-8: decompression, byte order marks, encodings.

use std::io::{self, BufReader, Cursor, Read};

use encoding_rs::{Encoding, UTF_8};
use flate2::bufread::MultiGzDecoder;

use super::transcoder::Transcoder;
use super::{SplitError, split_error};
use crate::error::ReadError;

const GZIP: [u8; 2] = [0x1F, 0x8B];
const UTF_8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
const UTF_16_MARKS: [[u8; 2]; 2] = [[0xFF, 0xFE], [0xFE, 0xFF]];

/// A file as UTF-8.
pub(super) struct Input {
    pub(super) stream: Box<dyn Read + Send>,
    pub(super) is_compressed: bool,
}

/// Prepares a file for reading.
pub(super) fn open(
    file: &str,
    encoding: &'static Encoding,
    stream: Box<dyn Read + Send>,
) -> Result<Input, ReadError> {
    let fail =
        |is_compressed| move |error| split_error(SplitError::Io(error), file, is_compressed, 0);
    let (head, stream) = peek(stream).map_err(fail(false))?;
    let is_compressed = head.starts_with(&GZIP);
    let (head, stream) = if is_compressed {
        peek(Box::new(MultiGzDecoder::new(BufReader::new(stream)))).map_err(fail(true))?
    } else {
        (head, stream)
    };
    if head.is_empty() {
        return Err(ReadError::Empty { file: file.to_owned() });
    }
    let stream = if encoding == UTF_8 {
        if UTF_16_MARKS.iter().any(|mark| head.starts_with(mark)) {
            return Err(ReadError::WrongEncoding {
                file: file.to_owned(),
                encoding: encoding.name(),
            });
        }
        without_mark(stream).map_err(fail(is_compressed))?
    } else {
        Box::new(Transcoder::new(stream, encoding))
    };
    Ok(Input { stream, is_compressed })
}

type Peeked = (Vec<u8>, Box<dyn Read + Send>);

/// The first three bytes, and the stream with them still in it.
fn peek(mut stream: Box<dyn Read + Send>) -> io::Result<Peeked> {
    let mut head = Vec::with_capacity(UTF_8_MARK.len());
    stream.by_ref().take(UTF_8_MARK.len() as u64).read_to_end(&mut head)?;
    let whole = Cursor::new(head.clone()).chain(stream);
    Ok((head, Box::new(whole)))
}

fn without_mark(stream: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let (head, mut stream) = peek(stream)?;
    if head == UTF_8_MARK {
        stream.read_exact(&mut [0; UTF_8_MARK.len()])?;
    }
    Ok(stream)
}
