//! Rows of the outbox: the exports of one flow that one entry of the log made, many in a row.
//!
//! In: exports as a worker makes them, and which of them are closed. Out: rows, and the exports that wait.
//!
//! Always: the exports of a row are numbered without gaps and have one instant; the row lies under the number
//! of the last. Those that are closed are noted in a second row, before it in key order, until all are: then both
//! rows go. What a row holds follows from the log alone.

use crate::error::Result;
use crate::key;
use activation::Export;
use model::codec::{self, DecodeError};
use model::{FlowNo, PartitionNo, Timestamp};
use std::ops::{Bound, ControlFlow};
use store::{Keyspace, Store};

/// Exports of a row at most: as many as `Waiting::closed` has bits.
const COUNT_MAX: u32 = 128;
/// Bytes after which a row is closed.
const BYTES_MAX: usize = 32 << 10;

const VERSION: u8 = 2;
/// Version, instant, count.
const HEAD: usize = 1 + 8 + 4;

/// A row in the making.
pub(crate) struct Growing {
    first: u64,
    at: Timestamp,
    bytes: Vec<u8>,
    count: u32,
}

impl Growing {
    /// A row whose first export has this number.
    pub(crate) fn new(first: u64, at: Timestamp) -> Growing {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        bytes.extend_from_slice(&at.0.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Growing { first, at, bytes, count: 0 }
    }

    /// Adds an export; its number is the next.
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        encode(&mut self.bytes);
        let len = (self.bytes.len() - from - 4) as u32;
        self.bytes[from..from + 4].copy_from_slice(&len.to_be_bytes());
        self.count += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= COUNT_MAX || self.bytes.len() >= BYTES_MAX
    }

    /// The row, all of it waiting, and its bytes.
    pub(crate) fn finish(mut self) -> (Waiting, Vec<u8>) {
        self.bytes[HEAD - 4..HEAD].copy_from_slice(&self.count.to_be_bytes());
        (Waiting::new(self.first, self.count, self.at), self.bytes)
    }
}

/// What is known of a row: which of its exports wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The number of the first export.
    pub(crate) first: u64,
    /// Of the last.
    pub(crate) last: u64,
    /// The instant of their change.
    pub(crate) at: Timestamp,
    closed: u128,
    /// Closed ones are noted in the store.
    noted: bool,
}

impl Waiting {
    pub(crate) fn new(first: u64, count: u32, at: Timestamp) -> Waiting {
        Waiting { first, last: first + u64::from(count) - 1, at, closed: 0, noted: false }
    }

    /// How many exports it was made of.
    pub(crate) fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.first <= seq && seq <= self.last
    }

    /// Whether this export of the row waits.
    pub(crate) fn is_open(&self, seq: u64) -> bool {
        self.holds(seq) && self.closed & self.bit(seq) == 0
    }

    /// Closes an export. False if it did not wait.
    pub(crate) fn close(&mut self, seq: u64) -> bool {
        let was_open = self.is_open(seq);
        if was_open {
            self.closed |= self.bit(seq);
        }
        was_open
    }

    /// How many exports behind this number wait.
    pub(crate) fn count_after(&self, seq: u64) -> usize {
        let open = !self.closed & (u128::MAX >> (127 - (self.last - self.first)));
        let after = (seq + 1).saturating_sub(self.first).min(128) as u32;
        open.checked_shr(after).unwrap_or(0).count_ones() as usize
    }

    /// The number up to which `count` exports behind this number wait; the last if there are no more.
    pub(crate) fn until(&self, after: u64, count: usize) -> u64 {
        let mut open = (self.first.max(after + 1)..=self.last).filter(|seq| self.is_open(*seq));
        match open.nth(count - 1) {
            Some(seq) if open.next().is_some() => seq,
            _ => self.last,
        }
    }

    fn bit(&self, seq: u64) -> u128 {
        1 << (seq - self.first)
    }

    /// Whether none of its exports waits.
    pub(crate) fn is_done(&self) -> bool {
        u64::from(self.closed.count_ones()) == self.count()
    }

    /// Writes what changed since the row was written.
    pub(crate) fn write(&mut self, flow: FlowNo, no: PartitionNo, batch: &mut store::Batch) {
        let noted = key::outbox_closed(flow, no, self.last);
        if self.closed == 0 {
            return;
        }
        if !self.is_done() {
            batch.put(Keyspace::Queue, noted, self.closed.to_be_bytes());
            self.noted = true;
            return;
        }
        batch.delete(Keyspace::Queue, key::outbox(flow, no, self.last));
        if self.noted {
            batch.delete(Keyspace::Queue, noted);
        }
    }
}

/// The row that holds an export, if it is stored.
pub(crate) fn find(store: &dyn Store, flow: FlowNo, no: PartitionNo, seq: u64) -> Result<Option<Waiting>> {
    let mut found = None;
    scan_rows(store, flow, no, Bound::Included(seq), &mut |waiting, _| {
        found = Some(waiting);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.filter(|waiting| waiting.holds(seq)))
}

/// Sees a row: what is known of it, and its bytes.
type Visit<'a> = &'a mut dyn FnMut(Waiting, &[u8]) -> codec::Result<ControlFlow<()>>;

/// Visits the rows of a flow in a partition in order, from the one that holds this number.
pub(crate) fn scan_rows(
    store: &dyn Store,
    flow: FlowNo,
    no: PartitionNo,
    from: Bound<u64>,
    visit: Visit<'_>,
) -> Result<()> {
    // The note of what is closed comes first.
    let from = match from {
        Bound::Included(seq) => Bound::Included(key::outbox_closed(flow, no, seq)),
        Bound::Excluded(seq) => Bound::Excluded(key::outbox(flow, no, seq)),
        Bound::Unbounded => Bound::Included(key::outbox_of(flow, no)),
    };
    // Bounded above: what was deleted behind the last row is not walked through.
    let end = store::prefix_end(&key::outbox_of(flow, no));
    let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let (mut noted, mut fault) = (None, None);
    store.scan(Keyspace::Queue, from.as_ref().map(Vec::as_slice), to, &mut |key, row| {
        let Some((_, last)) = key::partition_and_number(key) else { return ControlFlow::Continue(()) };
        if key::is_outbox_closed(key) {
            noted = row.try_into().ok().map(|bits| (last, u128::from_be_bytes(bits)));
            return ControlFlow::Continue(());
        }
        let closed = noted.take().filter(|(of, _)| *of == last).map(|(_, closed)| closed);
        let next = read_head(last, row).and_then(|waiting| {
            visit(Waiting { closed: closed.unwrap_or(0), noted: closed.is_some(), ..waiting }, row)
        });
        next.unwrap_or_else(|error| {
            fault = Some(error);
            ControlFlow::Break(())
        })
    })?;
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

fn read_head(last: u64, row: &[u8]) -> codec::Result<Waiting> {
    let damaged = DecodeError("damaged head of an outbox row");
    let (head, _) = row.split_first_chunk::<HEAD>().ok_or(damaged)?;
    let (version, rest) = head.split_first().ok_or(damaged)?;
    let (at, count) = rest.split_first_chunk::<8>().ok_or(damaged)?;
    let count = u32::from_be_bytes(count.try_into().map_err(|_| damaged)?);
    if *version != VERSION || count == 0 || count > COUNT_MAX || u64::from(count) > last {
        return Err(damaged);
    }
    Ok(Waiting::new(last - u64::from(count) + 1, count, Timestamp(i64::from_be_bytes(*at))))
}

/// The bytes of the exports of a row, in order.
pub(crate) fn exports(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = row.get(HEAD..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (export, after) = after.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        rest = after;
        Some(export)
    })
}

/// One export of a row.
pub(crate) fn export(row: &[u8], nth: u64) -> codec::Result<Export> {
    let nth = usize::try_from(nth).unwrap_or(usize::MAX);
    Export::decode(exports(row).nth(nth).ok_or(DecodeError("an outbox row ends early"))?)
}

#[cfg(test)]
mod tests;
