//! Merge policies: `/data/core/ups/config/mergePolicies`.

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocChange, DocSet, SmolStr};
use segmentation::{Error, merge_policies};
use serde_json::Value as Json;

const PATH: &str = "/data/core/ups/config/mergePolicies";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route(&format!("{PATH}/bulk-get"), post(bulk_get))
        .route(&format!("{PATH}/{{id}}"), get(one).put(replace).patch(update).delete(delete))
}

/// An error of the profile services, with the id of the request in it.
pub(super) fn refused(requester: &Requester) -> impl Fn(Error) -> ApiError + '_ {
    |error| ApiError::new(error.status(), error.body(&requester.request_id))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| merge_policies::list(docs, caller, &parameters);
    let page = app.read(&requester, |docs, caller| read(docs, caller).map_err(refused(&requester)))?;
    Ok(respond(200, &page, &[], "application/json"))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    shown(&app, &requester, &id)
}

async fn bulk_get(
    State(app): State<App>,
    requester: Requester,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| {
        merge_policies::bulk_get(docs, caller, &body, &requester.request_id).map_err(refused(&requester))
    };
    Ok(respond(207, &app.read(&requester, read)?, &[], "application/json"))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| merge_policies::create(docs, caller, &body)).await
}

async fn replace(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| merge_policies::replace(docs, caller, &id, &body)).await
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    change(&app, &requester, |docs, caller| merge_policies::update(docs, caller, &id, &body)).await
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<(), ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| merge_policies::delete(docs, caller, &id);
    app.change(&requester, |docs, caller| decide(docs, caller).map_err(refused(&requester))).await
}

async fn change(
    app: &App,
    requester: &Requester,
    decide: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, SmolStr), Error>,
) -> Result<Response, ApiError> {
    let id = app.change(requester, |docs, caller| decide(docs, caller).map_err(refused(requester))).await?;
    shown(app, requester, &id)
}

fn shown(app: &App, requester: &Requester, id: &str) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| merge_policies::get(docs, caller, id);
    let policy: Json = app.read(requester, |docs, caller| read(docs, caller).map_err(refused(requester)))?;
    Ok(respond(200, &policy, &[], "application/json"))
}
