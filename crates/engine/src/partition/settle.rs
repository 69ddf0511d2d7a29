//! After a profile changed: evaluate its audiences, set its timer, write what flows must export.

use super::PartitionWorker;
use super::hot::Hot;
use crate::command::Command;
use crate::dead::DeadLetter;
use crate::error::Result;
use crate::key;
use crate::ledger::Movement;
use crate::plan::SandboxPlan;
use activation::{Change, Export, Verdict, decide};
use audience::Changed;
use model::{AudienceNo, Identity, PartitionNo, ProfileId, SandboxId, SmolStr, Status, Value};
use profile::{IDENTITIES_MAX, Profile};
use store::Keyspace;

/// An export is numbered by its entry and its place there; a step of a scan stays far below 2^20.
const EXPORT_BITS: u32 = 20;

/// Exports of a flow that may wait per partition; the excess is dead at once (design, §11.8). Part
/// of what the log means, so no setting.
const OUTBOX_MAX: u64 = 100_000;

/// What an entry did to a profile.
#[derive(Default)]
pub(super) struct Touch {
    pub(super) changed: Changed,
    /// An identity came or went.
    pub(super) identities: bool,
    /// The attribute record that was written.
    pub(super) written: Option<Value>,
    /// Send the present state to this flow.
    pub(super) replay: Option<model::FlowNo>,
}

impl PartitionWorker {
    /// Brings memberships, timer, exports and counts of a profile up to date. `before` are the
    /// audiences that it was counted in.
    pub(super) fn settle(
        &mut self,
        no: PartitionNo,
        sandbox: SandboxId,
        id: ProfileId,
        hot: &mut Hot,
        touch: Touch,
        before: &[AudienceNo],
    ) -> Result<()> {
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
        let views = hot.views(&plan, plan_n);
        let found =
            audience::evaluate(&plan.audiences, &mut hot.profile, &views, &hot.events, touch.changed, previous_n, now);
        hot.profile.plan_n = plan_n;
        self.set_timer(no, sandbox, id, &mut hot.profile, found.due);
        self.count_members(no, before, &hot.profile);
        let flips: Vec<(AudienceNo, Status)> = found.flips.iter().map(|f| (f.audience, f.status)).collect();
        let change = Change {
            flips: &flips,
            identities: touch.identities,
            written: touch.written.as_ref(),
            // A profile without a row was a member of nothing before.
            previous_n: if is_new { plan_n } else { previous_n },
            replay: false,
        };
        self.activate(no, sandbox, id, &hot.profile, &views, &change, touch.replay, &plan)?;
        hot.merged = Some((plan_n, views));
        Ok(())
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
    ) -> Result<()> {
        for flow in &plan.flows {
            let change = Change { replay: replay == Some(flow.no), ..*change };
            let policy = flow.audiences.iter().find_map(|m| plan.audiences.by_no(m.no)).map_or(0, |a| a.policy);
            let shares = |audience: AudienceNo| plan.audiences.by_no(audience).is_some_and(|a| a.policy == policy);
            let attributes = views.get(policy).unwrap_or(&model::value::NULL);
            match decide(flow, sandbox, id, profile, attributes, &change, &shares, self.at.now) {
                Verdict::Nothing => {}
                Verdict::Filtered(reason) => self.count(no, flow.no, self.at.now, Movement::Refused(reason))?,
                Verdict::Export(export) => self.queue(no, flow.no, *export)?,
            }
        }
        Ok(())
    }

    /// Puts an export into the outbox, or, when that is full, among the dead letters.
    fn queue(&mut self, no: PartitionNo, flow: model::FlowNo, export: Export) -> Result<()> {
        let seq = self.at.offset << EXPORT_BITS | u64::from(self.at.exports);
        self.at.exports += 1;
        self.count(no, flow, self.at.now, Movement::Queued)?;
        let waiting = self.partition(no).ledger.get(&(flow, 0)).map_or(0, |l| l.waiting);
        if waiting > OUTBOX_MAX {
            let reason = SmolStr::new_static("outbox full: the destination has taken nothing for too long");
            let letter = DeadLetter { died: self.at.now, attempts: 0, reason, export };
            self.batch.put(Keyspace::Queue, key::dead(flow, no, seq), letter.encode());
            return self.count(no, flow, self.at.now, Movement::Died);
        }
        self.batch.put(Keyspace::Queue, key::outbox(flow, no, seq), export.encode());
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
        if profile.timer == due {
            return;
        }
        if let Some(old) = profile.timer {
            self.batch.delete(Keyspace::Queue, key::timer(no, old, sandbox, id));
        }
        if let Some(due) = due {
            self.batch.put(Keyspace::Queue, key::timer(no, due, sandbox, id), Vec::new());
            self.partition(no).set_due(due);
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
        for audience in before.iter().filter(|a| !after.contains(a)) {
            let members = partition.census.members.entry(*audience).or_default();
            *members = members.saturating_sub(1);
        }
        for audience in after.iter().filter(|a| !before.contains(a)) {
            *partition.census.members.entry(*audience).or_default() += 1;
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
    fn views(&mut self, plan: &SandboxPlan, plan_n: u64) -> Vec<Value> {
        if let Some((n, views)) = self.merged.take()
            && n == plan_n
            && !plan.reads_service_fields
        {
            return views;
        }
        let mut views: Vec<Value> =
            plan.merge_policies.iter().map(|policy| profile::attributes(&self.profile, policy, None)).collect();
        if plan.reads_service_fields {
            let identities: Vec<&Identity> = self.profile.identities.iter().map(|k| &k.identity).collect();
            let identity_map = profile::identity_map(identities, &|id| plan.namespaces.code(id));
            let memberships = membership_map(&self.profile, plan);
            for view in &mut views {
                view.set(&["identityMap"], identity_map.clone());
                view.set(&["segmentMembership"], memberships.clone());
            }
        }
        views
    }
}

/// `segmentMembership` as queries and look-ups see it (profile.md §4.2).
pub(crate) fn membership_map(profile: &Profile, plan: &SandboxPlan) -> Value {
    let mut ups = Vec::new();
    for (no, membership) in &profile.memberships {
        if let Some(audience) = plan.audiences.by_no(*no) {
            let text = |t: &str| Value::Str(SmolStr::new(t));
            let entry = Value::Object(vec![
                (SmolStr::new_static("lastQualificationTime"), text(&membership.since.to_seconds_text())),
                (SmolStr::new_static("status"), text(membership.status.as_str())),
            ]);
            ups.push((audience.id.clone(), entry));
        }
    }
    if ups.is_empty() {
        return Value::Null;
    }
    Value::Object(vec![(SmolStr::new_static("ups"), Value::Object(ups))])
}
