//! Merge policies: which fragments make one profile, and whose value wins (profile.md §6.2).
//!
//! Documents keep the members of the API; `_internal.since` is the position at which what a policy
//! *does* last changed, where that is not the document's latest change.
//!
//! Always: a sandbox has exactly one default policy and at most one that is active on edge; setting
//! another one the default moves the flag in the same change. A policy that an audience uses stays.

mod list;
mod patch;
mod read;
#[cfg(test)]
mod tests;

pub use list::list;

use crate::error::{Error, Kind};
use crate::fields::{self, Fields};
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, SmolStr};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The one class whose profiles are merged.
pub(crate) const PROFILE_CLASS: &str = "_xdm.context.profile";
const POLICIES_MAX: usize = 5;

/// Which fragments make a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityGraph {
    /// Those of all linked identities.
    Pdg,
    /// Those of the one identity asked for.
    None,
}

/// Whose value of an attribute wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeMerge {
    /// The latest ingested.
    TimestampOrdered,
    /// That of the first data set in this order which has one; others are left out.
    DatasetPrecedence(Vec<SmolStr>),
}

/// A compiled merge policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePolicy {
    /// Its id.
    pub id: SmolStr,
    /// Position of its creation.
    pub no: u32,
    /// Which fragments.
    pub graph: IdentityGraph,
    /// Whose values.
    pub order: AttributeMerge,
    /// True for the one that is used where none is named.
    pub default: bool,
    /// True for the one of the edge.
    pub active_on_edge: bool,
    /// Position at which graph or order last changed.
    pub changed_n: u64,
}

/// All policies of a sandbox, in the order in which they were made.
pub fn merge_policies(docs: &DocSet, sandbox: SandboxId) -> Vec<MergePolicy> {
    let mut all: Vec<_> = docs.iter(sandbox, Collection::MergePolicy).map(|doc| MergePolicy::read(doc)).collect();
    all.sort_by_key(|policy| policy.no);
    all
}

impl MergePolicy {
    pub(crate) fn read(doc: &Doc) -> MergePolicy {
        let body = &doc.body;
        let merge = &body["attributeMerge"];
        let datasets = merge["order"].as_array().into_iter().flatten();
        MergePolicy {
            id: doc.id.clone(),
            no: doc.no,
            graph: match body["identityGraph"]["type"].as_str() {
                Some("none") => IdentityGraph::None,
                _ => IdentityGraph::Pdg,
            },
            order: match merge["type"].as_str() {
                Some("dataSetPrecedence") => {
                    AttributeMerge::DatasetPrecedence(datasets.filter_map(Json::as_str).map(SmolStr::new).collect())
                }
                _ => AttributeMerge::TimestampOrdered,
            },
            default: is(doc, "default"),
            active_on_edge: is(doc, "isActiveOnEdge"),
            changed_n: body["_internal"]["since"].as_u64().unwrap_or(doc.changed_n),
        }
    }
}

fn is(doc: &Doc, flag: &str) -> bool {
    doc.body[flag].as_bool().unwrap_or_default()
}

/// The policy that a sandbox starts with (design, §11.14).
pub fn bootstrap_changes(caller: &Caller<'_>) -> Vec<DocChange> {
    let body = json!({
        "name": "Default Timebased",
        "schema": { "name": PROFILE_CLASS },
        "version": 1,
        "identityGraph": { "type": "pdg" },
        "attributeMerge": { "type": "timestampOrdered" },
        "isActiveOnEdge": true,
        "default": true,
    });
    vec![DocChange::put(caller.sandbox, Collection::MergePolicy, caller.uuid(), body, caller.client)]
}

/// `GET /config/mergePolicies/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| shown_doc(docs, caller, doc))
}

/// `POST /config/mergePolicies/bulk-get`: `{"results":{ID: policy or error}}`.
pub fn bulk_get(docs: &DocSet, caller: &Caller<'_>, body: &Json, request_id: &str) -> Result<Json, Error> {
    fields::bulk_get(body, request_id, &|id| get(docs, caller, id))
}

/// `POST /config/mergePolicies`: the changes, and the id under which [`get`] shows the policy.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json) -> Result<(Vec<DocChange>, SmolStr), Error> {
    if docs.count(caller.sandbox, Collection::MergePolicy) >= POLICIES_MAX {
        let message = format!("merge policies: at most {POLICIES_MAX} are allowed in a sandbox");
        return Err(Error::new(Kind::Limit, message));
    }
    let fields = Fields::of_body(body)?;
    if fields.get("id").is_some() {
        return Err(Error::field("id", "is given by the service; leave it out"));
    }
    let mut document = read::document(docs, caller, &fields, false, false)?;
    document["version"] = 1.into();
    let id = caller.uuid();
    let changes = decide(docs, caller, &id, None, document)?;
    Ok((changes, id))
}

/// `PUT /config/mergePolicies/{id}`. Flags that are left out stay as they are.
pub fn replace(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let old = find(docs, caller, id)?;
    let fields = Fields::of_body(body)?;
    fields.must_be("id", id)?;
    let mut document = read::document(docs, caller, &fields, is(old, "default"), is(old, "isActiveOnEdge"))?;
    document["version"] = (old.body["version"].as_u64().unwrap_or(0) + 1).into();
    Ok((decide(docs, caller, id, Some(old), document)?, old.id.clone()))
}

/// `PATCH /config/mergePolicies/{id}`: one operation, or an array of them.
pub fn update(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let old = find(docs, caller, id)?;
    let mut document = old.body.clone();
    document["version"] = (old.body["version"].as_u64().unwrap_or(0) + 1).into();
    patch::apply(&mut document, body)?;
    let version = document["version"].clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("_internal");
    }
    let fields = Fields::of_body(&document)?;
    let mut document = read::document(docs, caller, &fields, false, false)?;
    document["version"] = version;
    Ok((decide(docs, caller, id, Some(old), document)?, old.id.clone()))
}

/// `DELETE /config/mergePolicies/{id}`.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(Vec<DocChange>, ()), Error> {
    let doc = find(docs, caller, id)?;
    let in_use = |why: &str| Err(Error::new(Kind::InUse, format!("The merge policy {id} cannot be deleted: {why}.")));
    if is(doc, "default") {
        return in_use("it is the default; make another one the default first");
    }
    if is(doc, "isActiveOnEdge") {
        return in_use("it is active on edge");
    }
    if let Some(audience) = audience_using(docs, caller.sandbox, id) {
        return in_use(&format!("the audience {audience} uses it"));
    }
    Ok((vec![DocChange::delete(caller.sandbox, Collection::MergePolicy, id, caller.client)], ()))
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    docs.get(caller.sandbox, Collection::MergePolicy, id).ok_or_else(|| Error::not_found("merge policy", id))
}

fn shown_doc(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    let body = &doc.body;
    let mut out = json!({ "id": doc.id.as_str() });
    if let Some(name) = body.get("name") {
        out["name"] = name.clone();
    }
    out["imsOrgId"] = caller.org.into();
    out["sandbox"] = crate::sandbox::shown(docs, caller);
    for member in ["schema", "version", "identityGraph", "attributeMerge", "isActiveOnEdge", "default"] {
        out[member] = body[member].clone();
    }
    out["updateEpoch"] = (doc.updated_at.0.div_euclid(1000)).into();
    out
}

/// Checks a document against its neighbours; gives its change and, before it, that of a moved flag.
fn decide(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    old: Option<&Arc<Doc>>,
    mut document: Json,
) -> Result<Vec<DocChange>, Error> {
    let others = || docs.iter(caller.sandbox, Collection::MergePolicy).filter(|doc| doc.id != id);
    let mut changes = Vec::new();
    if document["isActiveOnEdge"] == true
        && let Some(active) = others().find(|doc| is(doc, "isActiveOnEdge"))
    {
        let rule = format!("the merge policy {} is active on edge already; only one can be", active.id);
        return Err(Error::field("isActiveOnEdge", rule));
    }
    match others().find(|doc| is(doc, "default")) {
        Some(default) if document["default"] == true => {
            let mut body = default.body.clone();
            body["default"] = false.into();
            body["version"] = (body["version"].as_u64().unwrap_or(0) + 1).into();
            keep_since(&mut body, default);
            changes.push(DocChange::put(
                caller.sandbox,
                Collection::MergePolicy,
                default.id.clone(),
                body,
                caller.client,
            ));
        }
        None if document["default"] != true => {
            let rule = "a sandbox needs a default merge policy; make another one the default instead";
            return Err(Error::field("default", rule));
        }
        _ => {}
    }
    if let Some(old) = old {
        if document["identityGraph"] == old.body["identityGraph"]
            && document["attributeMerge"] == old.body["attributeMerge"]
        {
            keep_since(&mut document, old);
        }
        if document["identityGraph"]["type"] == "none"
            && let Some(audience) = audience_using(docs, caller.sandbox, id)
        {
            let rule =
                format!("cannot be none: the audience {audience} uses this policy, and audiences need pdg so far");
            return Err(Error::field("identityGraph.type", rule));
        }
    }
    changes.push(DocChange::put(caller.sandbox, Collection::MergePolicy, id, document, caller.client));
    Ok(changes)
}

/// Remembers that what the policy does has not changed since before this change.
fn keep_since(body: &mut Json, old: &Doc) {
    body["_internal"] = json!({ "since": MergePolicy::read(old).changed_n });
}

fn audience_using(docs: &DocSet, sandbox: SandboxId, policy: &str) -> Option<SmolStr> {
    docs.iter(sandbox, Collection::Audience).find(|doc| doc.body["mergePolicyId"] == policy).map(|doc| doc.id.clone())
}
