//! The Audiences API (profile.md §9.7): definitions with their life cycle, and audiences whose members are uploaded.
//!
//! One document serves both this API and `/segment/definitions`. In: documents, caller, body. Out: changes
//! and JSON.
//!
//! Always: only published audiences are evaluated; nothing that another audience or a dataflow needs stops
//! being evaluated or is deleted.

mod list;
mod patch;

pub use list::list;

use crate::audiences::references;
use crate::definitions::read::{Rest, definition, is_method_chosen, repeats_method};
use crate::definitions::refuse_in_use;
use crate::error::Error;
use crate::external;
use crate::fields::{self, Fields, shown};
use crate::lifecycle::{self, PUBLISHED};
use crate::query::Check;
use model::{Caller, Collection, Doc, DocChange, DocSet, SmolStr};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Names a dataflow that activates an audience.
pub type UsedByFlow<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Members that only this API has; the others are those of a definition.
const OWN: [&str; 14] = [
    "type",
    "labels",
    "lifecycleState",
    "audienceId",
    "namespace",
    "originName",
    "isSystem",
    "createdBy",
    "_etag",
    "dependents",
    "dependencies",
    "definedOn",
    "createEpoch",
    "overridePerformanceWarnings",
];
/// What can be written, in the order in which it is stored.
const WRITABLE: [&str; 10] = [
    "schema",
    "profileInstanceId",
    "name",
    "description",
    "expression",
    "mergePolicyId",
    "evaluationInfo",
    "payloadSchema",
    "dataGovernancePolicy",
    "ttlInDays",
];

/// `GET /audiences/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| shown_doc(docs, caller, doc))
}

/// `POST /audiences/bulk-get`: `{"results":{ID: audience or error}}`.
pub fn bulk_get(docs: &DocSet, caller: &Caller<'_>, body: &Json, request_id: &str) -> Result<Json, Error> {
    fields::bulk_get(body, request_id, &|id| get(docs, caller, id))
}

/// `POST /audiences`: the changes, and the id under which [`get`] shows the audience.
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    body: &Json,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    create_checked(docs, caller, &|text| crate::query::check(text, schema), body)
}

fn create_checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    body: &Json,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let fields = Fields::of_body(body)?;
    check_type(&fields, None)?;
    for own in ["id", "audienceId", "_etag", "creationTime", "createEpoch", "updateTime", "updateEpoch"] {
        if fields.get(own).is_some() {
            return Err(Error::field(own, "is given by the service; leave it out"));
        }
    }
    let lifecycle = fields.text("lifecycleState")?.unwrap_or(PUBLISHED);
    lifecycle::check_first(lifecycle)?;
    let rest = Rest { lifecycle: lifecycle.into(), labels: labels(&fields)?, repeats_method: false };
    check_own(&fields, caller.client, None)?;
    check_origin(&fields)?;
    let document = written(body);
    let (document, _) = definition(docs, caller, check, None, &Fields::of_body(&document)?, rest)?;
    let id = caller.uuid();
    Ok((vec![DocChange::put(caller.sandbox, Collection::Audience, id.clone(), document, caller.client)], id))
}

/// `PUT /audiences/{id}`: the whole audience anew; state and labels that are left out stay.
pub fn replace(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    id: &str,
    body: &Json,
    used_by_flow: &UsedByFlow<'_>,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let repeats = |old: &Doc| repeats_method(old, body);
    replace_checked(docs, caller, &|text| crate::query::check(text, schema), id, (body, &repeats), used_by_flow)
}

/// The whole audience, and whether its method only repeats that of the stored one.
fn replace_checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    id: &str,
    (body, repeats): (&Json, &dyn Fn(&Doc) -> bool),
    used_by_flow: &UsedByFlow<'_>,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let old = find(docs, caller, id)?;
    let fields = Fields::of_body(body)?;
    fields.must_be("id", id)?;
    let lifecycle = fields.text("lifecycleState")?.unwrap_or_else(|| lifecycle::state(old));
    lifecycle::check_step(lifecycle::state(old), lifecycle)?;
    if lifecycle::is_published(old) && lifecycle != PUBLISHED {
        refuse_in_use(docs, caller, id, &format!("become {lifecycle}"), used_by_flow)?;
    }
    let labels = labels(&fields)?.or_else(|| old.body.get("labels").cloned());
    let rest = Rest { lifecycle: lifecycle.into(), labels, repeats_method: repeats(old) };
    check_type(&fields, Some(old))?;
    check_own(&fields, &old.created_by, Some(old))?;
    let (kind, document) = match is_external(old) {
        true => (Collection::ExternalAudience, external::changed(docs, caller, old, &fields, rest)?),
        false => {
            check_origin(&fields)?;
            fields.must_be("audienceId", &old.id)?;
            let document = written(body);
            let (document, _) = definition(docs, caller, check, Some(old), &Fields::of_body(&document)?, rest)?;
            (Collection::Audience, document)
        }
    };
    let put = DocChange::put(caller.sandbox, kind, old.id.clone(), document, caller.client);
    Ok((vec![put], old.id.clone()))
}

/// `PATCH /audiences/{id}`: one operation, or an array of them. A method that nobody chose follows the query.
pub fn update(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    id: &str,
    body: &Json,
    used_by_flow: &UsedByFlow<'_>,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let check = |text: &str| crate::query::check(text, schema);
    update_checked(docs, caller, &check, id, body, used_by_flow)
}

fn update_checked(
    docs: &DocSet,
    caller: &Caller<'_>,
    check: &Check<'_>,
    id: &str,
    body: &Json,
    used_by_flow: &UsedByFlow<'_>,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let old = find(docs, caller, id)?;
    let mut document = old.body.clone();
    if let Some(members) = document.as_object_mut() {
        members.shift_remove("_internal");
    }
    patch::apply(&mut document, body)?;
    if !is_method_chosen(old)
        && !patch::is_about(body, "evaluationInfo")
        && let Some(members) = document.as_object_mut()
    {
        members.shift_remove("evaluationInfo");
    }
    replace_checked(docs, caller, check, id, (&document, &|_| false), used_by_flow)
}

/// `DELETE /audiences/{id}`.
pub fn delete(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    used_by_flow: &UsedByFlow<'_>,
) -> Result<(Vec<DocChange>, ()), Error> {
    let doc = find(docs, caller, id)?;
    refuse_in_use(docs, caller, &doc.id, "be deleted", used_by_flow)?;
    let gone = |kind, doc: &Doc| DocChange::delete(caller.sandbox, kind, doc.id.clone(), caller.client);
    Ok(match is_external(doc) {
        true => {
            let runs = external::ended_runs(docs, caller, &doc.id).map(|run| gone(Collection::ExternalRun, run));
            (std::iter::once(gone(Collection::ExternalAudience, doc)).chain(runs).collect(), ())
        }
        false => (vec![gone(Collection::Audience, doc)], ()),
    })
}

/// A definition, or an external audience.
fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    let of = |kind| docs.get(caller.sandbox, kind, id);
    of(Collection::Audience)
        .or_else(|| of(Collection::ExternalAudience))
        .ok_or_else(|| Error::not_found("audience", id))
}

fn is_external(doc: &Doc) -> bool {
    doc.body["type"] == external::TYPE
}

/// The members of a definition in a body of this API.
fn written(body: &Json) -> Json {
    let mut document = body.clone();
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, _| !OWN.contains(&name.as_str()));
    }
    document
}

/// What an audience is: its kind stays what it was made as.
fn check_type(fields: &Fields<'_>, old: Option<&Doc>) -> Result<(), Error> {
    let external = old.map(is_external);
    match (fields.text("type")?, external) {
        (None, _) | (Some("SegmentDefinition"), None | Some(false)) => Ok(()),
        (Some("ExternalSegment" | "ExternalAudience"), Some(true)) => Ok(()),
        (Some("ExternalSegment" | "ExternalAudience"), None) => {
            let rule = "external audiences are made by POST /data/core/ais/external-audience/submit";
            Err(Error::field("type", rule))
        }
        (Some(other), external) => {
            let kind = if external == Some(true) { external::TYPE } else { "SegmentDefinition" };
            Err(Error::field("type", format_args!("must be `{kind}`, is `{other}`")))
        }
    }
}

/// Members of the service's own, which may come back as they were shown.
fn check_own(fields: &Fields<'_>, created_by: &str, old: Option<&Doc>) -> Result<(), Error> {
    if let Some(old) = old {
        fields.must_be("_etag", &etag(old))?;
    }
    fields.must_be("createdBy", created_by)?;
    for (flag, why) in [
        ("isSystem", "system audiences are not made by clients"),
        ("overridePerformanceWarnings", "there are no performance warnings to override"),
    ] {
        if fields.flag(flag)? == Some(true) {
            return Err(Error::field(flag, why));
        }
    }
    Ok(())
}

/// Where a definition comes from.
fn check_origin(fields: &Fields<'_>) -> Result<(), Error> {
    fields.must_be("namespace", "AEPSegments")?;
    fields.must_be("originName", "REAL_TIME_CUSTOMER_PROFILE")
}

/// Labels of data usage, such as `core/C1`.
pub(crate) fn labels(fields: &Fields<'_>) -> Result<Option<Json>, Error> {
    const LABELS_MAX: usize = 100;
    let Some(labels) = fields.array("labels")? else { return Ok(None) };
    if labels.len() > LABELS_MAX {
        let rule = format!("must have at most {LABELS_MAX} labels, has {}", labels.len());
        return Err(Error::field("labels", rule));
    }
    for (i, label) in labels.iter().enumerate() {
        let is_label =
            |text: &str| text.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
        if !label.as_str().is_some_and(is_label) {
            let rule = format!("must be a label such as `core/C1`, is {}", shown(label));
            return Err(Error::field(format_args!("labels[{i}]"), rule));
        }
    }
    Ok(Some(Json::Array(labels.clone())))
}

fn etag(doc: &Doc) -> String {
    format!("\"{:x}-{}\"", doc.changed_n, doc.revision)
}

fn dependents(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Vec<String> {
    let all = docs.iter(caller.sandbox, Collection::Audience);
    let outer = all.filter(|doc| doc.id != id && references(doc).any(|inner| inner == id));
    outer.map(|doc| doc.id.to_string()).collect()
}

fn shown_doc(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    let mut out = json!({ "id": doc.id.as_str(), "audienceId": doc.id.as_str() });
    if is_external(doc) {
        external::show(doc, &mut out);
    } else {
        for member in WRITABLE {
            if let Some(value) = doc.body.get(member) {
                out[member] = value.clone();
            }
        }
        out["type"] = "SegmentDefinition".into();
        out["originName"] = "REAL_TIME_CUSTOMER_PROFILE".into();
        out["namespace"] = "AEPSegments".into();
        out["overridePerformanceWarnings"] = false.into();
        out["definedOn"] = json!([{
            "meta:resourceType": "unions",
            "meta:containerId": "tenant",
            "$ref": "https://ns.adobe.com/xdm/context/profile__union",
        }]);
    }
    out["imsOrgId"] = caller.org.into();
    out["sandbox"] = crate::sandbox::shown(docs, caller);
    out["isSystem"] = false.into();
    out["lifecycleState"] = lifecycle::state(doc).into();
    out["labels"] = doc.body.get("labels").cloned().unwrap_or_else(|| json!([]));
    out["dependents"] = dependents(docs, caller, &doc.id).into();
    out["dependencies"] = references(doc).map(str::to_owned).collect::<Vec<_>>().into();
    out["createdBy"] = doc.created_by.as_str().into();
    out["creationTime"] = doc.created_at.0.into();
    out["createEpoch"] = doc.created_at.0.div_euclid(1000).into();
    out["updateTime"] = doc.updated_at.0.into();
    out["updateEpoch"] = doc.updated_at.0.div_euclid(1000).into();
    out["_etag"] = etag(doc).into();
    out
}
