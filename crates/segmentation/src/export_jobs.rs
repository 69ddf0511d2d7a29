//! Export jobs: fields of profiles, written as batches of a data set (profile.md §9.5).
//!
//! A job is a document, moved by the server's worker `NEW → PROCESSING → SUCCEEDED|FAILED`, or `CANCELLING →
//! CANCELLED`. Its id is a number.
//!
//! Always: the data set has the union schema and is not enabled for Profile, so that an export never flows back;
//! every filter that is accepted is applied.

mod read;
mod show;

pub use read::{Events, Plan, Wanted};
pub use show::list;

use crate::error::Error;
use crate::jobs::{cancelled, is_ended, next_of, surplus};
use model::{Caller, Collection, Doc, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A batch that an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: SmolStr,
    /// The audience that it holds, where each has its own.
    pub segment: Option<SmolStr>,
    /// Its directory below the data directory.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
}

/// How an export stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Under way.
    Processing,
    /// Stopped on request.
    Cancelled,
    /// Could not be carried out; why.
    Failed(String),
    /// Done.
    Succeeded {
        /// What was written.
        batches: Vec<Batch>,
        /// When reading ended and writing to disk began.
        read_until: Timestamp,
    },
}

/// Refuses a body that no export can be made of; changes nothing.
pub fn check(docs: &DocSet, caller: &Caller<'_>, schema: &pql::Schema, body: &Json) -> Result<(), Error> {
    read::document(docs, caller, schema, body).map(drop)
}

/// `POST /export/jobs`: the changes, and the id that [`get`] shows.
pub fn create(
    docs: &DocSet,
    caller: &Caller<'_>,
    schema: &pql::Schema,
    body: &Json,
    request_id: &str,
) -> Result<(Vec<DocChange>, SmolStr), Error> {
    let mut document = read::document(docs, caller, schema, body)?;
    document["status"] = "NEW".into();
    document["requestId"] = request_id.into();
    document["computeGatewayJobId"] = json!({ "exportJob": caller.uuid().as_str(), "pushJob": caller.uuid().as_str() });
    // The position of the change, which becomes the number of the document.
    let id = SmolStr::new((docs.n + 1).to_string());
    let mut changes = vec![DocChange::put(caller.sandbox, Collection::ExportJob, id.clone(), document, caller.client)];
    changes.extend(surplus(docs, caller.sandbox, Collection::ExportJob, caller.client));
    Ok((changes, id))
}

/// `GET /export/jobs/{id}`.
pub fn get(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<Json, Error> {
    find(docs, caller, id).map(|doc| show::doc(caller, doc))
}

/// `DELETE /export/jobs/{id}`: cancels a job that has not ended, and forgets one that has.
pub fn cancel(docs: &DocSet, caller: &Caller<'_>, id: &str) -> Result<(Vec<DocChange>, Json), Error> {
    let doc = find(docs, caller, id)?;
    let message = match is_ended(doc) {
        true => "Export job has been deleted",
        false => "Export job has been marked for cancelling",
    };
    let changes = cancelled(doc, caller.sandbox, Collection::ExportJob, caller.client);
    Ok((changes, json!({ "status": true, "message": message })))
}

/// The next job that has not ended, the oldest first; cancelled ones before all.
pub fn next(docs: &DocSet) -> Option<(SandboxId, Arc<Doc>)> {
    next_of(docs, Collection::ExportJob)
}

/// What the exporter must know of a job.
pub fn plan(job: &Doc) -> Plan {
    Plan::of(&job.body)
}

/// The change that writes down how a job stands; `None` when it is gone,
/// or is to stop before it began.
pub fn write_stand(docs: &DocSet, sandbox: SandboxId, id: &str, now: Timestamp, stand: &Stand) -> Option<DocChange> {
    let doc = docs.get(sandbox, Collection::ExportJob, id)?;
    // What is to stop does not begin: its work finds that out and ends.
    if *stand == Stand::Processing && crate::jobs::is_cancelling(doc) {
        return None;
    }
    let mut body = doc.body.clone();
    body["status"] = match stand {
        Stand::Processing => "PROCESSING",
        Stand::Cancelled => "CANCELLED",
        Stand::Failed(_) => "FAILED",
        Stand::Succeeded { .. } => "SUCCEEDED",
    }
    .into();
    match stand {
        Stand::Processing => body["_internal"]["started"] = now.0.into(),
        Stand::Failed(why) => body["errors"] = json!([{ "code": "UPAPI-500", "msg": why, "callStack": "" }]),
        Stand::Succeeded { batches, read_until } => {
            put_batches(&mut body, batches);
            body["_internal"]["read"] = read_until.0.into();
        }
        Stand::Cancelled => {}
    }
    if *stand != Stand::Processing {
        body["_internal"]["ended"] = now.0.into();
    }
    Some(DocChange::put(sandbox, Collection::ExportJob, id, body, &doc.updated_by))
}

/// Names what was written: one batch, or one per audience.
fn put_batches(body: &mut Json, batches: &[Batch]) {
    let rows: u64 = batches.iter().map(|batch| batch.rows).sum();
    body["_internal"]["rows"] = rows.into();
    let destination = &mut body["destination"];
    match batches {
        [batch] if batch.segment.is_none() => {
            destination["batchId"] = batch.id.as_str().into();
            destination["path"] = batch.path.as_str().into();
        }
        _ => {
            for batch in batches {
                let segment = batch.segment.as_deref().unwrap_or_default();
                destination["batches"][segment] = json!({
                    "segmentId": segment, "batchId": batch.id.as_str(), "path": batch.path, "rows": batch.rows,
                });
            }
        }
    }
}

fn find<'a>(docs: &'a DocSet, caller: &Caller<'_>, id: &str) -> Result<&'a Arc<Doc>, Error> {
    docs.get(caller.sandbox, Collection::ExportJob, id).ok_or_else(|| Error::not_found("export job", id))
}
