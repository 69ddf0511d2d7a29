//! The exact rule of when a profile change is exported (activation.md §3.4), one flow at a time.
//!
//! 1. segmentation: a mapped audience was entered or left; 2. identity: any identity came or went;
//! 3. attribute: a mapped path was written, even with an equal value; 4. nothing else triggers;
//! 5. the profile must be a member of a mapped audience, or the change itself be an exit from one;
//! 6. switched-off triggers count only beside one that is on. Backfill: once per (flow, audience).

use crate::Filtered;
use crate::export::{self, Export, ExportedMembership, Reasons};
use crate::flow::FlowPlan;
use model::{AudienceNo, ProfileId, SandboxId, SmolStr, Status, Timestamp, Value, codec};
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

/// The profile that a change is about, as it is after it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Where it lives.
    pub sandbox: SandboxId,
    /// Its id.
    pub id: ProfileId,
    /// The profile.
    pub profile: &'a Profile,
    /// Its merged view.
    pub attributes: &'a Value,
    /// Whether an audience has the merge policy of the flow's audiences.
    pub shares_policy: &'a dyn Fn(AudienceNo) -> bool,
    /// The instant of the change.
    pub now: Timestamp,
}

/// What one flow makes of a change.
pub enum Verdict<'a> {
    /// No trigger matched: the ledger does not know of it.
    Nothing,
    /// A trigger matched, and nothing is sent.
    Filtered(Filtered),
    /// Send this.
    Export(Draft<'a>),
}

/// An export, pointing into what it is made of.
pub struct Draft<'a> {
    flow: &'a FlowPlan,
    subject: Subject<'a>,
    change: &'a Change<'a>,
    reasons: Reasons,
}

/// Decides for one flow.
pub fn decide<'a>(flow: &'a FlowPlan, subject: Subject<'a>, change: &'a Change<'a>) -> Verdict<'a> {
    let profile = subject.profile;
    let matched = matched(flow, profile, change);
    if matched.is_empty() {
        return Verdict::Nothing;
    }
    if !flow.enabled {
        return Verdict::Filtered(Filtered::FlowDisabled);
    }
    let reasons = active(flow, matched);
    if reasons.is_empty() {
        return Verdict::Filtered(Filtered::TriggerOff);
    }
    let member = flow.audiences.iter().any(|m| profile.is_member(m.no));
    let exit = change.flips.iter().any(|(no, status)| *status == Status::Exited && flow.mapping(*no).is_some());
    if !member && !exit && !change.replay {
        return Verdict::Filtered(Filtered::NotAMember);
    }
    Verdict::Export(Draft { flow, subject, change, reasons })
}

impl Draft<'_> {
    /// The export.
    pub fn export(&self) -> Export {
        let Subject { sandbox, id, profile, attributes, now, .. } = self.subject;
        Export {
            sandbox,
            profile: id,
            lineage: profile.lineage.clone(),
            at: now,
            reasons: self.reasons,
            memberships: self.memberships().collect(),
            identities: profile.identities.iter().map(|k| k.identity.clone()).collect(),
            attributes: project(attributes, &self.flow.attributes),
        }
    }

    /// Appends the bytes of the export, which is not made for that.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let Subject { sandbox, id, profile: Profile { lineage, identities, .. }, attributes, now, .. } = self.subject;
        export::put_head(out, now, sandbox, id, lineage, self.reasons);
        codec::put_u64(out, self.memberships().count() as u64);
        self.memberships().for_each(|m| export::put_membership(out, &m));
        codec::put_u64(out, identities.len() as u64);
        identities.iter().for_each(|known| export::put_identity(out, &known.identity));
        put_projection(out, attributes, &self.flow.attributes);
    }

    /// All memberships of the same merge policy, mapped ones first (activation.md §3.5).
    fn memberships(&self) -> impl Iterator<Item = ExportedMembership> {
        let Draft { flow, subject: Subject { profile, shares_policy, .. }, change, .. } = self;
        let is_mapped = |no: AudienceNo| flow.mapping(no).is_some();
        let mapped = profile.memberships.iter().filter(move |(no, _)| is_mapped(*no));
        let others = profile.memberships.iter().filter(move |(no, _)| !is_mapped(*no) && shares_policy(*no));
        mapped.chain(others).map(|(no, m)| ExportedMembership {
            audience: no,
            status: m.status,
            since: m.since,
            changed: change.flips.iter().any(|(f, _)| *f == no)
                || flow.mapping(no).is_some_and(|map| is_backfill(no, map.mapped_n, profile, change)),
        })
    }
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

/// Paths of a projection that are written without making the value first.
const PATHS_MAX: usize = 64;

/// Appends the bytes of [`project`].
fn put_projection(out: &mut Vec<u8>, attributes: &Value, paths: &[Vec<SmolStr>]) {
    let mut values = [&model::value::NULL; PATHS_MAX];
    let mut found = 0u64;
    let from = out.len();
    for (nth, (path, value)) in paths.iter().zip(&mut values).enumerate() {
        *value = path.iter().fold(attributes, |at, name| at.get(name));
        found |= u64::from(!value.is_null()) << nth;
    }
    if paths.len() > PATHS_MAX || !put_object(out, paths, &values, found, 0) {
        out.truncate(from);
        codec::put_value(out, &project(attributes, paths));
    }
}

/// Appends the object of these paths, which are equal up to `depth`. False if one of them goes on below another.
fn put_object(out: &mut Vec<u8>, paths: &[Vec<SmolStr>], values: &[&Value], of: u64, depth: usize) -> bool {
    let each = |of: u64| (0..paths.len().min(PATHS_MAX)).filter(move |nth| of >> nth & 1 == 1);
    if each(of).any(|nth| paths[nth].len() <= depth) {
        return false;
    }
    let alike = |nth: usize| {
        let same = each(of).filter(|other| paths[*other][depth] == paths[nth][depth]);
        same.fold(0u64, |alike, other| alike | 1 << other)
    };
    let is_first = |nth: &usize| alike(*nth).trailing_zeros() as usize == *nth;
    codec::put_object_head(out, each(of).filter(is_first).count());
    for nth in each(of).filter(is_first) {
        codec::put_name(out, &paths[nth][depth]);
        let alike = alike(nth);
        if alike.count_ones() == 1 && paths[nth].len() == depth + 1 {
            codec::put_value(out, values[nth]);
        } else if !put_object(out, paths, values, alike, depth + 1) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
