//! Segment definitions, which are the audiences of a sandbox (profile.md §9.1).
//!
//! Documents keep the members that clients write, checked; `_internal` holds what the query told:
//! the audiences it names, whether it reads profiles only, whether a client chose the method, and since which position
//! it means what it means.
//!
//! Always: a stored query compiled against the union schema of its day, its merge policy exists, names
//! are unique, and references form no cycle.

mod list;
pub(crate) mod read;
#[cfg(test)]
mod tests;

pub use list::list;

use crate::audiences::references;
use crate::error::{Error, Kind};
use crate::fields::{self, Fields};
use crate::query::Check;
use model::{Caller, Collection, Doc, DocChange, DocSet, SmolStr};
use read::Rest;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// An accepted definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id under which [`get`] shows it.
    pub id: SmolStr,
    /// What is legal but probably not meant.
    pub warnings: Vec<String>,
}

/// `GET /segment/definitions/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| shown_doc(docs, caller, doc))
}

/// `POST /segment/definitions/bulk-get`: `{"results":{ID: definition or error}}`.
pub fn bulk_get(docs: &DocSet, caller: &Caller<'_>, body: &Json, request_id: &str) -> Result<Json, Error> {
    fields::bulk_get(body, request_id, &|id| get(docs, caller, id))
}

/// `POST /segment/definitions`.
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    body: &Json,
) -> Result<(Vec<DocChange>, Accepted), Error> {
    create_checked(docs, caller, &|text| crate::query::check(text, schema), body)
}

/// `PATCH /segment/definitions/{id}`: the members given replace the stored ones; null removes one.
pub fn update(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    id: &str,
    body: &Json,
) -> Result<(Vec<DocChange>, Accepted), Error> {
    update_checked(docs, caller, &|text| crate::query::check(text, schema), id, body)
}

fn create_checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    body: &Json,
) -> Result<(Vec<DocChange>, Accepted), Error> {
    let fields = Fields::of_body(body)?;
    for own in ["id", "creationTime", "updateTime", "updateEpoch"] {
        if fields.get(own).is_some() {
            return Err(Error::field(own, "is given by the service; leave it out"));
        }
    }
    let (document, warnings) = read::definition(docs, caller, check, None, &fields, Rest::published())?;
    let id = caller.uuid();
    let put = DocChange::put(caller.sandbox, Collection::Audience, id.clone(), document, caller.client);
    Ok((vec![put], Accepted { id, warnings }))
}

fn update_checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    id: &str,
    body: &Json,
) -> Result<(Vec<DocChange>, Accepted), Error> {
    let old = find(docs, caller, id)?;
    let fields = Fields::of_body(body)?;
    fields.must_be("id", id)?;
    let merged = merge(old, body);
    let fields = Fields::of_body(&merged)?;
    let (document, warnings) = read::definition(docs, caller, check, Some(old), &fields, Rest::of(old, body))?;
    let put = DocChange::put(caller.sandbox, Collection::Audience, id, document, caller.client);
    Ok((vec![put], Accepted { id: old.id.clone(), warnings }))
}

/// The stored members with those of `body` over them. A method that nobody chose follows the query.
fn merge(old: &Doc, body: &Json) -> Json {
    let mut merged = old.body.clone();
    let (Some(members), Some(given)) = (merged.as_object_mut(), body.as_object()) else { return merged };
    for own in ["_internal", "labels", "lifecycleState"] {
        members.shift_remove(own);
    }
    if !read::is_method_chosen(old) {
        members.shift_remove("evaluationInfo");
    }
    for (name, value) in given {
        members.insert(name.clone(), value.clone());
    }
    merged
}

/// `DELETE /segment/definitions/{id}`. `used_by_flow` names a dataflow that activates the audience.
pub fn delete(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    used_by_flow: &dyn Fn(&str) -> Option<String>,
) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller, id)?;
    refuse_in_use(docs, caller, id, "be deleted", used_by_flow)?;
    let change = DocChange::delete(caller.sandbox, Collection::Audience, doc.id.clone(), caller.client);
    let answer = json!({ "status": true, "message": format!("The segment definition {id} was deleted.") });
    Ok((vec![change], answer))
}

/// Refuses what cannot be done to an audience that another one or a dataflow needs.
pub(crate) fn refuse_in_use(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    what: &str,
    used_by_flow: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let in_use = |by: String| Err(Error::new(Kind::InUse, format!("The audience {id} cannot {what}: {by}.")));
    let mut all = docs.iter(caller.sandbox, Collection::Audience);
    if let Some(outer) = all.find(|other| other.id != id && references(other).any(|inner| inner == id)) {
        return in_use(format!("the audience {} uses it", outer.id));
    }
    match used_by_flow(id) {
        Some(flow) => in_use(format!("the dataflow {flow} activates it")),
        None => Ok(()),
    }
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    docs.get(caller.sandbox, Collection::Audience, id).ok_or_else(|| Error::not_found("segment definition", id))
}

fn shown_doc(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    let mut out = json!({ "id": doc.id.as_str() });
    let copy = |out: &mut Json, members: &[&str]| {
        for member in members {
            if let Some(value) = doc.body.get(*member) {
                out[*member] = value.clone();
            }
        }
    };
    copy(&mut out, &["schema", "profileInstanceId"]);
    out["imsOrgId"] = caller.org.into();
    out["sandbox"] = crate::sandbox::shown(docs, caller);
    copy(
        &mut out,
        &[
            "name",
            "description",
            "expression",
            "mergePolicyId",
            "evaluationInfo",
            "payloadSchema",
            "dataGovernancePolicy",
            "ttlInDays",
        ],
    );
    out["creationTime"] = doc.created_at.0.into();
    out["updateEpoch"] = doc.updated_at.0.div_euclid(1000).into();
    out["updateTime"] = doc.updated_at.0.into();
    out
}
