//! Waiting exports in memory, beside their rows: what is read soon after its commit asks the store for nothing.
//!
//! In: what workers have committed and closed. Out: the next exports of a flow, or "ask the store".
//!
//! Always: a tail holds every waiting export of its flow and partition within its bounds, and only
//! committed ones. An export is given out once; its row serves whoever asks again. What is held is
//! bounded: a full tail takes no more until it is empty.

use crate::outbox::Waiting;
use model::{FlowNo, PartitionNo};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap as HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of rows that are held, over all flows.
const BYTES_MAX: usize = 24 << 20;

/// A row of the outbox that a worker is about to commit.
pub(crate) struct Queued {
    pub(crate) flow: FlowNo,
    pub(crate) waiting: Waiting,
    pub(crate) bytes: Vec<u8>,
}

/// Exports of a row that are given out: those that wait, behind one number and up to another.
pub(crate) struct Given {
    pub(crate) waiting: Waiting,
    pub(crate) after: u64,
    pub(crate) until: u64,
    pub(crate) bytes: Arc<Vec<u8>>,
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
    /// By number, ascending.
    rows: VecDeque<Row>,
}

struct Row {
    waiting: Waiting,
    bytes: Arc<Vec<u8>>,
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
        let rows = flows.values().flat_map(|tail| &tail.rows);
        self.bytes.fetch_sub(rows.map(|row| row.bytes.len()).sum(), Ordering::Relaxed);
    }

    pub(crate) fn hold(&self, no: PartitionNo) -> Option<Held<'_>> {
        let flows = self.partitions.get(usize::from(no.0))?.lock();
        Some(Held { flows, bytes: &self.bytes })
    }
}

impl Held<'_> {
    /// Takes in a row that was committed. Numbers ascend per flow.
    pub(crate) fn add(&mut self, queued: Queued) {
        let Queued { flow, waiting, bytes } = queued;
        let before = waiting.first.saturating_sub(1);
        let is_full = self.bytes.load(Ordering::Relaxed) + bytes.len() > BYTES_MAX;
        let tail = match self.flows.get_mut(&flow) {
            Some(tail) => tail,
            None if is_full => return,
            None => self.flows.entry(flow).or_insert(Tail { after: before, until: u64::MAX, rows: VecDeque::new() }),
        };
        if tail.until != u64::MAX {
            return;
        }
        if is_full {
            tail.until = before;
            if tail.rows.is_empty() {
                self.flows.remove(&flow);
            }
            return;
        }
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        tail.rows.push_back(Row { waiting, bytes: Arc::new(bytes) });
    }

    /// The first exports after a number, all that wait up to `limit`; `None`: ask the store.
    pub(crate) fn read(&mut self, flow: FlowNo, after_seq: u64, limit: usize) -> Option<Vec<Given>> {
        let tail = self.flows.get_mut(&flow)?;
        if after_seq < tail.after {
            return None;
        }
        let mut freed = 0;
        while let Some(row) = tail.rows.front().filter(|row| row.waiting.count_after(after_seq) == 0) {
            tail.after = tail.after.max(row.waiting.last);
            freed += row.bytes.len();
            tail.rows.pop_front();
        }
        let mut waiting = 0;
        for row in &tail.rows {
            if waiting >= limit {
                break;
            }
            waiting += row.waiting.count_after(after_seq);
        }
        let is_all = waiting >= limit || tail.until == u64::MAX;
        let (mut given, mut left) = (Vec::new(), limit);
        while is_all
            && left > 0
            && let Some(row) = tail.rows.front()
        {
            let (waiting, bytes) = (row.waiting, row.bytes.clone());
            let until = waiting.until(after_seq, left);
            left -= waiting.count_after(after_seq).min(left);
            given.push(Given { waiting, after: after_seq, until, bytes });
            tail.after = tail.after.max(until);
            if until < waiting.last {
                break;
            }
            freed += row.bytes.len();
            tail.rows.pop_front();
        }
        self.bytes.fetch_sub(freed, Ordering::Relaxed);
        if tail.rows.is_empty() && tail.until != u64::MAX {
            self.flows.remove(&flow);
        }
        is_all.then_some(given)
    }

    /// Forgets an export that is closed.
    pub(crate) fn close(&mut self, flow: FlowNo, seq: u64) {
        let Some(tail) = self.flows.get_mut(&flow) else { return };
        let at = tail.rows.partition_point(|row| row.waiting.last < seq);
        let Some(row) = tail.rows.get_mut(at) else { return };
        // Nobody may ever read on, if the flow was disabled or is gone; a row may have been given out in part.
        if row.waiting.close(seq) && row.waiting.is_done() {
            self.bytes.fetch_sub(row.bytes.len(), Ordering::Relaxed);
            tail.rows.remove(at);
        }
        if tail.rows.is_empty() && tail.until != u64::MAX {
            self.flows.remove(&flow);
        }
    }
}

#[cfg(test)]
mod tests;
