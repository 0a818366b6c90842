//! Any known encoding as a stream of UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};

/// No byte of UTF-8, so that the row it stands in is refused when it is read as text.
const MALFORMED: u8 = 0xFF;

const INPUT_BYTES: usize = 16 * 1024;

/// Longer than what the input can become in UTF-8, plus the mark of a malformed character.
const OUTPUT_BYTES: usize = 3 * INPUT_BYTES + 32;

/// Decodes a stream; each malformed sequence becomes one byte `FF`.
///
/// A byte order mark is dropped, and names the encoding if it contradicts the given one.
pub(super) struct Transcoder<R> {
    stream: R,
    decoder: Decoder,
    input: Span,
    output: Span,
    is_ended: bool,
    is_finished: bool,
}

/// A buffer and the part of it that is still to be used.
struct Span {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Span {
    fn new(length: usize) -> Self {
        Self { bytes: vec![0; length], from: 0, to: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }
}

impl<R: Read> Transcoder<R> {
    pub(super) fn new(stream: R, encoding: &'static Encoding) -> Self {
        Self {
            stream,
            decoder: encoding.new_decoder(),
            input: Span::new(INPUT_BYTES),
            output: Span::new(OUTPUT_BYTES),
            is_ended: false,
            is_finished: false,
        }
    }

    /// Decodes on until there is output or nothing is left.
    fn refill(&mut self) -> io::Result<()> {
        while self.output.rest().is_empty() && !self.is_finished {
            if self.input.rest().is_empty() && !self.is_ended {
                let length = self.stream.read(&mut self.input.bytes)?;
                (self.input.from, self.input.to) = (0, length);
                self.is_ended = length == 0;
            }
            self.decode();
        }
        Ok(())
    }

    fn decode(&mut self) {
        let (text, mark) = self.output.bytes.split_at_mut(OUTPUT_BYTES - 1);
        let (result, read, mut written) =
            self.decoder.decode_to_utf8_without_replacement(self.input.rest(), text, self.is_ended);
        self.input.from += read;
        match result {
            DecoderResult::InputEmpty => self.is_finished = self.is_ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                if let Some(slot) = text.iter_mut().chain(mark).nth(written) {
                    *slot = MALFORMED;
                    written += 1;
                }
            }
        }
        (self.output.from, self.output.to) = (0, written);
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.refill()?;
        let mut rest = self.output.rest();
        let length = rest.read(target)?;
        self.output.from += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Transcoder::new(bytes, encoding).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn long_text_survives_in_every_encoding() {
        let text = "客户,数据\r\n".repeat(20_000);
        let (bytes, _, unmappable) = encoding_rs::GB18030.encode(&text);
        assert!(!unmappable);
        assert_eq!(decoded(encoding_rs::GB18030, &bytes), text.as_bytes());
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(encoding_rs::UTF_16BE, &wide), text.as_bytes());
    }

    #[test]
    fn a_byte_order_mark_decides() {
        assert_eq!(decoded(encoding_rs::UTF_16LE, b"\xFE\xFF\0a"), b"a");
        assert_eq!(decoded(encoding_rs::GB18030, b"\xEF\xBB\xBFa"), b"a");
    }

    #[test]
    fn malformed_sequences_become_one_mark() {
        assert_eq!(decoded(encoding_rs::UTF_16LE, b"a\0\0\xD8"), b"a\xFF");
        assert_eq!(decoded(encoding_rs::UTF_16LE, b"a\0b"), b"a\xFF");
        assert_eq!(decoded(encoding_rs::GB18030, b"a\xFF,b"), b"a\xFF,b");
    }
}
