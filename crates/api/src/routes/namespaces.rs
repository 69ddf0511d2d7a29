//! Identity namespaces: `/data/core/idnamespace/identities`.

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use segmentation::{NamespaceError, namespaces};
use serde_json::{Value as Json, json};

const PATH: &str = "/data/core/idnamespace/identities";

pub(super) fn routes() -> Router<App> {
    Router::new().route(PATH, get(list).post(create)).route(&format!("{PATH}/{{id}}"), get(one).put(replace))
}

impl From<NamespaceError> for ApiError {
    fn from(error: NamespaceError) -> ApiError {
        ApiError::new(error.status(), error.body())
    }
}

fn ok(body: &Json) -> Response {
    respond(200, body, &[], "application/json")
}

async fn list(State(app): State<App>, requester: Requester) -> Result<Response, ApiError> {
    let all = app.read(&requester, |docs, caller| Ok::<_, ApiError>(namespaces::list(docs, caller)))?;
    Ok(ok(&all))
}

async fn one(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    shown(&app, &requester, &id).map(|namespace| ok(&namespace))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let id = app.change(&requester, |docs, caller| namespaces::create(docs, caller, &body)).await?;
    shown(&app, &requester, &id).map(|namespace| ok(&namespace))
}

/// The published description types this one answer as an array.
async fn replace(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let id = app.change(&requester, |docs, caller| namespaces::update(docs, caller, &id, &body)).await?;
    shown(&app, &requester, &id).map(|namespace| ok(&json!([namespace])))
}

fn shown(app: &App, requester: &Requester, id: &str) -> Result<Json, ApiError> {
    app.read(requester, |docs, caller| namespaces::get(docs, caller, id))
}
