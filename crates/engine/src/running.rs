//! The running engine: opens state, brings it up to the log, then follows the log.
//!
//! Start: read how far each stream was applied, find the effects that the log already holds, feed
//! the workers everything beyond, then switch them to live entries. A worker whose batch fails
//! (full disk) starts again from the store and the log; until it has caught up the engine is not
//! ready and ingest is refused.

use crate::command::{Command, Outcome};
use crate::control::{Control, stored_offset};
use crate::emit::{Emitter, Known};
use crate::error::{Error, Result};
use crate::identity_worker::{IdentityWorker, Resolving, linking_xids, profile_of};
use crate::key;
use crate::partition::{ExportObserver, PartitionWorker, Ports, Published};
use crate::plan::Compiler;
use crate::progress::Progress;
use clock::Clock;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use model::codec::Reader;
use model::{DatasetNo, FlowNo, PartitionNo, ProfileId, SandboxId, Timestamp, Xid};
use parking_lot::Mutex;
use profile::Record;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{Appended, Batch, Entry, Keyspace, Log, Store, StreamId};

/// Entries applied per commit at most.
const BATCH_ENTRIES: usize = 4096;
/// Bytes after which a batch is closed.
const BATCH_BYTES: usize = 8 << 20;
/// How long an idle worker waits before it looks at its timers again.
const IDLE: Duration = Duration::from_millis(200);
/// The same on a manual clock, which can jump at any time.
const IDLE_MANUAL: Duration = Duration::from_millis(5);

/// What can be chosen at start.
pub struct Options {
    /// Virtual partitions; fixed for the life of a data directory.
    pub partitions: u16,
    /// Partition worker threads.
    pub workers: usize,
    /// Bytes of decoded profiles kept in memory, over all workers.
    pub cache_bytes: usize,
    /// Bytes of accepted entries that may wait to be applied before ingest is refused.
    pub backlog_bytes_max: u64,
    /// False when time stands still: no timer fires but those that the log says (a rebuild).
    pub follow_time: bool,
    /// Told when a flow has new exports.
    pub on_export: ExportObserver,
}

/// An entry on its way into the log.
type LogEntry = (StreamId, Vec<u8>);

/// A record's place in the log.
pub struct Placed {
    entry: LogEntry,
    /// The XIDs that are held until the identity worker has resolved the record.
    held: Vec<Xid>,
}

#[derive(Default)]
struct Gauges {
    entries: AtomicU64,
    bytes: AtomicU64,
    applied: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicBool,
}

/// The engine of one data directory.
pub struct Engine {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    clock: Clock,
    control: Arc<Control>,
    published: Arc<Published>,
    partitions: u16,
    backlog_bytes_max: u64,
    gauges: Arc<Gauges>,
    resolving: Arc<Resolving>,
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Entries on their way from the log to the workers.
struct Routes {
    identity: Sender<Entry>,
    workers: Vec<Sender<Entry>>,
    gauges: Arc<Gauges>,
}

impl Routes {
    fn send(&self, entry: &Entry) {
        let to = match key::partition_of(entry.stream) {
            Some(partition) => &self.workers[usize::from(partition.0) % self.workers.len()],
            None if entry.stream == key::IDENTITY => &self.identity,
            None => return,
        };
        self.gauges.entries.fetch_add(1, Ordering::AcqRel);
        self.gauges.bytes.fetch_add(entry.payload.len() as u64, Ordering::AcqRel);
        // A closed channel means that the engine is stopping: the log keeps the entry.
        drop(to.send(entry.clone()));
    }
}

impl Engine {
    /// Opens the state and starts the workers. Returns once everything in the log is applied.
    pub fn open(
        log: Arc<dyn Log>,
        store: Arc<dyn Store>,
        clock: Clock,
        compiler: Box<dyn Compiler>,
        options: Options,
    ) -> Result<Engine> {
        check_layout(&*store, options.partitions)?;
        clock.raise_to(Timestamp(log.last_stamp()));
        let (known, tail) = survey(&*log, &*store, options.partitions)?;
        let known = Arc::new(known);
        let control =
            Arc::new(Control::open(log.clone(), store.clone(), clock.clone(), compiler, options.partitions, tail)?);
        let start = Start {
            shared: Shared {
                log: log.clone(),
                store: store.clone(),
                clock: clock.clone(),
                gauges: Arc::default(),
                stop: Arc::default(),
                caught_up: Arc::default(),
            },
            known,
            control: control.clone(),
            published: Arc::new(Published::new(options.partitions)),
            resolving: Arc::default(),
            options: &options,
        };
        let mut threads = Vec::new();
        let identity = start.identity_worker(&mut threads)?;
        let workers = start.partition_workers(&mut threads)?;
        let Start { shared: Shared { gauges, stop, caught_up, .. }, published, resolving, .. } = start;
        let routes = Routes { identity, workers, gauges: gauges.clone() };
        feed(&log, &*store, routes, options.partitions, options.backlog_bytes_max)?;
        let engine = Engine {
            log,
            store,
            clock,
            control,
            published,
            partitions: options.partitions,
            backlog_bytes_max: options.backlog_bytes_max,
            gauges,
            resolving,
            stop,
            threads: Mutex::new(threads),
        };
        engine.wait_applied()?;
        caught_up.store(options.follow_time, Ordering::Release);
        Ok(engine)
    }

    /// Documents and plans.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The store, for reading.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// What workers show beside the rows.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// The log, for its figures.
    pub fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// Virtual partitions.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Entries accepted and not yet applied.
    pub fn backlog_entries(&self) -> u64 {
        self.gauges.entries.load(Ordering::Acquire)
    }

    /// Entries applied since start.
    pub fn applied_entries(&self) -> u64 {
        self.gauges.applied.load(Ordering::Acquire)
    }

    /// True while workers follow the log; false while one is starting again after a failure.
    pub fn is_ready(&self) -> bool {
        self.gauges.failed.load(Ordering::Acquire) == 0
    }

    /// True when new records should be refused for now (design, §11.8).
    pub fn is_lagging(&self) -> bool {
        !self.is_ready() || self.gauges.bytes.load(Ordering::Acquire) > self.backlog_bytes_max
    }

    /// Where a record goes: straight to its profile when all its identities are known and of one
    /// profile, else to the identity stream. While a record of an identity is on that longer way,
    /// later ones follow it there, so that none overtakes it.
    pub fn place(&self, sandbox: SandboxId, record: Record) -> Result<Placed> {
        let xids = linking_xids(sandbox, &record);
        if !self.resolving.holds_any(&xids)
            && let Some(profile) = self.known_profile(sandbox, &xids)?
        {
            let stream = key::stream(profile.partition(sandbox, self.partitions));
            let received = self.clock.now();
            let payload = Command::Apply { sandbox, profile, received, record }.encode();
            return Ok(Placed { entry: (stream, payload), held: Vec::new() });
        }
        self.resolving.hold(&xids);
        Ok(Placed { entry: (key::IDENTITY, Command::Resolve { sandbox, record }.encode()), held: xids })
    }

    /// The one profile of all these identities, if each of them is known and of that one.
    fn known_profile(&self, sandbox: SandboxId, xids: &[Xid]) -> Result<Option<ProfileId>> {
        let mut profile: Option<ProfileId> = None;
        for xid in xids {
            match (profile_of(&*self.store, sandbox, *xid)?, profile) {
                (Some(found), None) => profile = Some(found),
                (Some(found), Some(same)) if found == same => {}
                _ => return Ok(None),
            }
        }
        Ok(profile)
    }

    /// Where a record that does not fit its schema is kept.
    pub fn place_in_quarantine(
        &self,
        sandbox: SandboxId,
        dataset: DatasetNo,
        message: &[u8],
        violations: &[u8],
    ) -> Placed {
        let command =
            Command::Quarantine { sandbox, dataset, message: message.to_vec(), violations: violations.to_vec() };
        let sum = message.iter().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
        let stream = key::stream(PartitionNo((sum % u64::from(self.partitions)) as u16));
        Placed { entry: (stream, command.encode()), held: Vec::new() }
    }

    /// Makes placed records durable, all or none.
    pub async fn append(&self, placed: Vec<Placed>) -> Result<Appended> {
        let mut held = Vec::new();
        let mut entries = Vec::with_capacity(placed.len());
        for record in placed {
            held.extend(record.held);
            entries.push(record.entry);
        }
        let resolving = self.resolving.clone();
        let (done, durable) = tokio::sync::oneshot::channel();
        let answer = move |result: store::Result<Appended>| {
            if result.is_err() {
                resolving.release(&held);
            }
            drop(done.send(result));
        };
        self.log.submit(entries, self.clock.now().0, Box::new(answer));
        durable.await.map_err(|_| Error::stopped())?.map_err(Error::from)
    }

    /// Makes entries durable that hold no identities.
    async fn append_entries(&self, entries: Vec<LogEntry>) -> Result<()> {
        let placed = entries.into_iter().map(|entry| Placed { entry, held: Vec::new() }).collect();
        self.append(placed).await.map(drop)
    }

    /// Deletes a profile and its events.
    pub async fn delete_profile(&self, sandbox: SandboxId, profile: ProfileId) -> Result<()> {
        let stream = key::stream(profile.partition(sandbox, self.partitions));
        self.append_entries(vec![(stream, Command::DeleteProfile { sandbox, profile }.encode())]).await
    }

    /// Replays dead letters, named by partition and number.
    pub async fn replay_dead(&self, flow: FlowNo, letters: &[(PartitionNo, u64)]) -> Result<()> {
        self.append_entries(by_partition(letters, |seqs| Command::ReplayDead { flow, seqs })).await
    }

    /// Removes records from quarantine.
    pub async fn release_quarantine(&self, sandbox: SandboxId, names: &[(PartitionNo, u64)]) -> Result<()> {
        self.append_entries(by_partition(names, |numbers| Command::ReleaseQuarantine { sandbox, numbers })).await
    }

    /// Writes outcomes of deliveries into the log; blocks until they are durable.
    pub fn report(&self, outcomes: Vec<(FlowNo, PartitionNo, u64, Outcome)>) -> Result<()> {
        let mut by_partition: HashMap<PartitionNo, Vec<(FlowNo, u64, Outcome)>> = HashMap::new();
        for (flow, partition, seq, outcome) in outcomes {
            by_partition.entry(partition).or_default().push((flow, seq, outcome));
        }
        let placed = by_partition
            .into_iter()
            .map(|(partition, outcomes)| (key::stream(partition), Command::Outcomes { outcomes }.encode()))
            .collect();
        self.log.append(placed, self.clock.now().0).map(drop).map_err(Error::from)
    }

    /// Blocks until everything accepted so far is applied.
    pub fn wait_applied(&self) -> Result<()> {
        while self.backlog_entries() > 0 {
            if self.stop.load(Ordering::Acquire) {
                return Err(Error::stopped());
            }
            if self.gauges.panicked.load(Ordering::Acquire) {
                return Err(Error::layout("a worker has panicked; the log keeps what it has not applied"));
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    /// True once the engine was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Stops the workers after the batch in hand. The log keeps what they have not applied.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn by_partition(names: &[(PartitionNo, u64)], command: impl Fn(Vec<u64>) -> Command) -> Vec<LogEntry> {
    let mut grouped: HashMap<PartitionNo, Vec<u64>> = HashMap::new();
    for (partition, number) in names {
        grouped.entry(*partition).or_default().push(*number);
    }
    grouped.into_iter().map(|(partition, numbers)| (key::stream(partition), command(numbers).encode())).collect()
}

/// A data directory keeps its format and its number of partitions.
fn check_layout(store: &dyn Store, partitions: u16) -> Result<()> {
    let mut wanted = vec![key::FORMAT];
    wanted.extend_from_slice(&partitions.to_be_bytes());
    match store.get(Keyspace::Meta, &key::format())? {
        None => {
            let mut batch = Batch::new();
            batch.put(Keyspace::Meta, key::format(), wanted);
            Ok(store.commit(&batch)?)
        }
        Some(found) if found == wanted => Ok(()),
        Some(found) if found.first() != Some(&key::FORMAT) => Err(Error::layout(
            "this data directory was written by another version, whose format this one does not read",
        )),
        Some(found) => {
            let there = found.get(1..3).and_then(|b| b.try_into().ok()).map_or(0, u16::from_be_bytes);
            Err(Error::layout(format!("this data directory has {there} partitions, the settings say {partitions}")))
        }
    }
}

/// The effects that the log holds beyond what their receivers have applied, and new control entries.
fn survey(log: &dyn Log, store: &dyn Store, partitions: u16) -> Result<(Known, Vec<Entry>)> {
    let mut known = Known::new();
    let mut applied: HashMap<StreamId, u64> = HashMap::new();
    applied.insert(key::CONTROL, stored_offset(store, key::CONTROL)?);
    for stream in (0..partitions).map(|p| key::stream(PartitionNo(p))).chain([key::IDENTITY]) {
        let row = store.get(Keyspace::Meta, &key::progress(stream))?;
        let progress = row.map(|r| Progress::decode(&r)).transpose()?.unwrap_or_default();
        applied.insert(stream, progress.offset);
        known.extend(progress.seen.iter().map(|(source, mark)| ((StreamId(*source), stream), *mark)));
    }
    for (stream, offset) in &applied {
        if log.last(*stream) < *offset {
            let text = format!("the log ends before what the store has applied (stream {})", stream.0);
            return Err(Error::layout(text));
        }
    }
    let mut next: HashMap<StreamId, u64> = applied.iter().map(|(s, o)| (*s, o + 1)).collect();
    let (mut tail, mut fault) = (Vec::new(), None);
    log.replay(&|stream| applied.get(&stream).copied().unwrap_or(0), &mut |entry| {
        let expected = next.entry(entry.stream).or_insert(1);
        if entry.offset != *expected {
            fault = Some(Error::layout(
                "the store is older than what the log still holds; run `rivermouth rebuild`".to_owned(),
            ));
            return ControlFlow::Break(());
        }
        *expected += 1;
        if entry.stream == key::CONTROL {
            tail.push(entry);
        } else if let Some((source, mark)) = derived_mark(&entry.payload) {
            let seen = known.entry((source, entry.stream)).or_default();
            *seen = (*seen).max(mark);
        }
        ControlFlow::Continue(())
    })?;
    match fault {
        Some(fault) => Err(fault),
        None => Ok((known, tail)),
    }
}

/// Source and mark of a derived entry, without decoding what it carries.
fn derived_mark(payload: &[u8]) -> Option<(StreamId, (u64, u32))> {
    let mut reader = Reader::new(payload.get(1..)?);
    if reader.u8().ok()? != 0 {
        return None;
    }
    let source = StreamId(reader.u32().ok()?);
    Some((source, (reader.u64().ok()?, reader.u32().ok()?)))
}

/// Feeds the workers what they have not applied, then every live entry, in the order of the log.
/// No more than `bytes_max` are on their way to the workers at a time.
fn feed(log: &Arc<dyn Log>, store: &dyn Store, routes: Routes, partitions: u16, bytes_max: u64) -> Result<()> {
    let mut applied: HashMap<StreamId, u64> = HashMap::new();
    let mut end: HashMap<StreamId, u64> = HashMap::new();
    for stream in (0..partitions).map(|p| key::stream(PartitionNo(p))).chain([key::IDENTITY]) {
        applied.insert(stream, stored_offset(store, stream)?);
    }
    // Entries that workers emit while the old ones are fed wait in `live` for their turn.
    let gate: Arc<Mutex<Option<Vec<Entry>>>> = Arc::new(Mutex::new(Some(Vec::new())));
    let routes = Arc::new(routes);
    let (observer_gate, observer_routes) = (gate.clone(), routes.clone());
    log.set_observer(Box::new(move |entry| match &mut *observer_gate.lock() {
        Some(live) => live.push(entry.clone()),
        None => observer_routes.send(entry),
    }));
    // Read after the observer was set, so that no entry falls between the two.
    for stream in applied.keys() {
        end.insert(*stream, log.last(*stream));
    }
    let is_old = |entry: &Entry| entry.offset <= end.get(&entry.stream).copied().unwrap_or(0);
    log.replay(&|stream| applied.get(&stream).copied().unwrap_or(u64::MAX), &mut |entry| {
        if is_old(&entry) {
            routes.send(&entry);
        }
        while routes.gauges.bytes.load(Ordering::Acquire) > bytes_max && !routes.gauges.panicked.load(Ordering::Acquire)
        {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        ControlFlow::Continue(())
    })?;
    let mut gate = gate.lock();
    for entry in gate.take().unwrap_or_default().into_iter().filter(|e| !is_old(e)) {
        routes.send(&entry);
    }
    Ok(())
}

/// Everything that starting the workers needs.
struct Start<'a> {
    shared: Shared,
    known: Arc<Known>,
    control: Arc<Control>,
    published: Arc<Published>,
    resolving: Arc<Resolving>,
    options: &'a Options,
}

impl Start<'_> {
    fn identity_worker(&self, threads: &mut Vec<JoinHandle<()>>) -> Result<Sender<Entry>> {
        let (sender, receiver) = unbounded();
        let (shared, known) = (self.shared.clone(), self.known.clone());
        let (resolving, partitions) = (self.resolving.clone(), self.options.partitions);
        let open = {
            let shared = shared.clone();
            move || {
                let emitter = Emitter::new(shared.log.clone(), known.clone());
                IdentityWorker::open(shared.store.clone(), emitter, resolving.clone(), partitions)
            }
        };
        let worker = open()?;
        threads.push(spawn("identity", move || run(worker, receiver, &shared, &open))?);
        Ok(sender)
    }

    /// The partitions go round the workers.
    fn partition_workers(&self, threads: &mut Vec<JoinHandle<()>>) -> Result<Vec<Sender<Entry>>> {
        let count = self.options.workers.clamp(1, usize::from(self.options.partitions));
        (0..count).map(|index| self.partition_worker(index, count, threads)).collect()
    }

    fn partition_worker(&self, index: usize, count: usize, threads: &mut Vec<JoinHandle<()>>) -> Result<Sender<Entry>> {
        let (sender, receiver) = unbounded();
        let (shared, known, control) = (self.shared.clone(), self.known.clone(), self.control.clone());
        let (partitions, on_export) = (self.options.partitions, self.options.on_export.clone());
        let published = self.published.clone();
        let cache = self.options.cache_bytes / count;
        let open = {
            let shared = shared.clone();
            move || {
                let mine = (0..partitions).filter(|p| usize::from(*p) % count == index);
                let emitter = Emitter::new(shared.log.clone(), known.clone());
                let ports = Ports {
                    store: shared.store.clone(),
                    control: control.clone(),
                    emitter,
                    published: published.clone(),
                    on_export: on_export.clone(),
                };
                PartitionWorker::open(ports, partitions, mine, cache)
            }
        };
        let worker = open()?;
        threads.push(spawn("partitions", move || run(worker, receiver, &shared, &open))?);
        Ok(sender)
    }
}

/// What every worker thread shares.
#[derive(Clone)]
struct Shared {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    clock: Clock,
    gauges: Arc<Gauges>,
    stop: Arc<AtomicBool>,
    /// True once the state was brought up to the log: before that, the log says when time passed.
    caught_up: Arc<AtomicBool>,
}

/// What a worker thread drives.
trait Worker {
    fn apply(&mut self, entries: &[Entry]) -> Result<()>;
    /// Partitions with a due timer; each is named once until its tick was applied.
    fn due(&mut self, now: Timestamp) -> Vec<PartitionNo>;
    /// Reads the timers anew.
    fn arm(&mut self) -> Result<()>;
    /// Streams and how far they were applied.
    fn streams(&self) -> Vec<(StreamId, u64)>;
}

impl Worker for IdentityWorker {
    fn apply(&mut self, entries: &[Entry]) -> Result<()> {
        IdentityWorker::apply(self, entries)
    }
    fn due(&mut self, _now: Timestamp) -> Vec<PartitionNo> {
        Vec::new()
    }
    fn arm(&mut self) -> Result<()> {
        Ok(())
    }
    fn streams(&self) -> Vec<(StreamId, u64)> {
        vec![(key::IDENTITY, self.applied())]
    }
}

impl Worker for PartitionWorker {
    fn apply(&mut self, entries: &[Entry]) -> Result<()> {
        PartitionWorker::apply(self, entries)
    }
    fn due(&mut self, now: Timestamp) -> Vec<PartitionNo> {
        PartitionWorker::due(self, now)
    }
    fn arm(&mut self) -> Result<()> {
        PartitionWorker::arm(self)
    }
    fn streams(&self) -> Vec<(StreamId, u64)> {
        self.applied()
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|e| Error::layout(format!("cannot start a worker thread: {e}")))
}

/// Notices that a worker thread unwinds: from then on the engine is not ready.
struct Lifeline<'a>(&'a Gauges);

impl Drop for Lifeline<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked.store(true, Ordering::Release);
            self.0.failed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The loop of one worker thread.
fn run<W: Worker>(mut worker: W, entries: Receiver<Entry>, shared: &Shared, reopen: &dyn Fn() -> Result<W>) {
    let mut batch: Vec<Entry> = Vec::with_capacity(BATCH_ENTRIES);
    let idle = if shared.clock.is_manual() { IDLE_MANUAL } else { IDLE };
    let _lifeline = Lifeline(&shared.gauges);
    let mut armed = false;
    while !shared.stop.load(Ordering::Acquire) {
        match entries.recv_timeout(idle) {
            Ok(entry) => batch.push(entry),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let mut bytes = batch.first().map_or(0, |e| e.payload.len());
        while batch.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
            let Ok(entry) = entries.try_recv() else { break };
            bytes += entry.payload.len();
            batch.push(entry);
        }
        if !batch.is_empty() {
            if let Err(error) = worker.apply(&batch) {
                match restart(&error, shared, reopen) {
                    Some(fresh) => worker = fresh,
                    None => return,
                }
            }
            let bytes: u64 = batch.iter().map(|e| e.payload.len() as u64).sum();
            shared.gauges.applied.fetch_add(batch.len() as u64, Ordering::AcqRel);
            shared.gauges.bytes.fetch_sub(bytes, Ordering::AcqRel);
            shared.gauges.entries.fetch_sub(batch.len() as u64, Ordering::AcqRel);
            batch.clear();
        }
        if !shared.caught_up.load(Ordering::Acquire) {
            continue;
        }
        if !armed {
            if let Err(error) = worker.arm() {
                match restart(&error, shared, reopen) {
                    Some(fresh) => worker = fresh,
                    None => return,
                }
            }
            armed = true;
        }
        let now = shared.clock.now();
        let ticks: Vec<LogEntry> =
            worker.due(now).into_iter().map(|p| (key::stream(p), Command::Tick.encode())).collect();
        if !ticks.is_empty()
            && let Err(error) = shared.log.append(ticks, now.0)
        {
            match restart(&error.into(), shared, reopen) {
                Some(fresh) => worker = fresh,
                None => return,
            }
        }
    }
}

/// Makes a worker anew from the store and the log, as often as it takes. `None` when stopping.
fn restart<W: Worker>(error: &Error, shared: &Shared, reopen: &dyn Fn() -> Result<W>) -> Option<W> {
    tracing::error!(%error, "a worker failed and starts again from the log");
    shared.gauges.failed.fetch_add(1, Ordering::AcqRel);
    loop {
        std::thread::park_timeout(Duration::from_millis(500));
        if shared.stop.load(Ordering::Acquire) {
            return None;
        }
        // Asked first whether it takes writes: catching up in vain would append effects to the log each time.
        let writable = shared.store.sync().map_err(Error::from);
        match writable.and_then(|()| reopen()).and_then(|worker| catch_up(worker, &*shared.log)) {
            Ok(worker) => {
                shared.gauges.failed.fetch_sub(1, Ordering::AcqRel);
                tracing::info!("the worker has caught up");
                return Some(worker);
            }
            Err(error) => tracing::error!(%error, "the worker cannot start yet"),
        }
    }
}

fn catch_up<W: Worker>(mut worker: W, log: &dyn Log) -> Result<W> {
    let applied: HashMap<StreamId, u64> = worker.streams().into_iter().collect();
    let mut batch = Vec::new();
    let mut result = Ok(());
    log.replay(&|stream| applied.get(&stream).copied().unwrap_or(u64::MAX), &mut |entry| {
        batch.push(entry);
        if batch.len() == BATCH_ENTRIES {
            result = worker.apply(&batch);
            batch.clear();
        }
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result.and_then(|()| worker.apply(&batch)).map(|()| worker)
}
