//! Loads of an external audience: their records, and what the loader must know.

use super::find;
use super::read::source_path;
use crate::Parameters;
use crate::error::{Error, Kind};
use crate::fields::{Fields, shown};
use crate::lifecycle;
use crate::namespaces::by_code;
use crate::page::Query;
use model::{AudienceNo, Caller, Collection, Doc, DocChange, DocSet, NamespaceId, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Finished runs that are kept per audience.
const RUNS_KEPT: usize = 100;
const ENDED: [&str; 2] = ["SUCCESS", "FAILED"];

/// Everything that the loader must know of a run.
#[derive(Debug, Clone)]
pub struct Load {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The run.
    pub run: SmolStr,
    /// The audience.
    pub audience: AudienceNo,
    /// Its id.
    pub audience_id: SmolStr,
    /// Below the landing zone: a file, or a directory of CSV files.
    pub path: String,
    /// Only files that were written in this time, in milliseconds; an upload has none.
    pub written: Option<(i64, i64)>,
    /// Names and kinds of the columns.
    pub columns: Vec<(SmolStr, SmolStr)>,
    /// Which column holds the identity, and of which namespace.
    pub identity: (usize, NamespaceId),
    /// How long a row is valid, in milliseconds.
    pub ttl_ms: i64,
}

/// How a load ended, or stands.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Rows read.
    pub rows: u64,
    /// Rows that became memberships.
    pub loaded: u64,
    /// What was wrong with rows or files; the first ones.
    pub faults: Vec<String>,
    /// Rows that were left out.
    pub refused: u64,
}

/// `POST /external-audience/{id}/run`: the changes, and the id that [`run`] shows.
pub fn start_run(
    docs: &DocSet,
    caller: &Caller<'_>,
    audience: &str,
    body: &Json,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let doc = find(docs, caller, audience)?;
    let fields = Fields::of_body(body)?;
    fields.only(&["dataFilterStartTime", "dataFilterEndTime", "differentialIngestion"])?;
    if fields.flag("differentialIngestion")? == Some(false) {
        let rule = "must be true: rows add to the members, which leave when their time is over";
        return Err(Error::field("differentialIngestion", rule));
    }
    let start = seconds(&fields, "dataFilterStartTime")?.unwrap_or(0);
    let end = seconds(&fields, "dataFilterEndTime")?;
    if end.is_some_and(|end| end < start) {
        return Err(Error::field("dataFilterEndTime", format_args!("lies before dataFilterStartTime, {start}")));
    }
    let Some(path) = source_path(&doc.body) else {
        let rule = "the audience has no sourceSpec; upload a file to /external-audience/ID/upload instead";
        return Err(Error::field("sourceSpec", rule));
    };
    let mut run = json!({ "path": path, "dataFilterStartTime": start });
    if let Some(end) = end {
        run["dataFilterEndTime"] = end.into();
    }
    new_run(docs, caller, doc, caller.uuid(), run)
}

/// A run over an uploaded file at `path` below the landing zone.
pub fn uploaded_run(
    docs: &DocSet,
    caller: &Caller<'_>,
    audience: &str,
    run: &str,
    path: &str,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let doc = find(docs, caller, audience)?;
    new_run(docs, caller, doc, run.into(), json!({ "path": path, "uploaded": true }))
}

fn new_run(
    docs: &DocSet,
    caller: &Caller<'_>,
    audience: &Doc,
    id: SmolStr,
    mut run: Json,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    if !lifecycle::is_published(audience) {
        let rule = format!(
            "the audience {} is {}; only a published one takes members",
            audience.id,
            lifecycle::state(audience)
        );
        return Err(Error::field("lifecycleState", rule));
    }
    let of_audience = runs_of(docs, caller.sandbox, &audience.id);
    if let Some(other) = of_audience.iter().find(|doc| !is_ended(doc)) {
        let message =
            format!("The run {} of the external audience {} has not ended; one runs at a time.", other.id, audience.id);
        return Err(Error::new(Kind::InUse, message));
    }
    run["audienceId"] = audience.id.as_str().into();
    run["status"] = "NEW".into();
    let mut changes = vec![DocChange::put(caller.sandbox, Collection::ExternalRun, id.clone(), run, caller.client)];
    let surplus = of_audience.len().saturating_sub(RUNS_KEPT - 1);
    let old = of_audience.iter().rev().take(surplus);
    changes.extend(
        old.map(|doc| DocChange::delete(caller.sandbox, Collection::ExternalRun, doc.id.clone(), caller.client)),
    );
    Ok((changes, id))
}

/// `GET /external-audience/{id}/runs`, the newest first.
pub fn runs(docs: &DocSet, caller: &Caller<'_>, audience: &str, parameters: &Parameters) -> Result<Json, Error> {
    let audience = find(docs, caller, audience)?;
    let query = Query::of(parameters, &["start", "limit"])?;
    let limit = query.number("limit", 1, 1000)?.unwrap_or(20);
    let start = query.number("start", 0, usize::MAX)?.unwrap_or(0);
    let all = runs_of(docs, caller.sandbox, &audience.id);
    let page: Vec<Json> = all.iter().skip(start).take(limit).map(|doc| shown_run(audience, doc)).collect();
    let mut out =
        json!({ "_page": { "totalCount": all.len(), "pageSize": page.len(), "limit": limit, "start": start } });
    out["runs"] = page.into();
    Ok(out)
}

/// `GET /external-audience/{id}/runs/{run}`.
pub fn run(docs: &DocSet, caller: &Caller<'_>, audience: &str, run: &str) -> Result<Json, Error> {
    let audience = find(docs, caller, audience)?;
    let found = docs.get(caller.sandbox, Collection::ExternalRun, run);
    let found = found.filter(|doc| doc.body["audienceId"] == audience.id.as_str());
    found.map(|doc| shown_run(audience, doc)).ok_or_else(|| Error::not_found("run", run))
}

fn shown_run(audience: &Doc, doc: &Doc) -> Json {
    let mut out = json!({
        "runId": doc.id.as_str(),
        "audienceId": audience.id.as_str(),
        "audienceName": audience.body["name"],
        "status": doc.body["status"],
        "differentialIngestion": true,
        "createdBy": doc.created_by.as_str(),
        "createdAt": doc.created_at.0,
        "updatedAt": doc.updated_at.0,
    });
    for member in ["dataFilterStartTime", "dataFilterEndTime", "metrics", "errors"] {
        if let Some(value) = doc.body.get(member) {
            out[member] = value.clone();
        }
    }
    out
}

/// The next run that has not ended, the oldest first.
pub fn run_of(docs: &DocSet) -> Option<(SandboxId, Arc<Doc>)> {
    let open = docs.iter_everywhere(Collection::ExternalRun).filter(|(_, doc)| !is_ended(doc));
    open.min_by_key(|(_, doc)| doc.no).map(|(sandbox, doc)| (sandbox, doc.clone()))
}

/// The uploaded files that a run has still to read, as paths below the landing zone.
pub fn kept_uploads(docs: &DocSet) -> Vec<SmolStr> {
    let open = docs.iter_everywhere(Collection::ExternalRun).filter(|(_, doc)| !is_ended(doc));
    let uploaded = open.filter(|(_, doc)| doc.body["uploaded"] == true);
    uploaded.filter_map(|(_, doc)| doc.body["path"].as_str().map(SmolStr::new)).collect()
}

/// The runs of an audience that have ended.
pub(crate) fn ended_runs<'a>(docs: &'a DocSet, caller: &Caller<'_>, audience: &str) -> impl Iterator<Item = &'a Doc> {
    runs_of(docs, caller.sandbox, audience).into_iter().map(AsRef::as_ref).filter(|doc| is_ended(doc))
}

/// What the loader must know of a run; an error is a sentence.
pub fn load(docs: &DocSet, sandbox: SandboxId, run: &Doc) -> Result<Load, String> {
    let id = run.body["audienceId"].as_str().unwrap_or_default();
    let audience = docs.get(sandbox, Collection::ExternalAudience, id);
    let audience = audience.ok_or_else(|| format!("the external audience {id} was deleted"))?;
    let fields = audience.body["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Json| SmolStr::new(value.as_str().unwrap_or_default());
    let columns = fields.iter().map(|field| (text(&field["name"]), text(&field["type"]))).collect();
    let place = fields.iter().position(|field| field.get("identityNs").is_some());
    let place = place.ok_or("the audience has no column with identities")?;
    let code = text(&fields[place]["identityNs"]);
    let namespace = by_code(docs, sandbox, &code).ok_or_else(|| format!("there is no identity namespace `{code}`"))?;
    let seconds = |member: &str| run.body[member].as_i64();
    let written = match run.body["uploaded"] == true {
        true => None,
        false => Some((
            seconds("dataFilterStartTime").unwrap_or(0).saturating_mul(1000),
            seconds("dataFilterEndTime").map_or(i64::MAX, |end| end.saturating_mul(1000).saturating_add(999)),
        )),
    };
    Ok(Load {
        sandbox,
        run: run.id.clone(),
        audience: AudienceNo(audience.no),
        audience_id: audience.id.clone(),
        path: run.body["path"].as_str().unwrap_or_default().to_owned(),
        written,
        columns,
        identity: (place, namespace.id),
        ttl_ms: audience.body["ttlInDays"].as_i64().unwrap_or(30) * model::time::DAY_MS,
    })
}

/// The change that writes down how a run stands: `NEW`, `PROCESSING`, `SUCCESS` or `FAILED`. `None` when it is gone;
/// a run that ends after its audience was deleted goes as well.
pub fn write_progress(
    docs: &DocSet,
    sandbox: SandboxId,
    run: &str,
    status: &str,
    started: Timestamp,
    now: Timestamp,
    progress: &Progress,
) -> Option<DocChange> {
    let doc = docs.get(sandbox, Collection::ExternalRun, run)?;
    let mut body = doc.body.clone();
    body["status"] = status.into();
    if ENDED.contains(&status) {
        let audience = body["audienceId"].as_str().unwrap_or_default();
        if docs.get(sandbox, Collection::ExternalAudience, audience).is_none() {
            return Some(DocChange::delete(sandbox, Collection::ExternalRun, run, &doc.updated_by));
        }
        body["metrics"] = json!({
            "startTimeInMs": started.0,
            "endTimeInMs": now.0,
            "totalTimeInMs": now.0 - started.0,
            "rows": progress.rows,
            "ingestedRows": progress.loaded,
            "failedRows": progress.refused,
        });
        if !progress.faults.is_empty() {
            body["errors"] = progress.faults.clone().into();
        }
    }
    Some(DocChange::put(sandbox, Collection::ExternalRun, run, body, &doc.updated_by))
}

/// All runs of an audience, the newest first.
fn runs_of<'a>(docs: &'a DocSet, sandbox: SandboxId, audience: &str) -> Vec<&'a Arc<Doc>> {
    let mut all: Vec<_> =
        docs.iter(sandbox, Collection::ExternalRun).filter(|doc| doc.body["audienceId"] == audience).collect();
    all.sort_by_key(|doc| std::cmp::Reverse(doc.no));
    all
}

fn is_ended(doc: &Doc) -> bool {
    doc.body["status"].as_str().is_some_and(|status| ENDED.contains(&status))
}

/// Seconds since 1970, as a number or as text.
fn seconds(fields: &Fields<'_>, name: &str) -> Result<Option<i64>, Error> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    match value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok())) {
        Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(Error::field(name, format_args!("must be whole seconds since 1970, is {}", shown(value)))),
    }
}
