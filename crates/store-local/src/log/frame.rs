//! One frame of a segment: what is written with one write and made durable with one sync.
//!
//! Layout in `docs/log-format.md`. A frame says where it belongs (its position is in its body, the
//! segment's number in its checksum), so a frame is never taken for one at another place, and a frame
//! inside somebody's payload is never taken for a frame of the log.
//!
//! Always: decoding arbitrary bytes gives a frame or a fault, never a panic, and allocates no more than
//! the bytes given.

use model::codec::{Reader, put_bytes, put_i64, put_u64};
use store::{Entry, StreamId};

/// Length and checksum in front of a body.
pub(crate) const HEADER_BYTES: usize = 8;
/// Version, kind and position at the start of a body.
pub(crate) const PREFIX_BYTES: usize = 6;
/// Largest body of a frame.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

const VERSION: u8 = 1;
const HEAD: u8 = 1;
const BATCH: u8 = 2;

/// What stands at the start of every segment: how far the log had come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last_stamp: i64,
    /// Last offset per stream, ascending by stream.
    pub(crate) last: Vec<(StreamId, u64)>,
}

/// A decoded frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Head(Head),
    Batch(Groups<'a>),
}

/// The groups of a batch, still in their bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Groups<'a>(&'a [u8]);

/// Why bytes are no frame.
pub(crate) type Fault = &'static str;

/// Starts a batch frame in `out`; [`finish`] completes it.
pub(crate) fn begin_batch(out: &mut Vec<u8>, position: u32) {
    begin(out, BATCH, position);
}

/// Appends the start of a group of `count` entries.
pub(crate) fn put_group(out: &mut Vec<u8>, stamp: i64, count: usize) {
    put_i64(out, stamp);
    put_u64(out, count as u64);
}

/// Appends one entry.
pub(crate) fn put_entry(out: &mut Vec<u8>, stream: StreamId, offset: u64, payload: &[u8]) {
    put_u64(out, u64::from(stream.0));
    put_u64(out, offset);
    put_bytes(out, payload);
}

/// Fills in length and checksum of the frame that is all of `out`.
pub(crate) fn finish(out: &mut [u8], segment: u64) {
    let len = (out.len() - HEADER_BYTES) as u32;
    let sum = checksum(segment, &out[HEADER_BYTES..]);
    out[..4].copy_from_slice(&len.to_le_bytes());
    out[4..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
}

/// The head frame of a segment.
pub(crate) fn encode_head(segment: u64, head: &Head) -> Vec<u8> {
    let mut out = Vec::new();
    begin(&mut out, HEAD, 0);
    put_i64(&mut out, head.last_stamp);
    put_u64(&mut out, head.last.len() as u64);
    for (stream, offset) in &head.last {
        put_u64(&mut out, u64::from(stream.0));
        put_u64(&mut out, *offset);
    }
    finish(&mut out, segment);
    out
}

fn begin(out: &mut Vec<u8>, kind: u8, position: u32) {
    out.clear();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(&position.to_le_bytes());
}

fn checksum(segment: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&segment.to_le_bytes()), body)
}

/// Length of the body that a header announces, if it can be one.
pub(crate) fn body_len(header: [u8; HEADER_BYTES]) -> Result<usize, Fault> {
    let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    if (PREFIX_BYTES..=FRAME_BYTES_MAX).contains(&len) { Ok(len) } else { Err("the length is impossible") }
}

/// Decodes a body that followed `header`.
pub(crate) fn decode(header: [u8; HEADER_BYTES], body: &[u8], segment: u64, position: u64) -> Result<Frame<'_>, Fault> {
    let Some((prefix, content)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err("the frame is too short");
    };
    let sum = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if checksum(segment, body) != sum {
        return Err("the checksum does not match");
    }
    let [version, kind, p0, p1, p2, p3] = *prefix;
    if version != VERSION {
        return Err("the frame has an unknown version");
    }
    if u64::from(u32::from_le_bytes([p0, p1, p2, p3])) != position {
        return Err("the frame belongs to another position");
    }
    match kind {
        HEAD => Ok(Frame::Head(decode_head(content)?)),
        BATCH => Ok(Frame::Batch(Groups(content))),
        _ => Err("the frame has an unknown kind"),
    }
}

/// Whether a valid frame begins at `position`, which is at the front of `bytes`.
pub(crate) fn is_frame(bytes: &[u8], segment: u64, position: u64) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
    let Ok(len) = body_len(*header) else { return false };
    // The position is compared before the checksum is computed: a search over many bytes stays cheap.
    let here = (position as u32).to_le_bytes();
    rest.len() >= len && rest[2..PREFIX_BYTES] == here && decode(*header, &rest[..len], segment, position).is_ok()
}

fn decode_head(content: &[u8]) -> Result<Head, Fault> {
    let mut reader = Reader::new(content);
    let bad = |_| "the head is malformed";
    let last_stamp = reader.i64().map_err(bad)?;
    let count = reader.u64().map_err(bad)?;
    let mut last = Vec::new();
    for _ in 0..count {
        let stream = read_stream(&mut reader)?;
        last.push((stream, reader.u64().map_err(bad)?));
    }
    if reader.is_empty() { Ok(Head { last_stamp, last }) } else { Err("the head has trailing bytes") }
}

fn read_stream(reader: &mut Reader<'_>) -> Result<StreamId, Fault> {
    let number = reader.u64().map_err(|_| "a stream number is malformed")?;
    u32::try_from(number).map(StreamId).map_err(|_| "a stream number is too large")
}

impl Groups<'_> {
    /// Visits every entry without copying its payload: stream, offset, stamp, payload.
    /// `Ok(false)` when the visitor ended early.
    pub(crate) fn visit(
        &self,
        mut visit: impl FnMut(StreamId, u64, i64, &[u8]) -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        let bad = |_| "a group is malformed";
        let mut reader = Reader::new(self.0);
        while !reader.is_empty() {
            let stamp = reader.i64().map_err(bad)?;
            let count = reader.u64().map_err(bad)?;
            for _ in 0..count {
                let stream = read_stream(&mut reader)?;
                let offset = reader.u64().map_err(bad)?;
                let payload = reader.bytes().map_err(bad)?;
                if !visit(stream, offset, stamp, payload)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Decodes the frame at the front of arbitrary bytes and gives its entries (none for a segment's head):
/// the entrance for fuzzing and for tools that look at one frame. The error says what is wrong.
pub fn decode_frame(bytes: &[u8], segment: u64, position: u64) -> Result<Vec<Entry>, &'static str> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or("the header is incomplete")?;
    let body = rest.get(..body_len(*header)?).ok_or("the frame is incomplete")?;
    let mut entries = Vec::new();
    if let Frame::Batch(groups) = decode(*header, body, segment, position)? {
        groups.visit(|stream, offset, stamp, payload| {
            entries.push(Entry { stream, offset, stamp, payload: payload.into() });
            Ok(true)
        })?;
    }
    Ok(entries)
}
