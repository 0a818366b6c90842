use proptest::prelude::*;

use super::*;

fn sealed(secret: &Secret, aad: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mut writer = SealedWriter::new(Vec::new(), secret, aad).unwrap();
    for piece in pieces {
        writer.write_all(piece).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}

fn opened(secret: &Secret, aad: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    open_sealed_stream(sealed, secret, aad)?.read_to_end(&mut plain)?;
    Ok(plain)
}

/// The frames of a sealed stream, without its head.
fn frames(sealed: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &sealed[STREAM_ID_BYTES..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize + 5;
        let (frame, after) = rest.split_at(length);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

fn joined(sealed: &[u8], frames: &[Vec<u8>]) -> Vec<u8> {
    [&sealed[..STREAM_ID_BYTES], &frames.concat()].concat()
}

proptest! {
    #[test]
    fn what_was_written_is_read(pieces: Vec<Vec<u8>>, aad: Vec<u8>) {
        let secret = Secret::random().unwrap();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let sealed = sealed(&secret, &aad, &pieces);
        prop_assert_eq!(opened(&secret, &aad, &sealed).unwrap(), pieces.concat());
    }

    #[test]
    fn a_cut_or_changed_stream_does_not_open(
        text: Vec<u8>, cut: prop::sample::Index, bit in 0..8_u32,
    ) {
        let secret = Secret::random().unwrap();
        let mut sealed = sealed(&secret, b"a", &[&text]);
        let at = cut.index(sealed.len());
        prop_assert!(opened(&secret, b"a", &sealed[..at]).is_err());
        prop_assert!(opened(&secret, b"b", &sealed).is_err());
        sealed[at] ^= 1_u8 << bit;
        prop_assert!(opened(&secret, b"a", &sealed).is_err());
    }
}

proptest! {
    #[test]
    fn frames_come_out_as_they_were_flushed(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9), 0..9),
    ) {
        let secret = Secret::random().unwrap();
        let borrowed: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let sealed = sealed(&secret, b"", &borrowed);
        let mut reader = open_sealed_stream(&sealed[..], &secret, b"").unwrap();
        for piece in &pieces {
            prop_assert_eq!(&*reader.read_frame().unwrap().unwrap(), piece);
        }
        prop_assert!(reader.read_frame().unwrap().unwrap().is_empty());
        prop_assert!(reader.read_frame().unwrap().is_none());
    }

    #[test]
    fn short_frames_hold_the_same_text(text: Vec<u8>, frame_bytes in 1..9_usize) {
        let secret = Secret::random().unwrap();
        let mut writer =
            SealedWriter::with_frame_bytes(Vec::new(), &secret, b"", frame_bytes).unwrap();
        writer.write_all(&text).unwrap();
        let sealed = writer.finish().unwrap();
        prop_assert_eq!(frames(&sealed).len(), text.len().div_ceil(frame_bytes).max(1));
        prop_assert_eq!(opened(&secret, b"", &sealed).unwrap(), text);
    }
}

#[test]
fn what_was_read_in_part_is_not_in_the_frame_again() {
    let secret = Secret::random().unwrap();
    let sealed = sealed(&secret, b"", &[b"onetwo"]);
    let mut reader = open_sealed_stream(&sealed[..], &secret, b"").unwrap();
    let mut start = [0; 3];
    reader.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"one");
    assert_eq!(&**reader.read_frame().unwrap().unwrap(), b"two");
}

#[test]
fn streams_around_the_frame_size_are_whole() {
    let secret = Secret::random().unwrap();
    for length in [0, 1, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1] {
        let text: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let mut writer = SealedWriter::new(Vec::new(), &secret, b"").unwrap();
        writer.write_all(&text).unwrap();
        let sealed = writer.finish().unwrap();
        assert_eq!(opened(&secret, b"", &sealed).unwrap(), text);
    }
}

#[test]
fn frames_that_are_moved_dropped_or_added_do_not_open() {
    let secret = Secret::random().unwrap();
    let sealed = sealed(&secret, b"", &[b"one", b"two", b"three"]);
    let frames = frames(&sealed);
    assert_eq!(frames.len(), 4);
    for left_out in 0..frames.len() {
        let mut fewer = frames.clone();
        fewer.remove(left_out);
        assert!(opened(&secret, b"", &joined(&sealed, &fewer)).is_err(), "without {left_out}");
        let mut more = frames.clone();
        more.insert(left_out, frames[left_out].clone());
        assert!(opened(&secret, b"", &joined(&sealed, &more)).is_err(), "twice {left_out}");
    }
    let mut swapped = frames;
    swapped.swap(0, 1);
    assert!(opened(&secret, b"", &joined(&sealed, &swapped)).is_err());
    let mut longer = sealed.clone();
    longer.push(0);
    assert!(opened(&secret, b"", &longer).is_err());
    assert_eq!(opened(&secret, b"", &sealed).unwrap(), b"onetwothree");
}

#[test]
fn a_frame_of_another_stream_does_not_open() {
    let secret = Secret::random().unwrap();
    let first = sealed(&secret, b"", &[b"one"]);
    let second = sealed(&secret, b"", &[b"one"]);
    assert!(opened(&secret, b"", &joined(&first, &frames(&second))).is_err());
}

#[test]
fn an_unfinished_stream_is_seen_to_be_cut() {
    let secret = Secret::random().unwrap();
    let mut bytes = Vec::new();
    let mut writer = SealedWriter::new(&mut bytes, &secret, b"").unwrap();
    writer.write_all(b"text").unwrap();
    writer.flush().unwrap();
    drop(writer);
    let error = opened(&secret, b"", &bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
