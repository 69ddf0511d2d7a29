//! Evaluates queries over stored profiles from nothing: what a batch run does.
//!
//! Always: an audience is evaluated after those that it names, and sees what this run found of them; `now` is
//! one instant for all of a run.

use audience::is_opted_out;
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{AudienceNo, DocSet, Identity, SandboxId, SmolStr, Timestamp, Type, Value};
use pql::{EventView, Query, Schema, World};
use profile::{MergePolicy, Profile};
use segmentation::AudienceSpec;
use std::cell::RefCell;
use std::sync::Arc;

/// One audience of a run.
pub(super) struct Rule {
    pub(super) id: SmolStr,
    pub(super) no: AudienceNo,
    /// Whether the run is about it, or only needs it for another.
    pub(super) asked: bool,
    query: Query,
    policy: usize,
    exclude_opt_out: bool,
}

/// The audiences of a run, in order.
pub(super) struct Evaluator {
    pub(super) rules: Vec<Rule>,
    pub(super) views: Views,
    reads_events: bool,
}

/// Merged views of profiles.
pub(super) struct Views {
    plan: Arc<SandboxPlan>,
    with_service_fields: bool,
}

impl Views {
    pub(super) fn new(plan: Arc<SandboxPlan>) -> Views {
        Views { plan, with_service_fields: true }
    }

    pub(super) fn policy(&self, id: &str) -> Option<&MergePolicy> {
        self.plan.merge_policies.iter().find(|policy| policy.id == id)
    }

    /// The attributes under a policy, with the parts that the service adds.
    pub(super) fn of(&self, profile: &Profile, policy: &MergePolicy) -> Value {
        let mut view = profile::attributes(profile, policy, None);
        if self.with_service_fields {
            let identities: Vec<&Identity> = profile.identities.iter().map(|known| &known.identity).collect();
            let code = |id| self.plan.namespaces.code(id);
            view.set(&["identityMap"], profile::identity_map(identities, &code));
            view.set(&["segmentMembership"], engine::membership_map(profile, &self.plan));
        }
        view
    }
}

/// True for queries that read what the service adds to a profile.
fn reads_service_fields(query: &Query) -> bool {
    let of_service =
        |path: &SmolStr| matches!(path.split('.').next().unwrap_or_default(), "" | "identityMap" | "segmentMembership");
    query.reads().profile_paths.iter().any(of_service)
}

impl Evaluator {
    /// Compiles the audiences; a fault is a sentence.
    pub(super) fn new(
        docs: &DocSet,
        sandbox: SandboxId,
        plan: Arc<SandboxPlan>,
        audiences: Vec<(AudienceSpec, bool)>,
    ) -> Result<Evaluator, String> {
        let (profile, event) = registry::union_types(docs, sandbox);
        let (typed, untyped) = (Schema { profile, event }, Schema { profile: Type::Any, event: Type::Any });
        let mut rules = Vec::with_capacity(audiences.len());
        for (spec, asked) in audiences {
            // An accepted query keeps running when a schema changed under it.
            let query = pql::compile_segment(&spec.pql, &typed).or_else(|_| pql::compile_segment(&spec.pql, &untyped));
            let query = query.map_err(|_| format!("the query of the audience {} no longer compiles", spec.id))?;
            let policy = plan.merge_policies.iter().position(|policy| policy.id == spec.merge_policy);
            let policy = policy.ok_or_else(|| format!("the audience {} has no merge policy", spec.id))?;
            rules.push(Rule { id: spec.id, no: spec.no, asked, query, policy, exclude_opt_out: spec.exclude_opt_out });
        }
        let reads_events = rules.iter().any(|rule| rule.query.reads().events);
        let with_service_fields = rules.iter().any(|rule| reads_service_fields(&rule.query));
        Ok(Evaluator { rules, views: Views { plan, with_service_fields }, reads_events })
    }

    /// Of which audiences a profile is a member, in the order of the rules.
    pub(super) fn evaluate(
        &self,
        engine: &Engine,
        sandbox: SandboxId,
        stored: &StoredProfile,
        now: Timestamp,
    ) -> Result<Vec<bool>, String> {
        let events = match self.reads_events {
            true => events(engine, sandbox, stored)?,
            false => Vec::new(),
        };
        let policies = &self.views.plan.merge_policies;
        let mut views: Vec<Option<Value>> = vec![None; policies.len()];
        let found: RefCell<Vec<bool>> = RefCell::new(Vec::with_capacity(self.rules.len()));
        let is_member = |id: &str| {
            let found = found.borrow();
            self.rules[..found.len()].iter().position(|rule| rule.id == id).is_some_and(|place| found[place])
        };
        for rule in &self.rules {
            let view = views[rule.policy].get_or_insert_with(|| self.views.of(&stored.profile, &policies[rule.policy]));
            let world = World { profile: view, events: &events, is_member: &is_member, now };
            let holds = rule.query.eval_bool(&world).0 && !(rule.exclude_opt_out && is_opted_out(view));
            found.borrow_mut().push(holds);
        }
        Ok(found.into_inner())
    }
}

/// Whether one query holds for a profile.
pub(super) fn holds(
    engine: &Engine,
    sandbox: SandboxId,
    query: &Query,
    (views, policy): (&Views, &MergePolicy),
    stored: &StoredProfile,
    now: Timestamp,
) -> Result<bool, String> {
    let events = match query.reads().events {
        true => events(engine, sandbox, stored)?,
        false => Vec::new(),
    };
    let view = views.of(&stored.profile, policy);
    let is_member = |id: &str| {
        let audience = views.plan.audiences.by_id(id);
        audience.is_some_and(|audience| stored.profile.is_member(audience.no))
    };
    let world = World { profile: &view, events: &events, is_member: &is_member, now };
    Ok(query.eval_bool(&world).0)
}

fn events(engine: &Engine, sandbox: SandboxId, stored: &StoredProfile) -> Result<Vec<EventView>, String> {
    let events = engine.events(sandbox, stored.id).map_err(|e| e.to_string())?;
    Ok(events.into_iter().map(|event| event.view).collect())
}
