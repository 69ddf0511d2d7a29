//! Evaluates queries over stored profiles from nothing: what a batch run does.
//!
//! Always: an audience is evaluated after those that it names, and sees what this run found of them; `now` is
//! one instant for all of a run.

use audience::{Audience, is_opted_out};
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{SandboxId, Timestamp, Value};
use pql::{Query, World};
use profile::{MergePolicy, Profile};
use segmentation::AudienceSpec;
use std::cell::RefCell;
use std::sync::Arc;

/// One audience of a run.
pub(super) struct Rule {
    pub(super) audience: Arc<Audience>,
    /// Whether the run is about it, or only needs it for another.
    pub(super) asked: bool,
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
        match self.with_service_fields {
            true => self.plan.view(profile, policy),
            false => profile::attributes(profile, policy, None),
        }
    }
}

impl Evaluator {
    /// The audiences as the plan has them; a fault is a sentence.
    pub(super) fn new(plan: Arc<SandboxPlan>, audiences: Vec<(AudienceSpec, bool)>) -> Result<Evaluator, String> {
        let mut rules = Vec::with_capacity(audiences.len());
        for (spec, asked) in audiences {
            let audience = plan.audiences.by_id(&spec.id).cloned();
            let audience =
                audience.ok_or_else(|| format!("the query of the audience {} no longer compiles", spec.id))?;
            rules.push(Rule { audience, asked });
        }
        let reads_events = rules.iter().any(|rule| rule.audience.query.reads().events);
        let with_service_fields = rules.iter().any(|rule| rule.audience.query.reads().service_fields());
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
            true => engine.event_views(sandbox, stored.id).map_err(|e| e.to_string())?,
            false => Vec::new(),
        };
        let policies = &self.views.plan.merge_policies;
        let mut views: Vec<Option<Value>> = vec![None; policies.len()];
        let found: RefCell<Vec<bool>> = RefCell::new(Vec::with_capacity(self.rules.len()));
        let is_member = |id: &str| {
            let found = found.borrow();
            self.rules[..found.len()].iter().position(|rule| rule.audience.id == id).is_some_and(|place| found[place])
        };
        for Rule { audience, .. } in &self.rules {
            let policy = audience.policy;
            let view = views[policy].get_or_insert_with(|| self.views.of(&stored.profile, &policies[policy]));
            let world = World { profile: view, events: &events, is_member: &is_member, now };
            let holds = audience.query.eval_bool(&world).holds && !(audience.exclude_opt_out && is_opted_out(view));
            found.borrow_mut().push(holds);
        }
        Ok(found.into_inner())
    }
}

/// Whether a profile would be a member of an audience with one query, made as audiences are by default: who opted out
/// in general is none.
pub(super) fn holds(
    engine: &Engine,
    sandbox: SandboxId,
    query: &Query,
    (views, policy): (&Views, &MergePolicy),
    stored: &StoredProfile,
    now: Timestamp,
) -> Result<bool, String> {
    let events = match query.reads().events {
        true => engine.event_views(sandbox, stored.id).map_err(|e| e.to_string())?,
        false => Vec::new(),
    };
    let view = views.of(&stored.profile, policy);
    let is_member = |id: &str| {
        let audience = views.plan.audiences.by_id(id);
        audience.is_some_and(|audience| stored.profile.is_member(audience.no))
    };
    let world = World { profile: &view, events: &events, is_member: &is_member, now };
    Ok(query.eval_bool(&world).holds && !is_opted_out(&view))
}
