//! Dataflows: one source connection, one target connection, what is mapped, on or off.
//!
//! A stored flow keeps, beside what is shown: `_mapped`, for each audience ever mapped the
//! revision marker of its first mapping, kept after unmapping so that mapping the same audience
//! again exports no second backfill; `_enabledSince`, the marker of the latest enabling; and
//! `_lastOperation`. A revision marker is the document set's position while deciding, plus one:
//! the change itself lands at that position or after it.

use crate::entity::{self, COMMON_FIELDS};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use crate::rules::Rules;
use crate::runs::{self, RunFigures};
use crate::source_connection::base_summary;
use crate::{Catalog, Decision, HTTP_API, Lookups, patch as json_patch, schema, sdk_target, specs, transformation};
use model::{Caller, Collection, Doc, DocChange, DocSet, FlowNo, SandboxId};
use serde_json::{Map, Value as Json, json};

const KIND: Collection = Collection::Flow;

/// Gives the newest run of a flow, when it had one.
pub type LastRun<'a> = dyn Fn(FlowNo) -> Option<RunFigures> + 'a;

/// `POST /flows`. A flow starts enabled.
pub fn create(docs: &DocSet, caller: &Caller<'_>, body: &Json, lookups: &Lookups<'_>) -> Result<Decision> {
    let fields = entity::fields(body)?;
    let known = [
        "name",
        "description",
        "flowSpec",
        "sourceConnectionIds",
        "targetConnectionIds",
        "transformations",
        "scheduleParams",
    ];
    schema::members(fields, &known, "").map_err(Error::invalid)?;
    let mut stored = entity::labels(body).map_err(Error::invalid)?;
    let spec = specs::flow_spec(lookups.catalog, body)?;
    if !matches!(&body["scheduleParams"], Json::Null) && body["scheduleParams"] != json!({}) {
        return Err(Error::invalid("scheduleParams does not apply: this flow spec streams"));
    }
    let source = endpoint(docs, caller, body, spec, &SOURCE)?;
    let target = endpoint(docs, caller, body, spec, &TARGET)?;
    let rules = rules_of(docs, caller, &target, lookups)?;
    let transformations = transformation::settle(&body["transformations"], None, rules.as_ref(), lookups, caller.now);
    let transformations = transformations.map_err(Error::invalid)?;
    let marker = docs.n + 1;
    stored.insert("flowSpec".into(), json!({ "id": spec["id"], "version": specs::VERSION }));
    stored.insert("state".into(), json!("enabled"));
    stored.insert("sourceConnectionIds".into(), json!([source]));
    stored.insert("targetConnectionIds".into(), json!([target]));
    stored.insert("_mapped".into(), remembered(&Json::Null, &transformations, marker));
    stored.insert("transformations".into(), transformations);
    stored.insert("_enabledSince".into(), json!(marker));
    stored.insert("_lastOperation".into(), last_operation(caller, "create", json!([])));
    let id = caller.uuid();
    let change = DocChange::put(caller.sandbox, KIND, id.clone(), Json::Object(stored), caller.client);
    Ok(entity::created(vec![change], KIND, &id))
}

/// `GET /flows/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str, last_run: &LastRun<'_>) -> Result<Json> {
    Ok(entity::only(shown(docs, entity::find(docs, caller, KIND, id)?, caller, last_run)))
}

/// `GET /flows` and `POST /flows/search`.
pub fn list(docs: &DocSet, caller: &Caller<'_>, query: &Query, last_run: &LastRun<'_>) -> Result<Json> {
    let items = docs.iter(caller.sandbox, KIND).map(|doc| shown(docs, doc, caller, last_run)).collect();
    let own = [
        "version",
        "flowSpec",
        "sourceConnectionIds",
        "targetConnectionIds",
        "transformations",
        "inheritedAttributes",
        "runs",
        "lastOperation",
        "lastRunDetails",
    ];
    listing::page(items, query, "/flows", &[&COMMON_FIELDS[..], &own].concat())
}

/// `PATCH /flows/{id}`: names, selectors, triggers, the source connection. All or nothing.
pub fn patch(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    if_match: Option<&str>,
    body: &Json,
    lookups: &Lookups<'_>,
) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    entity::check_if_match(doc, if_match)?;
    let operations = json_patch::parse(body)?;
    operations.iter().try_for_each(|operation| check_path(&operation.path))?;
    let mut next = json_patch::apply(&doc.body, &operations)?;
    let refused = |detail: String| Error::new(1455, detail);
    entity::labels(&next).map_err(refused)?;
    if next["sourceConnectionIds"] != doc.body["sourceConnectionIds"] {
        let spec = flow_spec_of(doc, lookups.catalog)
            .ok_or_else(|| Error::new(1413, "the flow spec of this flow is not served"))?;
        endpoint(docs, caller, &next, spec, &SOURCE)?;
    }
    let before = &doc.body["transformations"];
    let rules = rules_of(docs, caller, doc.body["targetConnectionIds"][0].as_str().unwrap_or_default(), lookups)?;
    let after = transformation::settle(&next["transformations"], Some(before), rules.as_ref(), lookups, caller.now);
    let after = after.map_err(refused)?;
    // What is mapped while the flow is off is backfilled when it is switched on.
    let marker = if doc.body["state"] == "enabled" { docs.n + 1 } else { WHEN_ENABLED };
    next["_mapped"] = remembered(&doc.body["_mapped"], &after, marker);
    next["transformations"] = after;
    next["_lastOperation"] = last_operation(caller, "update", body.clone());
    Ok(entity::changed(caller, KIND, doc, next))
}

/// Stands in `_mapped` for an audience that was first mapped while the flow was disabled.
const WHEN_ENABLED: u64 = 0;

/// `POST /flows/{id}/action?op=…&subOp=…`: enable or disable.
pub fn act(
    docs: &DocSet,
    caller: &Caller<'_>,
    id: &str,
    if_match: Option<&str>,
    op: Option<&str>,
    sub_op: Option<&str>,
    body: &Json,
) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    if if_match.is_some() {
        entity::check_if_match(doc, if_match)?;
    }
    let op = op.filter(|op| !op.is_empty()).ok_or_else(|| Error::new(1437, "op is missing; use enable or disable"))?;
    let state = match op.to_ascii_uppercase().as_str() {
        "ENABLE" => "enabled",
        "DISABLE" => "disabled",
        "FINALIZE" | "FINALIZE_UPDATE" => return Err(Error::new(1402, format!("op {op} is reserved for providers"))),
        "PUBLISH" => return Err(Error::new(1436, "op PUBLISH: the flow is no draft")),
        _ => return Err(Error::new(1437, format!("op {op:?} is not known; use enable or disable"))),
    };
    match sub_op.filter(|sub_op| !sub_op.is_empty()) {
        Some(sub_op) if sub_op.eq_ignore_ascii_case("PROGRESS") => {
            return Err(Error::new(1406, "subOp PROGRESS belongs to FINALIZE and FINALIZE_UPDATE"));
        }
        Some(sub_op) => return Err(Error::new(1407, format!("subOp {sub_op:?} does not apply to {op}"))),
        None => {}
    }
    if !body.is_null() && *body != json!({}) {
        return Err(Error::new(1402, "a body belongs to operations that are reserved for providers; send none"));
    }
    if doc.body["state"] == state {
        let number = if state == "enabled" { 1457 } else { 1458 };
        return Err(Error::new(number, format!("flow {id} is {state} already")));
    }
    let mut next = doc.body.clone();
    next["state"] = json!(state);
    if state == "enabled" {
        next["_enabledSince"] = json!(docs.n + 1);
        for marker in next["_mapped"].as_object_mut().into_iter().flat_map(|mapped| mapped.values_mut()) {
            if *marker == json!(WHEN_ENABLED) {
                *marker = json!(docs.n + 1);
            }
        }
    }
    next["_lastOperation"] = last_operation(caller, if state == "enabled" { "enable" } else { "disable" }, json!([]));
    Ok(entity::changed(caller, KIND, doc, next))
}

/// `DELETE /flows/{id}`.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Decision> {
    let doc = entity::find(docs, caller, KIND, id)?;
    Ok(entity::deleted(vec![DocChange::delete(caller.sandbox, KIND, doc.id.clone(), caller.client)]))
}

/// A flow that maps an audience now, named for a message.
pub fn using_audience(docs: &DocSet, sandbox: SandboxId, audience: &str) -> Option<String> {
    let maps = |doc: &Doc| {
        let selectors = transformation::stored_selectors(&doc.body["transformations"], "segmentSelectors");
        selectors.iter().any(|selector| selector["value"]["id"] == audience)
    };
    let flow = docs.iter(sandbox, KIND).find(|doc| maps(doc))?;
    Some(format!("{} ({})", flow.id, flow.body["name"].as_str().unwrap_or_default()))
}

struct End {
    member: &'static str,
    kind: Collection,
    allowed: &'static str,
}

const SOURCE: End =
    End { member: "sourceConnectionIds", kind: Collection::SourceConnection, allowed: "sourceConnectionSpecIds" };
const TARGET: End =
    End { member: "targetConnectionIds", kind: Collection::TargetConnection, allowed: "targetConnectionSpecIds" };

/// Checks one end of a flow: one id, of a connection whose spec the flow spec lists.
fn endpoint(docs: &DocSet, caller: &Caller<'_>, body: &Json, spec: &Json, end: &End) -> Result<String> {
    let member = end.member;
    let id = match body[member].as_array().map(Vec::as_slice) {
        Some([Json::String(id)]) => id,
        _ => return Err(Error::invalid(format!("{member} must be an array of exactly one id"))),
    };
    let missing = || Error::new(1428, format!("{member}[0] {id} names no {}", end.kind.noun()));
    let connection = docs.get(caller.sandbox, end.kind, id).ok_or_else(missing)?;
    let given = &connection.body["connectionSpec"]["id"];
    if !spec[end.allowed].as_array().is_some_and(|allowed| allowed.contains(given)) {
        let detail =
            format!("{member}[0] {id} is of connection spec {given}, which flow spec {} does not join", spec["id"]);
        return Err(Error::invalid(detail));
    }
    if base_summary(docs, connection, caller).is_none() {
        let base = &connection.body["baseConnectionId"];
        return Err(Error::new(1428, format!("{member}[0] {id}: its base connection {base} is gone")));
    }
    Ok(id.clone())
}

fn check_path(path: &str) -> Result<()> {
    let first = path[1..].split('/').next().unwrap_or_default();
    let reason = match first {
        "name" | "description" if path[1..].len() == first.len() => return Ok(()),
        "sourceConnectionIds" | "transformations" => return Ok(()),
        "state" => "use the action endpoint",
        "scheduleParams" => "does not apply: this flow spec streams",
        "flowSpec" | "targetConnectionIds" => "cannot change; create another flow",
        _ => "cannot be patched; known: /name, /description, /sourceConnectionIds, /transformations",
    };
    Err(Error::new(1455, format!("path {path:?} {reason}")))
}

/// The history of first mappings, with what is mapped for the first time added.
fn remembered(history: &Json, transformations: &Json, marker: u64) -> Json {
    let mut history = history.as_object().cloned().unwrap_or_default();
    for selector in transformation::stored_selectors(transformations, "segmentSelectors") {
        if let Some(id) = selector["value"]["id"].as_str() {
            history.entry(id).or_insert(json!(marker));
        }
    }
    Json::Object(history)
}

fn last_operation(caller: &Caller<'_>, operation: &str, ops: Json) -> Json {
    json!({
        "started": caller.now.0,
        "updated": caller.now.0,
        "percentCompleted": 100,
        "status": { "value": "completed", "properties": null, "errors": [] },
        "ops": ops,
        "operation": operation,
    })
}

fn flow_spec_of<'c>(doc: &Doc, catalog: &'c Catalog) -> Option<&'c Json> {
    catalog.flow_spec(doc.body["flowSpec"]["id"].as_str()?)
}

/// The rules of the authored destination behind a target connection; `None` for a shipped one.
fn rules_of(docs: &DocSet, caller: &Caller<'_>, target: &str, lookups: &Lookups<'_>) -> Result<Option<Rules>> {
    let Some(connection) = docs.get(caller.sandbox, Collection::TargetConnection, target) else { return Ok(None) };
    let spec = connection.body["connectionSpec"]["id"].as_str().unwrap_or_default();
    if spec == HTTP_API {
        return Ok(None);
    }
    let gone = || Error::new(1413, "the destination of this flow is not in the catalog any more");
    let destination = lookups.catalog.destination(spec).ok_or_else(gone)?;
    sdk_target::check_served(destination).map_err(Error::invalid)?;
    Ok(Some(sdk_target::live_rules(destination, lookups)))
}

fn shown(docs: &DocSet, doc: &Doc, caller: &Caller<'_>, last_run: &LastRun<'_>) -> Json {
    let mut out = entity::shown(docs, doc, caller);
    out.insert("inheritedAttributes".into(), inherited(docs, doc, caller));
    out.insert("runs".into(), json!(format!("/runs?property=flowId=={}", doc.id)));
    out.insert("lastOperation".into(), doc.body["_lastOperation"].clone());
    if let Some(figures) = last_run(FlowNo(doc.no)) {
        out.insert("lastRunDetails".into(), runs::summary(&doc.id, &figures, caller.now));
    }
    Json::Object(out)
}

fn inherited(docs: &DocSet, doc: &Doc, caller: &Caller<'_>) -> Json {
    let ends = |end: &End| -> Vec<Json> {
        let ids = doc.body[end.member].as_array().into_iter().flatten().filter_map(Json::as_str);
        ids.filter_map(|id| docs.get(caller.sandbox, end.kind, id))
            .map(|connection| {
                let mut out = Map::new();
                out.insert("id".into(), json!(connection.id.as_str()));
                out.insert("connectionSpec".into(), connection.body["connectionSpec"].clone());
                out.insert("baseConnection".into(), base_summary(docs, connection, caller).unwrap_or_default());
                if let Some(info) = connection.body.get("typeInfo") {
                    out.insert("typeInfo".into(), info.clone());
                }
                Json::Object(out)
            })
            .collect()
    };
    json!({
        "properties": { "isDestinationFlow": true },
        "sourceConnections": ends(&SOURCE),
        "targetConnections": ends(&TARGET),
    })
}
