//! Audiences: `/data/core/ups/audiences`.

use super::{UPS, change, no_content, read};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{JsonBody, Requester};
use crate::routes::union_schema;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocSet};
use segmentation::audience_api as audiences;

pub(super) fn routes() -> Router<App> {
    let path = format!("{UPS}/audiences");
    Router::new()
        .route(&path, get(list).post(create))
        .route(&format!("{path}/bulk-get"), post(bulk_get))
        .route(&format!("{path}/{{id}}"), get(one).put(replace).patch(update).delete(delete))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| audiences::list(docs, caller, &parameters))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| audiences::get(docs, caller, &id))
}

async fn bulk_get(
    State(app): State<App>,
    requester: Requester,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    read(&app, &requester, 207, |docs, caller| audiences::bulk_get(docs, caller, &body, &requester.request_id))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let decide =
        |docs: &DocSet, caller: &Caller<'_>| audiences::create(docs, caller, &union_schema(docs, caller), &body);
    let id = change(&app, &requester, decide).await?;
    read(&app, &requester, 201, |docs, caller| audiences::get(docs, caller, &id))
}

async fn replace(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let used = |audience: &str| flows::dataflows::using_audience(docs, caller.sandbox, audience);
        audiences::replace(docs, caller, &union_schema(docs, caller), &id, &body, &used)
    };
    let id = change(&app, &requester, decide).await?;
    read(&app, &requester, 201, |docs, caller| audiences::get(docs, caller, &id))
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let used = |audience: &str| flows::dataflows::using_audience(docs, caller.sandbox, audience);
        audiences::update(docs, caller, &union_schema(docs, caller), &id, &body, &used)
    };
    let id = change(&app, &requester, decide).await?;
    read(&app, &requester, 201, |docs, caller| audiences::get(docs, caller, &id))
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let used = |audience: &str| flows::dataflows::using_audience(docs, caller.sandbox, audience);
        audiences::delete(docs, caller, &id, &used)
    };
    change(&app, &requester, decide).await?;
    Ok(no_content())
}
