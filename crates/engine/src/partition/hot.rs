//! Hot profiles, decoded, in a cache bounded by an estimate of their bytes.
//!
//! Changed profiles stay until they are written back; then the least recently used go.

use crate::error::Result;
use crate::key;
use model::{PartitionNo, ProfileId, SandboxId, Value};
use pql::EventView;
use profile::{Event, Profile, Row};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use store::{Batch, Keyspace, Store};

/// Where a profile lives.
pub(crate) type Address = (SandboxId, PartitionNo, ProfileId);

/// A profile with its events and merged views.
#[derive(Default)]
pub(crate) struct Hot {
    pub(crate) profile: Profile,
    /// Ascending by (timestamp, `_id`).
    pub(crate) events: Vec<EventView>,
    pub(crate) names: HashSet<[u8; 10]>,
    /// Merged attributes per merge policy, made on demand.
    pub(crate) merged: Option<(u64, Vec<Value>)>,
    pub(crate) changed: bool,
    used: u64,
    bytes: usize,
}

/// What stands at an address.
pub(crate) enum Found {
    /// A profile, maybe a new one.
    Here(Box<Hot>),
    /// It was merged into this one.
    Gone(ProfileId),
}

pub(crate) struct HotProfiles {
    profiles: HashMap<Address, Box<Hot>>,
    changed: Vec<Address>,
    /// Taken away since the last write-back: merged into another, or deleted. The store does not
    /// know of it yet.
    gone: HashMap<Address, Option<ProfileId>>,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
}

impl HotProfiles {
    pub(crate) fn new(bytes_max: usize) -> HotProfiles {
        HotProfiles {
            profiles: HashMap::new(),
            changed: Vec::new(),
            gone: HashMap::new(),
            bytes: 0,
            bytes_max,
            clock: 0,
        }
    }

    /// Takes a profile out of the cache or loads it; put it back with [`HotProfiles::put`].
    pub(crate) fn take(&mut self, store: &dyn Store, at: Address) -> Result<Found> {
        if let Some(hot) = self.profiles.remove(&at) {
            self.bytes -= hot.bytes;
            return Ok(Found::Here(hot));
        }
        match self.gone.get(&at) {
            Some(Some(to)) => return Ok(Found::Gone(*to)),
            Some(None) => return Ok(Found::Here(Box::default())),
            None => {}
        }
        let (sandbox, partition, id) = at;
        let row = store.get(Keyspace::Profile, &key::profile(sandbox, partition, id))?;
        let mut hot = match row.map(|r| Row::decode(&r)).transpose()? {
            Some(Row::Forward(to)) => return Ok(Found::Gone(to)),
            Some(Row::Profile(profile)) => Hot { profile, ..Hot::default() },
            None => return Ok(Found::Here(Box::default())),
        };
        if hot.profile.events > 0 {
            hot.load_events(store, at)?;
        }
        Ok(Found::Here(Box::new(hot)))
    }

    /// Puts a profile back; `changed` ones are written at the next flush.
    pub(crate) fn put(&mut self, at: Address, mut hot: Box<Hot>, changed: bool) {
        self.clock += 1;
        hot.used = self.clock;
        hot.bytes = hot.estimate();
        self.bytes += hot.bytes;
        if changed && !hot.changed {
            hot.changed = true;
            self.changed.push(at);
        }
        self.profiles.insert(at, hot);
    }

    /// Forgets a profile that was taken out and whose row the caller writes itself: it went into
    /// another, or was deleted.
    pub(crate) fn forget(&mut self, at: Address, into: Option<ProfileId>) {
        self.changed.retain(|a| *a != at);
        self.gone.insert(at, into);
    }

    pub(crate) fn write_back(&mut self, batch: &mut Batch) {
        self.gone.clear();
        for at in self.changed.drain(..) {
            let Some(hot) = self.profiles.get_mut(&at) else { continue };
            hot.changed = false;
            let row = Row::Profile(std::mem::take(&mut hot.profile));
            batch.put(Keyspace::Profile, key::profile(at.0, at.1, at.2), row.encode());
            if let Row::Profile(profile) = row {
                hot.profile = profile;
            }
        }
    }

    /// Drops the older half when over the bound. Called when nothing is changed.
    pub(crate) fn shrink(&mut self) {
        if self.bytes <= self.bytes_max {
            return;
        }
        let mut ages: Vec<u64> = self.profiles.values().map(|h| h.used).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        self.profiles.retain(|_, hot| hot.used > median);
        self.bytes = self.profiles.values().map(|h| h.bytes).sum();
    }
}

impl Hot {
    /// False for a profile that was only just named, or is known only to wait for a merge.
    pub(crate) fn exists(&self) -> bool {
        self.profile.created.0 != 0
    }

    fn load_events(&mut self, store: &dyn Store, at: Address) -> Result<()> {
        let prefix = key::events(at.0, at.1, at.2);
        let mut fault = None;
        store.scan_prefix(Keyspace::Event, &prefix, &mut |key, row| {
            match (Event::decode(row), key.get(prefix.len()..).and_then(|n| n.try_into().ok())) {
                (Ok(event), Some(name)) => {
                    self.names.insert(name);
                    self.events.push(event.view);
                }
                (Err(e), _) => fault = Some(e),
                (_, None) => fault = Some(model::codec::DecodeError("event key of a wrong length")),
            }
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        self.events.sort_by(|a, b| (a.timestamp, &a.id).cmp(&(b.timestamp, &b.id)));
        Ok(())
    }

    /// Adds an event in its place.
    pub(crate) fn insert_event(&mut self, name: [u8; 10], view: EventView) {
        let at = self.events.partition_point(|e| (e.timestamp, &e.id) <= (view.timestamp, &view.id));
        self.events.insert(at, view);
        self.names.insert(name);
        self.profile.events += 1;
    }

    /// Bytes in memory, roughly: enough to bound the cache.
    fn estimate(&self) -> usize {
        let profile = &self.profile;
        let fragments = profile.fragments.len() * 600;
        400 + fragments + profile.identities.len() * 80 + profile.links.len() * 120 + self.events.len() * 700
    }
}
