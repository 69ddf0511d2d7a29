//! Dataflow runs: one per flow and hour, made from counted figures.
//!
//! In: the figures that the engine counted, hour by hour. Out: `Flow_Run` JSON. Conservation:
//! input = output + skipped + failed, plus what waits while the run is `processing`.
//! A run's id is a fixed function of flow and hour, so it needs no storage.

use crate::entity::{self, etag};
use crate::error::{Error, Result};
use crate::listing::{self, Query};
use model::{Caller, Collection, Doc, DocSet, FlowNo, SmolStr, Timestamp};
use serde_json::{Map, Value as Json, json};

const HOUR_MS: i64 = 3_600_000;

/// What one flow did in one hour, in outbox entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFigures {
    /// The flow.
    pub flow: FlowNo,
    /// Start of the hour, epoch milliseconds.
    pub hour_start_ms: i64,
    /// Entries handed to the flow.
    pub received: u64,
    /// Entries delivered.
    pub exported: u64,
    /// Entries not sent on purpose, by reason.
    pub filtered: Vec<(SmolStr, u64)>,
    /// Entries not finished yet.
    pub waiting: u64,
    /// Entries given up, by reason.
    pub dead: Vec<(SmolStr, u64)>,
    /// The same by audience, where it is counted; an entry counts once for each audience that it carries.
    pub audiences: Vec<AudienceFigures>,
}

/// The figures of one audience in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudienceFigures {
    /// Its id.
    pub audience_id: SmolStr,
    /// Entries handed to the flow.
    pub received: u64,
    /// Entries delivered.
    pub exported: u64,
    /// Entries not sent on purpose.
    pub filtered: u64,
    /// Entries given up.
    pub dead: u64,
}

impl RunFigures {
    fn filtered_count(&self) -> u64 {
        self.filtered.iter().map(|(_, n)| n).sum()
    }

    fn dead_count(&self) -> u64 {
        self.dead.iter().map(|(_, n)| n).sum()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.0 >= self.end_ms() && self.waiting == 0
    }

    /// `processing` until the hour is over and nothing waits; `failed` when nothing got through.
    fn status(&self, now: Timestamp) -> &'static str {
        match self.is_over(now) {
            false => "processing",
            true if self.exported == 0 && self.dead_count() > 0 => "failed",
            true => "success",
        }
    }

    fn end_ms(&self) -> i64 {
        self.hour_start_ms + HOUR_MS
    }

    /// A number that changes with the figures, for the etag.
    fn fingerprint(&self, now: Timestamp) -> u32 {
        let counts = [self.received, self.exported, self.filtered_count(), self.waiting, self.dead_count()];
        let counts = counts.into_iter().chain([u64::from(self.is_over(now))]);
        counts.fold(1, |mixed, count| mixed.wrapping_mul(0x0100_0193) ^ (count as u32) ^ ((count >> 32) as u32))
    }
}

const RUN_FIELDS: &[&str] = &[
    "id",
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "createdClient",
    "updatedClient",
    "sandboxId",
    "sandboxName",
    "imsOrgId",
    "flowId",
    "flowSpec",
    "etag",
    "metrics",
];

/// `GET /runs`. Figures of flows that are gone are left out.
pub fn list_runs(docs: &DocSet, caller: &Caller<'_>, figures: &[RunFigures], query: &Query) -> Result<Json> {
    let items =
        with_flows(docs, caller, figures).map(|(flow, figures)| run_json(docs, flow, caller, figures)).collect();
    listing::page(items, query, "/runs", RUN_FIELDS)
}

/// `GET /runs/{id}`.
pub fn get_run(docs: &DocSet, caller: &Caller<'_>, figures: &[RunFigures], id: &str) -> Result<Json> {
    let mut runs = with_flows(docs, caller, figures);
    let found = runs.find(|(flow, figures)| run_id(&flow.id, figures.hour_start_ms) == id);
    let (flow, figures) = found.ok_or_else(|| Error::not_found("runs", id))?;
    Ok(entity::only(run_json(docs, flow, caller, figures)))
}

/// The refusal of `POST /runs`.
pub fn refuse_run_create() -> Error {
    Error::new(1436, "runs can be started only of flows scheduled once; streaming flows run by the hour")
}

/// The refusal of `PUT /runs/{id}`.
pub fn refuse_run_write() -> Error {
    Error::new(1427, "runs cannot be written")
}

/// The refusal of `POST /runs/{id}/action`.
pub fn refuse_run_action() -> Error {
    Error::new(1436, "RE_TRIGGER does not apply to runs of streaming flows; replay dead letters instead")
}

fn with_flows<'a>(
    docs: &'a DocSet,
    caller: &Caller<'_>,
    figures: &'a [RunFigures],
) -> impl Iterator<Item = (&'a Doc, &'a RunFigures)> {
    let flows: Vec<&Doc> = docs.iter(caller.sandbox, Collection::Flow).map(AsRef::as_ref).collect();
    figures.iter().filter_map(move |f| Some((*flows.iter().find(|flow| flow.no == f.flow.0)?, f)))
}

/// One run as `Flow_Run`.
pub fn run_json(docs: &DocSet, flow: &Doc, caller: &Caller<'_>, figures: &RunFigures) -> Json {
    let id = run_id(&flow.id, figures.hour_start_ms);
    let tag = etag(&id, figures.fingerprint(caller.now));
    json!({
        "id": id,
        "createdAt": figures.hour_start_ms,
        "updatedAt": if figures.is_over(caller.now) { figures.end_ms() } else { caller.now.0 },
        "createdBy": flow.created_by.as_str(),
        "updatedBy": flow.created_by.as_str(),
        "createdClient": flow.created_by.as_str(),
        "updatedClient": flow.created_by.as_str(),
        "sandboxId": entity::sandbox_id(docs, caller),
        "sandboxName": caller.sandbox_name,
        "imsOrgId": caller.org,
        "flowId": flow.id.as_str(),
        "flowSpec": flow.body["flowSpec"],
        "etag": tag,
        "metrics": {
            "durationSummary": duration(figures, caller.now),
            "recordSummary": record_summary(flow, figures),
            "statusSummary": status_summary(figures, caller.now),
        },
    })
}

/// `lastRunDetails` of a flow.
pub(crate) fn summary(flow_id: &str, figures: &RunFigures, now: Timestamp) -> Json {
    let mut out = Map::new();
    out.insert("id".into(), json!(run_id(flow_id, figures.hour_start_ms)));
    out.insert("state".into(), json!(figures.status(now)));
    if let Json::Object(duration) = duration(figures, now) {
        out.extend(duration);
    }
    Json::Object(out)
}

fn duration(figures: &RunFigures, now: Timestamp) -> Json {
    if figures.is_over(now) {
        json!({ "startedAtUTC": figures.hour_start_ms, "completedAtUTC": figures.end_ms() })
    } else {
        json!({ "startedAtUTC": figures.hour_start_ms })
    }
}

fn status_summary(figures: &RunFigures, now: Timestamp) -> Json {
    let mut out = json!({ "status": figures.status(now), "errors": [] });
    if figures.waiting > 0 {
        out["extensions"] = json!({ "waitingRecordCount": figures.waiting });
    }
    out
}

fn record_summary(flow: &Doc, figures: &RunFigures) -> Json {
    let (filtered, dead) = (figures.filtered_count(), figures.dead_count());
    let entities = |show: fn(&AudienceFigures) -> Json| -> Vec<Json> { figures.audiences.iter().map(show).collect() };
    json!({
        "inputRecordCount": figures.received,
        "createdRecordCount": figures.exported,
        "outputRecordCount": figures.exported,
        "skippedRecordCount": filtered,
        "failedRecordCount": dead,
        "sourceSummaries": [{
            "id": flow.body["sourceConnectionIds"][0],
            "inputRecordCount": figures.received,
            "skippedRecordCount": filtered,
            "entitySummaries": entities(|a| json!({
                "id": format!("segment:{}", a.audience_id),
                "inputRecordCount": a.received,
                "skippedRecordCount": a.filtered,
            })),
        }],
        "targetSummaries": [{
            "id": flow.body["targetConnectionIds"][0],
            "createdRecordCount": figures.exported,
            "outputRecordCount": figures.exported,
            "failedRecordCount": dead,
            "entitySummaries": entities(|a| json!({
                "id": format!("segment:{}", a.audience_id),
                "createdRecordCount": a.exported,
                "outputRecordCount": a.exported,
                "failedRecordCount": a.dead,
            })),
        }],
        "skippedInfo": infos(&figures.filtered, "SKIP", "Warning"),
        "failedInfo": infos(&figures.dead, "FAILED", "Error"),
    })
}

/// `{code, message, count, type}` of each reason: `flow_disabled` is
/// `ACTIVATION_STREAMING-FLOW_DISABLED-SKIP`.
fn infos(reasons: &[(SmolStr, u64)], suffix: &str, kind: &str) -> Vec<Json> {
    let word = |reason: &str| -> String {
        reason.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    reasons
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| {
            let code = format!("ACTIVATION_STREAMING-{}-{suffix}", word(reason));
            json!({ "code": code, "message": reason.as_str(), "count": count, "type": kind })
        })
        .collect()
}

/// A UUID-shaped id from flow and hour (FNV-1a of 128 bits).
fn run_id(flow_id: &str, hour_start_ms: i64) -> String {
    let bytes = flow_id.bytes().chain(hour_start_ms.to_be_bytes());
    let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    let hex = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
