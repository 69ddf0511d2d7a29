//! Where things lie in the store. Part of the disk format: format byte `FORMAT` of the Meta row.
//!
//! Numbers are big-endian, so that byte order is their order. Keys of profile data start with
//! sandbox and partition (design, §5).

use model::{FlowNo, PartitionNo, ProfileId, SandboxId, Timestamp, Xid};
use store::StreamId;

/// Version of all row formats together, and of what the log holds: it holds rows.
pub(crate) const FORMAT: u8 = 2;

/// The stream of document changes.
pub(crate) const CONTROL: StreamId = StreamId(0);
/// The stream of records whose identities must be resolved in order.
pub(crate) const IDENTITY: StreamId = StreamId(1);
const FIRST_PARTITION: u32 = 16;

/// The stream of a partition.
pub(crate) fn stream(partition: PartitionNo) -> StreamId {
    StreamId(FIRST_PARTITION + u32::from(partition.0))
}

/// The partition of a stream.
pub(crate) fn partition_of(stream: StreamId) -> Option<PartitionNo> {
    stream.0.checked_sub(FIRST_PARTITION).and_then(|p| u16::try_from(p).ok()).map(PartitionNo)
}

/// Key writer.
struct Key(Vec<u8>);

impl Key {
    fn new(tag: u8) -> Key {
        let mut bytes = Vec::with_capacity(40);
        bytes.push(tag);
        Key(bytes)
    }
    fn raw(mut self, bytes: &[u8]) -> Key {
        self.0.extend_from_slice(bytes);
        self
    }
    fn u16(self, n: u16) -> Key {
        self.raw(&n.to_be_bytes())
    }
    fn u32(self, n: u32) -> Key {
        self.raw(&n.to_be_bytes())
    }
    fn u64(self, n: u64) -> Key {
        self.raw(&n.to_be_bytes())
    }
    fn time(self, t: Timestamp) -> Key {
        self.u64((t.0 as u64) ^ (1 << 63))
    }
}

// --- Meta ---

/// The row that names the format and the number of partitions.
pub(crate) fn format() -> Vec<u8> {
    Key::new(b'F').0
}
/// The last applied offset of a stream and what it has seen of other streams.
pub(crate) fn progress(stream: StreamId) -> Vec<u8> {
    Key::new(b'o').u32(stream.0).0
}
/// One document change.
pub(crate) fn doc_change(n: u64) -> Vec<u8> {
    Key::new(b'c').u64(n).0
}
/// Prefix of all document changes.
pub(crate) const DOC_CHANGES: &[u8] = b"c";
/// The ledger of one flow, partition and hour (hour 0: all time).
pub(crate) fn ledger(flow: FlowNo, hour: u32, partition: PartitionNo) -> Vec<u8> {
    Key::new(b'l').u32(flow.0).u32(hour).u16(partition.0).0
}
/// Prefix of the ledger of one flow.
pub(crate) fn ledger_flow(flow: FlowNo) -> Vec<u8> {
    Key::new(b'l').u32(flow.0).0
}
/// Prefix of the ledger of one flow in one hour (0: all time), over its partitions.
pub(crate) fn ledger_hour(flow: FlowNo, hour: u32) -> Vec<u8> {
    Key::new(b'l').u32(flow.0).u32(hour).0
}
/// Counts of one partition: profiles, events, members per audience.
pub(crate) fn census(partition: PartitionNo) -> Vec<u8> {
    Key::new(b'n').u16(partition.0).0
}

// --- Identity ---

/// Which profile an identity belongs to.
pub(crate) fn identity(sandbox: SandboxId, xid: Xid) -> Vec<u8> {
    Key::new(b'i').u32(sandbox.0).raw(&xid.0).0
}
/// The members of a graph, by profile.
pub(crate) fn graph(sandbox: SandboxId, profile: ProfileId) -> Vec<u8> {
    Key::new(b'g').u32(sandbox.0).raw(&profile.0).0
}

// --- Profile and Event ---

/// A profile row.
pub(crate) fn profile(sandbox: SandboxId, partition: PartitionNo, id: ProfileId) -> Vec<u8> {
    Key::new(b'p').u32(sandbox.0).u16(partition.0).raw(&id.0).0
}
/// Prefix of the profile rows of one partition.
pub(crate) fn profiles(sandbox: SandboxId, partition: PartitionNo) -> Vec<u8> {
    Key::new(b'p').u32(sandbox.0).u16(partition.0).0
}
/// Prefix of the events of a profile; the name of the event follows.
pub(crate) fn events(sandbox: SandboxId, partition: PartitionNo, id: ProfileId) -> Vec<u8> {
    Key::new(b'e').u32(sandbox.0).u16(partition.0).raw(&id.0).0
}

/// One event of a profile.
pub(crate) fn event(sandbox: SandboxId, partition: PartitionNo, id: ProfileId, name: &[u8; 10]) -> Vec<u8> {
    let mut key = events(sandbox, partition, id);
    key.extend_from_slice(name);
    key
}

// --- Queue ---

/// Waiting exports, under the number of the last. Numbers increase per flow and partition.
pub(crate) fn outbox(flow: FlowNo, partition: PartitionNo, last: u64) -> Vec<u8> {
    Key::new(b'o').u32(flow.0).u16(partition.0).u64(last).raw(&[1]).0
}
/// Which of these exports are closed.
pub(crate) fn outbox_closed(flow: FlowNo, partition: PartitionNo, last: u64) -> Vec<u8> {
    Key::new(b'o').u32(flow.0).u16(partition.0).u64(last).raw(&[0]).0
}
/// Whether a key of the outbox is one of those.
pub(crate) fn is_outbox_closed(key: &[u8]) -> bool {
    key.last() == Some(&0)
}
/// Prefix of the waiting exports of a flow in a partition.
pub(crate) fn outbox_of(flow: FlowNo, partition: PartitionNo) -> Vec<u8> {
    Key::new(b'o').u32(flow.0).u16(partition.0).0
}
/// A dead letter.
pub(crate) fn dead(flow: FlowNo, partition: PartitionNo, seq: u64) -> Vec<u8> {
    Key::new(b'd').u32(flow.0).u16(partition.0).u64(seq).0
}
/// Prefix of the dead letters of a flow.
pub(crate) fn dead_of(flow: FlowNo) -> Vec<u8> {
    Key::new(b'd').u32(flow.0).0
}
/// What a request of a batching flow holds.
pub(crate) fn batch(flow: FlowNo, id: u64) -> Vec<u8> {
    Key::new(b'b').u32(flow.0).u64(id).0
}
/// Prefix of the requests of a flow.
pub(crate) fn batches_of(flow: FlowNo) -> Vec<u8> {
    Key::new(b'b').u32(flow.0).0
}
/// The number of a request.
pub(crate) fn batch_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(5..13)?.try_into().ok()?))
}
/// A timer of a profile.
pub(crate) fn timer(partition: PartitionNo, due: Timestamp, sandbox: SandboxId, id: ProfileId) -> Vec<u8> {
    Key::new(b't').u16(partition.0).time(due).u32(sandbox.0).raw(&id.0).0
}
/// Timers of several profiles that are due at once: the key names the first of them and the entry that set them, since
/// another one may give the first of them the same instant again; the row names the others.
pub(crate) fn timers_at(
    partition: PartitionNo,
    due: Timestamp,
    sandbox: SandboxId,
    first: ProfileId,
    offset: u64,
) -> Vec<u8> {
    Key::new(b't').u16(partition.0).time(due).u32(sandbox.0).raw(&first.0).u64(offset).0
}
/// Prefix of the timers of a partition.
pub(crate) fn timers(partition: PartitionNo) -> Vec<u8> {
    Key::new(b't').u16(partition.0).0
}
/// What a timer key says, of the first profile.
pub(crate) fn timer_parts(key: &[u8]) -> Option<(Timestamp, SandboxId, ProfileId)> {
    let due = u64::from_be_bytes(key.get(3..11)?.try_into().ok()?) ^ (1 << 63);
    let sandbox = u32::from_be_bytes(key.get(11..15)?.try_into().ok()?);
    Some((Timestamp(due as i64), SandboxId(sandbox), Xid(key.get(15..31)?.try_into().ok()?)))
}
/// An entry that waits until its profile has absorbed another.
pub(crate) fn parked(partition: PartitionNo, sandbox: SandboxId, id: ProfileId, n: u64) -> Vec<u8> {
    Key::new(b'k').u16(partition.0).u32(sandbox.0).raw(&id.0).u64(n).0
}
/// Prefix of the parked entries of a profile.
pub(crate) fn parked_of(partition: PartitionNo, sandbox: SandboxId, id: ProfileId) -> Vec<u8> {
    Key::new(b'k').u16(partition.0).u32(sandbox.0).raw(&id.0).0
}
/// A quarantined record.
pub(crate) fn quarantine(sandbox: SandboxId, partition: PartitionNo, n: u64) -> Vec<u8> {
    Key::new(b'q').u32(sandbox.0).u16(partition.0).u64(n).0
}
/// Prefix of the quarantine of a sandbox.
pub(crate) fn quarantine_of(sandbox: SandboxId) -> Vec<u8> {
    Key::new(b'q').u32(sandbox.0).0
}

/// The partition and number at the end of outbox, dead-letter and quarantine keys.
pub(crate) fn partition_and_number(key: &[u8]) -> Option<(PartitionNo, u64)> {
    let partition = u16::from_be_bytes(key.get(5..7)?.try_into().ok()?);
    let number = u64::from_be_bytes(key.get(7..15)?.try_into().ok()?);
    Some((PartitionNo(partition), number))
}
