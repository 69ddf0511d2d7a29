//! External audiences: their documents, and the loads that bring members in (profile.md §9.8).
//!
//! A load writes, for each row, a record of the profile that holds until when its membership is valid
//! ([`UPLOADED_FIELD`]). The audience is then an audience as any other, whose query compares that instant with now:
//! it is entered with the row and left when the time is over, without anything else happening.
//!
//! Always: one load of an audience at a time; columns are checked against the declared fields by name; who opted out
//! in general is no member, as in audiences that exclude those by default.

mod read;
mod runs;

pub(crate) use runs::ended_runs;
pub use runs::{Load, Progress, kept_uploads, load, run, run_of, runs, start_run, uploaded_run, write_progress};

use crate::audience_api::labels;
use crate::audiences::{AudienceSpec, since};
use crate::definitions::read::Rest;
use crate::error::{Error, Kind};
use crate::fields::{Fields, check_name};
use crate::lifecycle::{self, PUBLISHED};
use crate::names;
use model::membership::{UPLOADED_FIELD, UPLOADED_NAMESPACE};
use model::{AudienceNo, Caller, Collection, Doc, DocChange, DocSet, SmolStr};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What `type` says of these audiences.
pub(crate) const TYPE: &str = "ExternalSegment";
/// The namespace of their memberships.
pub(crate) const NAMESPACE: &str = UPLOADED_NAMESPACE;
const ORIGIN: &str = "CUSTOM_UPLOAD";
const TTL_DAYS_DEFAULT: u64 = 30;
const TTL_DAYS_MAX: u64 = 90;
const FIELDS_MAX: usize = 25;

/// The name of an audience within [`UPLOADED_FIELD`].
pub fn key(no: AudienceNo) -> String {
    format!("n{}", no.0)
}

/// How an external audience is evaluated.
pub(crate) fn spec(doc: &Doc, policy: &SmolStr) -> AudienceSpec {
    let no = AudienceNo(doc.no);
    AudienceSpec {
        no,
        id: doc.id.clone(),
        name: doc.body["name"].as_str().unwrap_or_default().into(),
        pql: format!("{UPLOADED_FIELD}.{}.validUntil occurs after now", key(no)).into(),
        changed_n: since(doc),
        merge_policy: policy.clone(),
        // Uploaded or not: a general opt-out keeps out of audiences by default (profile.md §10.4, §11.2).
        exclude_opt_out: true,
        created_ms: doc.created_at.0,
        updated_ms: doc.updated_at.0,
    }
}

/// `POST /external-audience/submit`: the changes, and the id of the operation that [`task`] shows.
pub fn submit(docs: &DocSet, caller: &Caller<'_>, body: &Json) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let fields = Fields::of_body(body)?;
    fields.only(&[
        "name",
        "description",
        "customAudienceId",
        "fields",
        "sourceSpec",
        "ttlInDays",
        "labels",
        "audienceType",
        "originName",
        "namespace",
    ])?;
    fields.must_be("audienceType", "people")?;
    fields.must_be("originName", ORIGIN)?;
    fields.must_be("namespace", NAMESPACE)?;
    let mut document = json!({ "type": TYPE });
    put_texts(docs, caller, None, &fields, &mut document)?;
    document["audienceId"] = match fields.text("customAudienceId")? {
        Some(given) => custom_id(docs, caller, given)?.into(),
        None => Json::Null,
    };
    document["namespace"] = NAMESPACE.into();
    document["originName"] = ORIGIN.into();
    document["audienceType"] = "people".into();
    document["fields"] = read::fields(docs, caller, &fields)?;
    if let Some(source) = read::source(&fields)? {
        document["sourceSpec"] = source;
    }
    document["ttlInDays"] = read::ttl_in_days(&fields)?.unwrap_or(TTL_DAYS_DEFAULT).into();
    if let Some(labels) = labels(&fields)? {
        document["labels"] = labels;
    }
    document["lifecycleState"] = PUBLISHED.into();
    let (id, operation) = (caller.uuid(), caller.uuid());
    if document["audienceId"].is_null() {
        document["audienceId"] = id.as_str().into();
    }
    let task = json!({ "audienceId": id.as_str(), "status": "SUCCESS", "operationDetails": body });
    let put = |kind, id: &SmolStr, body| DocChange::put(caller.sandbox, kind, id.clone(), body, caller.client);
    let changes =
        vec![put(Collection::ExternalAudience, &id, document), put(Collection::ExternalTask, &operation, task)];
    Ok((changes, operation))
}

/// `GET /external-audience/task/{id}`: what became of a submission.
pub fn task(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    let found = docs.get(caller.sandbox, Collection::ExternalTask, id);
    let doc = found.ok_or_else(|| Error::not_found("operation", id))?;
    Ok(json!({
        "operationId": doc.id.as_str(),
        "status": doc.body["status"],
        "operationDetails": doc.body["operationDetails"],
        "audienceName": doc.body["operationDetails"]["name"],
        "audienceId": doc.body["audienceId"],
        "createdBy": doc.created_by.as_str(),
        "createdAt": doc.created_at.0,
    }))
}

/// The document after a change through `/audiences`. Fields and source stay as they were made.
pub(crate) fn changed(
    docs: &DocSet,
    caller: &Caller<'_>,
    old: &Arc<Doc>,
    fields: &Fields<'_>,
    rest: Rest,
) -> Result<Json, Error> {
    fields.only(&[
        "id",
        "audienceId",
        "name",
        "description",
        "type",
        "namespace",
        "originName",
        "audienceType",
        "lifecycleState",
        "labels",
        "ttlInDays",
        "fields",
        "sourceSpec",
        // The service's own, which come back as they were shown.
        "imsOrgId",
        "sandbox",
        "isSystem",
        "dependents",
        "dependencies",
        "createdBy",
        "creationTime",
        "createEpoch",
        "updateTime",
        "updateEpoch",
        "_etag",
    ])?;
    fields.must_be("imsOrgId", caller.org)?;
    fields.must_be("audienceId", old.body["audienceId"].as_str().unwrap_or_default())?;
    fields.must_be("namespace", NAMESPACE)?;
    fields.must_be("originName", ORIGIN)?;
    fields.must_be("audienceType", "people")?;
    for kept in ["fields", "sourceSpec"] {
        if fields.get(kept).is_some_and(|given| *given != old.body[kept]) {
            return Err(Error::field(kept, "cannot be changed; submit another external audience"));
        }
    }
    let mut document = old.body.clone();
    if let Some(members) = document.as_object_mut() {
        members.shift_remove("description");
    }
    put_texts(docs, caller, Some(old), fields, &mut document)?;
    if let Some(days) = read::ttl_in_days(fields)? {
        document["ttlInDays"] = days.into();
    }
    if let Some(labels) = rest.labels {
        document["labels"] = labels;
    }
    document["lifecycleState"] = rest.lifecycle.as_str().into();
    if lifecycle::state(old) == rest.lifecycle {
        document["_internal"] = json!({ "since": since(old) });
    }
    Ok(document)
}

/// The members of an external audience that differ from those of a definition.
pub(crate) fn show(doc: &Doc, out: &mut Json) {
    for member in [
        "audienceId",
        "name",
        "description",
        "type",
        "namespace",
        "originName",
        "audienceType",
        "fields",
        "sourceSpec",
        "ttlInDays",
    ] {
        if let Some(value) = doc.body.get(member) {
            out[member] = value.clone();
        }
    }
}

/// Refuses an id that is none of an external audience.
pub fn check_known(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(), Error> {
    find(docs, caller, id).map(drop)
}

/// The audience of an id.
pub(crate) fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    let found = docs.get(caller.sandbox, Collection::ExternalAudience, id);
    found.ok_or_else(|| Error::not_found("external audience", id))
}

fn put_texts(
    docs: &DocSet,
    caller: &Caller<'_>,
    old: Option<&Arc<Doc>>,
    fields: &Fields<'_>,
    document: &mut Json,
) -> Result<(), Error> {
    let name = fields.required_text("name")?;
    check_name("name", name)?;
    names::refuse_taken(docs, caller.sandbox, old.map(|old| old.id.as_str()), name)?;
    document["name"] = name.into();
    if let Some(description) = fields.text("description")? {
        document["description"] = description.into();
    }
    Ok(())
}

fn custom_id(docs: &DocSet, caller: &Caller<'_>, given: &str) -> Result<String, Error> {
    check_name("customAudienceId", given)?;
    let mut others = docs.iter(caller.sandbox, Collection::ExternalAudience);
    match others.find(|doc| doc.body["audienceId"] == given) {
        Some(other) => {
            let message = format!("customAudienceId: the external audience {} has the id `{given}` already", other.id);
            Err(Error::new(Kind::Duplicate, message))
        }
        None => Ok(given.to_owned()),
    }
}
