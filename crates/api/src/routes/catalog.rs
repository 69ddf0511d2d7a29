//! Catalog: `/data/foundation/catalog/dataSets` (profile.md §7.5).

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester, bad_request};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, patch};
use model::{Caller, DocChange, DocSet};
use registry::{Error, catalog};
use serde_json::Value as Json;

const PATH: &str = "/data/foundation/catalog";

/// Clients write the list's path with and without a slash at the end.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(&format!("{PATH}/dataSets/"), get(list).post(create))
        .route(&format!("{PATH}/dataSets"), get(list).post(create))
        .route(&format!("{PATH}/dataSets/{{id}}"), get(one).put(replace).patch(update).delete(delete))
        .route(&format!("{PATH}/v2/dataSets/{{id}}"), patch(update))
}

fn refused(error: Error) -> ApiError {
    ApiError::new(error.status, error.to_catalog_json())
}

fn read(
    app: &App,
    requester: &Requester,
    f: impl FnOnce(&DocSet, &Caller<'_>) -> Result<Json, Error>,
) -> Result<Response, ApiError> {
    let body = app.read(requester, |docs, caller| f(docs, caller).map_err(refused))?;
    Ok(respond(200, &body, &[], "application/json"))
}

async fn change(
    app: &App,
    requester: &Requester,
    status: u16,
    decide: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, Json), Error>,
) -> Result<Response, ApiError> {
    let answer = app.change(requester, |docs, caller| decide(docs, caller).map_err(refused)).await?;
    let mut headers = Vec::new();
    if let (201, Some(id)) = (status, answer[0].as_str().and_then(|r| r.strip_prefix("@/"))) {
        headers.push(("location", format!("{PATH}/{id}")));
    }
    Ok(respond(status, &answer, &headers, "application/json"))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, |docs, caller| catalog::list(docs, caller, &parameters))
}

async fn one(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, |docs, caller| catalog::get(docs, caller, &id, &parameters))
}

/// `requestDataSource=false` is the default and the only value that is served.
async fn create(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let is_default =
        |(key, value): &(String, String)| key == "requestDataSource" && value.eq_ignore_ascii_case("false");
    if let Some((key, value)) = parameters.iter().find(|p| !is_default(p)) {
        return Err(bad_request(&format!("{key}={value} is not served when a data set is created")));
    }
    change(&app, &requester, 201, |docs, caller| catalog::create(docs, caller, &body)).await
}

async fn replace(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    change(&app, &requester, 200, |docs, caller| catalog::replace(docs, caller, &id, &body)).await
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    change(&app, &requester, 200, |docs, caller| catalog::patch(docs, caller, &id, &body)).await
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    change(&app, &requester, 200, |docs, caller| catalog::delete(docs, caller, &id)).await
}
