//! Waiting exports in memory, beside their rows: what is read and settled soon after its commit
//! asks the store for nothing.
//!
//! In: what workers have committed and closed. Out: the next exports of a flow, the instant of one
//! that is settled, or "ask the store".
//!
//! Always: a tail holds every waiting export of its flow and partition within its bounds, and only
//! committed ones. An export is given out once; its row serves whoever asks again. What is held is
//! bounded: a full tail takes no more until it is empty.

use activation::Export;
use model::{FlowNo, PartitionNo, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the rows of exports that are held, over all flows; in memory they take several times as much.
const BYTES_MAX: usize = 8 << 20;

/// An export that a worker is about to commit.
pub(crate) struct Queued {
    pub(crate) flow: FlowNo,
    pub(crate) seq: u64,
    /// Of its row.
    pub(crate) bytes: usize,
    pub(crate) export: Box<Export>,
}

/// What is known of an export without asking the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It waited; the instant of its change.
    Waited(Timestamp),
    /// It does not wait.
    Gone,
    /// The store knows.
    Unknown,
}

/// The tails of all partitions.
pub(crate) struct Tails {
    partitions: Vec<Mutex<HashMap<FlowNo, Tail>>>,
    bytes: AtomicUsize,
}

struct Tail {
    /// Every waiting export with a number above `after`, up to `until`, is here.
    after: u64,
    /// The greatest number while it takes more.
    until: u64,
    slots: BTreeMap<u64, Slot>,
}

struct Slot {
    at: Timestamp,
    /// With the bytes of its row; nothing once it was given out.
    export: Option<(Box<Export>, usize)>,
}

/// The tails of one partition, for several questions.
pub(crate) struct Held<'a> {
    flows: MutexGuard<'a, HashMap<FlowNo, Tail>>,
    bytes: &'a AtomicUsize,
}

impl Tails {
    pub(crate) fn new(partitions: u16) -> Tails {
        Tails { partitions: (0..partitions).map(|_| Mutex::default()).collect(), bytes: AtomicUsize::new(0) }
    }

    /// Forgets a partition: its worker begins anew.
    pub(crate) fn clear(&self, no: PartitionNo) {
        let Some(mut held) = self.hold(no) else { return };
        let flows = std::mem::take(&mut *held.flows);
        let exports = flows.values().flat_map(|tail| tail.slots.values()).filter_map(|slot| slot.export.as_ref());
        self.bytes.fetch_sub(exports.map(|(_, bytes)| bytes).sum(), Ordering::Relaxed);
    }

    pub(crate) fn hold(&self, no: PartitionNo) -> Option<Held<'_>> {
        let flows = self.partitions.get(usize::from(no.0))?.lock();
        Some(Held { flows, bytes: &self.bytes })
    }
}

impl Held<'_> {
    /// Takes in an export that was committed. Numbers ascend per partition.
    pub(crate) fn add(&mut self, queued: Queued) {
        let Queued { flow, seq, bytes, export } = queued;
        let is_full = self.bytes.load(Ordering::Relaxed) + bytes > BYTES_MAX;
        let tail = match self.flows.get_mut(&flow) {
            Some(tail) => tail,
            None if is_full => return,
            None => self.flows.entry(flow).or_insert(Tail {
                after: seq.saturating_sub(1),
                until: u64::MAX,
                slots: BTreeMap::new(),
            }),
        };
        if tail.until != u64::MAX {
            return;
        }
        if is_full {
            tail.until = seq.saturating_sub(1);
            if tail.slots.is_empty() {
                self.flows.remove(&flow);
            }
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        tail.slots.insert(seq, Slot { at: export.at, export: Some((export, bytes)) });
    }

    /// The first exports after a number, all that wait up to `limit`; `None`: ask the store.
    pub(crate) fn read(&mut self, flow: FlowNo, after_seq: u64, limit: usize) -> Option<Vec<(u64, Export)>> {
        let tail = self.flows.get_mut(&flow)?;
        if after_seq < tail.after {
            return None;
        }
        let mut count = 0;
        for (_, slot) in tail.slots.range(after_seq.saturating_add(1)..).take(limit) {
            slot.export.as_ref()?;
            count += 1;
        }
        if count < limit && tail.until != u64::MAX {
            return None;
        }
        let slots = tail.slots.range_mut(after_seq.saturating_add(1)..).take(limit);
        let given = slots.filter_map(|(seq, slot)| slot.export.take().map(|export| (*seq, export)));
        let bytes = self.bytes;
        let given = given.map(|(seq, (export, row_bytes))| {
            bytes.fetch_sub(row_bytes, Ordering::Relaxed);
            (seq, *export)
        });
        Some(given.collect())
    }

    /// Forgets an export that is closed, and says what was known of it.
    pub(crate) fn close(&mut self, flow: FlowNo, seq: u64) -> Known {
        let Some(tail) = self.flows.get_mut(&flow) else { return Known::Unknown };
        match tail.slots.remove(&seq) {
            Some(slot) => {
                let held = slot.export.map_or(0, |(_, bytes)| bytes);
                self.bytes.fetch_sub(held, Ordering::Relaxed);
                if tail.slots.is_empty() && tail.until != u64::MAX {
                    self.flows.remove(&flow);
                }
                Known::Waited(slot.at)
            }
            None if tail.after < seq && seq <= tail.until => Known::Gone,
            None => Known::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
