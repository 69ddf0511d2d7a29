//! Export jobs: `/data/core/ups/export/jobs`.

use super::{UPS, change, read};
use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use crate::routes::merge_policies::refused;
use crate::routes::union_schema;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use model::{Caller, DocSet};
use segmentation::export_jobs as exports;

pub(super) fn routes() -> Router<App> {
    let path = format!("{UPS}/export/jobs");
    Router::new().route(&path, get(list).post(create)).route(&format!("{path}/{{id}}"), get(one).delete(delete))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| exports::list(docs, caller, &parameters))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| exports::get(docs, caller, &id))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        exports::create(docs, caller, &union_schema(docs, caller), &body, &requester.request_id)
    };
    let id = change(&app, &requester, decide).await?;
    let read = |docs: &DocSet, caller: &Caller<'_>| exports::get(docs, caller, &id);
    let job = app.read(&requester, |docs, caller| read(docs, caller).map_err(refused(&requester)))?;
    let location = ("x-location", format!("{}{UPS}/export/jobs/{id}", app.public_url));
    Ok(respond(200, &job, &[location], "application/json"))
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    let answer = change(&app, &requester, |docs, caller| exports::cancel(docs, caller, &id)).await?;
    Ok(respond(200, &answer, &[], "application/json"))
}
