//! Target connections: where a flow writes, and how. Served: the HTTP API destination.

use crate::entity::{self, COMMON_FIELDS};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::source_connection::{base_of, base_summary, refuse_used};
use crate::{Decision, HTTP_API, Outside, http_target, patch as json_patch, schema, specs};
use model::{Caller, Collection, Doc, DocChange, DocSet};
use serde_json::{Value as Json, json};

const KIND: Collection = Collection::TargetConnection;

/// `POST /targetConnections`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json, outside: &Outside<'_>) -> Result<Decision> {
    let fields = entity::fields(body)?;
    let known = ["name", "description", "connectionSpec", "baseConnectionId", "data", "params"];
    schema::members(fields, &known, "").map_err(Error::invalid)?;
    let mut stored = entity::labels(body).map_err(Error::invalid)?;
    let spec = specs::referenced(body, "connectionSpec", specs::connection_spec)?;
    if spec["id"] != HTTP_API {
        let detail = format!("connectionSpec.id {} ({}) is not a destination", spec["id"], spec["name"]);
        return Err(Error::new(1413, detail));
    }
    if body["baseConnectionId"].is_null() {
        return Err(Error::invalid("baseConnectionId is missing"));
    }
    let base_id = base_of(docs, caller, &body["baseConnectionId"], HTTP_API)?;
    if let Some(data) = entity::data(body, &["json"])? {
        stored.insert("data".into(), data);
    }
    let params = http_target::canonical(&body["params"]).map_err(Error::invalid)?;
    check_reachable(&params, outside).map_err(Error::invalid)?;
    stored.insert("baseConnectionId".into(), json!(base_id.as_str()));
    stored.insert("connectionSpec".into(), json!({ "id": spec["id"], "version": specs::VERSION }));
    stored.insert("params".into(), params);
    stored.insert("state".into(), json!("enabled"));
    let id = caller.uuid();
    let change = DocChange::put(caller.sandbox, KIND, id.clone(), Json::Object(stored), caller.client);
    Ok(entity::created(vec![change], KIND, &id))
}

/// `GET /targetConnections/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json> {
    Ok(entity::only(shown(docs, entity::find(docs, caller, KIND, id)?, caller)))
}

/// `GET /targetConnections`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, query: &Query) -> Result<Json> {
    let items = docs.iter(caller.sandbox, KIND).map(|doc| shown(docs, doc, caller)).collect();
    let own = ["version", "baseConnectionId", "connectionSpec", "data", "params", "inheritedAttributes"];
    listing::page(items, query, "/targetConnections", &[&COMMON_FIELDS[..], &own].concat())
}

/// `PATCH /targetConnections/{id}`: `/name`, `/description`, `/params` and its members.
pub fn patch(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    if_match: Option<&str>,
    body: &Json,
    outside: &Outside<'_>,
) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    entity::check_if_match(doc, if_match)?;
    let operations = json_patch::parse(body)?;
    for operation in &operations {
        match operation.path.as_str() {
            "/name" | "/description" | "/params" => {}
            path if path.starts_with("/params/") => {}
            path if path.starts_with("/connectionSpec") => {
                return Err(Error::new(1414, "the connection spec of a connection cannot change"));
            }
            path => {
                let known = "/name, /description, /params";
                return Err(Error::new(1455, format!("path {path:?} cannot be patched; known: {known}")));
            }
        }
    }
    let mut next = json_patch::apply(&doc.body, &operations)?;
    entity::labels(&next).map_err(|detail| Error::new(1455, detail))?;
    next["params"] = http_target::canonical(&next["params"]).map_err(|detail| Error::new(1455, detail))?;
    // What the operator's rules refuse since it was made can still be renamed.
    if operations.iter().any(|operation| operation.path.starts_with("/params")) {
        check_reachable(&next["params"], outside).map_err(|detail| Error::new(1455, detail))?;
    }
    Ok(entity::changed(caller, KIND, doc, next))
}

/// `DELETE /targetConnections/{id}`: refused while a flow uses it.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    refuse_used(docs, caller, id, "targetConnectionIds")?;
    Ok(entity::deleted(vec![DocChange::delete(caller.sandbox, KIND, doc.id.clone(), caller.client)]))
}

fn check_reachable(params: &Json, outside: &Outside<'_>) -> std::result::Result<(), String> {
    let url = http_target::endpoint(params)?;
    (outside.reachable)(&url).map_err(|reason| format!("params.httpEndpoint: {reason}"))
}

fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>) -> Json {
    let mut out = entity::shown(docs, doc, caller);
    if let Some(base) = base_summary(docs, doc, caller) {
        out.insert("inheritedAttributes".into(), json!({ "baseConnection": base }));
    }
    Json::Object(out)
}
