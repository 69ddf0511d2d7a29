//! Work over many profiles, in bounded steps: plan changes, scans, timers (design, §11.4, §11.7).

use super::PartitionWorker;
use super::hot::Found;
use super::settle::{Moved, Touch};
use crate::command::Command;
use crate::control::scan_after;
use crate::error::Result;
use crate::key;
use model::{PartitionNo, ProfileId, SandboxId, Timestamp, Xid};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use store::{Keyspace, Store};

/// Profiles looked at per step of a scan, and timers per tick.
pub(super) const STEP: usize = 512;

/// Profiles are loaded by one pass over their range when at least one in so many there is wanted.
const DENSE: usize = 8;

/// Timers in one row.
const TIMERS_MAX: usize = 128;

/// Timers that are set by an entry which works over many profiles: those that are due at once go into one row.
#[derive(Default)]
pub(super) struct Many {
    /// Whether it handles timers, which are over then.
    pub(super) ticks: bool,
    pub(super) timers: BTreeMap<(Timestamp, SandboxId), Vec<ProfileId>>,
}

/// The earliest timer of a partition.
pub(super) fn first_timer(store: &dyn Store, no: PartitionNo) -> Result<Option<Timestamp>> {
    let mut first = None;
    store.scan_prefix(Keyspace::Queue, &key::timers(no), &mut |key, _| {
        first = key::timer_parts(key).map(|(due, ..)| due);
        ControlFlow::Break(())
    })?;
    Ok(first)
}

impl PartitionWorker {
    /// Takes a new plan into force. Stored profiles are looked at again only where it asks for that.
    pub(super) fn change_plan(&mut self, no: PartitionNo, n: u64) -> Result<()> {
        self.control.wait_told(n);
        let plan = self.control.plan_at(n);
        let old = std::mem::replace(&mut self.partition(no).plan, plan.clone());
        self.partition(no).progress.plan_n = n;
        for (sandbox, new) in &plan.sandboxes {
            let before = old.sandboxes.get(sandbox).cloned().unwrap_or_default();
            self.withdraw(no, &before, new)?;
            self.erase_gone(no, *sandbox, &before, new);
            if new.revisit_n() > old.n {
                self.emitter.emit(key::stream(no), Command::Scan { sandbox: *sandbox, n, after: None });
            }
        }
        Ok(())
    }

    /// Whether a scan that has not begun need not: the plan in force asked for another one after it, which is in the
    /// log by now. An import of a thousand audiences costs one look at each profile, not a thousand.
    pub(super) fn is_superseded(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        n: u64,
        after: Option<ProfileId>,
    ) -> bool {
        after.is_none() && self.plan(no, sandbox).revisit_n() > n
    }

    /// One step over the stored profiles that plan `n` has not looked at; the next step is an
    /// entry of its own.
    pub(super) fn scan(&mut self, no: PartitionNo, sandbox: SandboxId, n: u64, after: Option<ProfileId>) -> Result<()> {
        if self.is_superseded(no, sandbox, n, after) {
            return Ok(());
        }
        let ids = self.stored_after(no, sandbox, after)?;
        self.begin_many();
        for id in &ids {
            self.look_again(no, sandbox, *id, |p| p.plan_n < n)?;
        }
        self.finish_timers(no);
        if ids.len() == STEP {
            self.emitter.emit(key::stream(no), Command::Scan { sandbox, n, after: ids.last().copied() });
        } else {
            let scanned = self.partition(no).progress.scanned.entry(sandbox).or_default();
            *scanned = n.max(*scanned);
        }
        Ok(())
    }

    /// The next step's worth of stored profiles, loaded together where few of them are in memory.
    pub(super) fn stored_after(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        after: Option<ProfileId>,
    ) -> Result<Vec<ProfileId>> {
        let mut ids: Vec<ProfileId> = Vec::new();
        let prefix = key::profiles(sandbox, no);
        let start = after.map_or_else(|| prefix.clone(), |id| key::profile(sandbox, no, id));
        scan_after(&*self.store, Keyspace::Profile, &prefix, &start, &mut |key, _| {
            ids.extend(key.get(prefix.len()..).and_then(|id| id.try_into().ok()).map(Xid));
            if ids.len() < STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if self.hot.missing(sandbox, no, &ids) * DENSE >= ids.len() {
            self.hot.load_range(&*self.store, sandbox, no, &ids)?;
        }
        Ok(ids)
    }

    /// Handles timers that are due; more than a step's worth wait for the next tick.
    pub(super) fn tick(&mut self, no: PartitionNo) -> Result<()> {
        let now = self.at.now;
        let mut due = Vec::new();
        let mut rest = None;
        let end = store::prefix_end(&key::timers(no));
        let from = std::mem::take(&mut self.partition(no).timers_from);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut over = Vec::new();
        self.store.scan(Keyspace::Queue, Bound::Included(&from), to, &mut |key, row| match key::timer_parts(key) {
            Some((at, sandbox, first)) if at <= now && due.len() < STEP => {
                due.push((at, sandbox, first));
                due.extend(row.as_chunks().0.iter().map(|id| (at, sandbox, Xid(*id))));
                over.push(key.to_vec());
                ControlFlow::Continue(())
            }
            parts => {
                rest = parts.map(|(at, ..)| (at, key.to_vec()));
                ControlFlow::Break(())
            }
        })?;
        self.load_due(no, &due)?;
        let partition = self.partition(no);
        partition.next_due = rest.as_ref().map(|(at, _)| *at);
        // Timers that are set from here on move both down again.
        partition.timers_from = rest.map(|(_, key)| key).or(end).unwrap_or(from);
        over.into_iter().for_each(|key| self.batch.delete(Keyspace::Queue, key));
        self.many = Some(Many { ticks: true, ..Many::default() });
        for (at, sandbox, id) in due {
            self.look_again(no, sandbox, id, |p| p.timer == Some(at))?;
        }
        self.finish_timers(no);
        Ok(())
    }

    /// From here on timers are gathered, until [`PartitionWorker::finish_timers`].
    pub(super) fn begin_many(&mut self) {
        self.many = Some(Many::default());
    }

    /// Writes the timers that were set by an entry which works over many profiles.
    pub(super) fn finish_timers(&mut self, no: PartitionNo) {
        for ((due, sandbox), ids) in self.many.take().unwrap_or_default().timers {
            ids.chunks(TIMERS_MAX).for_each(|ids| self.put_timers(no, due, sandbox, ids));
        }
    }

    pub(super) fn put_timers(&mut self, no: PartitionNo, due: Timestamp, sandbox: SandboxId, ids: &[ProfileId]) {
        let key = match ids {
            [] => return,
            [id] => key::timer(no, due, sandbox, *id),
            [first, ..] => key::timers_at(no, due, sandbox, *first, self.at.offset),
        };
        self.partition(no).set_due(due, &key);
        self.batch.put(Keyspace::Queue, key, ids[1..].iter().flat_map(|id| id.0).collect::<Vec<u8>>());
    }

    /// Loads the profiles of timers by one pass where they lie close together.
    fn load_due(&mut self, no: PartitionNo, due: &[(Timestamp, SandboxId, ProfileId)]) -> Result<()> {
        let mut by_sandbox: BTreeMap<SandboxId, Vec<ProfileId>> = BTreeMap::new();
        due.iter().for_each(|(_, sandbox, id)| by_sandbox.entry(*sandbox).or_default().push(*id));
        for (sandbox, mut ids) in by_sandbox {
            ids.sort_unstable();
            let stored = self.partition(no).census.stock.get(&sandbox).map_or(0, |s| s.profiles);
            if self.hot.missing(sandbox, no, &ids) * DENSE >= usize::try_from(stored).unwrap_or(usize::MAX) {
                self.hot.load_range(&*self.store, sandbox, no, &ids)?;
            }
        }
        Ok(())
    }

    /// Evaluates a stored profile where `wanted` holds.
    fn look_again(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        wanted: impl Fn(&profile::Profile) -> bool,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        let Found::Here(mut hot) = self.take(address)? else { return Ok(()) };
        if !hot.exists() || !wanted(&hot.profile) {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        let (plan_n, modified) = (hot.profile.plan_n, hot.profile.modified);
        let (memberships, dues) = (hot.profile.memberships.len(), hot.profile.dues.clone());
        let Moved(moved) = self.settle(no, sandbox, id, &mut hot, Touch::default(), None)?;
        let changed = moved || hot.profile.memberships.len() != memberships || hot.profile.dues != dues;
        if !changed {
            // Looking alone leaves no trace: a new audience costs a write only where it holds or a timer is set.
            (hot.profile.plan_n, hot.profile.modified) = (plan_n, modified);
        }
        self.hot.put(address, hot, changed);
        Ok(())
    }
}
