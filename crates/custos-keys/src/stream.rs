//! Sealing more than fits in memory: a stream of sealed frames.
//!
//! A stream starts with 16 random bytes that name it. Each frame is its length (`u32`, little
//! endian), a byte that is 1 in the last frame and else 0, and a sealed value as in
//! [`crate::aead`]. The additional data of a frame holds the stream's name, the frame's number
//! and the last-flag, so frames that are left out, repeated, reordered or of another stream do not
//! open, and a stream without its end is seen to be cut.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;

use aes_gcm::Aes256Gcm;
use zeroize::{Zeroize, Zeroizing};

use crate::aead::{OVERHEAD_BYTES, cipher, open_with, seal_with};
use crate::{KeyError, Secret, random_bytes};

/// Longest plain text of a frame.
const FRAME_BYTES_MAX: usize = 1 << 20;
const STREAM_ID_BYTES: usize = 16;

/// What the frames of one stream are sealed with.
struct Frames {
    cipher: Aes256Gcm,
    prefix: Vec<u8>,
    next: u64,
}

impl Frames {
    fn new(secret: &Secret, stream: [u8; STREAM_ID_BYTES], aad: &[u8]) -> Self {
        let mut prefix = stream.to_vec();
        prefix.extend_from_slice(aad);
        Self { cipher: cipher(secret), prefix, next: 0 }
    }

    /// The additional data of the next frame. What follows the caller's part has a fixed length.
    fn aad(&self, last: bool) -> Vec<u8> {
        let mut aad = self.prefix.clone();
        aad.extend_from_slice(&self.next.to_le_bytes());
        aad.push(u8::from(last));
        aad
    }
}

/// Plain bytes on their way into a frame.
///
/// Wipes the bytes in use; `Zeroizing` would wipe the whole room for each short frame.
struct Gathered(Vec<u8>);

impl Gathered {
    fn wipe(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Seals what is written to it, in frames of at most 1 MiB.
///
/// [`SealedWriter::finish`] writes the end; a stream without it does not open. Flushing writes
/// what has gathered as a shorter frame.
pub struct SealedWriter<W: Write> {
    inner: W,
    frames: Frames,
    gathered: Gathered,
    frame_bytes: usize,
}

impl<W: Write> SealedWriter<W> {
    /// Starts a stream that opens only with the same secret and the same `aad`.
    pub fn new(inner: W, secret: &Secret, aad: &[u8]) -> io::Result<Self> {
        Self::with_frame_bytes(inner, secret, aad, FRAME_BYTES_MAX)
    }

    /// Does [`SealedWriter::new`] with frames of at most `frame_bytes` bytes of plain text, from
    /// 1 byte to 1 MiB. A writer holds that much memory.
    pub fn with_frame_bytes(
        mut inner: W,
        secret: &Secret,
        aad: &[u8],
        frame_bytes: usize,
    ) -> io::Result<Self> {
        let frame_bytes = frame_bytes.clamp(1, FRAME_BYTES_MAX);
        let stream = random_bytes().map_err(io::Error::other)?;
        inner.write_all(&stream)?;
        Ok(Self {
            inner,
            frames: Frames::new(secret, stream, aad),
            // Never grows, so no copy of plain bytes is left behind by a move.
            gathered: Gathered(Vec::with_capacity(frame_bytes)),
            frame_bytes,
        })
    }

    /// Writes the end of the stream, flushes, and gives back what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.put_frame(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn put_frame(&mut self, last: bool) -> io::Result<()> {
        let aad = self.frames.aad(last);
        let sealed =
            seal_with(&self.frames.cipher, &aad, &self.gathered.0).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&[u8::from(last)])?;
        self.inner.write_all(&sealed)?;
        self.gathered.wipe();
        self.frames.next += 1;
        Ok(())
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.0.len() == self.frame_bytes {
            self.put_frame(false)?;
        }
        let taken = bytes.len().min(self.frame_bytes - self.gathered.0.len());
        self.gathered.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.gathered.0.is_empty() {
            self.put_frame(false)?;
        }
        self.inner.flush()
    }
}

impl<W: Write> fmt::Debug for SealedWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedWriter").field("frames", &self.frames.next).finish_non_exhaustive()
    }
}

/// Opens a stream that a [`SealedWriter`] wrote.
///
/// Each byte read is authentic, but only reaching the end without an error says that nothing is
/// missing: act on the whole, not on a part. Errors of kind [`io::ErrorKind::InvalidData`] carry
/// [`KeyError::Unopened`]; a missing end is [`io::ErrorKind::UnexpectedEof`].
pub fn open_sealed_stream<R: Read>(
    mut inner: R,
    secret: &Secret,
    aad: &[u8],
) -> io::Result<SealedReader<R>> {
    let mut stream = [0; STREAM_ID_BYTES];
    inner.read_exact(&mut stream)?;
    Ok(SealedReader {
        inner,
        frames: Frames::new(secret, stream, aad),
        opened: Zeroizing::default(),
        taken: 0,
        ended: false,
    })
}

/// The plain bytes of a sealed stream.
pub struct SealedReader<R: Read> {
    inner: R,
    frames: Frames,
    opened: Zeroizing<Vec<u8>>,
    taken: usize,
    ended: bool,
}

impl<R: Read> SealedReader<R> {
    /// What the stream is read from.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The plain bytes of the next frame, or what [`Read`] left of the present one; `None` after
    /// the end.
    ///
    /// Needs no more of the stream than that frame, so a stream may be read while it is still
    /// written, up to where it was flushed.
    pub fn read_frame(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        if self.taken == self.opened.len() {
            if self.ended {
                return Ok(None);
            }
            self.open_frame()?;
        }
        let mut frame = mem::take(&mut self.opened);
        frame.drain(..mem::take(&mut self.taken));
        Ok(Some(frame))
    }

    fn open_frame(&mut self) -> io::Result<()> {
        let mut head = [0; 5];
        self.inner.read_exact(&mut head)?;
        let [a, b, c, d, flag] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > FRAME_BYTES_MAX + OVERHEAD_BYTES || flag > 1 {
            return Err(unopened());
        }
        let mut sealed = vec![0; length];
        self.inner.read_exact(&mut sealed)?;
        let last = flag == 1;
        self.opened = open_with(&self.frames.cipher, &self.frames.aad(last), &sealed)
            .map_err(|_| unopened())?;
        self.taken = 0;
        self.frames.next += 1;
        if last {
            self.expect_end()?;
            self.ended = true;
        }
        Ok(())
    }

    fn expect_end(&mut self) -> io::Result<()> {
        if io::copy(&mut self.inner.by_ref().take(1), &mut io::sink())? != 0 {
            self.opened.zeroize();
            return Err(unopened());
        }
        Ok(())
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.opened.len() {
            if self.ended || into.is_empty() {
                return Ok(0);
            }
            self.open_frame()?;
        }
        let count = into.len().min(self.opened.len() - self.taken);
        into[..count].copy_from_slice(&self.opened[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

impl<R: Read> fmt::Debug for SealedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedReader").field("frames", &self.frames.next).finish_non_exhaustive()
    }
}

fn unopened() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, KeyError::Unopened)
}

#[cfg(test)]
mod tests;
