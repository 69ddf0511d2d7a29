//! How export jobs look, and their list.

use crate::Parameters;
use crate::error::Error;
use crate::jobs::span;
use crate::page::Query;
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const PATH: &str = "/export/jobs";
const STATUSES: [&str; 6] = ["NEW", "PROCESSING", "CANCELLING", "CANCELLED", "FAILED", "SUCCEEDED"];

/// `GET /export/jobs`: `{"records":[…],"page":{…},"link":{"next"?}}`, the newest first. `offset` is where a page begins.
pub fn list(docs: &DocSet, caller: &Caller<'_>, parameters: &Parameters) -> Result<Json, Error> {
    let query = Query::of(parameters, &["limit", "offset", "status"])?;
    let limit = query.number("limit", 1, 1000)?.unwrap_or(100);
    let offset = query.number("offset", 0, usize::MAX)?.unwrap_or(0);
    let mut found: Vec<&Arc<Doc>> = docs.iter(caller.sandbox, Collection::ExportJob).collect();
    if let Some(status) = query.one("status")? {
        if !STATUSES.contains(&status) {
            let rule = format!("must be one of {}, is `{status}`", STATUSES.join(", "));
            return Err(Error::field("status", rule));
        }
        found.retain(|doc| doc.body["status"] == status);
    }
    found.sort_by_key(|doc| std::cmp::Reverse(doc.no));
    let records: Vec<Json> = found.iter().skip(offset).take(limit).map(|job| doc(caller, job)).collect();
    let end = offset.saturating_add(limit);
    let mut link = json!({});
    if end < found.len() {
        let status = query.one("status")?.map_or(String::new(), |status| format!("&status={status}"));
        link["next"] = format!("{PATH}?limit={limit}&offset={end}{status}").into();
    }
    Ok(json!({
        "page": {
            "sortField": "createdTime", "sort": "desc",
            "pageOffset": offset.to_string(), "pageSize": records.len(), "totalCount": found.len(),
        },
        "records": records,
        "link": link,
    }))
}

/// One job.
pub(super) fn doc(caller: &Caller<'_>, job: &Doc) -> Json {
    let mut out = json!({ "id": job.no });
    let members = [
        "jobType",
        "destination",
        "fields",
        "schema",
        "status",
        "filter",
        "additionalFields",
        "mergePolicy",
        "errors",
        "computeGatewayJobId",
        "requestId",
    ];
    for member in members {
        if let Some(value) = job.body.get(member) {
            out[member] = value.clone();
        }
    }
    out["imsOrgId"] = caller.org.into();
    out["profileInstanceId"] = "ups".into();
    let internal = |member: &str| job.body["_internal"][member].as_i64();
    out["metrics"] = json!({
        "totalTime": span(Some(job.created_at.0), internal("ended")),
        "profileExportTime": span(internal("started"), internal("read")),
        "aCPDatasetWriteTime": span(internal("read"), internal("ended")),
    });
    if let Some(rows) = internal("rows") {
        out["metrics"]["totalExportedProfileCounter"] = rows.into();
    }
    out["creationTime"] = job.created_at.0.into();
    out["updateTime"] = job.updated_at.0.into();
    out
}
