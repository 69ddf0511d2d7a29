//! The exact rule of when a profile change is exported (activation.md §3.4), one flow at a time.
//!
//! 1. segmentation: a mapped audience was entered or left; 2. identity: any identity came or went;
//! 3. attribute: a mapped path was written, even with an equal value; 4. nothing else triggers;
//! 5. the profile must be a member of a mapped audience, or the change itself be an exit from one;
//! 6. switched-off triggers count only beside one that is on. Backfill: once per (flow, audience).

use crate::Filtered;
use crate::export::{Export, ExportedMembership, Reasons};
use crate::flow::FlowPlan;
use model::{AudienceNo, ProfileId, SandboxId, SmolStr, Status, Timestamp, Value};
use profile::Profile;

/// What happened to a profile in one log entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Audiences entered or left.
    pub flips: &'a [(AudienceNo, Status)],
    /// An identity came or went.
    pub identities: bool,
    /// The body of the attribute record that was written.
    pub written: Option<&'a Value>,
    /// The plan that looked at the profile before: audiences mapped since then are backfilled.
    pub previous_n: u64,
    /// A dead letter asks for the present state, triggers aside.
    pub replay: bool,
}

impl Change<'_> {
    /// Whether no flow of a plan can be concerned, of those that were there at `plan_n`.
    pub fn is_nothing(&self, plan_n: u64) -> bool {
        let happened = !self.flips.is_empty() || self.identities || self.written.is_some() || self.replay;
        !happened && self.previous_n >= plan_n
    }
}

/// What one flow makes of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// No trigger matched: the ledger does not know of it.
    Nothing,
    /// A trigger matched, and nothing is sent.
    Filtered(Filtered),
    /// Send this.
    Export(Box<Export>),
}

/// Decides for one flow. `attributes` is the merged view of the profile; `shares_policy` tells
/// whether an audience has the merge policy of the flow's audiences.
#[allow(clippy::too_many_arguments)]
pub fn decide(
    flow: &FlowPlan,
    sandbox: SandboxId,
    id: ProfileId,
    profile: &Profile,
    attributes: &Value,
    change: &Change<'_>,
    shares_policy: &dyn Fn(AudienceNo) -> bool,
    now: Timestamp,
) -> Verdict {
    let matched = matched(flow, profile, change);
    if matched.is_empty() {
        return Verdict::Nothing;
    }
    if !flow.enabled {
        return Verdict::Filtered(Filtered::FlowDisabled);
    }
    let active = active(flow, matched);
    if active.is_empty() {
        return Verdict::Filtered(Filtered::TriggerOff);
    }
    let member = flow.audiences.iter().any(|m| profile.is_member(m.no));
    let exit = change.flips.iter().any(|(no, status)| *status == Status::Exited && flow.mapping(*no).is_some());
    if !member && !exit && !change.replay {
        return Verdict::Filtered(Filtered::NotAMember);
    }
    Verdict::Export(Box::new(Export {
        sandbox,
        profile: id,
        lineage: profile.lineage.clone(),
        at: now,
        reasons: active,
        memberships: memberships(flow, profile, change, shares_policy),
        identities: profile.identities.iter().map(|k| k.identity.clone()).collect(),
        attributes: project(attributes, &flow.attributes),
    }))
}

fn matched(flow: &FlowPlan, profile: &Profile, change: &Change<'_>) -> Reasons {
    let mut reasons = Reasons::default();
    if change.flips.iter().any(|(no, _)| flow.mapping(*no).is_some()) {
        reasons.add(Reasons::SEGMENTATION);
    }
    if change.identities {
        reasons.add(Reasons::IDENTITY);
    }
    if let Some(body) = change.written
        && flow.attributes.iter().any(|path| is_written(body, path))
    {
        reasons.add(Reasons::ATTRIBUTE);
    }
    if flow.audiences.iter().any(|m| is_backfill(m.no, m.mapped_n, profile, change)) {
        reasons.add(Reasons::BACKFILL);
    }
    if change.replay {
        reasons.add(Reasons::REPLAY);
    }
    reasons
}

fn active(flow: &FlowPlan, matched: Reasons) -> Reasons {
    let on = |reason: Reasons, on: bool| if on && matched.has(reason) { reason } else { Reasons::default() };
    let mut active = on(Reasons::SEGMENTATION, flow.triggers.segmentation);
    active.add(on(Reasons::IDENTITY, flow.triggers.identity));
    active.add(on(Reasons::ATTRIBUTE, flow.triggers.attribute));
    active.add(on(Reasons::BACKFILL, true));
    active.add(on(Reasons::REPLAY, true));
    active
}

/// A member since before this entry, of an audience mapped since the profile's last look.
fn is_backfill(no: AudienceNo, mapped_n: u64, profile: &Profile, change: &Change<'_>) -> bool {
    mapped_n > change.previous_n && profile.is_member(no) && !change.flips.iter().any(|(f, _)| *f == no)
}

/// True when the record holds the path, or anything below or above it on the way.
fn is_written(body: &Value, path: &[SmolStr]) -> bool {
    let mut at = body;
    for name in path {
        match at {
            Value::Object(_) => at = at.get(name),
            _ => break,
        }
    }
    !at.is_null()
}

/// All memberships of the same merge policy, mapped ones first (activation.md §3.5).
fn memberships(
    flow: &FlowPlan,
    profile: &Profile,
    change: &Change<'_>,
    shares_policy: &dyn Fn(AudienceNo) -> bool,
) -> Vec<ExportedMembership> {
    let entry = |(no, m): (AudienceNo, model::Membership)| ExportedMembership {
        audience: no,
        status: m.status,
        since: m.since,
        changed: change.flips.iter().any(|(f, _)| *f == no)
            || flow.mapping(no).is_some_and(|map| is_backfill(no, map.mapped_n, profile, change)),
    };
    let is_mapped = |no: AudienceNo| flow.mapping(no).is_some();
    let mapped = profile.memberships.iter().filter(|(no, _)| is_mapped(*no));
    let others = profile.memberships.iter().filter(|(no, _)| !is_mapped(*no) && shares_policy(*no));
    mapped.chain(others).map(entry).collect()
}

/// The mapped attributes that are there, in their nested shape.
fn project(attributes: &Value, paths: &[Vec<SmolStr>]) -> Value {
    let mut out = Value::Object(Vec::new());
    for path in paths {
        let value = path.iter().fold(attributes, |at, name| at.get(name));
        if !value.is_null() {
            let path: Vec<&str> = path.iter().map(SmolStr::as_str).collect();
            out.set(&path, value.clone());
        }
    }
    out
}
