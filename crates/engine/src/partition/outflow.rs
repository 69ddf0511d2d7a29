//! Entries that move the outbox: outcomes, replays, withdrawals.

use super::PartitionWorker;
use super::hot::{Found, Hot};
use super::settle::Touch;
use crate::command::{Command, Outcome};
use crate::dead::DeadLetter;
use crate::error::Result;
use crate::key;
use crate::ledger::Movement;
use crate::plan::SandboxPlan;
use crate::tail::Known;
use activation::{Change, Export, Filtered, FlowPlan, Reasons};
use model::{AudienceNo, FlowNo, Membership, PartitionNo, ProfileId, SandboxId, Status};
use std::ops::ControlFlow;
use std::sync::Arc;
use store::Keyspace;

impl PartitionWorker {
    /// Closes waiting exports. One that is gone (withdrawn, or a repeated report) is ignored.
    pub(super) fn settle_outcomes(&mut self, no: PartitionNo, outcomes: Vec<(FlowNo, u64, Outcome)>) -> Result<()> {
        let mut known = vec![Known::Unknown; outcomes.len()];
        self.close_known(no, &outcomes, &mut known);
        // An export of this very batch is found once it is committed and published.
        if self.outbox_moved && known.iter().any(|known| !matches!(known, Known::Waited(_))) {
            self.flush()?;
            self.close_known(no, &outcomes, &mut known);
        }
        for ((flow, seq, outcome), known) in outcomes.into_iter().zip(known) {
            if known == Known::Gone || self.closed.contains(&(flow, no, seq)) {
                continue;
            }
            let key = key::outbox(flow, no, seq);
            let row = match (known, &outcome) {
                (Known::Waited(_), Outcome::Delivered | Outcome::Filtered(_)) => None,
                _ => match self.store.get(Keyspace::Queue, &key)? {
                    Some(row) => Some(row),
                    None => continue,
                },
            };
            let instant = match (known, &row) {
                (Known::Waited(instant), _) => instant,
                (_, Some(row)) => Export::instant_of(row)?,
                (_, None) => continue,
            };
            self.closed.insert((flow, no, seq));
            self.batch.delete(Keyspace::Queue, key);
            match (outcome, row) {
                (Outcome::Dead { reason, attempts }, Some(row)) => {
                    let letter = DeadLetter { died: self.at.now, attempts, reason, export: Export::decode(&row)? };
                    self.batch.put(Keyspace::Queue, key::dead(flow, no, seq), letter.encode());
                    self.count(no, flow, instant, Movement::Died)?;
                }
                (Outcome::Filtered(reason), _) => self.count(no, flow, instant, Movement::Withdrawn(reason))?,
                _ => self.count(no, flow, instant, Movement::Exported)?,
            }
        }
        Ok(())
    }

    /// Asks the tails for what was not found waiting so far; they forget what they find.
    fn close_known(&self, no: PartitionNo, outcomes: &[(FlowNo, u64, Outcome)], known: &mut [Known]) {
        let Some(mut tails) = self.published.tails.hold(no) else { return };
        for ((flow, seq, _), known) in outcomes.iter().zip(known) {
            if !matches!(known, Known::Waited(_)) {
                *known = tails.close(*flow, *seq);
            }
        }
    }

    /// Sends the present state of each dead letter's profile as a new entry and closes the old one.
    pub(super) fn replay_dead(&mut self, no: PartitionNo, flow: FlowNo, seqs: &[u64]) -> Result<()> {
        for seq in &std::collections::BTreeSet::from_iter(seqs.iter().copied()) {
            let key = key::dead(flow, no, *seq);
            let Some(row) = self.store.get(Keyspace::Queue, &key)? else { continue };
            let export = DeadLetter::decode(&row)?.export;
            self.batch.delete(Keyspace::Queue, key);
            self.count(no, flow, export.at, Movement::Closed)?;
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
            let mut gone = Vec::new();
            self.store.scan_prefix(Keyspace::Queue, &key::outbox_of(flow.no, no), &mut |key, row| {
                gone.push((key.to_vec(), row.to_vec()));
                ControlFlow::Continue(())
            })?;
            for (key, row) in gone {
                let export = Export::decode(&row)?;
                let reason = match now {
                    _ if stopped => Filtered::FlowDisabled,
                    Some(now) if is_unwanted(&export, now) => Filtered::AudienceUnmapped,
                    _ => continue,
                };
                if let Some((_, seq)) = key::partition_and_number(&key) {
                    self.closed.insert((flow.no, no, seq));
                    if let Some(mut tails) = self.published.tails.hold(no) {
                        tails.close(flow.no, seq);
                    }
                }
                self.batch.delete(Keyspace::Queue, key);
                self.count(no, flow.no, export.at, Movement::Withdrawn(reason))?;
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
