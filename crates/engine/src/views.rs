//! What surfaces read: profiles, events, the outbox, dead letters, quarantine, counts.
//!
//! Shows what is committed only: rows, and what workers publish of them after the commit.

use crate::census::Census;
use crate::dead::DeadLetter;
use crate::error::Result;
use crate::identity_worker::profile_of;
use crate::key;
use crate::ledger::{self, Ledger};
use crate::outbox;
use crate::progress::Progress;
use crate::running::Engine;
use crate::tail::Given;
use activation::Export;
use model::codec::{self, Reader};
use model::{DatasetNo, FlowNo, Identity, PartitionNo, ProfileId, SandboxId, Timestamp};
use pql::EventView;
use profile::{Event, Profile, Row};
use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};
use store::{Keyspace, Snapshot, StreamId};

/// A stored profile and its id.
#[derive(Debug, Clone)]
pub struct StoredProfile {
    /// Its id.
    pub id: ProfileId,
    /// Its row.
    pub profile: Profile,
}

/// A stored event.
pub type StoredEvent = Event;

/// An export that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its number within the partition.
    pub seq: u64,
    /// What is to be sent.
    pub export: Export,
}

/// A record in quarantine.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Partition and number: its name.
    pub partition: PartitionNo,
    /// Number within the partition.
    pub number: u64,
    /// When it was received.
    pub received: Timestamp,
    /// Its data set.
    pub dataset: DatasetNo,
    /// The message as it came.
    pub message: Vec<u8>,
    /// The violations, as JSON.
    pub violations: Vec<u8>,
}

/// The last applied offset of every stream in a snapshot: what it makes superfluous in the log.
pub fn applied_offsets(snapshot: &dyn Snapshot) -> Result<HashMap<StreamId, u64>> {
    let mut offsets = HashMap::new();
    snapshot.scan_prefix(Keyspace::Meta, b"o", &mut |key, row| {
        if let (Some(stream), Ok(offset)) = (key.get(1..5).and_then(|b| b.try_into().ok()), Reader::new(row).u64()) {
            offsets.insert(StreamId(u32::from_be_bytes(stream)), offset);
        }
        ControlFlow::Continue(())
    })?;
    Ok(offsets)
}

impl Engine {
    /// The profile of an identity.
    pub fn profile_of(&self, sandbox: SandboxId, identity: &Identity) -> Result<Option<StoredProfile>> {
        match profile_of(self.store(), sandbox, identity.xid(sandbox))? {
            Some(id) => self.profile(sandbox, id),
            None => Ok(None),
        }
    }

    /// The profile that an XID stands for: of an identity, or of a profile itself.
    pub fn profile_of_xid(&self, sandbox: SandboxId, xid: ProfileId) -> Result<Option<StoredProfile>> {
        let id = profile_of(self.store(), sandbox, xid)?.unwrap_or(xid);
        self.profile(sandbox, id)
    }

    /// The profile of an id; merges are followed.
    pub fn profile(&self, sandbox: SandboxId, mut id: ProfileId) -> Result<Option<StoredProfile>> {
        loop {
            let partition = id.partition(sandbox, self.partitions());
            let row = self.store().get(Keyspace::Profile, &key::profile(sandbox, partition, id))?;
            match row.map(|r| Row::decode(&r)).transpose()? {
                Some(Row::Profile(profile)) => return Ok(Some(StoredProfile { id, profile })),
                Some(Row::Forward(to)) => id = to,
                None => return Ok(None),
            }
        }
    }

    /// The events of a profile, ascending by (timestamp, `_id`).
    pub fn events(&self, sandbox: SandboxId, id: ProfileId) -> Result<Vec<StoredEvent>> {
        let prefix = key::events(sandbox, id.partition(sandbox, self.partitions()), id);
        let mut events = self.collect(Keyspace::Event, &prefix, usize::MAX, |_, row| Ok(Event::decode(row)?))?;
        events.sort_by(|a, b| a.view.order().cmp(&b.view.order()));
        Ok(events)
    }

    /// The same events as queries see them.
    pub fn event_views(&self, sandbox: SandboxId, id: ProfileId) -> Result<Vec<EventView>> {
        Ok(self.events(sandbox, id)?.into_iter().map(|event| event.view).collect())
    }

    /// Ids of stored profiles of a sandbox, in key order; at most `limit`.
    pub fn profile_ids(&self, sandbox: SandboxId, limit: usize) -> Result<Vec<ProfileId>> {
        let mut ids = Vec::new();
        for partition in 0..self.partitions() {
            let prefix = key::profiles(sandbox, PartitionNo(partition));
            let room = limit.saturating_sub(ids.len());
            let rows = self.collect(Keyspace::Profile, &prefix, room, |key, row| {
                let id = key.get(prefix.len()..).and_then(|id| id.try_into().ok()).map(model::Xid);
                Ok(id.filter(|_| matches!(Row::decode(row), Ok(Row::Profile(_)))))
            })?;
            ids.extend(rows.into_iter().flatten());
        }
        Ok(ids)
    }

    /// Waiting exports of a flow in a partition, in order, after `after_seq`.
    pub fn waiting(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Result<Vec<Waiting>> {
        let known = self.published().tails.hold(partition).and_then(|mut held| held.read(flow, after_seq, limit));
        let mut found = Vec::new();
        if let Some(known) = known {
            found.reserve(known.iter().map(|given| given.waiting.count_after(given.after)).sum::<usize>().min(limit));
            for Given { waiting, after, until, bytes } in &known {
                take_open(&mut found, waiting, bytes, (*after, *until), limit)?;
            }
            return Ok(found);
        }
        outbox::scan_rows(self.store(), flow, partition, Bound::Excluded(after_seq), &mut |waiting, row| {
            take_open(&mut found, &waiting, row, (after_seq, waiting.last), limit)?;
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Dead letters of a flow: partition, number, letter.
    pub fn dead_letters(&self, flow: FlowNo, limit: usize) -> Result<Vec<(PartitionNo, u64, DeadLetter)>> {
        let letters = self.collect(Keyspace::Queue, &key::dead_of(flow), limit, |key, row| {
            let letter = DeadLetter::decode(row)?;
            Ok(key::partition_and_number(key).map(|(partition, seq)| (partition, seq, letter)))
        })?;
        Ok(letters.into_iter().flatten().collect())
    }

    /// Quarantined records of a sandbox.
    pub fn quarantined(&self, sandbox: SandboxId, limit: usize) -> Result<Vec<Quarantined>> {
        let rows = self.collect(Keyspace::Queue, &key::quarantine_of(sandbox), limit, |key, row| {
            let mut r = Reader::new(row);
            r.u8()?;
            let (received, dataset) = (Timestamp(r.i64()?), DatasetNo(r.u32()?));
            let (message, violations) = (r.bytes()?.to_vec(), r.bytes()?.to_vec());
            let name = key::partition_and_number(key);
            Ok(name.map(|(partition, number)| Quarantined {
                partition,
                number,
                received,
                dataset,
                message,
                violations,
            }))
        })?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The ledger of a flow over all time.
    pub fn ledger(&self, flow: FlowNo) -> Result<Ledger> {
        self.published().totals.of(flow, self.store())
    }

    /// The ledger of a flow by hour since the epoch, ascending.
    pub fn ledger_by_hour(&self, flow: FlowNo) -> Result<Vec<(u32, Ledger)>> {
        Ok(ledger::read(self.store(), &key::ledger_flow(flow))?.into_iter().filter(|(hour, _)| *hour != 0).collect())
    }

    /// Counts over all partitions.
    pub fn census(&self) -> Result<Census> {
        let mut sum = Census::default();
        for partition in 0..self.partitions() {
            if let Some(row) = self.store().get(Keyspace::Meta, &key::census(PartitionNo(partition)))? {
                sum.add(&Census::decode(&row)?);
            }
        }
        Ok(sum)
    }

    /// How far each partition has come: its applied offset and plan.
    pub fn plan_in_force(&self) -> Result<u64> {
        let mut least = u64::MAX;
        for partition in 0..self.partitions() {
            let row = self.store().get(Keyspace::Meta, &key::progress(key::stream(PartitionNo(partition))))?;
            least = least.min(row.map(|r| Progress::decode(&r)).transpose()?.map_or(0, |p| p.plan_n));
        }
        Ok(least)
    }

    fn collect<T>(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        limit: usize,
        mut read: impl FnMut(&[u8], &[u8]) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        let mut fault = None;
        if limit == 0 {
            return Ok(rows);
        }
        self.store().scan_prefix(keyspace, prefix, &mut |key, row| {
            match read(key, row) {
                Ok(value) => rows.push(value),
                Err(e) => {
                    fault = Some(e);
                    return ControlFlow::Break(());
                }
            }
            if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match fault {
            Some(fault) => Err(fault),
            None => Ok(rows),
        }
    }
}

/// Takes the open exports of a row behind one number and up to another, until there are `limit`.
fn take_open(
    found: &mut Vec<Waiting>,
    row: &outbox::Waiting,
    bytes: &[u8],
    (after, until): (u64, u64),
    limit: usize,
) -> codec::Result<()> {
    let open = (row.first..=until).zip(outbox::exports(bytes)).filter(|(seq, _)| *seq > after && row.is_open(*seq));
    for (seq, export) in open.take(limit - found.len()) {
        found.push(Waiting { seq, export: Export::decode(export)? });
    }
    Ok(())
}
