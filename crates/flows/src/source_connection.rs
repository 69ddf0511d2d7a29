//! Source connections: where a flow reads. Served: the profile store.
//!
//! When no base connection is named, one is made beside it and goes when it goes.

use crate::entity::{self, COMMON_FIELDS};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::{Decision, Outside, PROFILE_STORE, base_connection, patch as json_patch, schema, specs};
use model::{Caller, Collection, Doc, DocChange, DocSet};
use serde_json::{Value as Json, json};

const KIND: Collection = Collection::SourceConnection;

/// `POST /sourceConnections`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json, outside: &Outside<'_>) -> Result<Decision> {
    let fields = entity::fields(body)?;
    let known = ["name", "description", "connectionSpec", "baseConnectionId", "data", "params"];
    schema::members(fields, &known, "").map_err(Error::invalid)?;
    let mut stored = entity::labels(body).map_err(Error::invalid)?;
    let spec = specs::connection_spec(outside.catalog, body)?;
    if spec["id"] != PROFILE_STORE {
        let detail =
            format!("connectionSpec.id {} ({}) is not served yet as a source connection", spec["id"], spec["name"]);
        return Err(Error::new(1413, detail));
    }
    // The profile store has one format of its own; clients say json or CSV by custom.
    if let Some(data) = entity::data(body, &["json", "CSV"])? {
        stored.insert("data".into(), data);
    }
    match &body["params"] {
        Json::Null => {}
        params => schema::check(&spec["sourceSpec"]["spec"], params, "params").map_err(Error::invalid)?,
    }
    let mut changes = Vec::new();
    let base_id = match &body["baseConnectionId"] {
        Json::Null => {
            let base = base_connection::implicit_profile_store(caller, body["name"].as_str().unwrap_or_default());
            let id = base.id.clone();
            changes.push(base);
            id
        }
        given => base_of(docs, caller, given, PROFILE_STORE)?,
    };
    stored.insert("baseConnectionId".into(), json!(base_id.as_str()));
    stored.insert("connectionSpec".into(), json!({ "id": spec["id"], "version": specs::VERSION }));
    stored.insert("typeInfo".into(), json!({ "type": "ProfileFragments", "id": "ups" }));
    stored.insert("state".into(), json!("enabled"));
    let id = caller.uuid();
    changes.push(DocChange::put(caller.sandbox, KIND, id.clone(), Json::Object(stored), caller.client));
    Ok(entity::created(changes, KIND, &id))
}

/// Checks that `baseConnectionId` names a base connection of the same spec.
pub(crate) fn base_of(docs: &DocSet, caller: &Caller<'_>, given: &Json, spec: &str) -> Result<model::SmolStr> {
    let id = given.as_str().ok_or_else(|| Error::invalid("baseConnectionId must be a string"))?;
    let base = docs.get(caller.sandbox, Collection::BaseConnection, id);
    let base = base.ok_or_else(|| Error::new(1428, format!("baseConnectionId {id} names no base connection")))?;
    if base.body["connectionSpec"]["id"] != spec {
        let other = &base.body["connectionSpec"]["id"];
        return Err(Error::invalid(format!("baseConnectionId {id} is of connection spec {other}, not \"{spec}\"")));
    }
    Ok(base.id.clone())
}

/// `GET /sourceConnections/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json> {
    Ok(entity::only(shown(docs, entity::find(docs, caller, KIND, id)?, caller)))
}

/// `GET /sourceConnections`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, query: &Query) -> Result<Json> {
    let items = docs.iter(caller.sandbox, KIND).map(|doc| shown(docs, doc, caller)).collect();
    let own = ["version", "baseConnectionId", "connectionSpec", "data", "typeInfo", "inheritedAttributes"];
    listing::page(items, query, "/sourceConnections", &[&COMMON_FIELDS[..], &own].concat())
}

/// `PATCH /sourceConnections/{id}`: `/name` and `/description`.
pub fn patch(docs: &DocSet, caller: &Caller<'_>, id: &str, if_match: Option<&str>, body: &Json) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    entity::check_if_match(doc, if_match)?;
    let operations = json_patch::parse(body)?;
    if let Some(operation) = operations.iter().find(|o| !matches!(o.path.as_str(), "/name" | "/description")) {
        if operation.path.starts_with("/connectionSpec") {
            return Err(Error::new(1414, "the connection spec of a connection cannot change"));
        }
        let detail = format!("path {:?} cannot be patched; known: /name, /description", operation.path);
        return Err(Error::new(1455, detail));
    }
    let next = json_patch::apply(&doc.body, &operations)?;
    entity::labels(&next).map_err(|detail| Error::new(1455, detail))?;
    Ok(entity::changed(caller, KIND, doc, next))
}

/// `DELETE /sourceConnections/{id}`: refused while a flow uses it.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    refuse_used(docs, caller, id, "sourceConnectionIds")?;
    let mut changes = vec![DocChange::delete(caller.sandbox, KIND, doc.id.clone(), caller.client)];
    let base_id = doc.body["baseConnectionId"].as_str().unwrap_or_default();
    let base = docs.get(caller.sandbox, Collection::BaseConnection, base_id);
    let shared = docs.iter(caller.sandbox, KIND).any(|o| o.id != doc.id && o.body["baseConnectionId"] == base_id);
    if let Some(base) = base.filter(|base| base.body["_implicit"] == true && !shared) {
        changes.push(DocChange::delete(caller.sandbox, Collection::BaseConnection, base.id.clone(), caller.client));
    }
    Ok(entity::deleted(changes))
}

/// Refuses to take away a connection that a flow lists in `member`.
pub(crate) fn refuse_used(docs: &DocSet, caller: &Caller<'_>, id: &str, member: &str) -> Result<()> {
    let lists = |flow: &Doc| flow.body[member].as_array().is_some_and(|ids| ids.iter().any(|given| given == id));
    match docs.iter(caller.sandbox, Collection::Flow).find(|flow| lists(flow)) {
        Some(flow) => {
            let number = if flow.body["state"] == "enabled" { 1447 } else { 1418 };
            Err(Error::new(number, format!("connection {id} is used by flow {}; delete the flow first", flow.id)))
        }
        None => Ok(()),
    }
}

fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>) -> Json {
    let mut out = entity::shown(docs, doc, caller);
    if let Some(base) = base_summary(docs, doc, caller) {
        out.insert("inheritedAttributes".into(), json!({ "baseConnection": base }));
    }
    Json::Object(out)
}

/// `{id, connectionSpec}` of the base connection of a source or target connection.
pub(crate) fn base_summary(docs: &DocSet, doc: &Doc, caller: &Caller<'_>) -> Option<Json> {
    let id = doc.body["baseConnectionId"].as_str()?;
    let base = docs.get(caller.sandbox, Collection::BaseConnection, id)?;
    Some(json!({ "id": id, "connectionSpec": base.body["connectionSpec"] }))
}
