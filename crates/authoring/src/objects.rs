//! The five operations on authored objects.
//!
//! An object is stored in the form that its configuration gives it, secrets sealed. An accepted
//! change leaves everything that refers to the object sound: what would dangle or no longer fit is
//! refused, naming who refers.

use crate::error::{Error, Result};
use crate::kind::{Kind, Parsed};
use crate::secrets;
use crate::snapshot::Working;
use crate::{Outside, links, publish};
use destination::config::{CustomerDataField, DestinationConfig, Fault};
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, Timestamp};
use serde_json::{Map, Value as Json, json};

/// An accepted request: the changes to append, then the answer to give.
pub type Change = (Vec<DocChange>, Json);

/// `GET /authoring/<kind>`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, kind: Kind) -> Json {
    let items = docs.iter(caller.sandbox, kind.collection()).map(|doc| shown(docs, caller, kind, doc));
    json!({ "items": items.collect::<Vec<_>>() })
}

/// `GET /authoring/<kind>/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, kind: Kind, id: &str) -> Result<Json> {
    let item = shown(docs, caller, kind, find(docs, caller, kind, id)?);
    Ok(if kind.shown_in_list() { json!({ "items": [item] }) } else { item })
}

/// `POST /authoring/<kind>`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, kind: Kind, body: &Json, outside: &Outside<'_>) -> Result<Change> {
    let stored = accept(docs, caller, kind, body, None, outside)?;
    Ok(written(docs, caller, kind, &caller.uuid(), stored, caller.now))
}

/// `PUT /authoring/<kind>/{id}`: the whole object.
pub fn replace(
    docs: &DocSet,
    caller: &Caller<'_>,
    kind: Kind,
    id: &str,
    body: &Json,
    outside: &Outside<'_>,
) -> Result<Change> {
    let old = find(docs, caller, kind, id)?;
    if body.get("instanceId").is_some_and(|given| given != id) {
        return Err(Error::field("instanceId", format!("must be {id}, as in the path; given {}", body["instanceId"])));
    }
    let stored = accept(docs, caller, kind, body, Some(old), outside)?;
    Ok(written(docs, caller, kind, id, stored, old.created_at))
}

/// `DELETE /authoring/<kind>/{id}`.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, kind: Kind, id: &str) -> Result<Vec<DocChange>> {
    let doc = find(docs, caller, kind, id)?;
    if let Some(user) = links::user_of(docs, caller.sandbox, kind, id) {
        return Err(Error::refused(format!("{} {id} is in use by {user}", kind.collection().noun())));
    }
    let mut changes = vec![DocChange::delete(caller.sandbox, kind.collection(), doc.id.clone(), caller.client)];
    if kind == Kind::Destination {
        let requests = publish::requests(docs, caller.sandbox, id).map(|request| request.id.clone());
        let kind = Collection::PublishRequest;
        changes.extend(requests.map(|request| DocChange::delete(caller.sandbox, kind, request, caller.client)));
    }
    Ok(changes)
}

pub(crate) fn find<'d>(docs: &'d DocSet, caller: &Caller<'_>, kind: Kind, id: &str) -> Result<&'d Doc> {
    let doc = docs.get(caller.sandbox, kind.collection(), id);
    doc.map(AsRef::as_ref).ok_or_else(|| Error::not_found(kind.collection().noun(), id))
}

/// Checks a body, in itself and with what it refers to and what refers to it; gives its stored form.
fn accept(
    docs: &DocSet,
    caller: &Caller<'_>,
    kind: Kind,
    body: &Json,
    old: Option<&Doc>,
    outside: &Outside<'_>,
) -> Result<Json> {
    let parsed = kind.parse(body)?;
    let working = Working { docs, sandbox: caller.sandbox };
    match &parsed {
        Parsed::Destination(config) => check_destination(docs, caller.sandbox, config, old, &working)?,
        // Nobody refers to what is new.
        _ => old.map_or(Ok(()), |old| links::check_users(&working, kind, &old.id, &parsed))?,
    }
    let mut stored = parsed.json().clone();
    if kind == Kind::Destination && stored.get("status").is_none() {
        stored["status"] = json!("TEST");
    }
    secrets::seal(kind, &mut stored, old.map(|doc| &doc.body), outside.seal)?;
    Ok(stored)
}

fn check_destination(
    docs: &DocSet,
    sandbox: SandboxId,
    config: &DestinationConfig,
    old: Option<&Doc>,
    working: &Working<'_>,
) -> Result<()> {
    let mut faults = links::check(config, working);
    faults.extend(reserved_names(config));
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let id = old.map_or("", |doc| doc.id.as_str());
    if let Some(old) = old
        && links::exports_files(&old.body, working) != links::exports_files(&config.json, working)
        && let Some(user) = links::private_user(docs, sandbox, id)
    {
        let rule = "messages cannot become files, nor files messages, while the destination is in use by";
        return Err(Error::field("destinationDelivery[0].destinationServerId", format!("{rule} {user}")));
    }
    match config.json["status"].as_str() {
        Some("PUBLISHED") if publish::published(docs, sandbox, id).is_none() => {
            let rule = "PUBLISHED is set when a publish request is approved (POST /authoring/destinations/publish)";
            Err(Error::field("status", format!("{rule}; use TEST")))
        }
        Some("DELETED") => match links::private_user(docs, sandbox, id) {
            Some(user) => {
                Err(Error::field("status", format!("must not be DELETED: the destination is in use by {user}")))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Parameters of a target connection that are not the author's to name.
fn reserved_names(config: &DestinationConfig) -> Vec<Fault> {
    let ours = flows::delivery_properties();
    let fields = config.customer_data_fields.iter().enumerate();
    let taken = fields.filter(|(_, field)| ours.get(field.name.as_str()).is_some());
    let fault = |(i, field): (usize, &CustomerDataField)| {
        Fault::new(format!("customerDataFields[{i}].name"), format!("{} is a setting of every connection", field.name))
    };
    taken.map(fault).collect()
}

fn written(docs: &DocSet, caller: &Caller<'_>, kind: Kind, id: &str, stored: Json, created_at: Timestamp) -> Change {
    let answer = with_audit(docs, caller, kind, id, &stored, (created_at, caller.now));
    (vec![DocChange::put(caller.sandbox, kind.collection(), id, stored, caller.client)], answer)
}

fn shown(docs: &DocSet, caller: &Caller<'_>, kind: Kind, doc: &Doc) -> Json {
    with_audit(docs, caller, kind, &doc.id, &doc.body, (doc.created_at, doc.updated_at))
}

/// The stored object as it is shown.
fn with_audit(
    docs: &DocSet,
    caller: &Caller<'_>,
    kind: Kind,
    id: &str,
    stored: &Json,
    (created, modified): (Timestamp, Timestamp),
) -> Json {
    let mut out = Map::new();
    out.insert("instanceId".into(), json!(id));
    out.insert("createdDate".into(), json!(microseconds(created)));
    out.insert("lastModifiedDate".into(), json!(microseconds(modified)));
    if kind == Kind::Destination {
        out.insert("imsOrg".into(), json!(caller.org));
        out.insert("sandboxName".into(), json!(caller.sandbox_name));
        out.insert("sandboxId".into(), sandbox_id(docs, caller));
    }
    let mut visible = stored.clone();
    secrets::redact(kind, &mut visible);
    if let Json::Object(fields) = visible {
        out.extend(fields);
    }
    if kind == Kind::Destination {
        out.insert("destConfigId".into(), json!(publish::working_config_id(id).as_str()));
    }
    Json::Object(out)
}

/// RFC 3339 with microseconds.
pub(crate) fn microseconds(time: Timestamp) -> String {
    let text = time.to_seconds_text();
    format!("{}.{:03}000Z", text.trim_end_matches('Z'), time.0.rem_euclid(1000))
}

/// The UUID of the sandbox; where its document has none, its number.
pub(crate) fn sandbox_id(docs: &DocSet, caller: &Caller<'_>) -> Json {
    let sandbox = docs.get(SandboxId(0), Collection::Sandbox, caller.sandbox_name);
    match sandbox.map(|doc| &doc.body["id"]) {
        Some(Json::String(id)) => json!(id),
        _ => json!(caller.sandbox.to_string()),
    }
}
