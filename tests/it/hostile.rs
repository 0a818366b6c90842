//! Bytes that somebody without keys put into the bucket.

use custos_tests::hostile::{Verdict, Victim};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Mutations of each kind of object.
const CASES: u32 = 2_000;

/// Address space that hostile lengths may make a reader ask for, far below the 4 GiB that they can
/// name; what tests that run beside this one take is in it.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// One change of some bytes; places are parts of their length.
#[derive(Debug, Clone)]
enum Edit {
    Flip(f64, u8),
    Set(f64, Vec<u8>),
    /// A number, little end first, as lengths are.
    Length(f64, u32),
    Insert(f64, Vec<u8>),
    Remove(f64, f64),
    /// A part takes the place of another.
    Move(f64, f64, f64),
}

fn place() -> impl Strategy<Value = f64> {
    // The end of a file is where its footer is.
    prop_oneof![0.0..1.0, 0.7..1.0]
}

fn edit() -> impl Strategy<Value = Edit> {
    let lengths = prop_oneof![
        Just(0),
        Just(1),
        Just(11),
        Just(27),
        Just(28),
        Just(i32::MAX as u32),
        Just(u32::MAX),
        any::<u32>()
    ];
    let bytes = || proptest::collection::vec(any::<u8>(), 1..12);
    prop_oneof![
        4 => (place(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => (place(), bytes()).prop_map(|(at, bytes)| Edit::Set(at, bytes)),
        2 => (place(), lengths).prop_map(|(at, length)| Edit::Length(at, length)),
        1 => (place(), bytes()).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (place(), 0.0..0.3).prop_map(|(at, part)| Edit::Remove(at, part)),
        1 => (place(), place(), 0.0..0.2).prop_map(|(from, to, part)| Edit::Move(from, to, part)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |part: f64| (part * length as f64) as usize;
        let end = |at: usize, of: usize| (at + of).min(length);
        match self {
            Self::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(place(*at)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Set(at, with) => {
                let at = place(*at);
                let end = end(at, with.len());
                bytes[at..end].copy_from_slice(&with[..end - at]);
            }
            Self::Length(at, number) => {
                Self::Set(*at, number.to_le_bytes().to_vec()).apply(bytes);
            }
            Self::Insert(at, with) => {
                bytes.splice(place(*at)..place(*at), with.iter().copied());
            }
            Self::Remove(at, part) => {
                bytes.drain(place(*at)..end(place(*at), place(*part)));
            }
            Self::Move(from, to, part) => {
                let moved = bytes[place(*from)..end(place(*from), place(*part))].to_vec();
                Self::Set(*to, moved).apply(bytes);
            }
        }
    }
}

fn edited(original: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    bytes
}

/// Runs a reading on mutations; how many were refused.
fn mutated<T: std::fmt::Debug>(
    inputs: impl Strategy<Value = T>,
    read: impl Fn(&T) -> anyhow::Result<Verdict>,
) -> u32 {
    let refused = std::cell::Cell::new(0);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&inputs, |input| {
            let verdict =
                read(&input).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
            refused.set(refused.get() + u32::from(verdict == Verdict::Refused));
            Ok(())
        })
        .expect("every reading is right or refused");
    refused.get()
}

/// The most address space that this process ever had.
fn address_space_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[test]
fn a_sealed_file_with_other_bytes_is_refused_or_read_as_it_was() {
    let victim = Victim::new(1).expect("a table");
    let original = victim.data_file().expect("a file");
    assert_eq!(victim.read_file(&original).expect("it reads"), Verdict::Right);
    let edits = proptest::collection::vec(edit(), 1..4);
    let refused = mutated(edits, |edits| victim.read_file(&edited(&original, edits)));
    assert!(refused > CASES / 2, "{refused} of {CASES}");
}

/// Each length stands in clear before what it is the length of.
#[test]
fn no_length_in_a_sealed_file_takes_the_process_or_its_memory() {
    let victim = Victim::new(1).expect("a table");
    let original = victim.data_file().expect("a file");
    let before = address_space_bytes();
    let mut lengths = 0;
    for at in 4..original.len() - 4 {
        let number: [u8; 4] = original[at..at + 4].try_into().expect("four bytes");
        let number = u32::from_le_bytes(number) as usize;
        if number < 28 || at + 4 + number > original.len() {
            continue;
        }
        lengths += 1;
        for wrong in [0, 11, 27, number as u32 + 1, i32::MAX as u32, u32::MAX - 4, u32::MAX] {
            let mut bytes = original.clone();
            bytes[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
            victim.read_file(&bytes).expect("a reading is right or refused");
        }
    }
    assert!(lengths > 10, "{lengths} lengths were found");
    if let (Some(before), Some(after)) = (before, address_space_bytes()) {
        assert!(after - before < MEMORY_BYTES_MAX, "{before} bytes became {after}");
    }
}

/// A footer that says how it is sealed, and then is too short for what every seal has.
#[test]
fn a_footer_shorter_than_its_seal_ends_one_reading() {
    let victim = Victim::new(1).expect("a table");
    // Thrift's compact form of an algorithm (AES_GCM_V1, and eight bytes that are the file's own).
    let sealed_how = [&[0x1c, 0x1c, 0x28, 8][..], &[7; 8], &[0, 0, 0]].concat();
    for ciphertext in 0..64 {
        let footer = [&sealed_how[..], &vec![1; ciphertext]].concat();
        let length = (footer.len() as u32).to_le_bytes();
        let end = [&footer[..], &length, b"PARE"].concat();
        assert_eq!(victim.read_file(&end).expect("it is refused"), Verdict::Refused);
    }
}

#[test]
fn a_log_with_other_bytes_is_refused_or_read_as_it_was() {
    // One of entries only, and one with a checkpoint and an entry after it.
    for commits in [3, 51] {
        let victim = Victim::new(commits).expect("a table");
        let objects = victim.log_objects().expect("a log");
        // What is older than a checkpoint is not read.
        let read = objects.len().saturating_sub(5)..objects.len();
        let edits = proptest::collection::vec(edit(), 1..4);
        let refused = mutated((read, edits), |(object, edits)| {
            victim.read_log(*object, &edited(&objects[*object], edits))
        });
        assert!(refused > CASES / 10, "{refused} of {CASES}");
    }
}
