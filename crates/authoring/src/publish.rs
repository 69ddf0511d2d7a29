//! Publishing: a request carries a snapshot of the destination; the operator approves or denies it.
//!
//! REVIEW → PUBLISHED, whereby the one published before becomes DEPRECATED; or REVIEW → DENIED.
//! Always: what customers see is the snapshot of the one PUBLISHED request, whatever the author
//! changes afterwards.

use crate::error::{Error, Result};
use crate::kind::{Kind, Parsed};
use crate::objects::{Change, find, microseconds};
use crate::snapshot::{self, Kept, Working};
use crate::{ids, links};
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

const KIND: Collection = Collection::PublishRequest;

/// `POST /authoring/destinations/publish`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json) -> Result<Change> {
    let id = read_request(body)?;
    let destination = find(docs, caller, Kind::Destination, id)?;
    let name = destination.body["name"].as_str().unwrap_or_default();
    if let Some(open) = requests(docs, caller.sandbox, id).find(|request| request.body["status"] == "REVIEW") {
        return Err(Error::refused(format!("publish request {} of {name} is under review already", open.id)));
    }
    if destination.body["status"] == "DELETED" {
        return Err(Error::refused(format!("destination {name} has status DELETED; set TEST to publish it")));
    }
    let link = &destination.body["uiAttributes"]["documentationLink"];
    if link.as_str().is_none_or(|link| link.trim().is_empty()) {
        let rule = "is missing: a public destination links its documentation";
        return Err(Error::field("uiAttributes.documentationLink", rule));
    }
    let kept = snapshot::take(&destination.body, &Working { docs, sandbox: caller.sandbox });
    let Parsed::Destination(config) = Kind::Destination.parse(&kept["destination"])? else {
        return Err(Error::refused("not a destination"));
    };
    let faults = links::check(&config, &Kept(&kept));
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let request = json!({ "destinationId": id, "name": name, "status": "REVIEW", "_snapshot": kept });
    let request_id = caller.uuid();
    let mut list = details(docs, caller, destination);
    list.push(detail(&request_id, &request));
    let answer = json!({ "destinationId": id, "publishDetailsList": list });
    Ok((vec![DocChange::put(caller.sandbox, KIND, request_id, request, caller.client)], answer))
}

fn read_request(body: &Json) -> Result<&str> {
    let fields = body.as_object().ok_or_else(|| Error::refused("the body must be an object"))?;
    let known = ["destinationId", "destinationAccess", "allowedOrgs"];
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::field(name, format!("is not known here; known: {}", known.join(", "))));
    }
    match &body["destinationAccess"] {
        Json::Null => {}
        Json::String(access) if access == "ALL" => {}
        Json::String(access) if access == "LIMITED" => {
            let rule = "LIMITED is not served: a destination is private (unpublished) or for all";
            return Err(Error::field("destinationAccess", rule));
        }
        given => return Err(Error::field("destinationAccess", format!("must be ALL; given {given}"))),
    }
    if !body["allowedOrgs"].is_null() && body["allowedOrgs"] != json!(["*"]) {
        return Err(Error::field("allowedOrgs", format!("must be [\"*\"]; given {}", body["allowedOrgs"])));
    }
    let id = body["destinationId"].as_str().filter(|id| !id.is_empty());
    id.ok_or_else(|| Error::field("destinationId", "is missing: the id of a destination configuration"))
}

/// `GET /authoring/destinations/publish`: the destinations that a request was made for.
pub fn list(docs: &DocSet, caller: &Caller<'_>) -> Json {
    let destinations = docs.iter(caller.sandbox, Collection::AuthoringDestination);
    let asked = destinations.filter(|doc| requests(docs, caller.sandbox, &doc.id).next().is_some());
    asked.map(|doc| shown(docs, caller, doc)).collect()
}

/// `GET /authoring/destinations/publish/{destinationId}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json> {
    Ok(shown(docs, caller, find(docs, caller, Kind::Destination, id)?))
}

/// Requests of all sandboxes, newest first, for the operator.
pub fn reviews(docs: &DocSet) -> Json {
    let mut all: Vec<_> = docs.iter_everywhere(KIND).collect();
    all.sort_by_key(|(_, doc)| std::cmp::Reverse(doc.no));
    let shown = all.into_iter().map(|(sandbox, doc)| review(docs, sandbox, doc));
    json!({ "reviews": shown.collect::<Vec<_>>() })
}

/// The operator's word on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Customers see it.
    Approve,
    /// They do not.
    Deny,
}

/// Approves or denies a request that is under review.
pub fn decide(docs: &DocSet, config_id: &str, verdict: Verdict, now: Timestamp, by: &str) -> Result<Change> {
    let found = docs.iter_everywhere(KIND).find(|(_, doc)| doc.id == config_id);
    let (sandbox, request) =
        found.ok_or_else(|| Error::NotFound(format!("there is no publish request {config_id:?}")))?;
    if request.body["status"] != "REVIEW" {
        let status = request.body["status"].as_str().unwrap_or_default();
        return Err(Error::refused(format!("publish request {config_id} is {status}, not under review")));
    }
    let id = request.body["destinationId"].as_str().unwrap_or_default();
    let mut next = request.body.clone();
    let mut changes = Vec::new();
    match verdict {
        Verdict::Deny => next["status"] = json!("DENIED"),
        Verdict::Approve => {
            if let Some(former) = published(docs, sandbox, id) {
                let mut body = former.body.clone();
                body["status"] = json!("DEPRECATED");
                changes.push(DocChange::put(sandbox, KIND, former.id.clone(), body, by));
            }
            next["status"] = json!("PUBLISHED");
            next["publishedDate"] = json!(now.0);
            if let Some(destination) = docs.get(sandbox, Collection::AuthoringDestination, id)
                && destination.body["status"] == "TEST"
            {
                let mut body = destination.body.clone();
                body["status"] = json!("PUBLISHED");
                changes.push(DocChange::put(sandbox, Collection::AuthoringDestination, id, body, by));
            }
        }
    }
    let answer = json!({ "configId": config_id, "destinationId": id, "status": next["status"] });
    changes.push(DocChange::put(sandbox, KIND, config_id, next, by));
    Ok((changes, answer))
}

/// The requests for a destination, oldest first.
pub(crate) fn requests<'d>(docs: &'d DocSet, sandbox: SandboxId, id: &str) -> impl Iterator<Item = &'d Arc<Doc>> {
    let mut found: Vec<_> = docs.iter(sandbox, KIND).filter(|doc| doc.body["destinationId"] == id).collect();
    found.sort_by_key(|doc| doc.no);
    found.into_iter()
}

/// The request whose snapshot customers see.
pub(crate) fn published<'d>(docs: &'d DocSet, sandbox: SandboxId, id: &str) -> Option<&'d Arc<Doc>> {
    requests(docs, sandbox, id).find(|request| request.body["status"] == "PUBLISHED")
}

/// The id of the working copy among the publish details of a destination.
pub(crate) fn working_config_id(destination: &str) -> SmolStr {
    ids::derived("working copy", destination)
}

fn shown(docs: &DocSet, caller: &Caller<'_>, destination: &Doc) -> Json {
    json!({ "destinationId": destination.id.as_str(), "publishDetailsList": details(docs, caller, destination) })
}

fn details(docs: &DocSet, caller: &Caller<'_>, destination: &Doc) -> Vec<Json> {
    let working = json!({
        "configId": working_config_id(&destination.id).as_str(),
        "allowedOrgs": [caller.org],
        "status": "TEST",
        "destinationType": "DEV",
    });
    let requests = requests(docs, caller.sandbox, &destination.id).map(|doc| detail(&doc.id, &doc.body));
    std::iter::once(working).chain(requests).collect()
}

fn detail(id: &str, request: &Json) -> Json {
    let mut out = json!({
        "configId": id,
        "allowedOrgs": ["*"],
        "status": request["status"],
        "destinationType": "PUBLIC",
    });
    if !request["publishedDate"].is_null() {
        out["publishedDate"] = request["publishedDate"].clone();
    }
    out
}

fn review(docs: &DocSet, sandbox: SandboxId, request: &Doc) -> Json {
    let mut sandboxes = docs.iter(SandboxId(0), Collection::Sandbox);
    let named = sandboxes.find(|doc| doc.body["no"].as_u64() == Some(u64::from(sandbox.0)));
    let mut out = Map::new();
    out.insert("configId".into(), json!(request.id.as_str()));
    out.insert("sandbox".into(), json!(named.map_or_else(|| sandbox.to_string(), |doc| doc.id.to_string())));
    for name in ["destinationId", "name", "status", "publishedDate"] {
        if let Some(value) = request.body.get(name) {
            out.insert(name.into(), value.clone());
        }
    }
    out.insert("requested".into(), json!(microseconds(request.created_at)));
    out.insert("requestedBy".into(), json!(request.created_by.as_str()));
    Json::Object(out)
}
