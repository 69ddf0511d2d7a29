//! Frames: what is written is read back; what is not a frame of this place is refused without a panic.

use super::decode_frame;
use super::frame::{self, Head};
use proptest::prelude::*;
use store::StreamId;

fn batch(segment: u64, position: u32, entries: &[(u32, u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::begin_batch(&mut out, position);
    frame::put_group(&mut out, -5, entries.len());
    for (stream, offset, payload) in entries {
        frame::put_entry(&mut out, StreamId(*stream), *offset, payload);
    }
    frame::finish(&mut out, segment);
    out
}

#[test]
fn a_frame_is_valid_at_its_own_place_only() {
    let bytes = batch(3, 100, &[(1, 1, b"x".to_vec())]);
    assert_eq!(decode_frame(&bytes, 3, 100).map(|entries| entries.len()), Ok(1));
    assert_eq!(decode_frame(&bytes, 4, 100), Err("the checksum does not match"));
    assert_eq!(decode_frame(&bytes, 3, 101), Err("the frame belongs to another position"));
    assert!(frame::is_frame(&bytes, 3, 100) && !frame::is_frame(&bytes, 3, 101));
}

#[test]
fn a_released_frame_stays_readable() {
    let head = frame::encode_head(1, &Head { last_stamp: 7, last: vec![(StreamId(2), 300)] });
    assert_eq!(head[8..], [1, 1, 0, 0, 0, 0, 14, 1, 2, 172, 2]);
    let bytes = batch(1, 19, &[(2, 301, b"hi".to_vec())]);
    assert_eq!(bytes[8..], [1, 2, 19, 0, 0, 0, 9, 1, 2, 173, 2, 2, b'h', b'i']);
    assert_eq!(bytes[..4], [14, 0, 0, 0]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), position in any::<u32>()) {
        let _ = decode_frame(&bytes, 1, u64::from(position));
        prop_assert!(!frame::is_frame(&bytes, 1, u64::from(position)));
    }

    // With a right checksum the decoder gets past the first test, into the groups.
    #[test]
    fn arbitrary_content_never_panics(kind in 0u8..4, content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = batch(1, 0, &[]);
        bytes.truncate(14);
        bytes[9] = kind;
        bytes.extend_from_slice(&content);
        frame::finish(&mut bytes, 1);
        let _ = decode_frame(&bytes, 1, 0);
    }

    #[test]
    fn what_is_written_is_read(
        entries in proptest::collection::vec((any::<u32>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..20),
        flip in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = batch(9, 77, &entries);
        let read = decode_frame(&bytes, 9, 77).map_err(TestCaseError::fail)?;
        let read: Vec<_> = read.into_iter().map(|e| (e.stream.0, e.offset, e.payload.to_vec())).collect();
        prop_assert_eq!(&read, &entries);
        let bit = flip.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode_frame(&bytes, 9, 77).is_err());
    }
}
