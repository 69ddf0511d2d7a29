//! The ledger: per flow, received = exported + filtered (by reason) + waiting + dead, always.
//!
//! Rows are written in the same batch as the state they count, per partition and per hour of the
//! entry's instant (hour 0: all time), so the equation also holds after a crash (design, §11.6).

use activation::Filtered;
use model::codec::{self, Reader};
use model::{FlowNo, PartitionNo};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::ControlFlow;
use store::{Keyspace, Store};

use crate::error::Result;
use crate::key;

/// Counts of outbox entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// All entries.
    pub received: u64,
    /// Delivered.
    pub exported: u64,
    /// Not sent on purpose, by [`Filtered::ALL`].
    pub filtered: [u64; Filtered::ALL.len()],
    /// Not yet decided.
    pub waiting: u64,
    /// In dead letters.
    pub dead: u64,
}

impl Ledger {
    /// Everything filtered.
    pub fn filtered_total(&self) -> u64 {
        self.filtered.iter().sum()
    }

    /// The equation.
    pub fn is_balanced(&self) -> bool {
        self.received == self.exported + self.filtered_total() + self.waiting + self.dead
    }

    /// Adds another partition's counts.
    pub fn add(&mut self, other: &Ledger) {
        self.received += other.received;
        self.exported += other.exported;
        self.waiting += other.waiting;
        self.dead += other.dead;
        for (mine, theirs) in self.filtered.iter_mut().zip(other.filtered) {
            *mine += theirs;
        }
    }

    /// Applies one movement of so many entries.
    pub(crate) fn apply(&mut self, movement: Movement, count: u64) {
        match movement {
            Movement::Queued => {
                self.received += count;
                self.waiting += count;
            }
            Movement::Refused(reason) => {
                self.received += count;
                self.filtered[reason as usize] += count;
            }
            Movement::Exported => {
                self.waiting -= count;
                self.exported += count;
            }
            Movement::Died => {
                self.waiting -= count;
                self.dead += count;
            }
            Movement::Withdrawn(reason) => {
                self.waiting -= count;
                self.filtered[reason as usize] += count;
            }
            Movement::Closed => {
                self.dead -= count;
                self.filtered[Filtered::Superseded as usize] += count;
            }
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        let counts = [self.received, self.exported, self.waiting, self.dead];
        counts.iter().chain(&self.filtered).for_each(|n| codec::put_u64(&mut out, *n));
        out
    }

    pub(crate) fn decode(row: &[u8]) -> codec::Result<Ledger> {
        let mut r = Reader::new(row);
        let mut ledger =
            Ledger { received: r.u64()?, exported: r.u64()?, waiting: r.u64()?, dead: r.u64()?, ..Ledger::default() };
        for count in &mut ledger.filtered {
            *count = r.u64()?;
        }
        Ok(ledger)
    }
}

/// One step of one entry through the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    /// Matched a trigger and waits.
    Queued,
    /// Matched a trigger and is not sent.
    Refused(Filtered),
    /// Delivered.
    Exported,
    /// Given up.
    Died,
    /// Waited and is no longer wanted.
    Withdrawn(Filtered),
    /// A dead letter was replayed.
    Closed,
}

/// The hour of an instant, as the key of ledger rows has it; never 0.
pub(crate) fn hour_of(at: model::Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(3_600_000)).unwrap_or(1).max(1)
}

/// The ledger rows under a prefix by hour (`0` = all time), added up over partitions.
pub(crate) fn read(store: &dyn Store, prefix: &[u8]) -> Result<Vec<(u32, Ledger)>> {
    let mut hours: Vec<(u32, Ledger)> = Vec::new();
    let mut fault = None;
    store.scan_prefix(Keyspace::Meta, prefix, &mut |k, row| {
        let hour = k.get(5..9).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        match Ledger::decode(row) {
            Ok(ledger) => match hours.last_mut() {
                Some((last, sum)) if *last == hour => sum.add(&ledger),
                _ => hours.push((hour, ledger)),
            },
            Err(e) => fault = Some(e),
        }
        ControlFlow::Continue(())
    })?;
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(hours),
    }
}

/// The committed all-time rows of flows that were asked for, by partition: who watches a flow does
/// not read the store each time.
#[derive(Default)]
pub(crate) struct Totals(Mutex<HashMap<FlowNo, HashMap<PartitionNo, Ledger>>>);

impl Totals {
    /// Takes in rows that were committed.
    pub(crate) fn publish(&self, rows: impl Iterator<Item = (FlowNo, PartitionNo, Ledger)>) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return;
        }
        let mut flows = self.0.lock();
        for (flow, partition, ledger) in rows {
            if let Some(flow) = flows.get_mut(&flow) {
                flow.insert(partition, ledger);
            }
        }
    }

    /// The sum over the partitions of a flow. What is committed while the rows are read for the first
    /// time is published after them.
    pub(crate) fn of(&self, flow: FlowNo, store: &dyn Store) -> Result<Ledger> {
        let mut flows = self.0.lock();
        let mut sum = Ledger::default();
        if let Some(rows) = flows.get(&flow) {
            rows.values().for_each(|row| sum.add(row));
            return Ok(sum);
        }
        let mut rows = HashMap::new();
        let mut fault = None;
        store.scan_prefix(Keyspace::Meta, &key::ledger_hour(flow, 0), &mut |k, row| {
            let partition = k.get(9..11).and_then(|b| b.try_into().ok()).map_or(0, u16::from_be_bytes);
            match Ledger::decode(row) {
                Ok(ledger) => {
                    sum.add(&ledger);
                    rows.insert(PartitionNo(partition), ledger);
                }
                Err(e) => fault = Some(e),
            }
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        flows.insert(flow, rows);
        Ok(sum)
    }
}

/// The key of one row.
pub(crate) fn row_key(flow: FlowNo, hour: u32, partition: PartitionNo) -> Vec<u8> {
    key::ledger(flow, hour, partition)
}
