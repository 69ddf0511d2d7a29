//! Work over many profiles, in bounded steps: plan changes, scans, timers (design, §11.4, §11.7).

use super::PartitionWorker;
use super::hot::Found;
use super::settle::Touch;
use crate::command::Command;
use crate::control::scan_after;
use crate::error::Result;
use crate::key;
use model::{PartitionNo, ProfileId, SandboxId, Timestamp, Xid};
use std::ops::ControlFlow;
use store::{Keyspace, Store};

/// Profiles looked at per step of a scan, and timers per tick.
const STEP: usize = 512;

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
        let plan = self.control.plan_at(n);
        let old = std::mem::replace(&mut self.partition(no).plan, plan.clone());
        self.partition(no).progress.plan_n = n;
        for (sandbox, new) in &plan.sandboxes {
            let before = old.sandboxes.get(sandbox).cloned().unwrap_or_default();
            self.withdraw(no, &before, new)?;
            if new.revisit_n() > old.n {
                self.emitter.emit(key::stream(no), Command::Scan { sandbox: *sandbox, n, after: None });
            }
        }
        Ok(())
    }

    /// One step over the stored profiles that plan `n` has not looked at; the next step is an
    /// entry of its own.
    pub(super) fn scan(&mut self, no: PartitionNo, sandbox: SandboxId, n: u64, after: Option<ProfileId>) -> Result<()> {
        let mut ids: Vec<ProfileId> = Vec::new();
        let prefix = key::profiles(sandbox, no);
        let start = after.map_or_else(|| prefix.clone(), |id| key::profile(sandbox, no, id));
        scan_after(&*self.store, Keyspace::Profile, &prefix, &start, &mut |key, _| {
            ids.extend(key.get(prefix.len()..).and_then(|id| id.try_into().ok()).map(Xid));
            if ids.len() < STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for id in &ids {
            self.look_again(no, sandbox, *id, |p| p.plan_n < n)?;
        }
        if ids.len() == STEP {
            self.emitter.emit(key::stream(no), Command::Scan { sandbox, n, after: ids.last().copied() });
        }
        Ok(())
    }

    /// Handles timers that are due; more than a step's worth wait for the next tick.
    pub(super) fn tick(&mut self, no: PartitionNo) -> Result<()> {
        let now = self.at.now;
        let mut due = Vec::new();
        self.store.scan_prefix(Keyspace::Queue, &key::timers(no), &mut |key, _| match key::timer_parts(key) {
            Some((at, sandbox, id)) if at <= now && due.len() < STEP => {
                due.push((at, sandbox, id));
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        })?;
        for (at, sandbox, id) in due {
            self.look_again(no, sandbox, id, |p| p.timer == Some(at))?;
        }
        // The rest is found by the scan of the next flush.
        self.timers_moved.insert(no.0);
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
        let Found::Here(mut hot) = self.hot.take(&*self.store, address)? else { return Ok(()) };
        if !hot.exists() || !wanted(&hot.profile) {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        let before = hot.profile.realized();
        self.settle(no, sandbox, id, &mut hot, Touch::default(), &before)?;
        self.hot.put(address, hot, true);
        Ok(())
    }
}
