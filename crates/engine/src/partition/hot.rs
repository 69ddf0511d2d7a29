//! Hot profiles, decoded, in a cache bounded by an estimate of their bytes.
//!
//! Changed profiles stay until they are written back; then the least recently used go.

use crate::error::Result;
use crate::key;
use audience::{Audiences, State};
use model::{PartitionNo, ProfileId, SandboxId, Value};
use pql::EventView;
use profile::{Event, Profile, Row};
use rustc_hash::FxHashMap as HashMap;
use std::ops::{Bound, ControlFlow};
use store::{Batch, Keyspace, Store};

/// Bytes of events that a pass over many profiles takes in.
const PASS_BYTES: usize = 16 << 20;

/// Where a profile lives.
pub(crate) type Address = (SandboxId, PartitionNo, ProfileId);

/// A profile with its events and merged views.
#[derive(Default)]
pub(crate) struct Hot {
    pub(crate) profile: Profile,
    /// All events, ascending by (timestamp, `_id`), while `holds_events`; else none.
    pub(crate) events: Vec<EventView>,
    holds_events: bool,
    /// What audiences know of the events.
    pub(crate) state: State,
    pub(crate) names: Names,
    /// Merged attributes per merge policy, made on demand.
    pub(crate) merged: Option<(u64, Vec<Value>)>,
    pub(crate) changed: bool,
    /// Loaded for one look: dropped when it was written back.
    passing: bool,
    used: u64,
    bytes: usize,
}

/// The names of a profile's events: hashes, so new ones belong anywhere among those known.
#[derive(Default)]
pub(crate) struct Names {
    /// Ascending.
    stored: Vec<[u8; 10]>,
    /// Ascending, and few: moved to the others when there are [`RECENT_MAX`].
    recent: Vec<[u8; 10]>,
}

/// Names that may be moved to make room for one.
const RECENT_MAX: usize = 1024;

impl Names {
    pub(crate) fn contains(&self, name: &[u8; 10]) -> bool {
        self.recent.binary_search(name).is_ok() || self.stored.binary_search(name).is_ok()
    }

    fn len(&self) -> usize {
        self.stored.len() + self.recent.len()
    }

    fn insert(&mut self, name: [u8; 10]) {
        // From the store they come in their order.
        if self.stored.last().is_none_or(|last| *last < name) && self.recent.is_empty() {
            self.stored.push(name);
        } else if self.stored.binary_search(&name).is_err()
            && let Err(at) = self.recent.binary_search(&name)
        {
            self.recent.insert(at, name);
            if self.recent.len() >= RECENT_MAX {
                self.stored.append(&mut self.recent);
                // A merge of two ascending runs.
                self.stored.sort();
            }
        }
    }
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
    /// Loaded by a pass over many since the last write-back.
    passing: Vec<Address>,
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
            profiles: HashMap::default(),
            changed: Vec::new(),
            passing: Vec::new(),
            gone: HashMap::default(),
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

    /// How many of these profiles are not in memory.
    pub(crate) fn missing(&self, sandbox: SandboxId, no: PartitionNo, ids: &[ProfileId]) -> usize {
        ids.iter().filter(|id| !self.is_known((sandbox, no, **id))).count()
    }

    fn is_known(&self, at: Address) -> bool {
        self.profiles.contains_key(&at) || self.gone.contains_key(&at)
    }

    /// Loads profiles, given in ascending order, by one pass over their rows and one over those of their
    /// events, as far as they fit. They do not push others out: after the next write-back they are dropped.
    pub(crate) fn load_range(
        &mut self,
        store: &dyn Store,
        sandbox: SandboxId,
        no: PartitionNo,
        ids: &[ProfileId],
    ) -> Result<()> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
        let (from, to) = (key::profile(sandbox, no, *first), key::profile(sandbox, no, *last));
        let ids_at = key::profiles(sandbox, no).len();
        let mut wanted = ids.iter().copied().peekable();
        let mut found: Vec<(ProfileId, Box<Hot>)> = Vec::with_capacity(ids.len());
        let mut fault = None;
        store.scan(Keyspace::Profile, Bound::Included(&from), Bound::Included(&to), &mut |key, row| {
            let Some(id) = id_at(key, ids_at) else { return ControlFlow::Continue(()) };
            while wanted.next_if(|next| *next < id).is_some() {}
            if wanted.next_if_eq(&id).is_some() && !self.is_known((sandbox, no, id)) {
                match Row::decode(row) {
                    Ok(Row::Profile(profile)) => {
                        found.push((id, Box::new(Hot { profile, passing: true, ..Hot::default() })));
                    }
                    Ok(Row::Forward(_)) => {}
                    Err(e) => fault = Some(e),
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        let complete = load_events_of(store, sandbox, no, &mut found)?;
        found.truncate(complete);
        for (id, mut hot) in found {
            let address = (sandbox, no, id);
            hot.bytes = hot.estimate();
            self.bytes += hot.bytes;
            self.passing.push(address);
            self.profiles.insert(address, hot);
        }
        Ok(())
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

    /// Whether something is to be written at the next flush.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty() || !self.gone.is_empty()
    }

    pub(crate) fn write_back(&mut self, batch: &mut Batch) {
        self.gone.clear();
        for at in self.changed.drain(..) {
            let Some(hot) = self.profiles.get_mut(&at) else { continue };
            hot.changed = false;
            let (key, profile) = (key::profile(at.0, at.1, at.2), &hot.profile);
            batch.put_with(Keyspace::Profile, key, profile.row_room(), |out| profile.encode_row(out));
        }
        for at in self.passing.drain(..) {
            if self.profiles.get(&at).is_some_and(|hot| hot.passing)
                && let Some(hot) = self.profiles.remove(&at)
            {
                self.bytes -= hot.bytes;
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

    /// Brings what is known of the events to these audiences. To be called before an event is added or
    /// anything evaluated: until the first event of a batch, the store has them all.
    pub(crate) fn ready(&mut self, audiences: &Audiences, store: &dyn Store, at: Address) -> Result<()> {
        let known = self.state.belongs_to(audiences);
        let wants_events = audiences.read_whole_events();
        if (!known || wants_events) && !self.holds_events && self.profile.events > 0 {
            self.load_events(store, at)?;
        }
        if !known {
            self.state = State::of(audiences, &self.events, self.profile.modified);
        }
        if wants_events {
            self.holds_events = true;
        } else if self.holds_events {
            self.events = Vec::new();
            self.holds_events = false;
        }
        Ok(())
    }

    fn load_events(&mut self, store: &dyn Store, at: Address) -> Result<()> {
        self.events.clear();
        let prefix = key::events(at.0, at.1, at.2);
        let mut fault = None;
        store.scan_prefix(Keyspace::Event, &prefix, &mut |key, row| {
            fault = self.take_row(key.get(prefix.len()..), row).err().or(fault.take());
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        self.order_events();
        self.holds_events = true;
        Ok(())
    }

    /// Takes in the row of an event; its name is the end of the key.
    fn take_row(&mut self, name: Option<&[u8]>, row: &[u8]) -> model::codec::Result<()> {
        let event = Event::decode(row)?;
        let name = name.and_then(|name| name.try_into().ok());
        self.names.insert(name.ok_or(model::codec::DecodeError("event key of a wrong length"))?);
        self.events.push(event.view);
        Ok(())
    }

    fn order_events(&mut self) {
        self.events.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Sets the events to these, ascending by name: the others were taken away.
    pub(crate) fn replace_events(&mut self, left: Vec<([u8; 10], EventView)>, audiences: &Audiences) {
        self.profile.events = left.len() as u64;
        self.names = Names::default();
        self.events = left
            .into_iter()
            .map(|(name, view)| {
                self.names.insert(name);
                view
            })
            .collect();
        self.order_events();
        self.state = State::of(audiences, &self.events, self.profile.modified);
        if !self.holds_events {
            self.events = Vec::new();
        }
    }

    /// Adds an event in its place.
    pub(crate) fn insert_event(&mut self, name: [u8; 10], view: &EventView) {
        if self.holds_events {
            let at = self.events.partition_point(|e| e.order() <= view.order());
            self.events.insert(at, view.clone());
        }
        self.names.insert(name);
        self.profile.events += 1;
    }

    /// Bytes in memory, roughly: enough to bound the cache.
    fn estimate(&self) -> usize {
        let profile = &self.profile;
        let fragments = profile.fragments.len() * 600;
        let events = self.events.len() * 700 + self.names.len() * 10 + self.state.bytes();
        400 + fragments + profile.identities.len() * 80 + profile.links.len() * 120 + events
    }
}

/// The profile id at a place of a key.
fn id_at(key: &[u8], at: usize) -> Option<ProfileId> {
    key.get(at..at + 16).and_then(|id| id.try_into().ok()).map(model::Xid)
}

/// Loads the events of profiles, ascending by id, by one pass. Answers how many of them are complete.
fn load_events_of(
    store: &dyn Store,
    sandbox: SandboxId,
    no: PartitionNo,
    found: &mut [(ProfileId, Box<Hot>)],
) -> Result<usize> {
    let mut with_events = found.iter().filter(|(_, hot)| hot.profile.events > 0).map(|(id, _)| *id);
    let Some(first) = with_events.next() else { return Ok(found.len()) };
    let last = with_events.next_back().unwrap_or(first);
    let (from, to) = (key::events(sandbox, no, first), store::prefix_end(&key::events(sandbox, no, last)));
    let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let ids_at = from.len() - first.0.len();
    let (mut at, mut bytes, mut fault) = (0, 0, None);
    store.scan(Keyspace::Event, Bound::Included(&from), to, &mut |key, row| {
        let Some(id) = id_at(key, ids_at) else { return ControlFlow::Continue(()) };
        while found.get(at).is_some_and(|(next, _)| *next < id) {
            at += 1;
        }
        let Some((next, hot)) = found.get_mut(at) else { return ControlFlow::Break(()) };
        if *next != id {
            return ControlFlow::Continue(());
        }
        bytes += row.len();
        if bytes > PASS_BYTES {
            return ControlFlow::Break(());
        }
        fault = hot.take_row(key.get(from.len()..), row).err().or(fault.take());
        ControlFlow::Continue(())
    })?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    for (_, hot) in found.iter_mut() {
        hot.order_events();
        hot.holds_events = true;
    }
    Ok(if bytes > PASS_BYTES { at } else { found.len() })
}
