//! Evaluates the audiences of a profile and moves its memberships (profile.md §10.4).
//!
//! An audience is evaluated when it reads something that changed, when time can move it, or when
//! its rule is newer than the profile's last look. All others keep what they are.

use crate::{Audience, Audiences, EXITED_KEPT_MS};
use model::{AudienceNo, Membership, Status, Timestamp, Value};
use pql::{EventView, World};
use profile::Profile;

/// What changed on the profile since it was last evaluated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changed {
    /// An event came or went.
    pub events: bool,
    /// An attribute was written, or an identity came or went.
    pub attributes: bool,
    /// Everything must be looked at: a merge, a deletion.
    pub all: bool,
}

/// One membership that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// The audience.
    pub audience: AudienceNo,
    /// The new status.
    pub status: Status,
}

/// What an evaluation found.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Memberships that changed, in evaluation order.
    pub flips: Vec<Flip>,
    /// The first instant at which time alone may change one.
    pub due: Option<Timestamp>,
}

/// Evaluates and writes the profile's memberships. `attributes[i]` is the merged view under merge
/// policy `i`; `previous_n` is the plan that looked at the profile last.
pub fn evaluate(
    audiences: &Audiences,
    profile: &mut Profile,
    attributes: &[Value],
    events: &[EventView],
    changed: Changed,
    previous_n: u64,
    now: Timestamp,
) -> Evaluation {
    let mut found = Evaluation::default();
    profile.memberships.retain(|(no, m)| {
        let gone = m.status == Status::Exited && m.since.0 + EXITED_KEPT_MS <= now.0;
        !gone && audiences.by_no(*no).is_some()
    });
    let mut moved: Vec<AudienceNo> = Vec::new();
    for audience in audiences.iter() {
        if !is_concerned(audience, changed, previous_n, audiences, &moved) {
            continue;
        }
        let Some(attributes) = attributes.get(audience.policy) else { continue };
        let is_member = |id: &str| audiences.by_id(id).is_some_and(|a| profile.is_member(a.no));
        let world = World { profile: attributes, events, is_member: &is_member, now };
        let (holds, due) = audience.query.eval_bool(&world);
        let holds = holds && !(audience.exclude_opt_out && is_opted_out(attributes));
        earliest(&mut found.due, due);
        if let Some(status) = transition(profile.membership(audience.no), holds) {
            profile.set_membership(audience.no, Membership { status, since: now });
            found.flips.push(Flip { audience: audience.no, status });
            moved.push(audience.no);
        }
    }
    for (_, membership) in &profile.memberships {
        if membership.status == Status::Exited {
            earliest(&mut found.due, Some(Timestamp(membership.since.0 + EXITED_KEPT_MS)));
        }
    }
    found
}

fn is_concerned(audience: &Audience, changed: Changed, previous_n: u64, all: &Audiences, moved: &[AudienceNo]) -> bool {
    let reads = audience.query.reads();
    changed.all
        || audience.changed_n > previous_n
        || reads.time
        || (changed.events && reads.events)
        || (changed.attributes && (audience.exclude_opt_out || !reads.profile_paths.is_empty()))
        || reads.memberships.iter().any(|id| all.by_id(id).is_some_and(|a| moved.contains(&a.no)))
}

/// A general opt-out in the legacy consent field group (profile.md §4.3).
fn is_opted_out(attributes: &Value) -> bool {
    let Some(entries) = attributes.at("optOutConsentLevel.privacyOptOuts").as_array() else { return false };
    entries.iter().any(|e| {
        e.get("optOutType").as_str() == Some("general_opt_out") && e.get("optOutValue").as_str() == Some("out")
    })
}

fn transition(prior: Option<Membership>, holds: bool) -> Option<Status> {
    match (prior.map(|m| m.status), holds) {
        (None | Some(Status::Exited), true) => Some(Status::Realized),
        (Some(Status::Realized), false) => Some(Status::Exited),
        _ => None,
    }
}

fn earliest(due: &mut Option<Timestamp>, other: Option<Timestamp>) {
    if let Some(other) = other {
        *due = Some(due.map_or(other, |d| d.min(other)));
    }
}
