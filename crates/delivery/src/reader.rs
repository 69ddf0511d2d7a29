//! What of each partition's outbox was read, and what to read next.
//!
//! In: which partitions may hold something, how much room there is, what reads found. Out: reads to
//! make, and the exports that were not known before. Pure.
//!
//! Always: an export is given out once, until it is forgotten; what was finished never comes again.

use crate::port::ExportKey;
use model::{PartitionNo, Timestamp};
use std::collections::BTreeSet;

/// Fewest exports to ask a partition for.
pub(crate) const FETCH_MIN: usize = 16;
/// Most exports to ask a partition for at once. What is read lies together: of more, each list would be memory fresh
/// from the system, which costs as much as cutting does.
const FETCH_MAX: usize = 128;

/// One read of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) partition: PartitionNo,
    pub(crate) after_seq: u64,
    pub(crate) limit: usize,
}

pub(crate) struct Reader {
    partitions: Vec<Partition>,
    /// The partition to read first next time.
    turn: usize,
    /// Counts reads.
    round: u64,
    /// Reads up to this round no longer count.
    void_until: u64,
}

#[derive(Default)]
struct Partition {
    /// The highest sequence number read.
    cursor: u64,
    /// Up to here only forgotten exports are taken again; the others were finished.
    again_until: u64,
    forgotten: BTreeSet<u64>,
    dirty: bool,
    /// The instant of the last export read.
    read_to: Timestamp,
    /// The round of the last read that found the end.
    ended_in: u64,
}

impl Reader {
    pub(crate) fn new(partitions: u16) -> Reader {
        let partition = || Partition { read_to: Timestamp(i64::MIN), ..Partition::default() };
        Reader { partitions: (0..partitions).map(|_| partition()).collect(), turn: 0, round: 0, void_until: 0 }
    }

    /// A partition may hold something new.
    pub(crate) fn mark(&mut self, partition: usize) {
        if let Some(partition) = self.partitions.get_mut(partition) {
            partition.dirty = true;
        }
    }

    pub(crate) fn mark_all(&mut self) {
        self.partitions.iter_mut().for_each(|p| p.dirty = true);
    }

    /// Whether some partition may hold something that was not read.
    pub(crate) fn is_behind(&self) -> bool {
        self.partitions.iter().any(|p| p.dirty)
    }

    /// What to read next, at most about `budget` exports; with `forced` even without room. The budget is
    /// spread over the partitions, but none is asked for less than `at_once`.
    pub(crate) fn plan(&mut self, mut budget: usize, forced: bool, at_once: usize) -> (u64, Vec<Fetch>) {
        let dirty = self.partitions.iter().filter(|p| p.dirty).count();
        if dirty == 0 {
            return (self.round, Vec::new());
        }
        let limit = (budget / dirty).max(at_once.min(budget)).clamp(FETCH_MIN, FETCH_MAX);
        let mut fetches = Vec::new();
        let first = self.turn;
        for step in 0..self.partitions.len() {
            let index = (first + step) % self.partitions.len();
            let partition = &mut self.partitions[index];
            if !partition.dirty || (budget < limit && !forced) {
                continue;
            }
            budget = budget.saturating_sub(limit);
            partition.dirty = false;
            fetches.push(Fetch { partition: PartitionNo(index as u16), after_seq: partition.cursor, limit });
            self.turn = index + 1;
        }
        if !fetches.is_empty() {
            self.round += 1;
        }
        (self.round, fetches)
    }

    /// Whether a read of this round counts. If not, its partition is to be read again.
    pub(crate) fn counts(&mut self, round: u64, fetch: Fetch) -> bool {
        let counts = round > self.void_until;
        if !counts {
            self.mark(usize::from(fetch.partition.0));
        }
        counts
    }

    /// Notes one export of a read that counts. True if it was not known.
    pub(crate) fn found(&mut self, key: ExportKey, created: Timestamp) -> bool {
        let partition = &mut self.partitions[usize::from(key.partition.0)];
        partition.cursor = partition.cursor.max(key.seq);
        partition.read_to = partition.read_to.max(created);
        key.seq > partition.again_until || partition.forgotten.remove(&key.seq)
    }

    /// Notes the end of a read that found `count` exports.
    pub(crate) fn ended(&mut self, round: u64, fetch: Fetch, count: usize) {
        let ended = count < fetch.limit;
        let partition = &mut self.partitions[usize::from(fetch.partition.0)];
        if ended {
            partition.ended_in = round;
        } else {
            partition.dirty = true;
        }
        if ended || partition.cursor >= partition.again_until {
            // What was forgotten and did not come again was withdrawn by the engine.
            partition.cursor = partition.cursor.max(partition.again_until);
            partition.again_until = 0;
            partition.forgotten.clear();
        }
    }

    /// Whether every other partition was read past an export's instant since round `gate`.
    pub(crate) fn is_read(&self, gate: u64, own: PartitionNo, created: Timestamp) -> bool {
        let read = |p: &Partition| p.ended_in > gate || p.read_to > created;
        self.partitions.iter().enumerate().all(|(index, p)| index == usize::from(own.0) || read(p))
    }

    /// Reads under way no longer count.
    pub(crate) fn void(&mut self) {
        self.void_until = self.round;
    }

    /// An export that was given out is to be given out again after [`Reader::resume`].
    pub(crate) fn forget(&mut self, key: ExportKey) {
        self.partitions[usize::from(key.partition.0)].forgotten.insert(key.seq);
    }

    /// Reads on, and what was forgotten again.
    pub(crate) fn resume(&mut self) {
        for partition in &mut self.partitions {
            partition.dirty = true;
            if let Some(first) = partition.forgotten.first() {
                partition.again_until = partition.again_until.max(partition.cursor);
                partition.cursor = first.saturating_sub(1);
                partition.read_to = Timestamp(i64::MIN);
            }
        }
    }
}
