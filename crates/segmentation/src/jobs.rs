//! Segment jobs: on-demand and scheduled evaluations over all stored profiles (profile.md §9.2).
//!
//! A job is a document: what was asked, how it stands, and what was counted. The server's worker moves it
//! `NEW|QUEUED → PROCESSING → SUCCEEDED|FAILED`, or `CANCELLING → CANCELLED`.
//!
//! Always: a job names audiences that were published when it was made; one that has not ended is taken up
//! again by the next process; only so many ended ones are kept.

mod list;

pub use list::list;

use crate::audiences::{AudienceSpec, audiences};
use crate::error::{Error, Kind};
use crate::fields::{self, Fields, shown};
use crate::lifecycle;
use crate::merge_policies::PROFILE_CLASS;
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// More segments than these are shown as one, `*`.
const SHOWN_MAX: usize = 1500;
/// Ended jobs that are kept.
const KEPT: usize = 1000;
const ALL: &str = "*";
const ENDED: [&str; 3] = ["CANCELLED", "FAILED", "SUCCEEDED"];

/// Why a job is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A request.
    Api,
    /// A schedule, by its id.
    Schedule(SmolStr),
}

/// What was counted of one audience.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members that came in since the last job that looked.
    pub realized: u64,
    /// Members that this job confirmed.
    pub existing: u64,
    /// Profiles that are members no longer, remembered for 30 days.
    pub exited: u64,
    /// Members with at least one identity of a namespace, by its code.
    pub by_namespace: BTreeMap<SmolStr, u64>,
}

/// What a job counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Profiles looked at.
    pub profiles: u64,
    /// Per audience.
    pub audiences: BTreeMap<SmolStr, Counts>,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Under way.
    Processing,
    /// Stopped on request.
    Cancelled,
    /// Could not be carried out; why.
    Failed(String),
    /// Done.
    Succeeded(Counted),
}

/// `POST /segment/jobs`: the changes, and the id that [`get`] shows.
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    body: &Json,
    source: &Source,
    request_id: &str,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let items = match body {
        Json::Array(items) => items,
        other => {
            return Err(Error::field(
                "body",
                format_args!("must be an array of {{\"segmentId\"}}, is {}", shown(other)),
            ));
        }
    };
    let (segments, all) = segments(docs, caller, items)?;
    if segments.is_empty() {
        return Err(Error::field("segmentId", "`*` names nothing: there is no published segment definition"));
    }
    let queued = docs.iter(caller.sandbox, Collection::SegmentJob).any(|doc| !is_ended(doc));
    let all = all || segments.len() > SHOWN_MAX;
    let listed: Vec<Json> = match segments.len() > SHOWN_MAX {
        true => vec![json!({ "segmentId": ALL, "segment": { "id": ALL } })],
        false => segments.iter().map(|doc| shown_segment(docs, caller.sandbox, doc)).collect(),
    };
    let (id, run) = (caller.uuid(), caller.uuid());
    let mut document = json!({
        "source": if *source == Source::Api { "api" } else { "scheduler" },
        "status": if queued { "QUEUED" } else { "NEW" },
        "batchId": caller.uuid().as_str(),
        "computeGatewayJobId": caller.uuid().as_str(),
        "segments": listed,
        "requestId": request_id,
        "_internal": { "all": all },
    });
    if let Source::Schedule(schedule) = source {
        document["properties"] = json!({ "scheduleId": schedule.as_str(), "runId": run.as_str() });
    }
    let mut changes = vec![DocChange::put(caller.sandbox, Collection::SegmentJob, id.clone(), document, caller.client)];
    changes.extend(surplus(docs, caller.sandbox, Collection::SegmentJob, caller.client));
    Ok((changes, id))
}

/// The definitions that a request names, and whether it names all.
fn segments<'a>(docs: &'a DocSet, caller: &Caller<'_>, items: &[Json]) -> Result<(Vec<&'a Arc<Doc>>, bool), Error> {
    let published = || docs.iter(caller.sandbox, Collection::Audience).filter(|doc| lifecycle::is_published(doc));
    if items.is_empty() || items.len() > SHOWN_MAX {
        let message = format!("body: must name 1 to {SHOWN_MAX} segments, or `*`; names {}", items.len());
        return Err(Error::new(Kind::Limit, message));
    }
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (i, item) in items.iter().enumerate() {
        let at = |error: Error| error.within(&format!("[{i}]."));
        let fields = Fields::of_body(item).map_err(at)?;
        fields.only(&["segmentId"]).map_err(at)?;
        let id = fields.required_text("segmentId").map_err(at)?;
        let refused = |rule: &str| Err(Error::field(format_args!("[{i}].segmentId"), rule));
        if id == ALL {
            return if items.len() == 1 { Ok((published().collect(), true)) } else { refused("`*` stands alone") };
        }
        if !seen.insert(id) {
            return refused(&format!("`{id}` is given twice"));
        }
        match docs.get(caller.sandbox, Collection::Audience, id) {
            Some(doc) if lifecycle::is_published(doc) => found.push(doc),
            Some(doc) => {
                return refused(&format!("`{id}` is {}; only published ones are evaluated", lifecycle::state(doc)));
            }
            None if docs.get(caller.sandbox, Collection::ExternalAudience, id).is_some() => {
                return refused(&format!("the members of `{id}` are uploaded; it is not evaluated by jobs"));
            }
            None => return refused(&format!("there is no segment definition `{id}`")),
        }
    }
    Ok((found, false))
}

fn shown_segment(docs: &DocSet, sandbox: SandboxId, doc: &Doc) -> Json {
    let policy_id = &doc.body["mergePolicyId"];
    let policy = docs.get(sandbox, Collection::MergePolicy, policy_id.as_str().unwrap_or_default());
    json!({
        "segmentId": doc.id.as_str(),
        "segment": {
            "id": doc.id.as_str(),
            "version": doc.revision,
            "expression": doc.body["expression"],
            "mergePolicyId": policy_id,
            "mergePolicy": { "id": policy_id, "version": policy.map_or(json!(1), |policy| policy.body["version"].clone()) },
        },
    })
}

/// `GET /segment/jobs/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| shown_doc(docs, caller, doc))
}

/// `POST /segment/jobs/bulk-get`: `{"results":{ID: job or error}}`.
pub fn bulk_get(docs: &DocSet, caller: &Caller<'_>, body: &Json, request_id: &str) -> Result<Json, Error> {
    fields::bulk_get(body, request_id, &|id| get(docs, caller, id))
}

/// `DELETE /segment/jobs/{id}`: cancels a job that has not ended, and forgets one that has.
pub fn cancel(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(Vec<DocChange>, ()), Error> {
    let doc = find(docs, caller, id)?;
    Ok((cancelled(doc, caller.sandbox, Collection::SegmentJob, caller.client), ()))
}

/// The next job that has not ended, the oldest first; cancelled ones before all.
pub fn next(docs: &DocSet) -> Option<(SandboxId, Arc<Doc>)> {
    next_of(docs, Collection::SegmentJob)
}

/// The same for any kind of job.
pub(crate) fn next_of(docs: &DocSet, kind: Collection) -> Option<(SandboxId, Arc<Doc>)> {
    let open = docs.iter_everywhere(kind).filter(|(_, doc)| !is_ended(doc));
    open.min_by_key(|(_, doc)| (!is_cancelling(doc), doc.no)).map(|(sandbox, doc)| (sandbox, doc.clone()))
}

/// True if a job is to stop.
pub fn is_cancelling(doc: &Doc) -> bool {
    doc.body["status"] == "CANCELLING"
}

/// The audiences of a job, in an order in which an audience comes after those that it names: all that must
/// be evaluated, with whether the job asks for it.
pub fn work(docs: &DocSet, sandbox: SandboxId, job: &Doc) -> Vec<(AudienceSpec, bool)> {
    let wants_all = job.body["_internal"]["all"] == true;
    let segments = job.body["segments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted: HashSet<&str> = segments.iter().filter_map(|segment| segment["segmentId"].as_str()).collect();
    let is_asked = |spec: &AudienceSpec| match docs.get(sandbox, Collection::Audience, &spec.id) {
        Some(_) => wants_all || wanted.contains(spec.id.as_str()),
        None => false,
    };
    needed(docs, sandbox, &is_asked)
}

/// The audiences that hold, and all that they name, in order.
fn needed(docs: &DocSet, sandbox: SandboxId, is_asked: &dyn Fn(&AudienceSpec) -> bool) -> Vec<(AudienceSpec, bool)> {
    let all = audiences(docs, sandbox);
    let mut needed: HashSet<SmolStr> = all.iter().filter(|spec| is_asked(spec)).map(|spec| spec.id.clone()).collect();
    // Those that are named come first, so one look from the end finds all.
    for spec in all.iter().rev() {
        if needed.contains(&spec.id)
            && let Some(doc) = docs.get(sandbox, Collection::Audience, &spec.id)
        {
            needed.extend(crate::audiences::references(doc).map(SmolStr::new));
        }
    }
    let with_mark = |spec: AudienceSpec| {
        let asked = is_asked(&spec);
        (spec, asked)
    };
    all.into_iter().filter(|spec| needed.contains(&spec.id)).map(with_mark).collect()
}

/// When each audience was last counted by a job that succeeded, before this one.
pub fn counted_before(docs: &DocSet, sandbox: SandboxId, job: &Doc) -> BTreeMap<SmolStr, Timestamp> {
    counted(docs, sandbox, &|other| other.no < job.no)
}

/// When each audience was last counted by a job that succeeded.
pub fn last_counted(docs: &DocSet, sandbox: SandboxId) -> BTreeMap<SmolStr, Timestamp> {
    counted(docs, sandbox, &|_| true)
}

fn counted(docs: &DocSet, sandbox: SandboxId, which: &dyn Fn(&Doc) -> bool) -> BTreeMap<SmolStr, Timestamp> {
    let mut before = BTreeMap::new();
    let mut earlier: Vec<_> = docs.iter(sandbox, Collection::SegmentJob).filter(|doc| which(doc)).collect();
    earlier.sort_by_key(|doc| doc.no);
    for doc in earlier.into_iter().filter(|doc| doc.body["status"] == "SUCCEEDED") {
        let at = doc.body["_internal"]["started"].as_i64().unwrap_or(doc.created_at.0);
        let counted = doc.body["metrics"]["segmentedProfileCounter"].as_object();
        for id in counted.into_iter().flat_map(|counted| counted.keys()) {
            before.insert(SmolStr::new(id), Timestamp(at));
        }
    }
    before
}

/// The change that writes down how a job stands; `None` when it is gone,
/// or is to stop before it began.
pub fn write_stand(docs: &DocSet, sandbox: SandboxId, id: &str, now: Timestamp, stand: &Stand) -> Option<DocChange> {
    let doc = docs.get(sandbox, Collection::SegmentJob, id)?;
    // What is to stop does not begin: its work finds that out and ends.
    if *stand == Stand::Processing && is_cancelling(doc) {
        return None;
    }
    let mut body = doc.body.clone();
    let started = body["_internal"]["started"].as_i64();
    body["status"] = match stand {
        Stand::Processing => "PROCESSING",
        Stand::Cancelled => "CANCELLED",
        Stand::Failed(_) => "FAILED",
        Stand::Succeeded(_) => "SUCCEEDED",
    }
    .into();
    match stand {
        Stand::Processing => body["_internal"]["started"] = now.0.into(),
        Stand::Failed(why) => body["errors"] = json!([{ "code": "UPAPI-500", "msg": why, "callStack": "" }]),
        Stand::Succeeded(counted) => put_counted(docs, sandbox, &mut body, counted),
        Stand::Cancelled => {}
    }
    if *stand != Stand::Processing {
        body["_internal"]["ended"] = now.0.into();
        body["_internal"]["started"] = started.unwrap_or(now.0).into();
    }
    Some(DocChange::put(sandbox, Collection::SegmentJob, id, body, &doc.updated_by))
}

fn put_counted(docs: &DocSet, sandbox: SandboxId, body: &mut Json, counted: &Counted) {
    let (mut totals, mut namespaces, mut statuses, mut policies) = (Map::new(), Map::new(), Map::new(), Map::new());
    for (id, counts) in &counted.audiences {
        totals.insert(id.to_string(), (counts.realized + counts.existing).into());
        let by: Map<String, Json> =
            counts.by_namespace.iter().map(|(code, n)| (code.to_string(), (*n).into())).collect();
        namespaces.insert(id.to_string(), by.into());
        let by = json!({ "realized": counts.realized, "existing": counts.existing, "exited": counts.exited });
        statuses.insert(id.to_string(), by);
        let definition = docs.get(sandbox, Collection::Audience, id);
        if let Some(policy) = definition.and_then(|doc| doc.body["mergePolicyId"].as_str()) {
            policies.insert(policy.to_owned(), counted.profiles.into());
        }
    }
    body["metrics"] = json!({
        "totalProfiles": counted.profiles,
        "segmentedProfileCounter": totals,
        "segmentedProfileByNamespaceCounter": namespaces,
        "segmentedProfileByStatusCounter": statuses,
        "totalProfilesByMergePolicy": policies,
    });
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    docs.get(caller.sandbox, Collection::SegmentJob, id).ok_or_else(|| Error::not_found("segment job", id))
}

/// True if a job is over, well or not.
pub(crate) fn is_ended(doc: &Doc) -> bool {
    doc.body["status"].as_str().is_some_and(|status| ENDED.contains(&status))
}

/// The change that stops a piece of work which waits or runs, or removes the record of one that has ended.
pub(crate) fn cancelled(doc: &Doc, sandbox: SandboxId, kind: Collection, by: &str) -> Vec<DocChange> {
    if is_ended(doc) {
        return vec![DocChange::delete(sandbox, kind, doc.id.clone(), by)];
    }
    if is_cancelling(doc) {
        return Vec::new();
    }
    let mut body = doc.body.clone();
    body["status"] = "CANCELLING".into();
    vec![DocChange::put(sandbox, kind, doc.id.clone(), body, by)]
}

/// Removes the oldest ended documents of a kind beyond those that are kept.
pub(crate) fn surplus(docs: &DocSet, sandbox: SandboxId, kind: Collection, by: &str) -> Vec<DocChange> {
    let mut ended: Vec<_> = docs.iter(sandbox, kind).filter(|doc| is_ended(doc)).collect();
    ended.sort_by_key(|doc| doc.no);
    let surplus = ended.len().saturating_sub(KEPT);
    ended.into_iter().take(surplus).map(|doc| DocChange::delete(sandbox, kind, doc.id.clone(), by)).collect()
}

/// The times of a piece of work, as metrics show them; ends stand once they are known.
pub(crate) fn span(start: Option<i64>, end: Option<i64>) -> Json {
    let mut span = json!({});
    if let Some(start) = start {
        span["startTimeInMs"] = start.into();
        if let Some(end) = end {
            span["endTimeInMs"] = end.into();
            span["totalTimeInMs"] = (end - start).max(0).into();
        }
    }
    span
}

fn shown_doc(docs: &DocSet, caller: &Caller<'_>, doc: &Doc) -> Json {
    let mut out = json!({
        "id": doc.id.as_str(),
        "imsOrgId": caller.org,
        "sandbox": crate::sandbox::shown(docs, caller),
        "profileInstanceId": "ups",
        "source": doc.body["source"],
        "status": doc.body["status"],
        "batchId": doc.body["batchId"],
        "computeJobId": doc.no,
        "computeGatewayJobId": doc.body["computeGatewayJobId"],
        "segments": doc.body["segments"],
    });
    let internal = |member: &str| doc.body["_internal"][member].as_i64();
    out["metrics"] = json!({
        "totalTime": span(Some(doc.created_at.0), internal("ended")),
        "profileSegmentationTime": span(internal("started"), internal("ended")),
    });
    for (name, value) in doc.body["metrics"].as_object().into_iter().flatten() {
        out["metrics"][name] = value.clone();
    }
    for member in ["errors", "requestId", "properties"] {
        if let Some(value) = doc.body.get(member) {
            out[member] = value.clone();
        }
    }
    let href = format!("/segment/jobs/{}", doc.id);
    out["schema"] = json!({ "name": PROFILE_CLASS });
    out["_links"] = json!({
        "cancel": { "href": href, "method": "DELETE" },
        "checkStatus": { "href": href, "method": "GET" },
    });
    out["updateTime"] = doc.updated_at.0.into();
    out["creationTime"] = doc.created_at.0.into();
    out["updateEpoch"] = doc.updated_at.0.div_euclid(1000).into();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export_jobs;

    #[test]
    fn what_is_to_stop_does_not_begin() {
        let (sandbox, now) = (SandboxId(1), Timestamp(1));
        let mut docs = DocSet::default();
        for kind in [Collection::SegmentJob, Collection::ExportJob] {
            let job = DocChange::put(sandbox, kind, "job", json!({ "status": "CANCELLING" }), "client");
            docs.apply(docs.n + 1, now, &job);
        }
        assert!(write_stand(&docs, sandbox, "job", now, &Stand::Processing).is_none());
        assert!(export_jobs::write_stand(&docs, sandbox, "job", now, &export_jobs::Stand::Processing).is_none());
        assert!(write_stand(&docs, sandbox, "job", now, &Stand::Cancelled).is_some());
        assert!(export_jobs::write_stand(&docs, sandbox, "job", now, &export_jobs::Stand::Cancelled).is_some());
    }
}
