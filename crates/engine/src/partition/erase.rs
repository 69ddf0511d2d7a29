//! A data set is gone: what its records left in profiles goes too (profile.md §11.4).
//!
//! In: a plan without a data set that the plan before had. Bounded steps over the stored profiles take its fragments
//! and events away and evaluate anew; a record of it that was still on its way is dropped. Identities and links stay,
//! as they do when a profile is deleted.

use super::PartitionWorker;
use super::hot::{Found, Hot};
use super::scan::STEP;
use super::settle::Touch;
use crate::command::{Command, NamedRow};
use crate::error::{Error, Result};
use crate::key;
use crate::plan::SandboxPlan;
use model::codec::DecodeError;
use model::{DatasetNo, PartitionNo, ProfileId, SandboxId, SmolStr};
use profile::{AttributeMerge, Event, Fragment, Graph, MergePolicy, Profile};
use std::ops::ControlFlow;
use store::Keyspace;

impl PartitionWorker {
    /// Begins to take away what came from data sets that the new plan has no more.
    pub(super) fn erase_gone(&mut self, no: PartitionNo, sandbox: SandboxId, old: &SandboxPlan, new: &SandboxPlan) {
        for dataset in old.sources_gone_in(new) {
            self.emitter.emit(key::stream(no), Command::Erase { sandbox, dataset, after: None });
        }
    }

    /// Whether records of this data set are not taken any more.
    pub(super) fn is_gone(&mut self, no: PartitionNo, sandbox: SandboxId, dataset: DatasetNo) -> bool {
        let plan = &self.partition(no).plan;
        plan.sandboxes.get(&sandbox).is_some_and(|found| found.is_gone(dataset, plan.n))
    }

    /// One step over the stored profiles; the next step is an entry of its own.
    pub(super) fn erase(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        dataset: DatasetNo,
        after: Option<ProfileId>,
    ) -> Result<()> {
        let ids = self.stored_after(no, sandbox, after)?;
        self.begin_many();
        for id in &ids {
            self.erase_from(no, sandbox, *id, dataset)?;
        }
        self.finish_timers(no);
        if ids.len() == STEP {
            self.emitter.emit(key::stream(no), Command::Erase { sandbox, dataset, after: ids.last().copied() });
        }
        Ok(())
    }

    fn erase_from(&mut self, no: PartitionNo, sandbox: SandboxId, id: ProfileId, dataset: DatasetNo) -> Result<()> {
        let address = (sandbox, no, id);
        let Found::Here(mut hot) = self.take(address)? else { return Ok(()) };
        let fragments = take_fragments(&mut hot.profile, |of| of == dataset);
        let events = self.erase_events(no, sandbox, id, &mut hot, dataset)?;
        if fragments.is_empty() && events == 0 {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        hot.merged = None;
        // Flows that send attributes are told of those that are no more.
        let taken = Profile { fragments, ..Profile::default() };
        let written = (!taken.fragments.is_empty()).then(|| profile::attributes(&taken, &anything_goes(), None));
        if hot.exists() {
            let _ = self.settle(no, sandbox, id, &mut hot, Touch { all: true, written, ..Touch::default() }, None)?;
        }
        self.hot.put(address, hot, true);
        Ok(())
    }

    /// Takes the events of a data set away, and gives how many. Reads the store, which has all rows when a batch begins.
    fn erase_events(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        hot: &mut Hot,
        dataset: DatasetNo,
    ) -> Result<u64> {
        if hot.profile.events == 0 {
            return Ok(0);
        }
        let prefix = key::events(sandbox, no, id);
        let (mut left, mut gone) = (Vec::new(), Vec::new());
        let mut fault = None;
        self.store.scan_prefix(Keyspace::Event, &prefix, &mut |key, row| {
            let name = key.get(prefix.len()..).and_then(|name| name.try_into().ok());
            match (name, Event::decode(row)) {
                (Some(_), Ok(event)) if event.dataset == dataset => gone.push(key.to_vec()),
                (Some(name), Ok(event)) => left.push((name, event.view)),
                (None, _) => fault = Some(DecodeError("event key of a wrong length")),
                (_, Err(error)) => fault = Some(error),
            }
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(Error::from(fault));
        }
        if gone.is_empty() {
            return Ok(0);
        }
        let plan = self.plan(no, sandbox);
        hot.replace_events(left, &plan.audiences);
        let count = gone.len() as u64;
        gone.into_iter().for_each(|key| self.batch.delete(Keyspace::Event, key));
        self.uncount(no, sandbox, 0, count);
        Ok(count)
    }

    /// What of a merged profile comes from data sets that are gone here is not taken in.
    pub(super) fn without_gone(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        mut other: Profile,
        events: Vec<NamedRow>,
    ) -> Result<(Profile, Vec<NamedRow>)> {
        let (plan, n) = (self.plan(no, sandbox), self.partition(no).plan.n);
        take_fragments(&mut other, |of| plan.is_gone(of, n));
        let mut left = Vec::with_capacity(events.len());
        for (name, row) in events {
            if !plan.is_gone(Event::decode(&row)?.dataset, n) {
                left.push((name, row));
            }
        }
        Ok((other, left))
    }
}

/// A merge that leaves no data set out, as policies may whose order does not name one that is gone.
fn anything_goes() -> MergePolicy {
    MergePolicy { id: SmolStr::default(), graph: Graph::Pdg, attributes: AttributeMerge::TimestampOrdered }
}

fn take_fragments(profile: &mut Profile, gone: impl Fn(DatasetNo) -> bool) -> Vec<Fragment> {
    profile.fragments.extract_if(.., |fragment| gone(fragment.dataset)).collect()
}
