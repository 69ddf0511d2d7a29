//! After a profile changed: evaluate its audiences, set its timer, write what flows must export.

use super::PartitionWorker;
use super::hot::Hot;
use crate::command::Command;
use crate::dead::DeadLetter;
use crate::error::Result;
use crate::key;
use crate::ledger::Movement;
use crate::outbox::Growing;
use crate::plan::SandboxPlan;
use crate::sight::ServiceFields;
use crate::tail::Queued;
use activation::{Change, Draft, Subject, Verdict, decide};
use audience::{Changed, Input};
use model::{AudienceNo, PartitionNo, ProfileId, SandboxId, SmolStr, Status, Value};
use pql::EventView;
use profile::{IDENTITIES_MAX, Profile};
use store::Keyspace;

/// An export is numbered by its entry and its place there; a step of a scan stays far below 2^20.
const EXPORT_BITS: u32 = 20;

/// Exports of a flow that may wait per partition; the excess is dead at once (design, §11.8). Part
/// of what the log means, so no setting.
const OUTBOX_MAX: u64 = 100_000;

/// What the entry in hand exports for one flow.
#[derive(Default)]
pub(super) struct Lane {
    /// Numbers given.
    numbered: u32,
    /// Exports of the flow that wait in this partition.
    waiting: u64,
    row: Option<Growing>,
}

/// Evaluations of one profile for one entry, where audiences read memberships as a field: rules that turn each
/// other for ever end here.
const ROUNDS_MAX: usize = 8;

/// What an entry did to a profile.
#[derive(Default)]
pub(super) struct Touch {
    /// The event that came.
    pub(super) event: Option<EventView>,
    /// The attributes by merge policy before a record was written; none if the profile is new.
    pub(super) attributes_before: Option<Vec<Value>>,
    /// Everything must be looked at: a merge.
    pub(super) all: bool,
    /// An identity came or went.
    pub(super) identities: bool,
    /// The attribute record that was written.
    pub(super) written: Option<Value>,
    /// What was mapped later was not told to flows, if that is not the plan of the row.
    pub(super) told_n: Option<u64>,
    /// Send the present state to this flow.
    pub(super) replay: Option<model::FlowNo>,
}

/// Whether an evaluation changed anything: memberships, timers, what flows are told.
#[must_use]
pub(super) struct Moved(pub(super) bool);

impl PartitionWorker {
    /// Brings memberships, timer, exports and counts of a profile up to date. `before` are the
    /// audiences that it was counted in, where they are not its own.
    pub(super) fn settle(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        hot: &mut Hot,
        touch: Touch,
        before: Option<&[AudienceNo]>,
    ) -> Result<Moved> {
        let plan = self.plan(no, sandbox);
        let now = self.at.now;
        let is_new = !hot.exists();
        if is_new {
            hot.profile.created = now;
            self.partition(no).census.stock.entry(sandbox).or_default().profiles += 1;
            self.partition(no).census_moved = true;
        }
        hot.profile.modified = now;
        let previous_n = hot.profile.plan_n;
        let plan_n = self.partition(no).plan.n;
        // An audience that is no more takes its members with it, which no flip tells.
        let replanned = previous_n != plan_n && !is_new;
        let own = (before.is_none() && replanned).then(|| hot.profile.realized());
        let before = before.or(own.as_deref());
        let (flips, due, views) = self.evaluate(&plan, plan_n, hot, &touch, is_new);
        hot.profile.plan_n = plan_n;
        let retimed = hot.profile.timer != due;
        self.set_timer(no, sandbox, id, &mut hot.profile, due);
        match before {
            Some(before) => self.count_members(no, before, &hot.profile),
            None => self.count_flips(no, &flips),
        }
        let change = Change {
            flips: &flips,
            identities: touch.identities,
            written: touch.written.as_ref(),
            // A profile without a row was a member of nothing before.
            previous_n: if is_new { plan_n } else { touch.told_n.unwrap_or(previous_n) },
            replay: false,
        };
        let told = (!change.is_nothing(plan_n) || touch.replay.is_some())
            && self.activate(no, sandbox, id, &hot.profile, &views, &change, touch.replay, &plan)?;
        hot.merged = Some((plan_n, views));
        Ok(Moved(is_new || retimed || told || !flips.is_empty()))
    }

    /// Evaluates what the touch can turn, again while memberships that are read as a field change.
    fn evaluate(
        &mut self,
        plan: &SandboxPlan,
        plan_n: u64,
        hot: &mut Hot,
        touch: &Touch,
        is_new: bool,
    ) -> (Vec<(AudienceNo, Status)>, Option<model::Timestamp>, Vec<Value>) {
        let mut views = hot.views(plan, plan_n);
        let mut changed = Changed {
            event: touch.event.as_ref(),
            attributes: touch.attributes_before.as_deref(),
            identities: touch.identities,
            new: is_new,
            all: touch.all,
        };
        let mut flips: Vec<(AudienceNo, Status)> = Vec::new();
        let mut due = None;
        for round in 0..ROUNDS_MAX {
            let input = Input {
                attributes: &views,
                events: &hot.events,
                changed,
                previous_n: if is_new || round > 0 { plan_n } else { hot.profile.plan_n },
                plan_n,
                now: self.at.now,
            };
            let found =
                audience::evaluate(&plan.audiences, &mut hot.profile, &mut hot.state, &input, &mut self.scratch);
            due = found.due;
            let moved = !found.flips.is_empty();
            flips.extend(found.flips.iter().map(|f| (f.audience, f.status)));
            if !moved || !plan.audiences.read_service_fields() {
                break;
            }
            views = hot.views(plan, plan_n);
            changed = Changed::default();
        }
        (flips, due, views)
    }

    fn count_flips(&mut self, no: PartitionNo, flips: &[(AudienceNo, Status)]) {
        if flips.is_empty() {
            return;
        }
        let partition = self.partition(no);
        for (audience, status) in flips {
            let members = partition.census.members.of_mut(*audience);
            match status {
                Status::Realized => *members += 1,
                Status::Exited => *members = members.saturating_sub(1),
            }
        }
        partition.census_moved = true;
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn activate(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        profile: &Profile,
        views: &[Value],
        change: &Change<'_>,
        replay: Option<model::FlowNo>,
        plan: &SandboxPlan,
    ) -> Result<bool> {
        let mut told = false;
        for flow in &plan.flows {
            let change = Change { replay: replay == Some(flow.no), ..*change };
            let policy = plan.policy_of(flow);
            let shares = |audience: AudienceNo| plan.audiences.by_no(audience).is_some_and(|a| a.policy == policy);
            let attributes = views.get(policy).unwrap_or(&model::value::NULL);
            let subject = Subject { sandbox, id, profile, attributes, shares_policy: &shares, now: self.at.now };
            match decide(flow, subject, &change) {
                Verdict::Nothing => continue,
                Verdict::Filtered(reason) => self.count(no, flow.no, self.at.now, Movement::Refused(reason), 1)?,
                Verdict::Export(draft) => self.queue(no, flow.no, &draft)?,
            }
            told = true;
        }
        Ok(told)
    }

    /// Puts an export into the outbox, or, when that is full, among the dead letters.
    fn queue(&mut self, no: PartitionNo, flow: model::FlowNo, draft: &Draft<'_>) -> Result<()> {
        let mut lane = match self.lanes.remove(&flow) {
            Some(lane) => lane,
            None => Lane { waiting: self.ledger(no, flow, 0)?.waiting, ..Lane::default() },
        };
        let seq = self.at.offset << EXPORT_BITS | u64::from(lane.numbered);
        lane.numbered += 1;
        if lane.waiting >= OUTBOX_MAX {
            // The numbers of a row have no gaps.
            self.finish_row(no, flow, &mut lane)?;
            self.lanes.insert(flow, lane);
            let reason = SmolStr::new_static("outbox full: the destination has taken nothing for too long");
            let letter = DeadLetter { died: self.at.now, attempts: 0, reason, export: draft.export() };
            self.batch.put(Keyspace::Queue, key::dead(flow, no, seq), letter.encode());
            self.count(no, flow, self.at.now, Movement::Queued, 1)?;
            return self.count(no, flow, self.at.now, Movement::Died, 1);
        }
        lane.waiting += 1;
        let row = lane.row.get_or_insert_with(|| Growing::new(seq, self.at.now));
        row.push(|out| draft.encode_to(out));
        if row.is_full() {
            self.finish_row(no, flow, &mut lane)?;
        }
        self.lanes.insert(flow, lane);
        Ok(())
    }

    /// Writes the rows of the outbox that the entry in hand has begun.
    pub(super) fn finish_rows(&mut self, no: PartitionNo) -> Result<()> {
        let mut lanes = std::mem::take(&mut self.lanes);
        for (flow, mut lane) in lanes.drain() {
            self.finish_row(no, flow, &mut lane)?;
        }
        self.lanes = lanes;
        Ok(())
    }

    fn finish_row(&mut self, no: PartitionNo, flow: model::FlowNo, lane: &mut Lane) -> Result<()> {
        let Some(row) = lane.row.take() else { return Ok(()) };
        let (waiting, bytes) = row.finish();
        self.count(no, flow, waiting.at, Movement::Queued, waiting.count())?;
        self.queued.push((no, Queued { flow, waiting, bytes: bytes.clone() }));
        self.batch.put(Keyspace::Queue, key::outbox(flow, no, waiting.last), bytes);
        self.partition(no).outbox.entry(flow).or_default().insert(waiting.last, waiting);
        self.outbox_moved = true;
        self.wakes.insert((flow, no));
        Ok(())
    }

    pub(super) fn set_timer(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        profile: &mut Profile,
        due: Option<model::Timestamp>,
    ) {
        let ticks = self.many.as_ref().is_some_and(|many| many.ticks);
        if profile.timer == due && !ticks {
            return;
        }
        // A row of several timers stays: the others need it, and a timer that its profile no longer has does nothing.
        // A tick takes its rows away itself.
        if let Some(old) = profile.timer.filter(|_| !ticks) {
            self.batch.delete(Keyspace::Queue, key::timer(no, old, sandbox, id));
        }
        match (due, &mut self.many) {
            (Some(due), Some(many)) => many.timers.entry((due, sandbox)).or_default().push(id),
            (Some(due), None) => self.put_timers(no, due, sandbox, &[id]),
            (None, _) => {}
        }
        profile.timer = due;
    }

    /// Moves the member counts from what the profile was counted in to what it is in.
    pub(super) fn count_members(&mut self, no: PartitionNo, before: &[AudienceNo], profile: &Profile) {
        let after = profile.realized();
        if before == after {
            return;
        }
        let partition = self.partition(no);
        for audience in before.iter().filter(|a| after.binary_search(a).is_err()) {
            let members = partition.census.members.of_mut(*audience);
            *members = members.saturating_sub(1);
        }
        for audience in after.iter().filter(|a| before.binary_search(a).is_err()) {
            *partition.census.members.of_mut(*audience) += 1;
        }
        partition.census_moved = true;
    }

    /// Lets the oldest identities go when there are more than the limit (profile.md §5.4): cookies
    /// first, then devices, then people.
    pub(super) fn bound_identities(&mut self, no: PartitionNo, sandbox: SandboxId, id: ProfileId, hot: &mut Hot) {
        if hot.profile.identities.len() <= IDENTITIES_MAX {
            return;
        }
        let plan = self.plan(no, sandbox);
        let mut dropped = Vec::new();
        while hot.profile.identities.len() > IDENTITIES_MAX {
            let oldest = hot.profile.identities.iter().min_by_key(|k| {
                let rank = plan.namespaces.get(k.identity.namespace).map_or(0, |n| n.rank);
                (rank, k.last, k.identity.clone())
            });
            let Some(identity) = oldest.map(|k| k.identity.clone()) else { break };
            hot.profile.drop_identity(&identity);
            dropped.push(identity.xid(sandbox));
        }
        self.emitter.emit(key::IDENTITY, Command::Detach { sandbox, profile: id, xids: dropped });
    }
}

impl Hot {
    /// The merged attributes under each merge policy, with the parts that the service adds.
    pub(super) fn views(&mut self, plan: &SandboxPlan, plan_n: u64) -> Vec<Value> {
        if let Some((n, views)) = self.merged.take()
            && n == plan_n
            && !plan.audiences.read_service_fields()
        {
            return views;
        }
        let mut views: Vec<Value> =
            plan.merge_policies.iter().map(|policy| profile::attributes(&self.profile, policy, None)).collect();
        if plan.audiences.read_service_fields() {
            let service = ServiceFields::of(&self.profile, plan);
            views.iter_mut().for_each(|view| service.add_to(view));
        }
        views
    }
}
