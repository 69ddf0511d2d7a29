//! A partition worker: loads what an entry names, lets the core decide, commits all in one batch.
//!
//! One worker owns some of the virtual partitions; nobody else touches their rows. Entries of a
//! partition are applied in log order, many per batch; state, progress, ledger and outbox of a
//! batch become visible together.
//!
//! Always: an entry addressed to a profile that waits for a merge is parked behind it, one
//! addressed to a profile that was merged away is forwarded. Reading rows that this batch may have
//! written is preceded by a flush.

mod apply;
mod erase;
mod hot;
mod merge;
mod outflow;
mod scan;
mod settle;

use crate::census::Census;
use crate::control::Control;
use crate::emit::Emitter;
use crate::error::Result;
use crate::key;
use crate::ledger::{self, Ledger, Movement, Totals};
use crate::outbox;
use crate::plan::{Plan, SandboxPlan};
use crate::progress::Progress;
use crate::tail::{Queued, Tails};
use audience::Scratch;
use hot::HotProfiles;
use model::{FlowNo, PartitionNo, SandboxId, Timestamp};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::collections::{BTreeMap, hash_map};
use std::sync::Arc;
use store::{Batch, Entry, Keyspace, Store};

/// Told after a commit that a flow has new exports in a partition.
pub type ExportObserver = Arc<dyn Fn(FlowNo, PartitionNo) + Send + Sync>;

/// What workers show of their rows beside the store, after each commit.
pub(crate) struct Published {
    pub(crate) tails: Tails,
    pub(crate) totals: Totals,
}

impl Published {
    pub(crate) fn new(partitions: u16) -> Published {
        Published { tails: Tails::new(partitions), totals: Totals::default() }
    }
}

/// What a worker reads from and writes to.
pub(crate) struct Ports {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) control: Arc<Control>,
    pub(crate) emitter: Emitter,
    pub(crate) published: Arc<Published>,
    pub(crate) on_export: ExportObserver,
}

/// Hours of ledger rows kept in memory per partition.
const LEDGER_ROWS_MAX: usize = 1024;

/// Rows of the outbox of which is kept in memory what waits, per partition.
const OUTBOX_ROWS_MAX: usize = 2048;

/// One virtual partition of this worker.
struct Partition {
    no: PartitionNo,
    progress: Progress,
    plan: Arc<Plan>,
    census: Census,
    census_moved: bool,
    ledger: HashMap<(FlowNo, u32), Ledger>,
    ledger_moved: HashSet<(FlowNo, u32)>,
    /// Rows of the outbox in memory, by the last number. Those that this batch changes are all here.
    outbox: HashMap<FlowNo, BTreeMap<u64, outbox::Waiting>>,
    next_due: Option<Timestamp>,
    /// No timer lies before this key; the store would walk through those that were deleted.
    timers_from: Vec<u8>,
    touched: bool,
}

/// The place of the entry in hand: effects and exports are numbered by it.
#[derive(Debug, Clone, Copy)]
struct At {
    now: Timestamp,
    offset: u64,
}

pub(crate) struct PartitionWorker {
    store: Arc<dyn Store>,
    control: Arc<Control>,
    published: Arc<Published>,
    emitter: Emitter,
    partitions_count: u16,
    partitions: BTreeMap<u16, Partition>,
    hot: HotProfiles,
    batch: Batch,
    outbox_moved: bool,
    /// Present while the entry in hand works over many profiles.
    many: Option<scan::Many>,
    /// What the entry in hand exports, by flow.
    lanes: HashMap<FlowNo, settle::Lane>,
    /// Rows of the outbox of which exports were closed in this batch.
    closed: HashSet<(PartitionNo, FlowNo, u64)>,
    /// Exports of this batch, to be published after the commit.
    queued: Vec<(PartitionNo, Queued)>,
    wakes: HashSet<(FlowNo, PartitionNo)>,
    on_export: ExportObserver,
    at: At,
    scratch: Scratch,
}

impl PartitionWorker {
    pub(crate) fn open(
        ports: Ports,
        partitions_count: u16,
        mine: impl Iterator<Item = u16>,
        cache_bytes: usize,
    ) -> Result<PartitionWorker> {
        let Ports { store, control, emitter, published, on_export } = ports;
        let mut partitions = BTreeMap::new();
        for no in mine {
            published.tails.clear(PartitionNo(no));
            partitions.insert(no, Partition::open(&*store, &control, PartitionNo(no))?);
        }
        Ok(PartitionWorker {
            store,
            control,
            published,
            emitter,
            partitions_count,
            partitions,
            hot: HotProfiles::new(cache_bytes),
            batch: Batch::new(),
            outbox_moved: false,
            many: None,
            lanes: HashMap::default(),
            closed: HashSet::default(),
            queued: Vec::new(),
            wakes: HashSet::default(),
            on_export,
            at: At { now: Timestamp(0), offset: 0 },
            scratch: Scratch::default(),
        })
    }

    /// Applies entries in order and commits them.
    pub(crate) fn apply(&mut self, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            let Some(no) = key::partition_of(entry.stream) else { continue };
            let Some(partition) = self.partitions.get_mut(&no.0) else { continue };
            if entry.offset <= partition.progress.offset {
                continue;
            }
            self.at = At { now: Timestamp(entry.stamp), offset: entry.offset };
            self.emitter.begin(entry.stream, entry.offset);
            self.apply_entry(no, entry)?;
            self.finish_rows(no)?;
            if let Some(partition) = self.partitions.get_mut(&no.0) {
                partition.progress.offset = entry.offset;
                partition.touched = true;
            }
        }
        self.flush()
    }

    /// Partitions with a timer that is due at `now`; each is named once until its tick was applied.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<PartitionNo> {
        let due = self.partitions.values_mut().filter(|p| p.next_due.is_some_and(|t| t <= now));
        due.map(|p| {
            p.next_due = None;
            p.no
        })
        .collect()
    }

    /// Reads the earliest timers from the store: those in memory may have been passed over meanwhile.
    pub(crate) fn arm(&mut self) -> Result<()> {
        for (no, partition) in &mut self.partitions {
            partition.timers_from = key::timers(PartitionNo(*no));
            partition.next_due = scan::first_timer(&*self.store, PartitionNo(*no))?;
        }
        Ok(())
    }

    /// Streams and how far they were applied.
    pub(crate) fn applied(&self) -> Vec<(store::StreamId, u64)> {
        self.partitions.values().map(|p| (key::stream(p.no), p.progress.offset)).collect()
    }

    /// Makes effects durable, then commits everything since the last flush.
    fn flush(&mut self) -> Result<()> {
        self.emitter.append(self.at.now.0)?;
        self.hot.write_back(&mut self.batch);
        self.write_closed();
        let mut totals = Vec::new();
        for partition in self.partitions.values_mut().filter(|p| p.touched) {
            partition.write_back(&mut self.batch, &mut totals);
        }
        if !self.batch.is_empty() {
            self.store.commit(&self.batch)?;
            self.batch.clear();
        }
        self.published.totals.publish(totals.into_iter());
        self.publish_exports();
        for (flow, partition) in self.wakes.drain() {
            (self.on_export)(flow, partition);
        }
        self.outbox_moved = false;
        self.forget_rows();
        self.hot.shrink();
        Ok(())
    }

    /// Shows the exports of the batch that was committed.
    fn publish_exports(&mut self) {
        // Entries of the same batch may have closed some: outcomes that are applied again after a crash.
        for (no, row) in &mut self.queued {
            let rows = self.partitions.get(&no.0).and_then(|partition| partition.outbox.get(&row.flow));
            if let Some(now) = rows.and_then(|rows| rows.get(&row.waiting.last)) {
                row.waiting = *now;
            }
        }
        let mut queued = self.queued.drain(..).peekable();
        while let Some((no, first)) = queued.next() {
            let Some(mut tails) = self.published.tails.hold(no) else { continue };
            tails.add(first);
            while let Some((_, next)) = queued.next_if(|(other, _)| *other == no) {
                tails.add(next);
            }
        }
    }

    fn partition(&mut self, no: PartitionNo) -> &mut Partition {
        self.partitions.get_mut(&no.0).expect("entries are routed to the worker that owns their partition")
    }

    /// Takes a profile out of memory or the store, ready for the audiences of its sandbox.
    fn take(&mut self, (sandbox, no, id): hot::Address) -> Result<hot::Found> {
        let plan = self.plan(no, sandbox);
        let mut found = self.hot.take(&*self.store, (sandbox, no, id))?;
        if let hot::Found::Here(hot) = &mut found {
            hot.ready(&plan.audiences, &*self.store, (sandbox, no, id))?;
        }
        Ok(found)
    }

    fn plan(&mut self, no: PartitionNo, sandbox: SandboxId) -> Arc<SandboxPlan> {
        self.partition(no).plan.sandboxes.get(&sandbox).cloned().unwrap_or_default()
    }

    /// Moves entries of a flow through the ledger; `instant` is theirs.
    fn count(
        &mut self,
        no: PartitionNo,
        flow: FlowNo,
        instant: Timestamp,
        movement: Movement,
        count: u64,
    ) -> Result<()> {
        for hour in [0, ledger::hour_of(instant)] {
            self.ledger(no, flow, hour)?.apply(movement, count);
            self.partition(no).ledger_moved.insert((flow, hour));
        }
        self.partition(no).touched = true;
        Ok(())
    }

    /// A row of the ledger.
    fn ledger(&mut self, no: PartitionNo, flow: FlowNo, hour: u32) -> Result<&mut Ledger> {
        let store = self.store.clone();
        match self.partition(no).ledger.entry((flow, hour)) {
            hash_map::Entry::Occupied(row) => Ok(row.into_mut()),
            hash_map::Entry::Vacant(place) => {
                let row = store.get(Keyspace::Meta, &ledger::row_key(flow, hour, no))?;
                Ok(place.insert(row.map(|r| Ledger::decode(&r)).transpose()?.unwrap_or_default()))
            }
        }
    }

    /// Writes which exports were closed in this batch.
    fn write_closed(&mut self) {
        for (no, flow, last) in &self.closed {
            let rows = self.partitions.get_mut(&no.0).and_then(|p| p.outbox.get_mut(flow));
            if let Some(row) = rows.and_then(|rows| rows.get_mut(last)) {
                row.write(*flow, *no, &mut self.batch);
            }
        }
    }

    /// After a commit: rows that are gone, and all when there are too many.
    fn forget_rows(&mut self) {
        for (no, flow, last) in self.closed.drain() {
            let Some(rows) = self.partitions.get_mut(&no.0).and_then(|p| p.outbox.get_mut(&flow)) else { continue };
            if rows.get(&last).is_some_and(outbox::Waiting::is_done) {
                rows.remove(&last);
            }
        }
        for partition in self.partitions.values_mut() {
            if partition.outbox.values().map(BTreeMap::len).sum::<usize>() > OUTBOX_ROWS_MAX {
                partition.outbox.clear();
            }
        }
    }
}

impl Partition {
    fn open(store: &dyn Store, control: &Control, no: PartitionNo) -> Result<Partition> {
        let row = store.get(Keyspace::Meta, &key::progress(key::stream(no)))?;
        let progress = row.map(|r| Progress::decode(&r)).transpose()?.unwrap_or_default();
        let census = store.get(Keyspace::Meta, &key::census(no))?;
        let census = census.map(|r| Census::decode(&r)).transpose()?.unwrap_or_default();
        let mut partition = Partition {
            no,
            plan: control.plan_at(progress.plan_n),
            progress,
            census,
            census_moved: false,
            ledger: HashMap::default(),
            ledger_moved: HashSet::default(),
            outbox: HashMap::default(),
            next_due: None,
            timers_from: key::timers(no),
            touched: false,
        };
        partition.next_due = scan::first_timer(store, no)?;
        Ok(partition)
    }

    /// `totals` takes the all-time ledgers that are written.
    fn write_back(&mut self, batch: &mut Batch, totals: &mut Vec<(FlowNo, PartitionNo, Ledger)>) {
        self.touched = false;
        batch.put(Keyspace::Meta, key::progress(key::stream(self.no)), self.progress.encode());
        if std::mem::take(&mut self.census_moved) {
            batch.put(Keyspace::Meta, key::census(self.no), self.census.encode());
        }
        for (flow, hour) in self.ledger_moved.drain() {
            if let Some(row) = self.ledger.get(&(flow, hour)) {
                batch.put(Keyspace::Meta, ledger::row_key(flow, hour, self.no), row.encode());
                if hour == 0 {
                    totals.push((flow, self.no, *row));
                }
            }
        }
        if self.ledger.len() > LEDGER_ROWS_MAX {
            self.ledger.clear();
        }
    }

    /// Notes a timer that was set, under this key.
    fn set_due(&mut self, due: Timestamp, timer: &[u8]) {
        if *timer < *self.timers_from {
            self.timers_from = timer.to_vec();
        }
        self.next_due = Some(self.next_due.map_or(due, |d| d.min(due)));
    }
}
