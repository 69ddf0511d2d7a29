//! Two profiles become one: `HandOver` packs the loser, `Absorb` unites it with the winner.
//!
//! The loser's waiting exports stay where they are and are sent first: the winner's exports carry
//! its lineage, and delivery starts none before those of the lineage are finished. Rows are read
//! through the batch, since an entry must never be committed in halves.

use super::PartitionWorker;
use super::hot::{Found, Hot};
use super::settle::Touch;
use crate::command::{Command, NamedRow};
use crate::error::{Error, Result};
use crate::key;
use crate::plan::SandboxPlan;
use model::{PartitionNo, ProfileId, SandboxId};
use profile::{Event, Row};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use store::Keyspace;

/// Bytes of events per `Absorb`; the last one of a merge carries the row, the others an empty one.
const ABSORB_BYTES: usize = 4 << 20;

impl PartitionWorker {
    pub(super) fn await_absorb(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        loser: ProfileId,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        match self.take(address)? {
            Found::Gone(to) => Err(Error::layout(format!("merge into {id}, which went to {to}"))),
            Found::Here(mut hot) => {
                hot.profile.awaiting.push(loser);
                self.hot.put(address, hot, true);
                Ok(())
            }
        }
    }

    pub(super) fn hand_over(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        mut hot: Box<Hot>,
        winner: ProfileId,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        let was_there = hot.exists();
        let before = hot.profile.realized();
        self.set_timer(no, sandbox, id, &mut hot.profile, None);
        let row = Row::Profile(hot.profile).encode();
        let events = self.take_events(no, sandbox, id)?;
        self.hot.forget(address, Some(winner));
        self.batch.put(Keyspace::Profile, key::profile(sandbox, no, id), Row::Forward(winner).encode());
        self.count_members(no, &before, &profile::Profile::default());
        if was_there {
            self.uncount(no, sandbox, 1, events.len() as u64);
        }
        let stream = key::stream(winner.partition(sandbox, self.partitions_count));
        let mut part = Vec::new();
        let mut bytes = 0;
        for (name, event) in events {
            bytes += event.len();
            part.push((name, event));
            if bytes > ABSORB_BYTES {
                let events = std::mem::take(&mut part);
                self.emitter
                    .emit(stream, Command::Absorb { sandbox, profile: winner, loser: id, row: Vec::new(), events });
                bytes = 0;
            }
        }
        self.emitter.emit(stream, Command::Absorb { sandbox, profile: winner, loser: id, row, events: part });
        Ok(())
    }

    /// Reads and deletes the event rows of a profile.
    fn take_events(&mut self, no: PartitionNo, sandbox: SandboxId, id: ProfileId) -> Result<Vec<NamedRow>> {
        let prefix = key::events(sandbox, no, id);
        let mut events = Vec::new();
        for (key, row) in self.scan_through_batch(Keyspace::Event, &prefix)? {
            if let Some(name) = key.get(prefix.len()..).and_then(|n| n.try_into().ok()) {
                events.push((name, row));
            }
            self.batch.delete(Keyspace::Event, key);
        }
        Ok(events)
    }

    /// Rows under a prefix as they will be once the batch is committed.
    fn scan_through_batch(&self, keyspace: Keyspace, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut rows = BTreeMap::new();
        self.store.scan_prefix(keyspace, prefix, &mut |key, row| {
            rows.insert(key.to_vec(), row.to_vec());
            ControlFlow::Continue(())
        })?;
        for change in self.batch.iter().filter(|c| c.keyspace == keyspace && c.key.starts_with(prefix)) {
            match change.value {
                Some(value) => drop(rows.insert(change.key.to_vec(), value.to_vec())),
                None => drop(rows.remove(change.key)),
            }
        }
        Ok(rows)
    }

    pub(super) fn uncount(&mut self, no: PartitionNo, sandbox: SandboxId, profiles: u64, events: u64) {
        let partition = self.partition(no);
        let stock = partition.census.stock.entry(sandbox).or_default();
        stock.profiles = stock.profiles.saturating_sub(profiles);
        stock.events = stock.events.saturating_sub(events);
        partition.census_moved = true;
    }

    pub(super) fn absorb(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        loser: ProfileId,
        row: &[u8],
        events: Vec<NamedRow>,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        let Found::Here(mut hot) = self.take(address)? else {
            return Err(Error::layout(format!("{loser} was handed over to {id}, which is gone")));
        };
        let plan = self.plan(no, sandbox);
        if row.is_empty() {
            let (_, events) = self.without_gone(no, sandbox, profile::Profile::default(), events)?;
            self.absorb_events(no, sandbox, id, &mut hot, events)?;
            // Until the rest has come nothing is evaluated for it; what is kept is as it would be loaded.
            hot.state.finish(&plan.audiences, hot.profile.modified);
            self.hot.put(address, hot, true);
            return Ok(());
        }
        let Row::Profile(other) = Row::decode(row)? else {
            return Err(Error::layout("a forwarding row was handed over"));
        };
        let (other, events) = self.without_gone(no, sandbox, other, events)?;
        let before = hot.profile.realized();
        let told_n = [&hot.profile, &other].into_iter().filter(|side| is_untold(&plan, side)).map(|side| side.plan_n);
        let told_n = Some(told_n.min().unwrap_or(u64::MAX));
        let mut touch = Touch { all: true, told_n, ..Touch::default() };
        let arrives = !hot.exists() && other.created.0 != 0;
        touch.identities = hot.profile.absorb(other, loser);
        if arrives {
            self.partition(no).census.stock.entry(sandbox).or_default().profiles += 1;
            self.partition(no).census_moved = true;
        }
        hot.profile.awaiting.retain(|l| *l != loser);
        hot.merged = None;
        self.absorb_events(no, sandbox, id, &mut hot, events)?;
        self.bound_identities(no, sandbox, id, &mut hot);
        let _ = self.settle(no, sandbox, id, &mut hot, touch, Some(&before))?;
        let unparked = hot.profile.awaiting.is_empty();
        self.hot.put(address, hot, true);
        if unparked { self.unpark(no, sandbox, id) } else { Ok(()) }
    }

    /// Takes in events of a merged profile, under the winner's keys.
    fn absorb_events(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        hot: &mut Hot,
        events: Vec<NamedRow>,
    ) -> Result<()> {
        let plan = self.plan(no, sandbox);
        for (name, row) in events {
            if hot.names.contains(&name) {
                continue;
            }
            let view = Event::decode(&row)?.view;
            self.batch.put(Keyspace::Event, key::event(sandbox, no, id, &name), row);
            hot.insert_event(name, &view);
            hot.state.take(&plan.audiences, &view, hot.profile.modified);
            self.partition(no).census.stock.entry(sandbox).or_default().events += 1;
            self.partition(no).census_moved = true;
        }
        Ok(())
    }

    /// Applies what waited for the merge, in its order.
    fn unpark(&mut self, no: PartitionNo, sandbox: SandboxId, id: ProfileId) -> Result<()> {
        for (key, row) in self.scan_through_batch(Keyspace::Queue, &key::parked_of(no, sandbox, id))? {
            self.batch.delete(Keyspace::Queue, key);
            self.apply_to_profile(no, Command::decode(&row)?)?;
        }
        Ok(())
    }

    pub(super) fn delete_profile(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        mut hot: Box<Hot>,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        if !hot.exists() {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        let before = hot.profile.realized();
        self.export_farewell(no, sandbox, id, &mut hot)?;
        self.set_timer(no, sandbox, id, &mut hot.profile, None);
        let events = self.take_events(no, sandbox, id)?;
        self.hot.forget(address, None);
        self.batch.delete(Keyspace::Profile, key::profile(sandbox, no, id));
        self.count_members(no, &before, &profile::Profile::default());
        self.uncount(no, sandbox, 1, events.len() as u64);
        Ok(())
    }
}

/// Whether a dataflow maps an audience since the profile was last looked at of which it is a member. A look that
/// changes nothing leaves no trace, so the plan alone does not tell.
fn is_untold(plan: &SandboxPlan, profile: &profile::Profile) -> bool {
    let mut mapped = plan.flows.iter().flat_map(|f| &f.audiences);
    mapped.any(|m| m.mapped_n > profile.plan_n && profile.is_member(m.no))
}
