//! Segment jobs: `/data/core/ups/segment/jobs`.

use super::{UPS, change, no_content, read};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{JsonBody, Requester};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocSet};
use segmentation::jobs;

pub(super) fn routes() -> Router<App> {
    let path = format!("{UPS}/segment/jobs");
    Router::new()
        .route(&path, get(list).post(create))
        .route(&format!("{path}/bulk-get"), post(bulk_get))
        .route(&format!("{path}/{{id}}"), get(one).delete(delete))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| jobs::list(docs, caller, &parameters))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| jobs::get(docs, caller, &id))
}

async fn bulk_get(
    State(app): State<App>,
    requester: Requester,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    read(&app, &requester, 207, |docs, caller| jobs::bulk_get(docs, caller, &body, &requester.request_id))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        jobs::create(docs, caller, &body, &jobs::Source::Api, &requester.request_id)
    };
    let id = change(&app, &requester, decide).await?;
    read(&app, &requester, 200, |docs, caller| jobs::get(docs, caller, &id))
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| jobs::cancel(docs, caller, &id)).await?;
    Ok(no_content())
}
