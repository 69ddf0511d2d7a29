//! The one ordered worker of the identity stream: identity rows only (design, §11.2).
//!
//! In: records whose identities are new or of several profiles. Out: the resolved record to its
//! profile's partition, after the merges it caused. Rows become visible to ingest only after the
//! emitted entries are in the log, so a record on the short way can never overtake one on the long.

use crate::command::Command;
use crate::emit::Emitter;
use crate::error::{Error, Result};
use crate::key;
use crate::progress::Progress;
use identity::{Graph, Rows};
use model::codec::Reader;
use model::{ProfileId, SandboxId, Timestamp, Xid};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Batch, Entry, Keyspace, Store};

/// Identities with a record on its way through the identity stream, counted. Kept in memory only:
/// after a start nothing is on its way that was not applied before.
#[derive(Default)]
pub(crate) struct Resolving(Mutex<HashMap<Xid, u32>>);

impl Resolving {
    /// True when any of these is on its way.
    pub(crate) fn holds_any(&self, xids: &[Xid]) -> bool {
        let held = self.0.lock();
        xids.iter().any(|xid| held.contains_key(xid))
    }

    /// Counts one more record of these.
    pub(crate) fn hold(&self, xids: &[Xid]) {
        let mut held = self.0.lock();
        for xid in xids {
            *held.entry(*xid).or_default() += 1;
        }
    }

    /// Counts one record less; identities that are not held are left alone.
    pub(crate) fn release(&self, xids: &[Xid]) {
        let mut held = self.0.lock();
        for xid in xids {
            if let Some(count) = held.get_mut(xid) {
                *count -= 1;
                if *count == 0 {
                    held.remove(xid);
                }
            }
        }
    }
}

pub(crate) struct IdentityWorker {
    store: Arc<dyn Store>,
    emitter: Emitter,
    progress: Progress,
    overlay: Overlay,
    resolving: Arc<Resolving>,
    /// Identities of the records of this batch.
    resolved: Vec<Xid>,
    partitions: u16,
}

/// Rows of the current batch over those of the store.
struct Overlay {
    store: Arc<dyn Store>,
    sandbox: SandboxId,
    identities: HashMap<(SandboxId, Xid), Option<ProfileId>>,
    graphs: HashMap<(SandboxId, ProfileId), Graph>,
    batch: Batch,
}

impl Rows for Overlay {
    type Error = Error;

    fn profile_of(&mut self, xid: Xid) -> Result<Option<ProfileId>> {
        if let Some(found) = self.identities.get(&(self.sandbox, xid)) {
            return Ok(*found);
        }
        profile_of(&*self.store, self.sandbox, xid)
    }

    fn graph(&mut self, profile: ProfileId) -> Result<Option<Graph>> {
        if let Some(found) = self.graphs.get(&(self.sandbox, profile)) {
            return Ok(Some(found.clone()));
        }
        let row = self.store.get(Keyspace::Identity, &key::graph(self.sandbox, profile))?;
        Ok(row.map(|r| Graph::decode(&r)).transpose()?)
    }

    fn put_profile_of(&mut self, xid: Xid, profile: Option<ProfileId>) {
        self.identities.insert((self.sandbox, xid), profile);
        let key = key::identity(self.sandbox, xid);
        match profile {
            Some(profile) => self.batch.put(Keyspace::Identity, key, profile.0),
            None => self.batch.delete(Keyspace::Identity, key),
        }
    }

    fn put_graph(&mut self, profile: ProfileId, graph: Graph) {
        self.batch.put(Keyspace::Identity, key::graph(self.sandbox, profile), graph.encode());
        self.graphs.insert((self.sandbox, profile), graph);
    }
}

/// The profile of an identity, from the store.
pub(crate) fn profile_of(store: &dyn Store, sandbox: SandboxId, xid: Xid) -> Result<Option<ProfileId>> {
    match store.get(Keyspace::Identity, &key::identity(sandbox, xid))? {
        Some(row) => Ok(Some(Xid(Reader::new(&row).array16()?))),
        None => Ok(None),
    }
}

impl IdentityWorker {
    pub(crate) fn open(
        store: Arc<dyn Store>,
        emitter: Emitter,
        resolving: Arc<Resolving>,
        partitions: u16,
    ) -> Result<IdentityWorker> {
        let row = store.get(Keyspace::Meta, &key::progress(key::IDENTITY))?;
        let progress = row.map(|r| Progress::decode(&r)).transpose()?.unwrap_or_default();
        let overlay = Overlay {
            store: store.clone(),
            sandbox: SandboxId(0),
            identities: HashMap::new(),
            graphs: HashMap::new(),
            batch: Batch::new(),
        };
        Ok(IdentityWorker { store, emitter, progress, overlay, resolving, resolved: Vec::new(), partitions })
    }

    /// The last applied offset.
    pub(crate) fn applied(&self) -> u64 {
        self.progress.offset
    }

    /// Applies entries in order and commits them as one batch.
    pub(crate) fn apply(&mut self, entries: &[Entry]) -> Result<()> {
        let mut now = 0;
        for entry in entries {
            if entry.offset <= self.progress.offset {
                continue;
            }
            now = entry.stamp;
            self.emitter.begin(key::IDENTITY, entry.offset);
            let command = match Command::decode(&entry.payload)? {
                Command::Derived { source, offset, k, inner } => {
                    self.progress.is_new(source, (offset, k)).then_some(*inner)
                }
                command => Some(command),
            };
            self.progress.offset = entry.offset;
            match command {
                Some(Command::Resolve { sandbox, record }) => self.resolve(sandbox, record, Timestamp(entry.stamp))?,
                Some(Command::Detach { sandbox, profile, xids }) => {
                    self.overlay.sandbox = sandbox;
                    identity::detach(&mut self.overlay, profile, &xids)?;
                }
                Some(other) => return Err(Error::layout(format!("not an identity entry: {other:?}"))),
                None => {}
            }
        }
        self.emitter.append(now)?;
        let batch = &mut self.overlay.batch;
        batch.put(Keyspace::Meta, key::progress(key::IDENTITY), self.progress.encode());
        self.store.commit(batch)?;
        batch.clear();
        self.overlay.identities.clear();
        self.overlay.graphs.clear();
        self.resolving.release(&std::mem::take(&mut self.resolved));
        Ok(())
    }

    fn resolve(&mut self, sandbox: SandboxId, record: profile::Record, now: Timestamp) -> Result<()> {
        self.overlay.sandbox = sandbox;
        let xids = linking_xids(sandbox, &record);
        let found = identity::resolve(&mut self.overlay, &xids, now)?;
        self.resolved.extend(xids);
        let stream = |id: ProfileId| key::stream(id.partition(sandbox, self.partitions));
        let winner = found.profile;
        for loser in found.losers {
            self.emitter.emit(stream(winner), Command::AwaitAbsorb { sandbox, profile: winner, loser });
            self.emitter.emit(stream(loser), Command::HandOver { sandbox, profile: loser, winner });
        }
        self.emitter.emit(stream(winner), Command::Apply { sandbox, profile: winner, received: now, record });
        Ok(())
    }
}

/// The XIDs that decide about the profile: the primary first, then those that take part in graphs.
/// A primary identity outside graphs stands for itself alone.
pub fn linking_xids(sandbox: SandboxId, record: &profile::Record) -> Vec<Xid> {
    let primary = record.identities.iter().find(|i| i.primary);
    let mut xids: Vec<Xid> = primary.iter().map(|i| i.identity.xid(sandbox)).collect();
    if primary.is_some_and(|p| !p.in_graph) {
        return xids;
    }
    for identity in record.identities.iter().filter(|i| i.in_graph && !i.primary) {
        let xid = identity.identity.xid(sandbox);
        if !xids.contains(&xid) {
            xids.push(xid);
        }
    }
    xids
}
