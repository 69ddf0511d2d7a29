//! Checks the members of a definition and gives the document to store.

use crate::audiences::{references, since};
use crate::error::Error;
use crate::evaluation::{self, Obstacles};
use crate::expression::{Expression, Format, stored_text};
use crate::fields::{Fields, check_name};
use crate::lifecycle;
use crate::merge_policies::{IdentityGraph, MergePolicy, PROFILE_CLASS, merge_policies};
use crate::names;
use crate::query::{Check, Checked};
use model::{Caller, Collection, Doc, DocSet, SandboxId, SmolStr};
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// Everything that a client may send; the last five are the service's own and may come back.
const KNOWN: &[&str] = &[
    "name",
    "description",
    "schema",
    "expression",
    "mergePolicyId",
    "evaluationInfo",
    "profileInstanceId",
    "payloadSchema",
    "dataGovernancePolicy",
    "ttlInDays",
    "imsOrgId",
    "sandbox",
    "id",
    "creationTime",
    "updateTime",
    "updateEpoch",
];
/// How long exits are remembered; the only `ttlInDays` there is.
const EXIT_KEPT_DAYS: u64 = 30;

/// What an audience has beside its definition.
pub(crate) struct Rest {
    /// Its state.
    pub(crate) lifecycle: SmolStr,
    /// Its labels; `None` where none were ever given.
    pub(crate) labels: Option<Json>,
    /// True if an `evaluationInfo` that is given only repeats what the service chose, and chooses nothing.
    pub(crate) repeats_method: bool,
}

impl Rest {
    /// That of a new definition.
    pub(crate) fn published() -> Rest {
        Rest { lifecycle: lifecycle::PUBLISHED.into(), labels: None, repeats_method: false }
    }

    /// That of a stored audience under a body that changes it.
    pub(crate) fn of(doc: &Doc, given: &Json) -> Rest {
        Rest {
            lifecycle: lifecycle::state(doc).into(),
            labels: doc.body.get("labels").cloned(),
            repeats_method: repeats_method(doc, given),
        }
    }
}

/// The document of a definition, and warnings. `old` is what it replaces.
pub(crate) fn definition(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    old: Option<&Doc>,
    fields: &Fields<'_>,
    rest: Rest,
) -> Result<(Json, Vec<String>), Error> {
    fields.only(KNOWN)?;
    fields.must_be("imsOrgId", caller.org)?;
    fields.must_be("profileInstanceId", "ups")?;
    let name = fields.required_text("name")?;
    check_name("name", name)?;
    names::refuse_taken(docs, caller.sandbox, old.map(|old| old.id.as_str()), name)?;
    check_schema(fields)?;
    let expression = Expression::read(fields)?;
    let policy = policy(docs, caller.sandbox, fields)?;
    let checked = check(&expression.text).map_err(Error::invalid)?;
    let warnings = check_references(docs, caller.sandbox, old, &checked.references)?;
    let profile_only = !checked.reads_events && checked.references.is_empty();
    let method = evaluation::choose(fields, &obstacles(docs, caller.sandbox, &checked, &policy))?;
    let mut document = json!({ "schema": { "name": PROFILE_CLASS }, "profileInstanceId": "ups", "name": name });
    if let Some(description) = fields.text("description")? {
        document["description"] = description.into();
    }
    document["expression"] = expression.shown();
    document["mergePolicyId"] = policy.id.as_str().into();
    document["evaluationInfo"] = evaluation::info(method);
    if let Some(payload_schema) = fields.text("payloadSchema")? {
        document["payloadSchema"] = payload_schema.into();
    }
    document["dataGovernancePolicy"] = json!({ "excludeOptOut": exclude_opt_out(fields)? });
    if let Some(days) = ttl_in_days(fields)? {
        document["ttlInDays"] = days.into();
    }
    let ids: Vec<&str> = checked.references.iter().map(SmolStr::as_str).collect();
    if let Some(labels) = rest.labels {
        document["labels"] = labels;
    }
    document["lifecycleState"] = rest.lifecycle.as_str().into();
    document["_internal"] = json!({ "references": ids, "profileOnly": profile_only });
    if fields.get("evaluationInfo").is_some() && !rest.repeats_method {
        document["_internal"]["methodChosen"] = true.into();
    }
    if let Format::Json = expression.format {
        document["_internal"]["pql"] = expression.text.as_str().into();
    }
    if let Some(old) = old
        && lifecycle::state(old) == rest.lifecycle
        && means_the_same(&old.body, &document)
    {
        document["_internal"]["since"] = since(old).into();
    }
    Ok((document, warnings))
}

/// True if a client chose the method, so that it stays when the query changes (profile.md §10.1).
pub(crate) fn is_method_chosen(doc: &Doc) -> bool {
    doc.body["_internal"]["methodChosen"] == true
}

/// True if a body shows an audience as the service showed it, with the query and the method that the service chose
/// for it: what a client got and sends back is no choice.
pub(crate) fn repeats_method(old: &Doc, given: &Json) -> bool {
    !is_method_chosen(old) && ["expression", "evaluationInfo"].iter().all(|member| given[*member] == old.body[*member])
}

/// True if what decides membership is equal.
fn means_the_same(a: &Json, b: &Json) -> bool {
    stored_text(a) == stored_text(b)
        && ["mergePolicyId", "dataGovernancePolicy"].iter().all(|member| a[*member] == b[*member])
}

/// Refuses any class but that of profiles.
pub(crate) fn check_schema(fields: &Fields<'_>) -> Result<(), Error> {
    match fields.required_object("schema", "schema.", &["name"])?.required_text("name")? {
        PROFILE_CLASS => Ok(()),
        other => {
            let rule = format!("must be `{PROFILE_CLASS}`, is `{other}`; other classes are not supported yet");
            Err(Error::field("schema.name", rule))
        }
    }
}

/// The policy named, else the default one.
pub(crate) fn policy(docs: &DocSet, sandbox: SandboxId, fields: &Fields<'_>) -> Result<MergePolicy, Error> {
    const FIELD: &str = "mergePolicyId";
    let policies = merge_policies(docs, sandbox);
    let named = fields.text(FIELD)?;
    let mut policies = policies.into_iter();
    let policy = match named {
        Some(id) => policies
            .find(|policy| policy.id == id)
            .ok_or_else(|| Error::field(FIELD, format_args!("there is no merge policy `{id}`")))?,
        None => policies
            .find(|policy| policy.default)
            .ok_or_else(|| Error::field(FIELD, "is required: the sandbox has no default merge policy"))?,
    };
    if policy.graph == IdentityGraph::None {
        let rule = format!(
            "the merge policy `{}` has identityGraph.type none; audiences on such a policy are not supported yet",
            policy.id
        );
        return Err(Error::field(FIELD, rule));
    }
    Ok(policy)
}

/// Refuses cycles; warns of ids that nothing has.
fn check_references(
    docs: &DocSet,
    sandbox: SandboxId,
    own: Option<&Doc>,
    wanted: &[SmolStr],
) -> Result<Vec<String>, Error> {
    if let Some(own) = own
        && let Some(way) = way_to(docs, sandbox, wanted, &own.id)
    {
        let rule = format!("the audiences that it reads make a cycle: {} -> {}", own.id, way.join(" -> "));
        return Err(Error::field("expression.value", rule));
    }
    let is_known = |id: &str| {
        [Collection::Audience, Collection::ExternalAudience].iter().any(|kind| docs.get(sandbox, *kind, id).is_some())
    };
    let unknown = wanted.iter().filter(|id| !is_known(id));
    Ok(unknown.map(|id| format!("expression.value: there is no audience `{id}`; nobody is a member of it")).collect())
}

/// The references from one of `from` to the audience `to`, both included.
fn way_to<'a>(docs: &'a DocSet, sandbox: SandboxId, from: &'a [SmolStr], to: &str) -> Option<Vec<&'a str>> {
    let mut seen = HashSet::new();
    let mut open: Vec<Vec<&str>> = from.iter().map(|id| vec![id.as_str()]).collect();
    while let Some(way) = open.pop() {
        let at = *way.last()?;
        if at == to {
            return Some(way);
        }
        if let Some(doc) = docs.get(sandbox, Collection::Audience, at)
            && seen.insert(at)
        {
            open.extend(references(doc).map(|next| [&way[..], &[next]].concat()));
        }
    }
    None
}

/// What query, merge policy and the audiences named stand against together (profile.md §10.2).
fn obstacles(docs: &DocSet, sandbox: SandboxId, checked: &Checked, policy: &MergePolicy) -> Obstacles {
    if !policy.active_on_edge {
        return Obstacles::both("its merge policy is not active on edge");
    }
    let mut obstacles = checked.obstacles.clone();
    if !checked.references.is_empty() && !checked.reads_events {
        // The query alone cannot know what the audiences that it names read.
        let other = checked.references.iter().find(|id| !is_profile_only(docs, sandbox, id));
        obstacles.edge =
            other.map(|id| format!("the audience `{id}` in inSegment does not read profile attributes only"));
    }
    obstacles
}

/// An audience that does not exist reads nothing.
fn is_profile_only(docs: &DocSet, sandbox: SandboxId, id: &str) -> bool {
    let doc = docs.get(sandbox, Collection::Audience, id);
    doc.is_none_or(|doc| doc.body["_internal"]["profileOnly"].as_bool().unwrap_or_default())
}

fn exclude_opt_out(fields: &Fields<'_>) -> Result<bool, Error> {
    let policy = fields.object("dataGovernancePolicy", "dataGovernancePolicy.", &["excludeOptOut"])?;
    Ok(match policy {
        Some(policy) => policy.flag("excludeOptOut")?.unwrap_or(true),
        None => true,
    })
}

/// Older clients always send it.
fn ttl_in_days(fields: &Fields<'_>) -> Result<Option<u64>, Error> {
    match fields.get("ttlInDays") {
        None => Ok(None),
        Some(days) if days.as_u64() == Some(EXIT_KEPT_DAYS) => Ok(Some(EXIT_KEPT_DAYS)),
        Some(other) => {
            let rule =
                format!("must be {EXIT_KEPT_DAYS}, for so long exits are kept, is {}", crate::fields::shown(other));
            Err(Error::field("ttlInDays", rule))
        }
    }
}
