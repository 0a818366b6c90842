use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::runtime::Builder;

use super::*;
use crate::postgres::shape::tests::WHOLE;

impl Stream for DuplexStream {
    fn has_hung_up(&self) -> bool {
        false
    }
}

/// Bodies that are whole, of the other types.
const OTHERS: [(u8, &[u8]); 5] = [
    (b'H', b""),
    (b'X', b""),
    (b'c', b""),
    (b'f', b"why\0"),
    (b'F', b"\0\0\0\x01\0\0\0\0\0\0\0\0"),
];

fn bodies() -> Vec<(u8, &'static [u8])> {
    WHOLE.into_iter().chain(OTHERS).collect()
}

/// First messages: a start, and what asks for encryption or for an end.
const FIRST: [&[u8]; 4] = [
    b"\0\x03\0\0user\0ana\0database\0analytics\0\0",
    b"\x04\xd2\x16\x2f",
    b"\x04\xd2\x16\x30",
    b"\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09",
];

/// Bytes of which some were exchanged, cut off or added.
fn spoilt(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (Just(bytes), edits, any::<prop::sample::Index>(), 0..4_u8, vec(any::<u8>(), 0..9)).prop_map(
        |(mut bytes, edits, at, way, more)| {
            for (at, byte) in edits {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            match way {
                0 => bytes.truncate(at.index(bytes.len() + 1)),
                1 => bytes.extend(more),
                _ => {}
            }
            bytes
        },
    )
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() + 4).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// Messages whose lengths are true mostly, so that what reads them comes past that.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop::sample::select(bodies())
        .prop_flat_map(|(kind, body)| (Just(kind), spoilt(body.to_vec())));
    let any_kind = (any::<u8>(), vec(any::<u8>(), 0..40));
    let one = prop_oneof![6 => whole, 2 => any_kind];
    let one = one.prop_map(|(kind, body)| [&[kind][..], &with_length(&body)].concat());
    let spoilt = one.clone().prop_flat_map(spoilt);
    vec(prop_oneof![5 => one, 1 => spoilt], 1..6).prop_map(|messages| messages.concat())
}

/// Reads all messages of these bytes, until there are none or the client is turned away.
fn read(bytes: &[u8], is_first: bool) -> usize {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(bytes.len().max(1));
        client.write_all(bytes).await.unwrap();
        drop(client);
        let mut wire = Wire::new(server);
        let mut count = 0;
        if is_first {
            return usize::from(matches!(wire.first().await, Ok(Some(_))));
        }
        wire.trust(ProtocolVersion::PROTOCOL3_0, ClientMemory::up_to(1 << 30));
        while let Ok(Some(_)) = wire.next().await {
            count += 1;
        }
        count
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_message_makes_the_decoder_panic(bytes in messages()) {
        read(&bytes, false);
    }

    #[test]
    fn no_first_message_makes_the_decoder_panic(
        bytes in prop::sample::select(FIRST.to_vec()).prop_flat_map(|body| spoilt(body.to_vec())),
    ) {
        read(&with_length(&bytes), true);
        read(&bytes, true);
    }
}

#[test]
fn messages_that_are_whole_are_read() {
    for (kind, body) in bodies() {
        let message = [&[kind][..], &with_length(body)].concat();
        let is_read = !matches!(kind, b'F');
        assert_eq!(read(&message, false), usize::from(is_read), "{}", char::from(kind));
    }
    for body in FIRST {
        assert_eq!(read(&with_length(body), true), 1, "{body:?}");
    }
}

const LONG: u32 = 8 << 20;

/// A wire that has memory for this many bytes.
fn with_memory(bytes_max: u64) -> (DuplexStream, Wire<DuplexStream>) {
    let (client, server) = tokio::io::duplex(2 << 20);
    let mut wire = Wire::new(server);
    wire.trust(ProtocolVersion::PROTOCOL3_0, ClientMemory::up_to(bytes_max));
    (client, wire)
}

#[tokio::test]
async fn the_room_for_a_long_message_is_as_large_as_that_and_does_not_outlast_it() {
    let (mut client, mut wire) = with_memory(u64::from(LONG) + 1);
    let head = [&b"Q"[..], &LONG.to_be_bytes()].concat();
    client.write_all(&[&head[..], &[b'x'; 500_000]].concat()).await.unwrap();
    let waited = timeout(Duration::from_millis(50), wire.next()).await;
    assert!(waited.is_err());
    assert!(wire.incoming.capacity() < (9 << 20), "{}", wire.incoming.capacity());
    assert!(wire.incoming.capacity() >= (8 << 20), "{}", wire.incoming.capacity());
    assert_eq!(wire.memory.held(), u64::from(LONG) + 1);
    let mut rest = vec![b'x'; LONG as usize - 4 - 500_000];
    *rest.last_mut().unwrap() = 0;
    let after = [&rest[..], b"S\0\0\0\x04S\0"].concat();
    let send = async {
        client.write_all(&after).await.unwrap();
        client
    };
    let (_client, long) = tokio::join!(send, wire.next());
    assert!(matches!(long, Ok(Some(PgWireFrontendMessage::Query(_)))));
    assert_eq!(wire.memory.held(), u64::from(LONG) + 1, "it is still in hand");
    let next = wire.next().await;
    assert!(matches!(next, Ok(Some(PgWireFrontendMessage::Sync(_)))));
    assert_eq!((wire.memory.held(), &wire.incoming[..]), (0, &b"S\0"[..]));
    assert!(wire.incoming.capacity() < 2 * RECEIVE_BYTES, "{}", wire.incoming.capacity());
}

#[tokio::test]
async fn a_message_for_which_there_is_no_memory_is_heard_to_its_end_and_refused() {
    let (mut client, mut wire) = with_memory(u64::from(LONG));
    let message = [&b"Q"[..], &LONG.to_be_bytes(), &vec![b'x'; LONG as usize - 4]].concat();
    let send = async {
        client.write_all(&message).await.unwrap();
        client
    };
    let (_client, refused) = tokio::join!(send, wire.next());
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    assert!(wire.incoming.is_empty());
    assert!(wire.incoming.capacity() < 4 * RECEIVE_BYTES, "{}", wire.incoming.capacity());
    assert_eq!(wire.memory.held(), 0);
}
