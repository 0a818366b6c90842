//! The form of messages: whether what the type of one promises is in it.
//!
//! The decoder takes that for granted, and panics where it is not so. What is here only looks.

/// Whether a message, which is as long as it says, has the form of its type.
///
/// Texts have to be in UTF-8, since the decoder would put other letters in place of what is none.
pub(super) fn is_formed(message: &[u8]) -> bool {
    let [kind, _, _, _, _, body @ ..] = message else { return false };
    let mut rest = Rest(body);
    rest.message(*kind).is_some() && rest.0.is_empty()
}

/// Whether a body is that of the first message of a proof by SASL.
pub(super) fn is_first_proof(body: &[u8]) -> bool {
    let mut rest = Rest(body);
    rest.first_proof().is_some() && rest.0.is_empty()
}

/// What was not looked at yet.
#[derive(Debug)]
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// The body of a message, by its type
    /// ([formats](https://www.postgresql.org/docs/15/protocol-message-formats.html)).
    fn message(&mut self, kind: u8) -> Option<()> {
        match kind {
            b'Q' | b'f' => self.text(),
            b'P' => {
                self.text()?;
                self.text()?;
                let types = self.count()?;
                self.skip(types * 4)
            }
            b'B' => {
                self.text()?;
                self.text()?;
                self.formats()?;
                for _ in 0..self.count()? {
                    self.value()?;
                }
                self.formats()
            }
            b'D' | b'C' => {
                self.skip(1)?;
                self.text()
            }
            b'E' => {
                self.text()?;
                self.skip(4)
            }
            b'H' | b'S' | b'X' | b'c' => Some(()),
            // What is copied and what proves something is bytes; of other types the decoder knows
            // none.
            _ => {
                self.0 = &[];
                Some(())
            }
        }
    }

    fn first_proof(&mut self) -> Option<()> {
        self.text()?;
        self.value()
    }

    /// A text with a zero at its end.
    fn text(&mut self) -> Option<()> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(self.0.get(..end)?).ok()?;
        self.skip(end + 1)
    }

    /// A value with its length before it, or nothing.
    fn value(&mut self) -> Option<()> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        match i32::from_be_bytes(*length) {
            -1 => Some(()),
            length => self.skip(usize::try_from(length).ok()?),
        }
    }

    /// Codes of formats, with their number before them.
    fn formats(&mut self) -> Option<()> {
        let count = self.count()?;
        self.skip(count * 2)
    }

    fn count(&mut self) -> Option<usize> {
        let (count, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(usize::from(u16::from_be_bytes(*count)))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, 0, 0][..], body].concat()
    }

    /// Bodies that are whole, one of each type that has any.
    pub(in super::super) const WHOLE: [(u8, &[u8]); 9] = [
        (b'Q', b"SELECT 1\0"),
        (b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
        (b'B', b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\0"),
        (b'D', b"Ss\0"),
        (b'C', b"Pp\0"),
        (b'E', b"p\0\0\0\0\0"),
        (b'S', b""),
        (b'd', b"\xff\0any"),
        (b'p', b"\xff\0any"),
    ];

    #[test]
    fn messages_that_are_whole_are_formed() {
        for (kind, body) in WHOLE {
            assert!(is_formed(&message(kind, body)), "{}", char::from(kind));
        }
        assert!(!is_formed(b"Q\0\0\0"));
    }

    #[test]
    fn messages_that_end_early_or_go_on_are_not_formed() {
        for (kind, body) in WHOLE.into_iter().filter(|(kind, _)| !b"dp".contains(kind)) {
            for end in 0..body.len() {
                assert!(!is_formed(&message(kind, &body[..end])), "{} {end}", char::from(kind));
            }
            let more = [body, b"x"].concat();
            assert!(!is_formed(&message(kind, &more)), "{}", char::from(kind));
        }
    }

    #[test]
    fn counts_lengths_and_letters_that_cannot_be_are_not_formed() {
        let cases: [(u8, &[u8]); 5] = [
            (b'Q', b"SELECT '\xff'\0"),
            (b'P', b"\0\0\xff\xff"),
            (b'B', b"\0\0\xff\xff\xff\xff"),
            (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        ];
        for (kind, body) in cases {
            assert!(!is_formed(&message(kind, body)), "{body:?}");
        }
    }

    #[test]
    fn a_first_proof_is_a_name_and_a_value() {
        assert!(is_first_proof(b"SCRAM-SHA-256\0\0\0\0\x02n,"));
        assert!(is_first_proof(b"SCRAM-SHA-256\0\xff\xff\xff\xff"));
        for body in [&b""[..], b"secret\0", b"A\0\0\0\0\x09n,", b"A\0\xff\xff\xff\xfbn,"] {
            assert!(!is_first_proof(body), "{body:?}");
        }
    }
}
