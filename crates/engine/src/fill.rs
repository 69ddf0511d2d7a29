//! Writes rows as if their records had been applied: for tools that need a large stock at once.
//!
//! In: the store of a stopped server, records of one new profile at a time, changes of documents. Out: the rows that
//! the workers would have written, with identities, graphs and counts; nothing goes into the log.
//!
//! Always: profiles count as looked at by the plan that their partition has in force, and nothing is evaluated; so they
//! are written before any audience is made. Not for live directories: a rebuild from the log does not know these rows.

use crate::Census;
use crate::census::Stock;
use crate::control::{change_row, stored_changes};
use crate::error::{Error, Result};
use crate::identity_worker::{linking_xids, profile_of};
use crate::key;
use crate::progress::Progress;
use identity::Graph;
use model::{DocChange, DocSet, Identity, PartitionNo, ProfileId, SandboxId, Timestamp, Xid};
use profile::{Event, Fragment, Profile, Record, RecordKind, Row};
use std::collections::BTreeMap;
use store::{Batch, Keyspace, Store};

/// Bytes of rows per commit.
const BATCH_BYTES: usize = 4 << 20;

/// Fills the store of a stopped server.
pub struct Fill<'a> {
    store: &'a dyn Store,
    sandbox: SandboxId,
    partitions: u16,
    /// By partition: the plan in force.
    plans: Vec<u64>,
    added: BTreeMap<PartitionNo, Stock>,
    batch: Batch,
}

impl<'a> Fill<'a> {
    /// Reads how the directory is laid out.
    pub fn open(store: &'a dyn Store, sandbox: SandboxId) -> Result<Fill<'a>> {
        let format = store.get(Keyspace::Meta, &key::format())?.unwrap_or_default();
        let Some(partitions) = format.get(1..3).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes) else {
            return Err(Error::layout("no server has opened this store yet"));
        };
        let mut plans = Vec::with_capacity(usize::from(partitions));
        for no in (0..partitions).map(PartitionNo) {
            let row = store.get(Keyspace::Meta, &key::progress(key::stream(no)))?;
            plans.push(row.map(|r| Progress::decode(&r)).transpose()?.unwrap_or_default().plan_n);
        }
        Ok(Fill { store, sandbox, partitions, plans, added: BTreeMap::new(), batch: Batch::new() })
    }

    /// The documents as stored.
    pub fn docs(&self) -> Result<DocSet> {
        let mut docs = DocSet::default();
        for (at, change) in stored_changes(self.store)? {
            docs.apply(docs.n + 1, at, &change);
        }
        Ok(docs)
    }

    /// Adds changes of documents behind the stored ones. Partitions take them in with the next change that the
    /// server itself accepts.
    pub fn change(&mut self, changes: &[DocChange], at: Timestamp) -> Result<()> {
        let first = self.docs()?.n + 1;
        for (n, change) in (first..).zip(changes) {
            self.put(Keyspace::Meta, key::doc_change(n), change_row(at, change))?;
        }
        Ok(())
    }

    /// The profile and its partition that the records of a new primary identity will have. Rows are written fastest
    /// in the order of (partition, profile).
    pub fn place(&self, primary: &Identity) -> (PartitionNo, ProfileId) {
        let id = primary.xid(self.sandbox);
        (id.partition(self.sandbox, self.partitions), id)
    }

    /// Writes a new profile with these records, the first of which names it; all are received at `at`.
    pub fn profile(&mut self, records: &[Record], at: Timestamp) -> Result<()> {
        let Some(primary) = records.first().and_then(Record::primary) else { return Ok(()) };
        let (no, id) = self.place(primary);
        let mut profile = Profile { created: at, modified: at, ..Profile::default() };
        profile.plan_n = self.plans.get(usize::from(no.0)).copied().unwrap_or_default();
        let mut members: Vec<Xid> = Vec::new();
        for record in records {
            profile.observe(record);
            members.extend(linking_xids(self.sandbox, record));
            match record.kind {
                RecordKind::Attributes => {
                    let identity = record.primary().unwrap_or(primary).clone();
                    let body = record.body.clone();
                    profile.write_fragment(Fragment { dataset: record.dataset, identity, written: at, body });
                }
                RecordKind::Event => {
                    let name = profile::event_name(record.dataset, &record.id);
                    self.put(Keyspace::Event, key::event(self.sandbox, no, id, &name), Event::encode(record))?;
                    profile.events += 1;
                }
            }
        }
        let stock = self.added.entry(no).or_default();
        stock.profiles += 1;
        stock.events += profile.events;
        self.put(Keyspace::Profile, key::profile(self.sandbox, no, id), Row::Profile(profile).encode())?;
        members.sort_unstable();
        members.dedup();
        for xid in &members {
            self.put(Keyspace::Identity, key::identity(self.sandbox, *xid), id.0.to_vec())?;
        }
        let graph = Graph::Alive { created: at, members };
        self.put(Keyspace::Identity, key::graph(self.sandbox, id), graph.encode())
    }

    /// The profile of an identity, if it is stored.
    pub fn profile_of(&self, identity: &Identity) -> Result<Option<ProfileId>> {
        profile_of(self.store, self.sandbox, identity.xid(self.sandbox))
    }

    /// Writes what is left, and the counts.
    pub fn finish(mut self) -> Result<()> {
        for (no, stock) in std::mem::take(&mut self.added) {
            let row = self.store.get(Keyspace::Meta, &key::census(no))?;
            let mut census = row.map(|r| Census::decode(&r)).transpose()?.unwrap_or_default();
            census.add(&Census { stock: BTreeMap::from([(self.sandbox, stock)]), ..Census::default() });
            self.put(Keyspace::Meta, key::census(no), census.encode())?;
        }
        self.store.commit(&self.batch)?;
        Ok(self.store.sync()?)
    }

    fn put(&mut self, keyspace: Keyspace, key: Vec<u8>, row: Vec<u8>) -> Result<()> {
        self.batch.put(keyspace, key, row);
        if self.batch.bytes() >= BATCH_BYTES {
            self.store.commit(&self.batch)?;
            self.batch.clear();
        }
        Ok(())
    }
}
