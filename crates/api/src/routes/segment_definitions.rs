//! Segment definitions: `/data/core/ups/segment/definitions`, and `/data/core/ups/segment/conversion`.

use super::merge_policies::refused;
use super::union_schema;
use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocChange, DocSet};
use segmentation::Error;
use segmentation::definitions::{self, Accepted};
use serde_json::Value as Json;

const PATH: &str = "/data/core/ups/segment/definitions";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route(&format!("{PATH}/bulk-get"), post(bulk_get))
        .route(&format!("{PATH}/{{id}}"), get(one).patch(update).delete(delete))
        .route("/data/core/ups/segment/conversion", post(convert))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| definitions::list(docs, caller, &parameters);
    let page = app.read(&requester, |docs, caller| read(docs, caller).map_err(refused(&requester)))?;
    Ok(respond(200, &page, &[], "application/json"))
}

async fn convert(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let convert = |caller: &Caller<'_>| segmentation::conversion::convert(caller, &body);
    let answer = app.read(&requester, |_, caller| convert(caller).map_err(refused(&requester)))?;
    Ok(respond(200, &answer, &[], "application/json"))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    Ok(respond(200, &shown(&app, &requester, &id)?, &[], "application/json"))
}

async fn bulk_get(
    State(app): State<App>,
    requester: Requester,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| {
        definitions::bulk_get(docs, caller, &body, &requester.request_id).map_err(refused(&requester))
    };
    Ok(respond(207, &app.read(&requester, read)?, &[], "application/json"))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    accept(&app, &requester, |docs, caller, schema| definitions::create(docs, caller, schema, &body)).await
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    accept(&app, &requester, |docs, caller, schema| definitions::update(docs, caller, schema, &id, &body)).await
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let used_by_flow = |audience: &str| flows::dataflows::using_audience(docs, caller.sandbox, audience);
        definitions::delete(docs, caller, &id, &used_by_flow).map_err(refused(&requester))
    };
    Ok(respond(200, &app.change(&requester, decide).await?, &[], "application/json"))
}

/// Makes a definition durable and answers with it. Queries are checked against the union schemas.
async fn accept(
    app: &App,
    requester: &Requester,
    decide: impl FnOnce(&DocSet, &Caller<'_>, &pql::Schema) -> Result<(Vec<DocChange>, Accepted), Error>,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        decide(docs, caller, &union_schema(docs, caller)).map_err(refused(requester))
    };
    let accepted = app.change(requester, decide).await?;
    for warning in &accepted.warnings {
        tracing::info!(audience = %accepted.id, %warning, "accepted an audience with a warning");
    }
    let location = ("x-location", format!("{}{PATH}/{}", app.public_url, accepted.id));
    Ok(respond(200, &shown(app, requester, &accepted.id)?, &[location], "application/json"))
}

fn shown(app: &App, requester: &Requester, id: &str) -> Result<Json, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| definitions::get(docs, caller, id);
    app.read(requester, |docs, caller| read(docs, caller).map_err(refused(requester)))
}
