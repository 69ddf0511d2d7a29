//! Entries that move the outbox: outcomes, replays, withdrawals.

use super::PartitionWorker;
use super::hot::{Found, Hot};
use super::settle::Touch;
use crate::command::{Command, Outcome};
use crate::dead::DeadLetter;
use crate::error::Result;
use crate::key;
use crate::ledger::Movement;
use crate::outbox::{self, Waiting};
use crate::plan::SandboxPlan;
use activation::{Change, Export, Filtered, FlowPlan, Reasons};
use model::{AudienceNo, FlowNo, Membership, PartitionNo, ProfileId, SandboxId, Status};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::Keyspace;

impl PartitionWorker {
    /// Closes waiting exports. One that is gone (withdrawn, or a repeated report) is ignored.
    pub(super) fn settle_outcomes(&mut self, no: PartitionNo, outcomes: Vec<(FlowNo, u64, Outcome)>) -> Result<()> {
        // What is dead is read from its row.
        if self.outbox_moved && outcomes.iter().any(|(.., outcome)| matches!(outcome, Outcome::Dead { .. })) {
            self.flush()?;
        }
        let mut outcomes = outcomes.into_iter().peekable();
        while let Some((flow, seq, _)) = outcomes.peek() {
            let (flow, seq) = (*flow, *seq);
            let Some(mut row) = self.outbox_row(no, flow, seq)? else {
                outcomes.next();
                continue;
            };
            let published = self.published.clone();
            let mut tails = published.tails.hold(no);
            let (mut delivered, mut bytes) = (0, None);
            while let Some((_, seq, outcome)) = outcomes.next_if(|(of, seq, _)| *of == flow && row.holds(*seq)) {
                if !row.close(seq) {
                    continue;
                }
                tails.iter_mut().for_each(|tails| tails.close(flow, seq));
                match outcome {
                    Outcome::Delivered => delivered += 1,
                    Outcome::Filtered(reason) => self.count(no, flow, row.at, Movement::Withdrawn(reason), 1)?,
                    Outcome::Dead { reason, attempts } => {
                        if bytes.is_none() {
                            bytes = self.store.get(Keyspace::Queue, &key::outbox(flow, no, row.last))?;
                        }
                        let export = outbox::export(bytes.as_deref().unwrap_or_default(), seq - row.first)?;
                        let letter = DeadLetter { died: self.at.now, attempts, reason, export };
                        self.batch.put(Keyspace::Queue, key::dead(flow, no, seq), letter.encode());
                        self.count(no, flow, row.at, Movement::Died, 1)?;
                    }
                }
            }
            drop(tails);
            if delivered > 0 {
                self.count(no, flow, row.at, Movement::Exported, delivered)?;
            }
            self.keep_row(no, flow, row);
        }
        Ok(())
    }

    /// The row of the outbox that holds an export, as this batch leaves it.
    fn outbox_row(&mut self, no: PartitionNo, flow: FlowNo, seq: u64) -> Result<Option<Waiting>> {
        let known = self.partition(no).outbox.get(&flow).and_then(|rows| rows.range(seq..).next());
        match known.map(|(_, row)| *row).filter(|row| row.holds(seq)) {
            Some(row) => Ok(Some(row)),
            None => outbox::find(&*self.store, flow, no, seq),
        }
    }

    /// Keeps a row of which exports were closed; it is written with the batch.
    fn keep_row(&mut self, no: PartitionNo, flow: FlowNo, row: Waiting) {
        self.partition(no).outbox.entry(flow).or_default().insert(row.last, row);
        self.closed.insert((no, flow, row.last));
    }

    /// Sends the present state of each dead letter's profile as a new entry and closes the old one.
    pub(super) fn replay_dead(&mut self, no: PartitionNo, flow: FlowNo, seqs: &[u64]) -> Result<()> {
        for seq in &std::collections::BTreeSet::from_iter(seqs.iter().copied()) {
            let key = key::dead(flow, no, *seq);
            let Some(row) = self.store.get(Keyspace::Queue, &key)? else { continue };
            let export = DeadLetter::decode(&row)?.export;
            self.batch.delete(Keyspace::Queue, key);
            self.count(no, flow, export.at, Movement::Closed, 1)?;
            let again = Command::ExportNow { sandbox: export.sandbox, profile: export.profile, flow };
            self.apply_to_profile_once(no, again, &export)?;
        }
        Ok(())
    }

    /// A replay of a profile that is waiting for a merge is a parked entry of its own: it goes
    /// through the log, so that each parked row has its own offset.
    fn apply_to_profile_once(&mut self, no: PartitionNo, command: Command, export: &Export) -> Result<()> {
        let address = (export.sandbox, no, export.profile);
        if let Found::Here(hot) = self.take(address)? {
            let waits = !hot.profile.awaiting.is_empty();
            self.hot.put(address, hot, false);
            if waits {
                self.emitter.emit(key::stream(no), command);
                return Ok(());
            }
        }
        self.apply_to_profile(no, command)
    }

    pub(super) fn export_now(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        mut hot: Box<Hot>,
        flow: FlowNo,
    ) -> Result<()> {
        let address = (sandbox, no, id);
        if !hot.exists() {
            self.hot.put(address, hot, false);
            return Ok(());
        }
        let touch = Touch { replay: Some(flow), ..Touch::default() };
        let _ = self.settle(no, sandbox, id, &mut hot, touch, None)?;
        self.hot.put(address, hot, true);
        Ok(())
    }

    /// A profile that is about to be deleted leaves its audiences; flows are told (activation.md §14.2).
    pub(super) fn export_farewell(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        hot: &mut Hot,
    ) -> Result<()> {
        let plan = self.plan(no, sandbox);
        let now = self.at.now;
        let flips: Vec<(AudienceNo, Status)> =
            hot.profile.realized().into_iter().map(|a| (a, Status::Exited)).collect();
        for (audience, status) in &flips {
            hot.profile.set_membership(*audience, Membership { status: *status, since: now });
        }
        hot.profile.fragments.clear();
        let views = vec![model::Value::Object(Vec::new()); plan.merge_policies.len()];
        let change = Change { flips: &flips, previous_n: u64::MAX, ..Change::default() };
        self.activate(no, sandbox, id, &hot.profile, &views, &change, None, &plan).map(drop)
    }

    /// Takes waiting exports back that a new plan no longer wants: of flows that were disabled or
    /// removed, and those that no audience which is still mapped speaks for.
    pub(super) fn withdraw(&mut self, no: PartitionNo, old: &SandboxPlan, new: &SandboxPlan) -> Result<()> {
        for flow in &old.flows {
            let now: Option<&Arc<FlowPlan>> = new.flows.iter().find(|f| f.no == flow.no);
            let stopped = flow.enabled && !now.is_some_and(|f| f.enabled);
            let unmapped = flow.audiences.iter().any(|m| now.is_some_and(|f| f.mapping(m.no).is_none()));
            if !stopped && !unmapped {
                continue;
            }
            let mut rows = Vec::new();
            outbox::scan_rows(&*self.store, flow.no, no, Bound::Unbounded, &mut |row, bytes| {
                rows.push((row, bytes.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
            for (mut row, bytes) in rows {
                for (seq, export) in (row.first..).zip(outbox::exports(&bytes)) {
                    if !row.is_open(seq) {
                        continue;
                    }
                    let reason = match now {
                        _ if stopped => Filtered::FlowDisabled,
                        Some(now) if is_unwanted(&Export::decode(export)?, now) => Filtered::AudienceUnmapped,
                        _ => continue,
                    };
                    row.close(seq);
                    self.published.tails.hold(no).iter_mut().for_each(|tails| tails.close(flow.no, seq));
                    self.count(no, flow.no, row.at, Movement::Withdrawn(reason), 1)?;
                }
                self.keep_row(no, flow.no, row);
            }
        }
        Ok(())
    }
}

/// Of what is still mapped, an entry or exit speaks for any export, a membership for those that tell
/// of more than audiences.
fn is_unwanted(export: &Export, flow: &FlowPlan) -> bool {
    let tells_more = export.reasons.has(Reasons::IDENTITY) || export.reasons.has(Reasons::ATTRIBUTE);
    let mut mapped = export.memberships.iter().filter(|m| flow.mapping(m.audience).is_some());
    !export.reasons.has(Reasons::REPLAY) && !mapped.any(|m| m.changed || (tells_more && m.status == Status::Realized))
}
