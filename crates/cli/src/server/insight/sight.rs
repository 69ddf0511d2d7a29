//! Audiences and profiles by the names that people give them; profiles as queries see them.

use super::{Scope, refused};
use api::ApiError;
use audience::Audience;
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{Collection, Identity, Timestamp, Value, Xid};
use pql::{EventView, World};
use profile::Profile;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Near names that an error suggests differ from the given one in so many letters at most.
const NEAR: usize = 3;

impl Scope {
    /// The audience of an id or a name.
    pub(super) fn audience(&self, name: &str) -> Result<&Arc<Audience>, ApiError> {
        let audiences = &self.plan.audiences;
        if let Some(found) = audiences.by_id(name).or_else(|| audiences.iter().find(|a| a.name == name)) {
            return Ok(found);
        }
        let kinds = [Collection::Audience, Collection::ExternalAudience];
        let mut docs = kinds.into_iter().flat_map(|kind| self.current.docs.iter(self.sandbox, kind));
        if let Some(doc) = docs.find(|doc| doc.id == name || doc.body["name"] == name) {
            let state = doc.body["lifecycleState"].as_str().unwrap_or("not published");
            return Err(refused(409, format!("the audience {name:?} is not evaluated: its state is {state}")));
        }
        let near = audiences.iter().map(|a| (distance(&a.name, name), a)).filter(|(far, _)| *far <= NEAR);
        let hint = match near.min_by_key(|(far, _)| *far) {
            Some((_, near)) => format!("; did you mean {:?}?", near.name.as_str()),
            None => String::new(),
        };
        Err(refused(404, format!("there is no audience {name:?}{hint}")))
    }
}

/// How many letters have to change, of so many that a request cannot make it long work.
fn distance(a: &str, b: &str) -> usize {
    let head = |text: &str| text.chars().take(100).collect::<String>();
    strsim::levenshtein(&head(a), &head(b))
}

/// The profile of an id, or of `NAMESPACE:VALUE`.
pub(super) fn subject(engine: &Engine, scope: &Scope, name: &str) -> Result<StoredProfile, ApiError> {
    let failed = |error: engine::Error| ApiError::unavailable(&error);
    if let Some((code, value)) = name.split_once(':') {
        let namespace = scope.plan.namespaces.id(code);
        let namespace = namespace.ok_or_else(|| refused(404, format!("there is no identity namespace {code:?}")))?;
        let identity = Identity { namespace, value: value.into() };
        let found = engine.profile_of(scope.sandbox, &identity).map_err(failed)?;
        return found.ok_or_else(|| refused(404, format!("no profile has {code} {value:?}")));
    }
    let Some(id) = Xid::parse(name) else {
        let rule = "a profile is named by NAMESPACE:VALUE, such as Email:ann@example.com, or by its id of 32 \
                    hexadecimal digits";
        return Err(refused(400, format!("{rule}, given {name:?}")));
    };
    let found = engine.profile_of_xid(scope.sandbox, id).map_err(failed)?;
    found.ok_or_else(|| refused(404, format!("there is no profile {name}")))
}

/// What queries see of a profile under the merge policy of an audience.
pub(super) fn view(plan: &SandboxPlan, profile: &Profile, policy: usize) -> Value {
    plan.merge_policies.get(policy).map_or(Value::Object(Vec::new()), |policy| plan.view(profile, policy))
}

/// Whether an audience's rule holds, and when time may turn that. `view` is that of the audience's merge policy.
pub(super) fn holds(
    audience: &Audience,
    view: &Value,
    events: &[EventView],
    is_member: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> (bool, Option<Timestamp>) {
    let truth = audience.query.eval_bool(&World { profile: view, events, is_member, now });
    (truth.holds && !(audience.exclude_opt_out && audience::is_opted_out(view)), truth.flips_at)
}

/// The identities of a profile, `{namespace, id}` each, at most so many.
pub(super) fn identities(plan: &SandboxPlan, profile: &Profile, most: usize) -> Vec<Json> {
    let one = |identity: &Identity| json!({ "namespace": plan.namespaces.code(identity.namespace).as_str(), "id": identity.value.as_str() });
    profile.identities.iter().take(most).map(|known| one(&known.identity)).collect()
}
