//! Target connections: where a flow writes, and how. Served: the HTTP API destination, and every
//! authored destination, whose parameters are its customer data.

use crate::entity::{self, COMMON_FIELDS};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::source_connection::{base_of, base_summary, refuse_used};
use crate::{Decision, HTTP_API, Outside, http_target, patch as json_patch, schema, sdk_target, specs};
use model::{Caller, Collection, Doc, DocChange, DocSet};
use serde_json::{Value as Json, json};

const KIND: Collection = Collection::TargetConnection;

/// `POST /targetConnections`.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json, outside: &Outside<'_>) -> Result<Decision> {
    let fields = entity::fields(body)?;
    let known = ["name", "description", "connectionSpec", "baseConnectionId", "data", "params"];
    schema::members(fields, &known, "").map_err(Error::invalid)?;
    let mut stored = entity::labels(body).map_err(Error::invalid)?;
    let spec = specs::connection_spec(outside.catalog, body)?;
    let spec_id = spec["id"].as_str().unwrap_or_default();
    let authored = outside.catalog.destination(spec_id);
    if authored.is_none() && spec_id != HTTP_API {
        let detail = format!("connectionSpec.id {} ({}) is not a destination", spec["id"], spec["name"]);
        return Err(Error::new(1413, detail));
    }
    if body["baseConnectionId"].is_null() {
        return Err(Error::invalid("baseConnectionId is missing"));
    }
    let base_id = base_of(docs, caller, &body["baseConnectionId"], spec_id)?;
    if let Some(data) = entity::data(body, &["json"])? {
        stored.insert("data".into(), data);
    }
    let params = match authored {
        Some(destination) => {
            sdk_target::check_count(docs, caller, outside.catalog).map_err(Error::invalid)?;
            let place = sdk_target::Place { docs, caller, connection: None };
            sdk_target::settle(destination, &body["params"], &place, outside)
        }
        None => http_target::canonical(&body["params"])
            .and_then(|params| check_reachable(&params, outside).map(|()| params)),
    };
    let params = params.map_err(Error::invalid)?;
    stored.insert("baseConnectionId".into(), json!(base_id.as_str()));
    stored.insert("connectionSpec".into(), json!({ "id": spec["id"], "version": specs::VERSION }));
    stored.insert("params".into(), params);
    stored.insert("state".into(), json!("enabled"));
    let id = caller.uuid();
    let change = DocChange::put(caller.sandbox, KIND, id.clone(), Json::Object(stored), caller.client);
    Ok(entity::created(vec![change], KIND, &id))
}

/// `GET /targetConnections/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str, outside: &Outside<'_>) -> Result<Json> {
    Ok(entity::only(shown(docs, entity::find(docs, caller, KIND, id)?, caller, outside)))
}

/// `GET /targetConnections`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, query: &Query, outside: &Outside<'_>) -> Result<Json> {
    let items = docs.iter(caller.sandbox, KIND).map(|doc| shown(docs, doc, caller, outside)).collect();
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
    // What the rules refuse since it was made can still be renamed.
    if operations.iter().any(|operation| operation.path.starts_with("/params")) {
        let settled = settle(docs, caller, doc, &next["params"], outside);
        next["params"] = settled.map_err(|detail| Error::new(1455, detail))?;
    }
    Ok(entity::changed(caller, KIND, doc, next))
}

/// What a change would make of a connection: connection spec id, base connection id, params. For those who
/// ask the receiving system before [`patch`]; `None` where more than params is changed. Spec and base are the
/// stored ones: a request cannot have another receiver asked.
pub fn patched(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Option<(String, String, Json)> {
    let doc = docs.get(caller.sandbox, KIND, id)?;
    let operations = json_patch::parse(body).ok()?;
    if !operations.iter().all(|operation| operation.path == "/params" || operation.path.starts_with("/params/")) {
        return None;
    }
    let next = json_patch::apply(&doc.body, &operations).ok()?;
    let text = |value: &Json| value.as_str().map(str::to_owned);
    Some((text(&doc.body["connectionSpec"]["id"])?, text(&doc.body["baseConnectionId"])?, next["params"].clone()))
}

/// `DELETE /targetConnections/{id}`: refused while a flow uses it.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    refuse_used(docs, caller, id, "targetConnectionIds")?;
    Ok(entity::deleted(vec![DocChange::delete(caller.sandbox, KIND, doc.id.clone(), caller.client)]))
}

/// Checks changed parameters against the destination of the connection.
fn settle(
    docs: &DocSet,
    caller: &Caller<'_>,
    doc: &Doc,
    params: &Json,
    outside: &Outside<'_>,
) -> std::result::Result<Json, String> {
    let spec_id = doc.body["connectionSpec"]["id"].as_str().unwrap_or_default();
    if let Some(destination) = outside.catalog.destination(spec_id) {
        let place = sdk_target::Place { docs, caller, connection: Some(doc) };
        return sdk_target::settle(destination, params, &place, outside);
    }
    if spec_id != HTTP_API {
        return Err("params: the destination of this connection is not in the catalog any more".into());
    }
    let params = http_target::canonical(params)?;
    check_reachable(&params, outside)?;
    Ok(params)
}

fn check_reachable(params: &Json, outside: &Outside<'_>) -> std::result::Result<(), String> {
    let url = http_target::endpoint(params)?;
    (outside.reachable)(&url).map_err(|reason| format!("params.httpEndpoint: {reason}"))
}

fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>, outside: &Outside<'_>) -> Json {
    let mut out = entity::shown(docs, doc, caller);
    let spec = outside.catalog.connection_spec(doc.body["connectionSpec"]["id"].as_str().unwrap_or_default());
    if let (Some(spec), Some(params)) = (spec, out.get_mut("params")) {
        sdk_target::redact(&spec["targetSpec"]["spec"], params);
    }
    if let Some(base) = base_summary(docs, doc, caller) {
        out.insert("inheritedAttributes".into(), json!({ "baseConnection": base }));
    }
    Json::Object(out)
}
