//! Temporary files for what does not fit in memory, sealed.
//!
//! Each file has a key of its own that exists only in memory, and no name: what a crash leaves on
//! the disk is nobody's file and opens with no key. Its bytes are a sealed stream of
//! [`custos_keys`], so frames that are cut, changed, reordered or of another file do not open. The
//! engine decodes what it reads back without checking it, so this is what keeps a damaged disk
//! from becoming a damaged memory.
//!
//! The engine reads some files while they are written. A reader sees whole frames only, up to
//! where the writer flushed; it waits for more until the writer is gone, and then the last frame
//! must have been there.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use custos_keys::{SealedReader, SealedWriter, Secret, open_sealed_stream};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, stream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::QueryError;
use crate::budget::Budget;
use crate::shortage::{Shortages, SpillFailure};

/// What the frames are bound to, besides the key of their file.
const AAD: &[u8] = b"custos/spill/1";

/// Longest plain text of a frame. Each open writer holds that much memory, which the engine does
/// not count.
const FRAME_BYTES: usize = 256 * 1024;

/// What the engine calls files for rows on their way between partitions.
///
/// They are refused: where two writers have such files open at a time, their reader waits for the
/// older one while its rows are in the other, and the writers wait for the reader
/// (<https://github.com/apache/datafusion/issues/24883>, not in a release yet). Such rows stay in
/// the memory of what cannot spill, which bounds them.
pub(crate) const EXCHANGE: &str = "SpillPool";

/// Makes the temporary files of one statement.
pub(crate) struct SealedFiles {
    folder: PathBuf,
    space: Arc<Space>,
}

impl SealedFiles {
    pub(crate) const fn new(folder: PathBuf, space: Arc<Space>) -> Self {
        Self { folder, space }
    }

    fn create(&self) -> Result<SealedFile, QueryError> {
        let disk = |_| self.space.shortages.spill_failed(SpillFailure::Disk);
        let file = tempfile::tempfile_in(&self.folder).map_err(disk)?;
        let secret = Secret::random().map_err(|_| QueryError::Internal)?;
        let (writer, written) = watch::channel(0);
        Ok(SealedFile {
            content: Arc::new(Content {
                file,
                secret,
                space: Arc::clone(&self.space),
                held: AtomicU64::new(0),
            }),
            writer: Mutex::new(Some(writer)),
            written,
        })
    }
}

impl TempFileFactory for SealedFiles {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        if description == EXCHANGE {
            return Err(QueryError::TooLarge.into_engine());
        }
        Ok(Arc::new(self.create().map_err(QueryError::into_engine)?))
    }
}

/// The temporary space of one statement, part of that of the process.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) statement: Budget,
    pub(crate) principal: Arc<Budget>,
    pub(crate) shortages: Arc<Shortages>,
}

impl Space {
    fn take(&self, bytes: u64) -> Result<(), SpillFailure> {
        if !self.statement.take(bytes) {
            return Err(SpillFailure::StatementFull);
        }
        if !self.principal.take(bytes) {
            self.statement.give_back(bytes);
            return Err(SpillFailure::ProcessFull);
        }
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.statement.give_back(bytes);
        self.principal.give_back(bytes);
    }

    /// Notes a failure, in the form that writers and readers pass on.
    fn failed(&self, failure: SpillFailure) -> io::Error {
        io::Error::other(self.shortages.spill_failed(failure))
    }
}

/// A file without a name, its key, and the space it takes. Gone when the last user is.
struct Content {
    file: File,
    secret: Secret,
    space: Arc<Space>,
    held: AtomicU64,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.space.give_back(self.held.load(Ordering::Relaxed));
    }
}

/// A sealed temporary file: written once, read while it is written or after.
struct SealedFile {
    content: Arc<Content>,
    /// Tells readers how far the file is written; whoever writes the file takes it.
    writer: Mutex<Option<watch::Sender<u64>>>,
    written: watch::Receiver<u64>,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedFile")
    }
}

impl SealedFile {
    fn writer(&self) -> Result<Writer, QueryError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A second stream in one file would look like a forged one.
        let written = writer.take().ok_or(QueryError::Internal)?;
        let appender = Appender { content: Arc::clone(&self.content), at: 0, written };
        SealedWriter::with_frame_bytes(appender, &self.content.secret, AAD, FRAME_BYTES)
            .map(|sealing| Writer(Some(sealing)))
            .map_err(|_| self.content.space.shortages.spill_failed(SpillFailure::Disk))
    }

    fn reader(&self) -> Result<Reader, QueryError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody writes the file: to wait for its content would be to wait for ever.
        if writer.is_some() {
            return Err(QueryError::Internal);
        }
        Ok(Reader {
            content: Arc::clone(&self.content),
            frames: None,
            written: self.written.clone(),
            complete: false,
        })
    }
}

impl SpillFile for SealedFile {
    fn size(&self) -> Option<u64> {
        Some(*self.written.borrow())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let reader = self.reader().map_err(QueryError::into_engine)?;
        Ok(Box::pin(stream::try_unfold(reader, |reader| async move {
            reader.next().await.map_err(QueryError::into_engine)
        })))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(self.writer().map_err(QueryError::into_engine)?))
    }
}

/// Seals what the engine writes. Dropped without [`SpillWriter::finish`], the file has no end and
/// its readers fail.
struct Writer(Option<SealedWriter<Appender>>);

impl Writer {
    fn open(&mut self) -> io::Result<&mut SealedWriter<Appender>> {
        self.0.as_mut().ok_or_else(|| io::Error::other(QueryError::Internal))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        let sealing = self.0.take().ok_or_else(|| QueryError::Internal.into_engine())?;
        sealing.finish().map(drop).map_err(DataFusionError::from)
    }
}

/// Appends sealed bytes to a file, and tells readers of them when a frame is whole.
struct Appender {
    content: Arc<Content>,
    at: u64,
    written: watch::Sender<u64>,
}

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = &self.content.space;
        let length = bytes.len() as u64;
        space.take(length).map_err(|failure| space.failed(failure))?;
        self.content.held.fetch_add(length, Ordering::Relaxed);
        let put = self.content.file.write_all_at(bytes, self.at);
        put.map_err(|_| space.failed(SpillFailure::Disk))?;
        self.at += length;
        Ok(bytes.len())
    }

    /// Called between frames only.
    fn flush(&mut self) -> io::Result<()> {
        self.written.send_replace(self.at);
        Ok(())
    }
}

/// The plain text of a frame, wiped when the engine is done with it.
type Frame = Zeroizing<Vec<u8>>;

/// Reads a sealed file from its beginning.
struct Reader {
    content: Arc<Content>,
    /// The frames, once the first of them was there.
    frames: Option<SealedReader<Written>>,
    written: watch::Receiver<u64>,
    /// Whether the writer is gone, so that nothing will be added.
    complete: bool,
}

impl Reader {
    /// The next bytes, as soon as they are written; `None` after the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, QueryError> {
        loop {
            let written = *self.written.borrow_and_update();
            let read = self.frames.as_ref().map_or(0, |frames| frames.get_ref().at);
            if written == read && !self.complete {
                self.complete = self.written.changed().await.is_err();
                continue;
            }
            // The disk may be slow, and the thread has other statements to run.
            let reading = spawn_blocking(move || self.frame()).await;
            let (frame, reader) = reading.map_err(|_| QueryError::Internal)??;
            self = reader;
            match frame {
                None => return Ok(None),
                Some(frame) if frame.is_empty() => {}
                Some(frame) => return Ok(Some((Bytes::from_owner(frame), self))),
            }
        }
    }

    /// The next frame, all of which is written.
    fn frame(mut self) -> Result<(Option<Frame>, Self), QueryError> {
        let mut frames = match self.frames.take() {
            Some(frames) => frames,
            None => {
                let content = Arc::clone(&self.content);
                let bytes = Written { content, written: self.written.clone(), at: 0 };
                open_sealed_stream(bytes, &self.content.secret, AAD)
                    .map_err(|error| self.broken(&error, 0))?
            }
        };
        let frame =
            frames.read_frame().map_err(|error| self.broken(&error, frames.get_ref().at))?;
        self.frames = Some(frames);
        Ok((frame, self))
    }

    /// What an error at this place of the file says.
    fn broken(&self, error: &io::Error, at: u64) -> QueryError {
        let cut = error.kind() == io::ErrorKind::UnexpectedEof;
        if cut && at == *self.written.borrow() {
            // The writer gave up, for a reason that somebody else reports.
            return QueryError::Compute;
        }
        self.content.space.shortages.spill_failed(SpillFailure::Damaged)
    }
}

/// The part of a file that is whole.
struct Written {
    content: Arc<Content>,
    written: watch::Receiver<u64>,
    at: u64,
}

impl Read for Written {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.written.borrow().saturating_sub(self.at);
        let length = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.content.file.read_at(&mut into[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
