use std::collections::VecDeque;

use futures::StreamExt;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

/// Sealed files in a folder of their own.
struct World {
    folder: TempDir,
    space: Arc<Space>,
    files: SealedFiles,
}

impl World {
    fn new(statement: u64, process: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let space = Arc::new(Space {
            statement: Budget::new(statement),
            principal: Arc::new(Budget::new(process)),
            shortages: Arc::default(),
        });
        let files = SealedFiles::new(folder.path().to_path_buf(), Arc::clone(&space));
        Self { folder, space, files }
    }

    fn ample() -> Self {
        Self::new(u64::MAX, u64::MAX)
    }

    fn taken(&self) -> (u64, u64) {
        (self.space.statement.taken(), self.space.principal.taken())
    }
}

/// A finished file with these pieces, each flushed.
fn written(files: &SealedFiles, pieces: &[&[u8]]) -> SealedFile {
    let file = files.create().unwrap();
    let mut writer = file.writer().unwrap();
    for piece in pieces {
        writer.write_all(piece).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    file
}

async fn read_all(file: &SealedFile) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunks = file.read_stream()?;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

/// Reads a file on a thread of its own runtime.
fn read(file: &SealedFile) -> Result<Vec<u8>> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read_all(file))
}

/// The bytes on the disk.
fn on_disk(file: &SealedFile) -> Vec<u8> {
    let length = file.content.file.metadata().unwrap().len();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    file.content.file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn overwrite(file: &SealedFile, bytes: &[u8]) {
    file.content.file.set_len(0).unwrap();
    file.content.file.write_all_at(bytes, 0).unwrap();
}

/// Where frames begin and end in sealed bytes, after the 16 bytes that name the stream.
fn frames(sealed: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut frames) = (16, Vec::new());
    while at < sealed.len() {
        let length = u32::from_le_bytes(sealed[at..at + 4].try_into().unwrap()) as usize + 5;
        frames.push(at..at + length);
        at += length;
    }
    frames
}

/// What can happen to a file.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<u8>),
    Flush,
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Step::Write),
        Just(Step::Flush),
        Just(Step::Read),
    ]
}

proptest! {
    #[test]
    fn a_reader_beside_the_writer_sees_what_was_flushed_in_order_and_nothing_else(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::ample();
            let file = world.files.create().unwrap();
            let mut writer = file.writer().unwrap();
            let mut chunks = file.read_stream().unwrap();
            let (mut pending, mut flushed) = (Vec::new(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Write(bytes) => {
                        writer.write_all(&bytes).unwrap();
                        pending.extend(bytes);
                    }
                    Step::Flush => {
                        writer.flush().unwrap();
                        flushed.extend(pending.drain(..));
                    }
                    // With nothing flushed a reader would wait, as it should.
                    Step::Read if flushed.is_empty() => {}
                    Step::Read => {
                        for byte in chunks.next().await.unwrap().unwrap() {
                            assert_eq!(flushed.pop_front(), Some(byte));
                        }
                    }
                }
            }
            writer.finish().unwrap();
            flushed.extend(pending);
            while let Some(chunk) = chunks.next().await {
                for byte in chunk.unwrap() {
                    assert_eq!(flushed.pop_front(), Some(byte));
                }
            }
            assert!(flushed.is_empty());
        });
    }

    #[test]
    fn a_file_that_is_cut_or_changed_anywhere_is_damaged(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..6),
        place: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        let world = World::ample();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let file = written(&world.files, &pieces);
        let whole = on_disk(&file);
        let at = place.index(whole.len());
        overwrite(&file, &whole[..at]);
        prop_assert!(read(&file).is_err());
        let mut flipped = whole.clone();
        flipped[at] ^= 1_u8 << bit;
        overwrite(&file, &flipped);
        prop_assert!(read(&file).is_err());
        overwrite(&file, &whole);
        prop_assert_eq!(read(&file).unwrap(), pieces.concat());
    }

    #[test]
    fn frames_in_another_order_or_of_another_file_are_damage(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 4..5), 2..6),
        one: prop::sample::Index,
        other: prop::sample::Index,
    ) {
        let world = World::ample();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let (file, twin) = (written(&world.files, &pieces), written(&world.files, &pieces));
        let (whole, foreign) = (on_disk(&file), on_disk(&twin));
        let frames = frames(&whole);
        // All frames but the last have one length, so that any two can change places.
        let (one, other) = (one.index(pieces.len()), other.index(pieces.len()));
        let mut swapped = whole.clone();
        swapped[frames[one].clone()].copy_from_slice(&whole[frames[other].clone()]);
        swapped[frames[other].clone()].copy_from_slice(&whole[frames[one].clone()]);
        overwrite(&file, &swapped);
        prop_assert_eq!(read(&file).is_ok(), one == other);
        let mut mixed = whole;
        mixed[frames[one].clone()].copy_from_slice(&foreign[frames[one].clone()]);
        overwrite(&file, &mixed);
        prop_assert!(read(&file).is_err());
        prop_assert!(!file.content.space.shortages.explain(QueryError::Compute).to_string().contains("computed"));
    }
}

#[tokio::test]
async fn more_than_a_frame_is_read_as_it_was_written_and_is_not_on_the_disk() {
    let world = World::ample();
    let text = b"canary-7f3a@example.test ".repeat(60_000);
    let file = written(&world.files, &[&text]);
    let sealed = on_disk(&file);
    assert!(frames(&sealed).len() > 4);
    assert!(!sealed.windows(11).any(|window| window == b"canary-7f3a"));
    assert_eq!(read_all(&file).await.unwrap(), text);
    assert_eq!(file.size(), Some(sealed.len() as u64));
}

#[tokio::test]
async fn a_reader_waits_for_the_writer_and_no_longer() {
    let world = World::ample();
    let file = world.files.create().unwrap();
    let mut writer = file.writer().unwrap();
    let mut reader = JoinSet::new();
    let mut chunks = file.read_stream().unwrap();
    reader.spawn(async move {
        let first = chunks.next().await.unwrap().unwrap();
        (first, chunks.next().await)
    });
    tokio::task::yield_now().await;
    writer.write_all(b"one").unwrap();
    writer.flush().unwrap();
    writer.finish().unwrap();
    let (first, end) = reader.join_next().await.unwrap().unwrap();
    assert_eq!(&first[..], b"one");
    assert!(end.is_none());
}

#[tokio::test]
async fn a_file_whose_writer_gave_up_has_no_end_but_is_not_called_damaged() {
    let world = World::ample();
    for flushed in [true, false] {
        let file = world.files.create().unwrap();
        let mut writer = file.writer().unwrap();
        writer.write_all(b"one").unwrap();
        if flushed {
            writer.flush().unwrap();
        }
        drop(writer);
        assert!(read_all(&file).await.is_err());
    }
    let cause = world.space.shortages.explain(QueryError::TooLarge);
    assert!(matches!(cause, QueryError::TooLarge));
}

#[test]
fn a_file_is_written_once_and_not_read_before() {
    let world = World::ample();
    let file = world.files.create().unwrap();
    assert!(file.read_stream().is_err());
    let mut writer = file.writer().unwrap();
    assert!(file.open_writer().is_err());
    writer.finish().unwrap();
    assert!(writer.finish().is_err());
    assert!(writer.write(b"more").is_err());
}

#[test]
fn space_is_counted_by_what_is_on_the_disk_and_comes_back() {
    let world = World::ample();
    let files = [written(&world.files, &[b"one", b"two"]), written(&world.files, &[])];
    let bytes = files.iter().map(|file| on_disk(file).len() as u64).sum();
    assert_eq!(world.taken(), (bytes, bytes));
    drop(files);
    assert_eq!(world.taken(), (0, 0));
}

#[test]
fn a_file_beyond_the_space_of_its_statement_or_the_process_fails_and_says_which() {
    for (statement, process, full) in
        [(1_000, 10_000, "more temporary space"), (10_000, 1_000, "other statements")]
    {
        let world = World::new(statement, process);
        let file = world.files.create().unwrap();
        let mut writer = file.writer().unwrap();
        writer.write_all(&[7; 2_000]).unwrap();
        assert!(writer.flush().is_err());
        let cause = world.space.shortages.explain(QueryError::Compute);
        assert!(cause.to_string().contains(full), "{cause}");
        drop((writer, file));
        assert_eq!(world.taken(), (0, 0));
    }
}

#[test]
fn an_open_file_has_no_name_so_that_a_crash_leaves_nothing() {
    let world = World::ample();
    let file = written(&world.files, &[b"one"]);
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 0);
    assert!(!on_disk(&file).is_empty());
}

#[test]
fn a_folder_that_takes_no_file_is_a_failure_of_the_disk() {
    let world = World::ample();
    let files = SealedFiles::new(world.folder.path().join("gone"), Arc::clone(&world.space));
    assert!(files.create_temp_file("").is_err());
    let cause = world.space.shortages.explain(QueryError::Compute);
    assert!(matches!(cause, QueryError::SpillDisk));
}
