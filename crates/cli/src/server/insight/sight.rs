//! Audiences and profiles by the names that people give them; profiles as queries see them.

use super::{Scope, refused};
use api::ApiError;
use audience::Audience;
use engine::{Engine, SandboxPlan, StoredProfile};
use model::{Collection, Doc, DocSet, Identity, SandboxId, Timestamp, Value, Xid};
use pql::{EventView, World};
use profile::Profile;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Near names that an error suggests differ from the given one in so many letters at most.
const NEAR: usize = 3;
/// Where audiences are kept, and what an error calls one.
const KINDS: [(Collection, &str); 2] =
    [(Collection::Audience, "segment definition"), (Collection::ExternalAudience, "external audience")];

impl Scope {
    /// The audience of an id, or of a name that one audience has.
    pub(super) fn audience(&self, name: &str) -> Result<&Arc<Audience>, ApiError> {
        let audiences = &self.plan.audiences;
        let docs = &self.current.docs;
        let found = match KINDS.iter().find_map(|(kind, _)| docs.get(self.sandbox, *kind, name)) {
            Some(doc) => Some(doc),
            None => named(docs, self.sandbox, name)?,
        };
        if let Some(doc) = found {
            let state = doc.body["lifecycleState"].as_str().unwrap_or("not published");
            let not_evaluated = || format!("the audience {name:?} is not evaluated: its state is {state}");
            return audiences.by_id(&doc.id).ok_or_else(|| refused(409, not_evaluated()));
        }
        let near = audiences.iter().map(|a| (distance(&a.name, name), a)).filter(|(far, _)| *far <= NEAR);
        let hint = match near.min_by_key(|(far, _)| *far) {
            Some((_, near)) => format!("; did you mean {:?}?", near.name.as_str()),
            None => String::new(),
        };
        Err(refused(404, format!("there is no audience {name:?}{hint}")))
    }

    /// Whether the members of an audience are uploaded.
    pub(super) fn is_external(&self, audience: &Audience) -> bool {
        self.current.docs.get(self.sandbox, Collection::ExternalAudience, &audience.id).is_some()
    }
}

/// The audience of a name. Earlier versions let two kinds share one: then only ids tell them apart.
fn named<'d>(docs: &'d DocSet, sandbox: SandboxId, name: &str) -> Result<Option<&'d Arc<Doc>>, ApiError> {
    let of = |kind| docs.iter(sandbox, kind).filter(|doc| doc.body["name"] == name);
    let all: Vec<_> = KINDS.iter().flat_map(|(kind, noun)| of(*kind).map(move |doc| (noun, doc))).collect();
    if all.len() > 1 {
        let ids: Vec<String> = all.iter().map(|(noun, doc)| format!("the {noun} {}", doc.id)).collect();
        let detail = format!("{name:?} names {}; give the id of the one that is meant", ids.join(" and "));
        return Err(refused(409, detail));
    }
    Ok(all.first().map(|(_, doc)| *doc))
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::DocChange;

    #[test]
    fn a_name_that_two_audiences_have_wants_an_id() {
        let mut docs = DocSet::default();
        let sandbox = SandboxId(1);
        for (kind, id, name) in [
            (Collection::Audience, "d-1", "both"),
            (Collection::ExternalAudience, "e-1", "both"),
            (Collection::ExternalAudience, "e-2", "one"),
        ] {
            let put = DocChange::put(sandbox, kind, id, json!({ "name": name }), "me");
            docs.apply(docs.n + 1, Timestamp(0), &put);
        }
        let found = |name: &str| named(&docs, sandbox, name).map(|doc| doc.map(|doc| doc.id.to_string()));
        assert_eq!(found("one").expect("one"), Some("e-2".to_owned()));
        assert_eq!(found("none").expect("none"), None);
        let error = found("both").expect_err("two");
        let detail = "\"both\" names the segment definition d-1 and the external audience e-1; give the id of the one \
                      that is meant";
        assert_eq!((error.status, &error.body["detail"]), (409, &json!(detail)));
    }
}
