//! Schedules: `/data/core/ups/config/schedules`.

use super::{UPS, change, no_content, read};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{JsonBody, Requester};
use crate::routes::union_schema;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use model::{Caller, DocSet};
use segmentation::schedules;

pub(super) fn routes() -> Router<App> {
    let path = format!("{UPS}/config/schedules");
    Router::new()
        .route(&path, get(list).post(create))
        .route(&format!("{path}/{{id}}"), get(one).patch(update).delete(delete))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| schedules::list(docs, caller, &parameters))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| schedules::get(docs, caller, &id))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let decide =
        |docs: &DocSet, caller: &Caller<'_>| schedules::create(docs, caller, &union_schema(docs, caller), &body);
    let id = change(&app, &requester, decide).await?;
    read(&app, &requester, 200, |docs, caller| schedules::get(docs, caller, &id))
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| schedules::update(docs, caller, &id, &body)).await?;
    Ok(no_content())
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| schedules::delete(docs, caller, &id)).await?;
    Ok(no_content())
}
