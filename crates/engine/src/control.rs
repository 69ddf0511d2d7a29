//! The control stream: the truth about documents, and the plans compiled from them.
//!
//! A change is decided by a service on the newest [`DocSet`], appended to the control stream and,
//! as `PlanChanged{n}`, to every partition in the same durable write; then the API answers.
//! Plans that some partition has not passed yet can always be made again from the history.
//!
//! Always: changes are serialised by one gate; a plan is registered before its `PlanChanged` can
//! be seen by a worker, and in force for everybody else (the newest documents, what watches them)
//! before a worker applies it: what it exports finds its destination as the plan means it.

use crate::command::Command;
use crate::error::Error;
use crate::key;
use crate::plan::{Compiler, Plan};
use arc_swap::ArcSwap;
use clock::Clock;
use model::codec::{self, Reader};
use model::{Collection, DocChange, DocSet, PartitionNo, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Batch, Keyspace, Log, Store};

/// Plans kept ready beside the newest one; older ones are compiled again on demand.
const PLANS_KEPT: usize = 8;

/// Why a change did not happen.
#[derive(Debug)]
pub enum ChangeError<E> {
    /// The service refused it.
    Refused(E),
    /// It could not be made durable.
    Failed(Error),
}

/// The newest documents and the plan compiled from them.
pub struct Current {
    /// All documents.
    pub docs: DocSet,
    /// What they mean.
    pub plan: Arc<Plan>,
}

/// The control room of one data directory.
pub struct Control {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    clock: Clock,
    compiler: Box<dyn Compiler>,
    partitions: u16,
    gate: tokio::sync::Mutex<()>,
    current: ArcSwap<Current>,
    history: Mutex<History>,
    watchers: Mutex<Vec<Watcher>>,
    /// The position that all watchers have been told of.
    told: Mutex<u64>,
    telling: Condvar,
    /// Rows of accepted changes that the store did not take, in order: they go before any later ones.
    unsaved: Mutex<Vec<Batch>>,
}

/// Told of every accepted change, in order.
type Watcher = Box<dyn Fn(&Current) + Send + Sync>;

struct History {
    changes: Vec<(Timestamp, DocChange)>,
    plans: BTreeMap<u64, Arc<Plan>>,
    /// A fold that only moves forward: recovery asks for plans in rising order.
    fold: DocSet,
}

impl Control {
    /// Loads the history: stored changes, then `tail`, the control entries the log has beyond them.
    pub(crate) fn open(
        log: Arc<dyn Log>,
        store: Arc<dyn Store>,
        clock: Clock,
        compiler: Box<dyn Compiler>,
        partitions: u16,
        tail: Vec<store::Entry>,
    ) -> Result<Control, Error> {
        let mut changes = stored_changes(&*store)?;
        for entry in tail {
            let batch = batch_of(&entry.payload, entry.offset, &mut changes)?;
            store.commit(&batch)?;
        }
        let mut docs = DocSet::default();
        for (n, (at, change)) in (1..).zip(&changes) {
            docs.apply(n, *at, change);
        }
        let plan = Arc::new(compiler.compile(&docs));
        let plans = BTreeMap::from([(docs.n, plan.clone())]);
        let history = Mutex::new(History { changes, plans, fold: DocSet::default() });
        let told = Mutex::new(docs.n);
        let current = ArcSwap::from_pointee(Current { docs, plan });
        Ok(Control {
            log,
            store,
            clock,
            compiler,
            partitions,
            gate: tokio::sync::Mutex::new(()),
            current,
            history,
            watchers: Mutex::default(),
            told,
            telling: Condvar::new(),
            unsaved: Mutex::default(),
        })
    }

    /// The newest documents and plan.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Calls `watcher` after every accepted change.
    pub fn on_change(&self, watcher: Watcher) {
        self.watchers.lock().push(watcher);
    }

    /// Lets a service decide on the newest documents and makes its changes durable, all or none.
    pub async fn change<T, E>(
        &self,
        decide: impl FnOnce(&DocSet) -> Result<(Vec<DocChange>, T), E>,
    ) -> Result<T, ChangeError<E>> {
        let _gate = self.gate.lock().await;
        let current = self.current();
        let (changes, answer) = decide(&current.docs).map_err(ChangeError::Refused)?;
        if !changes.is_empty() {
            self.accept(&current.docs, changes).map_err(ChangeError::Failed)?;
        }
        Ok(answer)
    }

    /// Blocks for the one fsync of a change: there is no point at which a caller that hangs up could
    /// leave it in the log and not in force.
    fn accept(&self, docs: &DocSet, changes: Vec<DocChange>) -> Result<(), Error> {
        let (at, before) = (self.clock.now(), docs.n);
        let mut docs = docs.clone();
        let payload = encode_changes(docs.n + 1, at, &changes);
        for change in &changes {
            docs.apply(docs.n + 1, at, change);
        }
        let moves = changes.iter().any(|c| moves_plans(c.collection));
        let plan = match moves {
            true => Arc::new(self.compiler.compile(&docs)),
            false => Arc::new(Plan { n: docs.n, sandboxes: self.current().plan.sandboxes.clone() }),
        };
        let mut entries = vec![(key::CONTROL, payload.clone())];
        if moves {
            // Partitions pass these only; the others would push out plans that some have yet to pass.
            self.history.lock().plans.insert(docs.n, plan.clone());
            let changed = Command::PlanChanged { n: docs.n }.encode();
            entries.extend((0..self.partitions).map(|p| (key::stream(PartitionNo(p)), changed.clone())));
        }
        // Whatever happens from here on, no worker waits for ever.
        let told = Telling { control: self, n: docs.n };
        let appended = match self.log.append(entries, at.0) {
            Ok(appended) => appended,
            Err(error) => {
                self.history.lock().plans.remove(&docs.n);
                drop(told);
                // Nobody saw this position: the next change has it again.
                *self.told.lock() = before;
                return Err(error.into());
            }
        };
        let offset = appended.offsets.first().copied().unwrap_or_default();
        let mut history = self.history.lock();
        let batch = batch_of(&payload, offset, &mut history.changes)?;
        while history.plans.len() > PLANS_KEPT {
            history.plans.pop_first();
        }
        drop(history);
        let current = Arc::new(Current { docs, plan });
        self.current.store(current.clone());
        self.watchers.lock().iter().for_each(|watcher| watcher(&current));
        drop(told);
        self.save(batch);
        Ok(())
    }

    /// Commits rows whose entry is durable in the log, so that the change is in force whatever happens
    /// here. What the store does not take now is made good with the next change or at the next start.
    fn save(&self, batch: Batch) {
        let mut unsaved = self.unsaved.lock();
        unsaved.push(batch);
        while let Some(first) = unsaved.first() {
            if let Err(error) = self.store.commit(first) {
                tracing::error!(%error, changes = unsaved.len(), "the store does not take changes of documents yet");
                return;
            }
            unsaved.remove(0);
        }
    }

    /// Blocks until everything that watches documents has been told of position `n`.
    pub(crate) fn wait_told(&self, n: u64) {
        let mut told = self.told.lock();
        self.telling.wait_while(&mut told, |told| *told < n);
    }

    /// The plan as of position `n`.
    pub(crate) fn plan_at(&self, n: u64) -> Arc<Plan> {
        let mut history = self.history.lock();
        if let Some(plan) = history.plans.get(&n) {
            return plan.clone();
        }
        let History { changes, fold, plans } = &mut *history;
        if fold.n > n {
            *fold = DocSet::default();
        }
        for (at, change) in changes.iter().take(n as usize).skip(fold.n as usize) {
            fold.apply(fold.n + 1, *at, change);
        }
        let plan = Arc::new(self.compiler.compile(fold));
        plans.insert(n, plan.clone());
        if plans.len() > PLANS_KEPT * 2 {
            plans.pop_first();
        }
        plan
    }
}

/// Tells those who wait for a position, once it is over.
struct Telling<'a> {
    control: &'a Control,
    n: u64,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        *self.control.told.lock() = self.n;
        self.control.telling.notify_all();
    }
}

/// Clients, and records of work that runs beside the stream, are no part of any plan.
fn moves_plans(collection: Collection) -> bool {
    use Collection::{Client, ExportJob, ExternalRun, ExternalTask, Organisation, Schedule, SegmentJob};
    !matches!(collection, Client | Organisation | SegmentJob | Schedule | ExportJob | ExternalTask | ExternalRun)
}

fn encode_changes(first_n: u64, at: Timestamp, changes: &[DocChange]) -> Vec<u8> {
    let mut out = vec![key::FORMAT];
    codec::put_u64(&mut out, first_n);
    codec::put_i64(&mut out, at.0);
    codec::put_u64(&mut out, changes.len() as u64);
    for change in changes {
        change.encode(&mut out);
    }
    out
}

/// The rows of one control entry; its changes are added to the history.
fn batch_of(payload: &[u8], offset: u64, history: &mut Vec<(Timestamp, DocChange)>) -> Result<Batch, Error> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    let first_n = reader.u64()?;
    let at = Timestamp(reader.i64()?);
    let count = reader.u64()?;
    let mut batch = Batch::new();
    for n in first_n..first_n + count {
        let change = DocChange::decode(&mut reader)?;
        batch.put(Keyspace::Meta, key::doc_change(n), change_row(at, &change));
        history.push((at, change));
    }
    let mut progress = Vec::new();
    codec::put_u64(&mut progress, offset);
    batch.put(Keyspace::Meta, key::progress(key::CONTROL), progress);
    Ok(batch)
}

/// All stored changes of documents with their instants, the oldest first.
pub(crate) fn stored_changes(store: &dyn Store) -> Result<Vec<(Timestamp, DocChange)>, Error> {
    let (mut changes, mut fault) = (Vec::new(), None);
    store.scan_prefix(Keyspace::Meta, key::DOC_CHANGES, &mut |_, row| {
        match decode_change(row) {
            Ok(change) => changes.push(change),
            Err(e) => fault = Some(e),
        }
        ControlFlow::Continue(())
    })?;
    fault.map_or(Ok(changes), |fault| Err(fault.into()))
}

pub(crate) fn change_row(at: Timestamp, change: &DocChange) -> Vec<u8> {
    let mut row = vec![key::FORMAT];
    codec::put_i64(&mut row, at.0);
    change.encode(&mut row);
    row
}

fn decode_change(row: &[u8]) -> codec::Result<(Timestamp, DocChange)> {
    let mut reader = Reader::new(row);
    reader.u8()?;
    let at = Timestamp(reader.i64()?);
    Ok((at, DocChange::decode(&mut reader)?))
}

/// The last applied offset of a stream, from its progress row.
pub(crate) fn stored_offset(store: &dyn Store, stream: store::StreamId) -> Result<u64, Error> {
    match store.get(Keyspace::Meta, &key::progress(stream))? {
        Some(row) => Ok(Reader::new(&row).u64()?),
        None => Ok(0),
    }
}

/// Sees key and value of a row, and says whether to go on.
type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Rows under a prefix whose keys lie after a cursor.
pub(crate) fn scan_after(
    store: &dyn Store,
    keyspace: Keyspace,
    prefix: &[u8],
    after: &[u8],
    visit: Visit<'_>,
) -> Result<(), Error> {
    // Bounded above: what was deleted behind the last row is not walked through.
    let end = store::prefix_end(prefix);
    store.scan(keyspace, Bound::Excluded(after), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded), visit)?;
    Ok(())
}
