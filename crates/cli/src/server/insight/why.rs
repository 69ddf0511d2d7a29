//! Why a profile is, or is not, a member of an audience: its rule taken apart, each clause with its answer, what it
//! read, since when it is so, and when time alone would turn it.
//!
//! Out: `{profile, identities, audience, now, member, since, holds, turns, rule}`. A node of `rule` has a `kind`:
//! `all`, `any`, `not`, `if` (condition, then, otherwise) with `parts`, and the leaves `clause`, `uploaded` (the rule of
//! an external audience) and `optOut`.
//! An instant that is asked for is `{"known":bool,"at":time or null}`: null for never.
//! Always: the past is what would have been answered if every event had arrived at its timestamp, attributes being as
//! they are now; work is bounded, and what is beyond it is not known rather than guessed.

use super::sight;
use super::{Scope, refused};
use api::ApiError;
use audience::Audience;
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{SmolStr, Status, Timestamp, Value};
use pql::anatomy::{Clause, Part, take_apart};
use pql::turns::{self, Effort, Turn};
use pql::{EventView, Query, Schema, Truth, World};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Events that are named for a clause, the newest ones.
const EVENTS_SHOWN: usize = 5;
/// When the past is taken to begin: 1900-01-01.
const BEGINNING: Timestamp = Timestamp(-2_208_988_800_000);
/// What a clause about an upload says.
const UPLOADED: &str = "an uploaded row whose time is not over";
/// Identities of the profile that are named.
const IDENTITIES_SHOWN: usize = 10;

/// A profile, as an explanation looks at it.
struct Sight<'a> {
    plan: &'a SandboxPlan,
    audience: &'a Audience,
    /// Its members are uploaded.
    is_external: bool,
    stored: &'a StoredProfile,
    /// The view under the audience's merge policy.
    view: Value,
    /// All events, ascending.
    events: Vec<EventView>,
    now: Timestamp,
    /// The audiences that the rule names, and those that theirs name, in evaluation order, with their views.
    named: Vec<(&'a Arc<Audience>, Value)>,
    past: Effort,
    future: Effort,
}

pub(super) fn explain(
    engine: &Engine,
    scope: &Scope,
    audience: &Audience,
    stored: &StoredProfile,
    now: Timestamp,
) -> Result<Json, ApiError> {
    let partition = stored.id.partition(scope.sandbox, engine.partitions());
    let scanned_n = engine.scanned_n(scope.sandbox, partition).map_err(|error| ApiError::unavailable(&error))?;
    if audience.changed_n > stored.profile.plan_n.max(scanned_n) {
        let detail = format!(
            "the audience {:?} has not been evaluated for this profile yet: it was made or changed, and stored profiles \
             are being evaluated; try again",
            audience.name.as_str()
        );
        return Err(refused(409, detail));
    }
    let plan = &*scope.plan;
    let (profile, event) = registry::union_types(&scope.current.docs, scope.sandbox);
    let text = audience.query.text();
    let rule = take_apart(text, &Schema { profile, event }).or_else(|_| take_apart(text, &Schema::untyped()));
    let rule =
        rule.map_err(|e| refused(409, format!("the audience's query no longer compiles: {}", e.render(text))))?;
    let sight = Sight {
        plan,
        audience,
        is_external: scope.is_external(audience),
        stored,
        view: sight::view(plan, &stored.profile, audience.policy),
        events: engine.event_views(scope.sandbox, stored.id).map_err(|error| ApiError::unavailable(&error))?,
        now,
        named: named(plan, audience).into_iter().map(|a| (a, sight::view(plan, &stored.profile, a.policy))).collect(),
        past: Effort::default(),
        future: Effort::default(),
    };
    Ok(sight.report(&rule))
}

/// The audiences that a rule depends on, in evaluation order.
fn named<'p>(plan: &'p SandboxPlan, audience: &Audience) -> Vec<&'p Arc<Audience>> {
    let mut wanted: HashSet<SmolStr> = HashSet::new();
    let mut open: Vec<SmolStr> = audience.query.reads().memberships.clone();
    while let Some(id) = open.pop() {
        if let Some(found) = plan.audiences.by_id(&id)
            && wanted.insert(id)
        {
            open.extend(found.query.reads().memberships.iter().cloned());
        }
    }
    plan.audiences.iter().filter(|a| wanted.contains(&a.id)).collect()
}

impl Sight<'_> {
    fn report(&self, rule: &Part) -> Json {
        let membership = self.stored.profile.membership(self.audience.no);
        let truth = |events: &[EventView], at| {
            let (is_member, moves) = self.memberships(events, at);
            let (holds, due) = sight::holds(self.audience, &self.view, events, &|id| is_member(id), at);
            (holds, [due, moves].into_iter().flatten().min())
        };
        let holds = truth(&self.events, self.now).0;
        let turns = turns::next(&truth, &self.events, self.now, &self.future);
        let mut tree = self.part(rule);
        if self.audience.exclude_opt_out {
            let opted_out = self.opt_out();
            let both = tree["holds"] == json!(true) && opted_out["holds"] == json!(true);
            let parts = match (tree["kind"].as_str(), tree["parts"].as_array()) {
                (Some("all"), Some(parts)) => parts.iter().cloned().chain([opted_out]).collect(),
                _ => vec![tree, opted_out],
            };
            tree = json!({ "kind": "all", "holds": both, "parts": parts });
        }
        json!({
            "profile": self.stored.id.to_string(),
            "identities": sight::identities(self.plan, &self.stored.profile, IDENTITIES_SHOWN),
            "audience": {
                "id": self.audience.id.as_str(), "name": self.audience.name.as_str(),
                "expression": (!self.is_external).then(|| self.audience.query.text()),
            },
            "now": self.now.to_string(),
            "member": membership.is_some_and(|m| m.status == Status::Realized),
            "status": membership.map(|m| m.status.as_str()),
            "since": membership.map(|m| m.since.to_string()),
            "holds": holds,
            "turns": turn(turns),
            "rule": tree,
        })
    }

    /// Memberships now, as stored; later, as the audiences that are named would be answered then.
    fn memberships(&self, events: &[EventView], at: Timestamp) -> (impl Fn(&str) -> bool, Option<Timestamp>) {
        let mut found: HashMap<SmolStr, bool> = HashMap::new();
        let mut moves: Option<Timestamp> = None;
        for (audience, view) in &self.named {
            let is_member = |id: &str| found.get(id).copied().unwrap_or(false);
            let (holds, due) = sight::holds(audience, view, events, &is_member, at);
            let holds = if at <= self.now { self.was_member(&audience.id, at) } else { holds };
            found.insert(audience.id.clone(), holds);
            moves = [moves, due].into_iter().flatten().min();
        }
        (move |id: &str| found.get(id).copied().unwrap_or(false), moves)
    }

    /// What the stored membership tells of an instant until now.
    fn was_member(&self, id: &str, at: Timestamp) -> bool {
        let audience = self.plan.audiences.by_id(id);
        let membership = audience.and_then(|audience| self.stored.profile.membership(audience.no));
        membership.is_some_and(|m| (m.status == Status::Realized) == (m.since <= at))
    }

    fn part(&self, part: &Part) -> Json {
        let node = |kind: &str, parts: Vec<Json>, holds: bool| json!({ "kind": kind, "holds": holds, "parts": parts });
        let is_true = |part: &Json| part["holds"] == json!(true);
        match part {
            Part::All(all) => {
                let parts: Vec<Json> = all.iter().map(|part| self.part(part)).collect();
                let holds = parts.iter().all(is_true);
                node("all", parts, holds)
            }
            Part::Any(any) => {
                let parts: Vec<Json> = any.iter().map(|part| self.part(part)).collect();
                let holds = parts.iter().any(is_true);
                node("any", parts, holds)
            }
            Part::Not(of) => {
                let inner = self.part(of);
                let holds = !is_true(&inner);
                node("not", vec![inner], holds)
            }
            Part::If(parts) => {
                let parts: Vec<Json> = parts.iter().map(|part| self.part(part)).collect();
                let holds = is_true(&parts[if is_true(&parts[0]) { 1 } else { 2 }]);
                node("if", parts, holds)
            }
            Part::Clause(clause) if self.is_external => self.uploaded(clause),
            Part::Clause(clause) => self.clause(clause),
        }
    }

    fn clause(&self, clause: &Clause) -> Json {
        let is_member = |id: &str| self.was_member(id, self.now);
        let world = World { profile: &self.view, events: &self.events, is_member: &is_member, now: self.now };
        let Truth { holds, exhausted, .. } = clause.query.eval_bool(&world);
        let reads = clause.query.reads();
        let values: Vec<Json> = clause
            .measures
            .iter()
            .map(|(text, query)| json!({ "expression": text, "value": pql::value_to_json(&query.eval(&world).value) }))
            .collect();
        json!({
            "kind": "clause",
            "expression": clause.text,
            "form": clause.form(),
            "holds": holds,
            "exhausted": exhausted,
            "values": values,
            "events": if reads.events { self.speaking(clause, holds, &world) } else { Json::Null },
            "attributes": reads.profile_paths.iter().map(|path| self.attribute(path)).collect::<Vec<_>>(),
            "memberships": reads.memberships.iter().map(|id| self.membership(id)).collect::<Vec<_>>(),
            "since": self.since(&clause.query),
            "turns": self.next(&clause.query),
        })
    }

    /// That a row of an upload is valid. The field that it is kept in is the service's own.
    fn uploaded(&self, clause: &Clause) -> Json {
        let mut told = self.clause(clause);
        (told["kind"], told["expression"], told["values"]) = (json!("uploaded"), json!(UPLOADED), json!([]));
        for attribute in told["attributes"].as_array_mut().into_iter().flatten() {
            attribute["path"] = json!("validUntil");
        }
        told
    }

    /// The events that a clause is about.
    fn speaking(&self, clause: &Clause, holds: bool, world: &World<'_>) -> Json {
        let about: Vec<&EventView> = self.events.iter().filter(|e| clause.is_about(e, holds, world)).collect();
        let one = |event: &&EventView| {
            json!({
                "_id": event.id.as_str(), "timestamp": event.timestamp.to_string(),
                "eventType": event.body.get("eventType").as_str(),
            })
        };
        json!({
            "count": about.len(),
            "newest": about.iter().rev().take(EVENTS_SHOWN).map(one).collect::<Vec<_>>(),
            "more": about.len().saturating_sub(EVENTS_SHOWN),
        })
    }

    fn attribute(&self, path: &str) -> Json {
        if path.is_empty() {
            return json!({ "path": "", "value": null, "written": null });
        }
        let fragments = self.stored.profile.fragments.iter().filter(|f| !f.body.at(path).is_null());
        let written = fragments.map(|f| f.written).max();
        json!({
            "path": path, "value": self.view.at(path).to_json(), "written": written.map(|at| at.to_string()),
        })
    }

    fn membership(&self, id: &str) -> Json {
        let audience = self.plan.audiences.by_id(id);
        let membership = audience.and_then(|audience| self.stored.profile.membership(audience.no));
        json!({
            "id": id, "name": audience.map(|a| a.name.as_str()),
            "member": membership.is_some_and(|m| m.status == Status::Realized),
            "since": membership.map(|m| m.since.to_string()),
        })
    }

    /// Since when a clause has its answer.
    fn since(&self, query: &Query) -> Json {
        let reads = query.reads();
        if !reads.events && !reads.time && reads.memberships.is_empty() && !reads.profile_paths.is_empty() {
            // Attributes keep no history.
            return turn(Turn::Unknown);
        }
        let mut marks = vec![self.stored.profile.created];
        if reads.events {
            let matters = |event: &&EventView| match &reads.event_types {
                Some(types) => event.body.get("eventType").as_str().is_some_and(|t| types.iter().any(|one| one == t)),
                None => true,
            };
            marks.extend(self.events.iter().filter(matters).map(|event| event.timestamp));
        }
        for id in &reads.memberships {
            let audience = self.plan.audiences.by_id(id);
            marks.extend(audience.and_then(|a| self.stored.profile.membership(a.no)).map(|m| m.since));
        }
        marks.sort();
        marks.dedup();
        let truth = |events: &[EventView], at| {
            let is_member = |id: &str| self.was_member(id, at);
            let truth = query.eval_bool(&World { profile: &self.view, events, is_member: &is_member, now: at });
            (truth.holds, truth.flips_at)
        };
        let last = turns::last(&truth, &self.events, &marks, self.now, &self.past);
        // Attributes may have come later than what they say, and the clock may have turned it before there was a profile.
        let is_open = || !reads.profile_paths.is_empty() || truth(&[], BEGINNING).1.is_some();
        turn(if last == Turn::Never && is_open() { Turn::Unknown } else { last })
    }

    /// When time alone would turn the answer of a clause.
    fn next(&self, query: &Query) -> Json {
        let truth = |events: &[EventView], at| {
            let world = |is_member: &dyn Fn(&str) -> bool| {
                let truth = query.eval_bool(&World { profile: &self.view, events, is_member, now: at });
                (truth.holds, truth.flips_at)
            };
            if query.reads().memberships.is_empty() {
                return world(&|_| false);
            }
            let (is_member, moves) = self.memberships(events, at);
            let (holds, due) = world(&is_member);
            (holds, [due, moves].into_iter().flatten().min())
        };
        turn(turns::next(&truth, &self.events, self.now, &self.future))
    }

    /// That nobody who opted out is a member: a clause of its own.
    fn opt_out(&self) -> Json {
        json!({
            "kind": "optOut",
            "expression": "no general opt-out",
            "holds": !audience::is_opted_out(&self.view),
            "attributes": [self.attribute(audience::OPT_OUT)],
            "since": turn(Turn::Unknown),
            "turns": turn(Turn::Never),
        })
    }
}

fn turn(turn: Turn) -> Json {
    match turn {
        Turn::At(at) => json!({ "known": true, "at": at.to_string() }),
        Turn::Never => json!({ "known": true, "at": null }),
        Turn::Unknown => json!({ "known": false, "at": null }),
    }
}
