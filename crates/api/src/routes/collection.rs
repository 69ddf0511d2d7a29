//! Streaming ingestion: `/collection/{inlet}` and `/collection/batch/{inlet}` (profile.md §7.1–7.3).
//!
//! No gateway here: a token is asked for only when the inlet does (design, §11.9).

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{bearer_client, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use ingest::{Accepted, Fault, Inlet};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

const PROBLEM: &str = "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet";
const AUTHORIZATION: &str = "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/collection/{inlet}", post(one))
        .route("/collection/batch/{inlet}", post(many))
        .layer(DefaultBodyLimit::max(ingest::BODY_BYTES_MAX))
}

type Body = Result<Bytes, BytesRejection>;

async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = bytes(&headers, body)?;
    let sync = sync_validation(&query)?;
    let current = app.current();
    let inlet = open_inlet(&app, &current.plan, &id, &headers)?;
    let org = organisation(&current.docs);
    let accepted = app.ingest.one(&inlet, &org, &body, sync).await.map_err(|f| refused(&f))?;
    let mut answer =
        json!({ "inletId": id, "xactionId": accepted.xaction_id.as_str(), "receivedTimeMs": accepted.received.0 });
    if sync {
        answer["syncValidation"] = json!({ "status": "pass" });
    }
    Ok(respond(200, &answer, &[], "application/json"))
}

/// Messages are kept as text, so that one that is broken inside does not spoil the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Messages<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

async fn many(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = bytes(&headers, body)?;
    if sync_validation(&query)? {
        return Err(problem(400, "syncValidation works with single messages only"));
    }
    let current = app.current();
    let inlet = open_inlet(&app, &current.plan, &id, &headers)?;
    let batch: Messages<'_> = serde_json::from_slice(&body)
        .map_err(|e| problem(400, &format!("the body is not a batch of messages: {e}")))?;
    let messages: Vec<&[u8]> = batch.messages.iter().map(|m| m.get().as_bytes()).collect();
    let org = organisation(&current.docs);
    let answers = app.ingest.many(&inlet, &org, &messages).await.map_err(|f| refused(&f))?;
    let received = answers.iter().find_map(|a| a.as_ref().ok()).map_or_else(|| app.clock.now(), |a| a.received);
    let responses: Vec<Json> = answers.iter().map(answer).collect();
    let batch_id = model::Xid(access::fresh()).to_string();
    let body = json!({ "inletId": id, "batchId": batch_id, "receivedTimeMs": received.0, "responses": responses });
    Ok(respond(207, &body, &[], "application/json"))
}

fn answer(answer: &Result<Accepted, Fault>) -> Json {
    match answer {
        Ok(accepted) => json!({ "xactionId": accepted.xaction_id.as_str() }),
        Err(fault) => json!({ "statusCode": fault.status, "message": fault.message }),
    }
}

fn bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let kind = text(headers, "content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let given = if kind.is_empty() { "absent" } else { kind };
        return Err(problem(415, &format!("Content-Type must be application/json, is {given}")));
    }
    body.map_err(|e| match e.status().as_u16() {
        413 => problem(413, &format!("the body is larger than {} bytes", ingest::BODY_BYTES_MAX)),
        status => problem(status, &e.body_text()),
    })
}

/// In any case: Python clients send `True`.
fn sync_validation(query: &[(String, String)]) -> Result<bool, ApiError> {
    match query.iter().find(|(name, _)| name == "syncValidation").map(|(_, v)| v.as_str()) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(other) => Err(problem(400, &format!("syncValidation must be true or false, is {other:?}"))),
    }
}

fn open_inlet<'a>(app: &App, plan: &'a engine::Plan, id: &str, headers: &HeaderMap) -> Result<Inlet<'a>, ApiError> {
    let inlet = ingest::inlet(plan, id).ok_or_else(|| problem(404, &format!("there is no inlet {id:?}")))?;
    if inlet.inlet.authenticated {
        let organisation = organisation(&app.current().docs);
        if bearer_client(headers, app).is_err() {
            return Err(unauthorised("401", "this inlet needs a valid bearer token in Authorization"));
        }
        if text(headers, "x-gw-ims-org-id") != Some(organisation.as_str()) {
            return Err(unauthorised("403", "x-gw-ims-org-id is missing or not the organisation of this inlet"));
        }
    }
    Ok(inlet)
}

fn organisation(docs: &model::DocSet) -> model::SmolStr {
    access::organisation(docs).map(|o| o.org_id).unwrap_or_default()
}

/// The original prints the status as text here (activation.md §12.2).
fn unauthorised(status: &str, message: &str) -> ApiError {
    let body =
        json!({ "type": AUTHORIZATION, "status": status, "title": "Authorization", "report": { "message": message } });
    ApiError::new(status.parse().unwrap_or(401), body)
}

fn problem(status: u16, message: &str) -> ApiError {
    let title = if status == 400 { "Invalid XDM Message Format" } else { "Message not taken" };
    let body = json!({ "type": PROBLEM, "status": status, "title": title, "report": { "message": message } });
    let error = ApiError::new(status, body);
    if status == 503 { error.with_header("retry-after", "1") } else { error }
}

fn refused(fault: &Fault) -> ApiError {
    if fault.violations.is_empty() {
        return problem(fault.status, &fault.message);
    }
    let violations: Vec<Json> = fault
        .violations
        .iter()
        .map(|v| {
            json!({
                "schemaLocation": v.schema_pointer, "pointerToViolation": format!("#{}", v.pointer),
                "causingExceptions": [], "keyword": v.keyword, "message": v.message,
            })
        })
        .collect();
    let report = json!({ "message": fault.message, "cause": { "_streamingValidation": violations } });
    let body = json!({ "type": PROBLEM, "status": 400, "title": "Invalid XDM Message Format", "report": report });
    ApiError::new(400, body)
}
