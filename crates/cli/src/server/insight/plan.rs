//! What an audience would change if it were made, or changed, as asked: over all stored profiles, who would enter and
//! who would leave, which audiences that name it would follow, and what each dataflow would export.
//!
//! The change is made on a copy of the documents and compiled as the engine compiles it, so that a request is refused
//! for what its creation would be refused for. Always: nothing is changed; memory is bounded by a page and the
//! samples; it ends within a page after nobody listens any more, and it steps back while records wait.

use super::sight;
use super::{Scope, refused};
use crate::server::compiler::PlanCompiler;
use activation::{FlowPlan, Subject, Verdict, decide};
use api::{ApiError, PlanRequest};
use audience::Audience;
use authoring::Catalogs;
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{AudienceNo, Caller, DocChange, Membership, PartitionNo, SandboxId, SmolStr, Status, Timestamp, Value};
use pql::{EventView, Schema};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Rows per page.
const PAGE_ROWS: usize = 512;
/// How long it steps back between two pages at most, while records wait.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Identities that are named of a sample.
const IDENTITIES_SHOWN: usize = 3;

/// A change that is planned.
pub(super) struct Change {
    sandbox: SandboxId,
    /// The sandbox as it would be.
    plan: Arc<SandboxPlan>,
    /// The audience.
    id: SmolStr,
    is_new: bool,
    /// It, then those that name it, in evaluation order.
    affected: Vec<Arc<Audience>>,
    /// What is legal but probably not meant.
    warnings: Vec<String>,
    /// The stored rule changed at this position: profiles last looked at before it are not evaluated yet.
    stored_n: u64,
}

impl Change {
    pub(super) fn new(
        scope: &Scope,
        catalogs: &Arc<Catalogs>,
        request: &PlanRequest,
        now: Timestamp,
    ) -> Result<Change, ApiError> {
        let docs = &scope.current.docs;
        let (profile, event) = registry::union_types(docs, scope.sandbox);
        let schema = Schema { profile, event };
        let text = &request.expression;
        pql::compile_segment(text, &schema).map_err(|faults| refused(400, faults.render(text)))?;
        let org = access::organisation(docs).ok_or_else(|| refused(409, "the server has no organisation yet"))?;
        let caller = Caller {
            org: &org.org_id,
            tenant: &org.tenant,
            sandbox: scope.sandbox,
            sandbox_name: &request.sandbox,
            client: "operator",
            now,
            fresh: &access::fresh,
        };
        let stored = request.audience.as_deref().map(|name| scope.audience(name)).transpose()?;
        if let Some(external) = stored.filter(|stored| scope.is_external(stored)) {
            let detail = format!(
                "the audience {:?} is external: its members are uploaded; plans are for audiences with a rule",
                external.name.as_str()
            );
            return Err(refused(400, detail));
        }
        let mut body = json!({ "expression": { "type": "PQL", "format": "pql/text", "value": text } });
        if let Some(policy) = &request.merge_policy {
            body["mergePolicyId"] = json!(policy);
        }
        let made = match stored {
            Some(stored) => segmentation::definitions::update(docs, &caller, &schema, &stored.id, &body),
            None => {
                body["name"] = json!(format!("planned {}", caller.uuid()));
                body["schema"] = json!({ "name": "_xdm.context.profile" });
                segmentation::definitions::create(docs, &caller, &schema, &body)
            }
        };
        let (changes, accepted) = made.map_err(|error| refused(error.status(), error.to_string()))?;
        let plan = planned(scope, catalogs, &changes, now);
        let affected = affected(&plan, &accepted.id);
        if affected.is_empty() {
            return Err(refused(409, "the audience would not be evaluated"));
        }
        Ok(Change {
            sandbox: scope.sandbox,
            plan,
            id: accepted.id,
            is_new: stored.is_none(),
            affected,
            warnings: accepted.warnings,
            stored_n: stored.map_or(0, |stored| stored.changed_n),
        })
    }
}

/// The sandbox as it would be after the changes.
fn planned(scope: &Scope, catalogs: &Arc<Catalogs>, changes: &[DocChange], now: Timestamp) -> Arc<SandboxPlan> {
    let mut docs = scope.current.docs.clone();
    let n = docs.n + 1;
    changes.iter().for_each(|change| docs.apply(n, now, change));
    Arc::new(PlanCompiler::new(catalogs.clone()).sandbox(&docs, scope.sandbox))
}

/// The audience of an id and those that depend on it, in evaluation order.
fn affected(plan: &SandboxPlan, id: &str) -> Vec<Arc<Audience>> {
    let mut affected: Vec<Arc<Audience>> = plan.audiences.by_id(id).cloned().into_iter().collect();
    for audience in plan.audiences.iter() {
        let names = |named: &SmolStr| affected.iter().any(|a| a.id == *named);
        if audience.query.reads().memberships.iter().any(names) {
            affected.push(audience.clone());
        }
    }
    affected
}

/// Reads all profiles and tells what was found. Nobody listening ends it.
pub(super) fn survey(engine: &Engine, change: &Change, samples: usize, now: Timestamp, told: &mpsc::Sender<Json>) {
    let answer = match read(engine, change, samples, now, told) {
        Ok(Some(found)) => json!({ "plan": found }),
        Ok(None) => return,
        Err(error) => json!({ "error": error.to_string() }),
    };
    // Who hung up wants no answer.
    drop(told.blocking_send(answer));
}

fn read(
    engine: &Engine,
    change: &Change,
    samples: usize,
    now: Timestamp,
    told: &mpsc::Sender<Json>,
) -> Result<Option<Json>, engine::Error> {
    let of = engine.census()?.stock.get(&change.sandbox).map_or(0, |stock| stock.profiles);
    let mut found = Found::new(change, samples, now);
    let mut shown = 0;
    for partition in 0..engine.partitions() {
        let mut after = None;
        loop {
            if told.is_closed() {
                return Ok(None);
            }
            if engine.is_stopping() {
                drop(told.blocking_send(json!({ "error": "the server is stopping" })));
                return Ok(None);
            }
            #[expect(clippy::disallowed_methods, reason = "steps back for as long as a page took")]
            let started = Instant::now();
            found.scanned_n = engine.scanned_n(change.sandbox, PartitionNo(partition))?;
            let (profiles, next) = engine.profile_page(change.sandbox, PartitionNo(partition), after, PAGE_ROWS)?;
            for stored in &profiles {
                found.look(engine, stored)?;
            }
            if found.read > shown {
                // A client that is slow to read misses a line of progress.
                drop(told.try_send(json!({ "progress": { "read": found.read, "of": of } })));
                shown = found.read;
            }
            if engine.backlog_entries() > 0 {
                std::thread::park_timeout(started.elapsed().min(PAUSE_MAX));
            }
            match next {
                Some(id) => after = Some(id),
                None => break,
            }
        }
    }
    Ok(Some(found.to_json()))
}

/// Memberships of one audience that would change.
#[derive(Default)]
struct Moves {
    enter: u64,
    leave: u64,
    entering: Vec<Json>,
    leaving: Vec<Json>,
}

/// What one dataflow would do.
#[derive(Default)]
struct Outflow {
    exports: u64,
    filtered: BTreeMap<&'static str, u64>,
}

struct Found<'c> {
    change: &'c Change,
    samples: usize,
    now: Timestamp,
    reads_events: bool,
    /// Dataflows that map what is affected.
    flows: Vec<(&'c Arc<FlowPlan>, Outflow)>,
    read: u64,
    members: u64,
    would_be: u64,
    not_evaluated: u64,
    /// The plan for which all profiles of the partition in hand were looked at.
    scanned_n: u64,
    moves: Vec<Moves>,
}

impl<'c> Found<'c> {
    fn new(change: &'c Change, samples: usize, now: Timestamp) -> Found<'c> {
        let maps = |flow: &FlowPlan| change.affected.iter().any(|a| flow.mapping(a.no).is_some());
        let flows = change.plan.flows.iter().filter(|flow| maps(flow));
        Found {
            change,
            samples,
            now,
            reads_events: change.affected.iter().any(|a| a.query.reads().events),
            flows: flows.map(|flow| (flow, Outflow::default())).collect(),
            read: 0,
            members: 0,
            would_be: 0,
            not_evaluated: 0,
            scanned_n: 0,
            moves: change.affected.iter().map(|_| Moves::default()).collect(),
        }
    }

    fn look(&mut self, engine: &Engine, stored: &StoredProfile) -> Result<(), engine::Error> {
        self.read += 1;
        self.not_evaluated += u64::from(stored.profile.plan_n.max(self.scanned_n) < self.change.stored_n);
        let events: Vec<EventView> = match self.reads_events && stored.profile.events > 0 {
            true => engine.event_views(self.change.sandbox, stored.id)?,
            false => Vec::new(),
        };
        let plan = &*self.change.plan;
        let mut views: Vec<Option<Value>> = vec![None; plan.merge_policies.len()];
        let mut flips: Vec<(AudienceNo, Status)> = Vec::new();
        for (place, audience) in self.change.affected.iter().enumerate() {
            let names =
                |id: &SmolStr| plan.audiences.by_id(id).is_some_and(|a| flips.iter().any(|(no, _)| *no == a.no));
            // Those that name it are only asked again where it changes.
            if place > 0 && !audience.query.reads().memberships.iter().any(names) {
                continue;
            }
            let Some(view) = views.get_mut(audience.policy) else { continue };
            let view = view.get_or_insert_with(|| sight::view(plan, &stored.profile, audience.policy));
            let is_member = |id: &str| plan.audiences.by_id(id).is_some_and(|a| is_member(stored, &flips, a.no));
            let holds = sight::holds(audience, view, &events, &is_member, self.now).0;
            let was = stored.profile.is_member(audience.no);
            if place == 0 {
                self.members += u64::from(was);
                self.would_be += u64::from(holds);
            }
            if was != holds {
                flips.push((audience.no, if holds { Status::Realized } else { Status::Exited }));
                self.moved(place, stored, holds);
            }
        }
        if !flips.is_empty() {
            self.export(stored, &flips, &mut views);
        }
        Ok(())
    }

    fn moved(&mut self, place: usize, stored: &StoredProfile, enters: bool) {
        let moves = &mut self.moves[place];
        let (count, samples) = match enters {
            true => (&mut moves.enter, &mut moves.entering),
            false => (&mut moves.leave, &mut moves.leaving),
        };
        *count += 1;
        if samples.len() < self.samples {
            let identities = sight::identities(&self.change.plan, &stored.profile, IDENTITIES_SHOWN);
            samples.push(json!({ "profile": stored.id.to_string(), "identities": identities }));
        }
    }

    /// Asks each dataflow as the engine would.
    fn export(&mut self, stored: &StoredProfile, flips: &[(AudienceNo, Status)], views: &mut [Option<Value>]) {
        let plan = &*self.change.plan;
        let concerned = |flow: &FlowPlan| flips.iter().any(|(no, _)| flow.mapping(*no).is_some());
        let mut after = None;
        for (flow, outflow) in self.flows.iter_mut().filter(|(flow, _)| concerned(flow)) {
            let profile = after.get_or_insert_with(|| {
                let mut profile = stored.profile.clone();
                for (no, status) in flips {
                    profile.set_membership(*no, Membership { status: *status, since: self.now });
                }
                profile
            });
            let policy = plan.policy_of(flow);
            let shares = |no: AudienceNo| plan.audiences.by_no(no).is_some_and(|a| a.policy == policy);
            let Some(view) = views.get_mut(policy) else { continue };
            let view = view.get_or_insert_with(|| sight::view(plan, profile, policy));
            // Nothing but the memberships changes: no attribute, no mapping.
            let change = activation::Change { flips, previous_n: u64::MAX, ..activation::Change::default() };
            let (sandbox, id, now) = (self.change.sandbox, stored.id, self.now);
            let subject = Subject { sandbox, id, profile, attributes: view, shares_policy: &shares, now };
            match decide(flow, subject, &change) {
                Verdict::Nothing => {}
                Verdict::Filtered(reason) => *outflow.filtered.entry(reason.as_str()).or_default() += 1,
                Verdict::Export(_) => outflow.exports += 1,
            }
        }
    }

    fn to_json(&self) -> Json {
        let moves = |moves: &Moves| {
            json!({
                "enter": { "count": moves.enter, "samples": moves.entering },
                "leave": { "count": moves.leave, "samples": moves.leaving },
            })
        };
        let follow: Vec<Json> = self
            .change
            .affected
            .iter()
            .zip(&self.moves)
            .skip(1)
            .map(|(audience, moved)| {
                let mut shown = moves(moved);
                shown["id"] = json!(audience.id.as_str());
                shown["name"] = json!(audience.name.as_str());
                shown
            })
            .collect();
        let flows = self.flows.iter().map(|(flow, outflow)| {
            json!({
                "id": flow.id.as_str(), "name": flow.name.as_str(), "enabled": flow.enabled,
                "exports": outflow.exports, "filtered": outflow.filtered,
            })
        });
        let audience = &self.change.affected[0];
        let name = if self.change.is_new { Json::Null } else { json!(audience.name.as_str()) };
        let mut out = json!({
            "audience": {
                "id": if self.change.is_new { Json::Null } else { json!(self.change.id.as_str()) },
                "name": name, "expression": audience.query.text(),
                "mergePolicyId": self.change.plan.merge_policies.get(audience.policy).map(|p| p.id.as_str()),
            },
            "now": self.now.to_string(),
            "profiles": self.read,
            "members": self.members,
            "wouldBe": self.would_be,
        });
        for (name, value) in moves(&self.moves[0]).as_object().into_iter().flatten() {
            out[name] = value.clone();
        }
        out["follow"] = json!(follow);
        out["flows"] = json!(flows.collect::<Vec<_>>());
        out["notEvaluatedYet"] = json!(self.not_evaluated);
        out["warnings"] = json!(self.change.warnings);
        out
    }
}

/// Whether a profile is a member once the changes so far are made.
fn is_member(stored: &StoredProfile, flips: &[(AudienceNo, Status)], no: AudienceNo) -> bool {
    match flips.iter().find(|(flipped, _)| *flipped == no) {
        Some((_, status)) => *status == Status::Realized,
        None => stored.profile.is_member(no),
    }
}
