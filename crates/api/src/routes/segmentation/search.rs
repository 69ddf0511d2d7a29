//! Search over audiences: `/data/core/ups/search`.

use super::{UPS, read};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{Requester, text};
use crate::routes::merge_policies::refused;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use model::{Caller, DocSet};
use segmentation::{Error, Parameters, search};
use serde_json::Value as Json;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(&format!("{UPS}/search/namespaces"), get(namespaces))
        .route(&format!("{UPS}/search/entities"), get(entities))
        .route(&format!("{UPS}/search/taxonomy"), get(taxonomy))
}

async fn namespaces(
    State(app): State<App>,
    requester: Requester,
    headers: HeaderMap,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    answer(&app, &requester, &headers, &parameters, search::namespaces)
}

async fn entities(
    State(app): State<App>,
    requester: Requester,
    headers: HeaderMap,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    answer(&app, &requester, &headers, &parameters, search::entities)
}

async fn taxonomy(
    State(app): State<App>,
    requester: Requester,
    headers: HeaderMap,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    answer(&app, &requester, &headers, &parameters, search::taxonomy)
}

fn answer(
    app: &App,
    requester: &Requester,
    headers: &HeaderMap,
    parameters: &Parameters,
    find: impl FnOnce(&DocSet, &Caller<'_>, &Parameters) -> Result<Json, Error>,
) -> Result<Response, ApiError> {
    search::check_version(text(headers, "x-ups-search-version")).map_err(refused(requester))?;
    read(app, requester, 200, |docs, caller| find(docs, caller, parameters))
}
