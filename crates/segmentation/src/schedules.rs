//! Schedules: when segment jobs and exports run of themselves (profile.md §9.3).
//!
//! Always: a schedule starts at most one run in 24 hours; times are UTC; what was missed while the server was
//! down is made up for by one run; a sandbox has one schedule of segment jobs.

use crate::Parameters;
use crate::cron::Cron;
use crate::error::{Error, Kind};
use crate::fields::{Fields, check_name, shown};
use crate::page::Query;
use crate::{export_jobs, jobs, lifecycle};
use model::time::DAY_MS;
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const SEGMENTATION: &str = "batch_segmentation";
const EXPORT: &str = "export";
const STATES: [&str; 2] = ["active", "inactive"];

/// `POST /config/schedules`: the changes, and the id that [`get`] shows.
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    body: &Json,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let fields = Fields::of_body(body)?;
    fields.only(&["name", "type", "properties", "schedule", "state"])?;
    let name = fields.required_text("name")?;
    check_name("name", name)?;
    let kind = fields.required_text("type")?;
    let schedule = fields.required_text("schedule")?;
    Cron::parse(schedule).map_err(|rule| Error::field("schedule", rule))?;
    let state = fields.text("state")?.unwrap_or("inactive");
    check_state(state)?;
    let properties = match kind {
        SEGMENTATION => {
            let of_kind = |doc: &&Arc<Doc>| doc.body["type"] == SEGMENTATION;
            if let Some(other) = docs.iter(caller.sandbox, Collection::Schedule).find(of_kind) {
                let message =
                    format!("type: a sandbox has one schedule of segment jobs; the schedule {} is it", other.id);
                return Err(Error::new(Kind::Limit, message));
            }
            segments(docs, caller, &fields)?
        }
        EXPORT => {
            let properties = fields.get("properties").ok_or_else(|| Error::field("properties", "is required"))?;
            export_jobs::check(docs, caller, schema, properties).map_err(|error| error.within("properties."))?;
            properties.clone()
        }
        other => {
            return Err(Error::field("type", format_args!("must be `{SEGMENTATION}` or `{EXPORT}`, is `{other}`")));
        }
    };
    let document = json!({
        "name": name, "type": kind, "schedule": schedule, "state": state, "properties": properties,
        "_internal": { "since": caller.now.0, "updated": caller.now.0 },
    });
    let id = caller.uuid();
    Ok((vec![DocChange::put(caller.sandbox, Collection::Schedule, id.clone(), document, caller.client)], id))
}

/// `{"segments":["*"]}`, or ids.
fn segments(docs: &DocSet, caller: &Caller<'_>, fields: &Fields<'_>) -> Result<Json, Error> {
    let properties = fields.required_object("properties", "properties.", &["segments"])?;
    let path = "properties.segments";
    let items = properties.array("segments")?.ok_or_else(|| Error::field(path, "is required"))?;
    if items.is_empty() {
        return Err(Error::field(path, "must name at least one segment definition, or `*`"));
    }
    for (i, item) in items.iter().enumerate() {
        let refused = |rule: String| Err(Error::field(format_args!("{path}[{i}]"), rule));
        match item.as_str() {
            Some("*") if items.len() == 1 => {}
            Some("*") => return refused("`*` stands alone".to_owned()),
            Some(id) if docs.get(caller.sandbox, Collection::Audience, id).is_some() => {}
            Some(id) => return refused(format!("there is no segment definition `{id}`")),
            None => return refused(format!("must be the id of a segment definition, is {}", shown(item))),
        }
    }
    Ok(json!({ "segments": items }))
}

/// `GET /config/schedules`: one page.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["start", "limit"])?;
    let limit = query.number("limit", 1, 1000)?.unwrap_or(100);
    let start = query.number("start", 0, usize::MAX)?.unwrap_or(0);
    let mut all: Vec<&Arc<Doc>> = docs.iter(caller.sandbox, Collection::Schedule).collect();
    all.sort_by_key(|doc| doc.no);
    let children: Vec<Json> = all.iter().skip(start).take(limit).map(|doc| shown_doc(docs, caller, doc)).collect();
    let end = start.saturating_add(limit);
    let mut page = json!({ "totalCount": all.len(), "pageSize": children.len() });
    let mut links = json!({});
    if end < all.len() {
        page["next"] = end.to_string().into();
        links["next"] = json!({ "href": query.next("/config/schedules", end, limit) });
    }
    Ok(json!({ "_page": page, "children": children, "_links": links }))
}

/// `GET /config/schedules/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| shown_doc(docs, caller, doc))
}

/// `PATCH /config/schedules/{id}`: `add` or `replace` on `/state` and `/schedule`.
pub fn update(docs: &DocSet, caller: &Caller<'_>, id: &str, body: &Json) -> Result<(Vec<DocChange>, ()), Error> {
    let doc = find(docs, caller, id)?;
    let mut document = doc.body.clone();
    let operations = match body {
        Json::Array(operations) if !operations.is_empty() => &operations[..],
        Json::Array(_) => return Err(Error::field("body", "must have at least one operation")),
        one => std::slice::from_ref(one),
    };
    for (i, operation) in operations.iter().enumerate() {
        apply(&mut document, operation).map_err(|error| error.within(&format!("[{i}].")))?;
    }
    if doc.body["state"] == "active" && document["state"] == "inactive" && doc.body["type"] == SEGMENTATION {
        refuse_with_streaming(docs, caller)?;
    }
    if document["state"] != doc.body["state"] || document["schedule"] != doc.body["schedule"] {
        document["_internal"]["since"] = caller.now.0.into();
    }
    document["_internal"]["updated"] = caller.now.0.into();
    Ok((vec![DocChange::put(caller.sandbox, Collection::Schedule, id, document, caller.client)], ()))
}

fn apply(document: &mut Json, operation: &Json) -> Result<(), Error> {
    let fields = Fields::of_body(operation)?;
    fields.only(&["op", "path", "value"])?;
    match fields.required_text("op")? {
        "add" | "replace" => {}
        other => return Err(Error::field("op", format_args!("must be add, is `{other}`"))),
    }
    let value = fields.required_text("value");
    match fields.required_text("path")? {
        "/state" => {
            let state = value?;
            check_state(state)
                .map_err(|_| Error::field("value", format_args!("must be active or inactive, is `{state}`")))?;
            document["state"] = state.into();
        }
        "/schedule" => {
            let schedule = value?;
            Cron::parse(schedule).map_err(|rule| Error::field("value", rule))?;
            document["schedule"] = schedule.into();
        }
        other => return Err(Error::field("path", format_args!("must be /state or /schedule, is `{other}`"))),
    }
    Ok(())
}

/// Scheduled evaluation is what streaming audiences are confirmed by.
fn refuse_with_streaming(docs: &DocSet, caller: &Caller<'_>) -> Result<(), Error> {
    let is_streaming = |doc: &&Arc<Doc>| {
        let enabled = |method: &str| doc.body["evaluationInfo"][method]["enabled"] == true;
        lifecycle::is_published(doc) && (enabled("continuous") || enabled("synchronous"))
    };
    match docs.iter(caller.sandbox, Collection::Audience).find(is_streaming) {
        Some(doc) => {
            let message =
                format!("The schedule cannot be deactivated: the audience {} is evaluated by streaming.", doc.id);
            Err(Error::new(Kind::InUse, message))
        }
        None => Ok(()),
    }
}

fn check_state(state: &str) -> Result<(), Error> {
    match STATES.contains(&state) {
        true => Ok(()),
        false => Err(Error::field("state", format_args!("must be active or inactive, is `{state}`"))),
    }
}

/// `DELETE /config/schedules/{id}`.
pub fn delete(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(Vec<DocChange>, ()), Error> {
    let doc = find(docs, caller, id)?;
    Ok((vec![DocChange::delete(caller.sandbox, Collection::Schedule, doc.id.clone(), caller.client)], ()))
}

/// The first instant at which a schedule of a sandbox is due, now or later.
pub fn next_due(docs: &DocSet) -> Option<Timestamp> {
    let all = docs.iter_everywhere(Collection::Schedule);
    all.filter(|(_, doc)| is_active(doc)).filter_map(|(_, doc)| Cron::parse(cron(doc)).ok()?.next(from(doc))).min()
}

/// What is to be started now, in the caller's sandbox: each schedule that is due and its job, in one change.
/// The messages tell why a run that was due could not be made.
pub fn start_due(docs: &DocSet, caller: &Caller<'_>, schema: &pql::Schema) -> (Vec<DocChange>, Vec<String>) {
    let (mut changes, mut faults) = (Vec::new(), Vec::new());
    for doc in docs.iter(caller.sandbox, Collection::Schedule).filter(|doc| is_active(doc)) {
        let Ok(cron) = Cron::parse(cron(doc)) else { continue };
        let Some(due) = cron.last_in(from(doc), caller.now) else { continue };
        let made = match doc.body["type"].as_str() {
            Some(EXPORT) => export_jobs::create(docs, caller, schema, &doc.body["properties"], &caller.uuid())
                .map(|(changes, _)| changes),
            _ => {
                let named = doc.body["properties"]["segments"].as_array().cloned().unwrap_or_default();
                let body: Json = named.into_iter().map(|id| json!({ "segmentId": id })).collect();
                jobs::create(docs, caller, &body, &jobs::Source::Schedule(doc.id.clone()), &caller.uuid())
                    .map(|(changes, _)| changes)
            }
        };
        match made {
            Ok(made) => changes.extend(made),
            Err(error) => faults.push(format!("schedule {}: {error}", doc.id)),
        }
        let mut body = doc.body.clone();
        body["_internal"]["lastDue"] = due.0.into();
        changes.push(DocChange::put(caller.sandbox, Collection::Schedule, doc.id.clone(), body, &doc.updated_by));
        // Ids of exports are positions, so one change starts one run; the next follows at once.
        break;
    }
    (changes, faults)
}

/// The sandboxes in which a schedule is due.
pub fn due_in(docs: &DocSet, now: Timestamp) -> Vec<SandboxId> {
    let is_due = |doc: &Doc| Cron::parse(cron(doc)).is_ok_and(|cron| cron.next(from(doc)).is_some_and(|at| at <= now));
    let all = docs.iter_everywhere(Collection::Schedule);
    let mut found: Vec<SandboxId> =
        all.filter(|(_, doc)| is_active(doc) && is_due(doc)).map(|(sandbox, _)| sandbox).collect();
    found.dedup();
    found
}

fn is_active(doc: &Doc) -> bool {
    doc.body["state"] == "active"
}

fn cron(doc: &Doc) -> &str {
    doc.body["schedule"].as_str().unwrap_or_default()
}

/// After which instant a run may be due: it was set up or changed then, and its last run is 24 hours ago.
fn from(doc: &Doc) -> Timestamp {
    let internal = |member: &str| doc.body["_internal"][member].as_i64();
    let since = internal("since").unwrap_or(doc.created_at.0);
    Timestamp(since.max(internal("lastDue").map_or(i64::MIN, |due| due + DAY_MS - 1)))
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    docs.get(caller.sandbox, Collection::Schedule, id).ok_or_else(|| Error::not_found("schedule", id))
}

fn shown_doc(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    json!({
        "id": doc.id.as_str(),
        "imsOrgId": caller.org,
        "sandbox": crate::sandbox::shown(docs, caller),
        "name": doc.body["name"],
        "state": doc.body["state"],
        "type": doc.body["type"],
        "schedule": doc.body["schedule"],
        "properties": doc.body["properties"],
        "createEpoch": doc.created_at.0.div_euclid(1000),
        "updateEpoch": doc.body["_internal"]["updated"].as_i64().unwrap_or(doc.updated_at.0).div_euclid(1000),
    })
}
