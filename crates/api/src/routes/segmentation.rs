//! The segmentation service beside definitions: audiences, jobs, schedules, previews, exports, search, external audiences.

mod audiences;
mod exports;
mod external;
mod jobs;
mod previews;
mod schedules;
mod search;

pub use previews::{Preview, PreviewIds, PreviewState, Previews};

use super::merge_policies::refused;
use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::Requester;
use axum::Router;
use axum::response::Response;
use model::{Caller, DocChange, DocSet};
use segmentation::Error;
use serde_json::Value as Json;

/// Under which these paths lie.
const UPS: &str = "/data/core/ups";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(audiences::routes())
        .merge(jobs::routes())
        .merge(schedules::routes())
        .merge(previews::routes())
        .merge(exports::routes())
        .merge(search::routes())
        .merge(external::routes())
}

/// Answers with what a reading function gives.
fn read(
    app: &App,
    requester: &Requester,
    status: u16,
    f: impl FnOnce(&DocSet, &Caller<'_>) -> Result<Json, Error>,
) -> Result<Response, ApiError> {
    let body = app.read(requester, |docs, caller| f(docs, caller).map_err(refused(requester)))?;
    Ok(respond(status, &body, &[], "application/json"))
}

/// Makes the changes of a deciding function durable.
async fn change<T>(
    app: &App,
    requester: &Requester,
    decide: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, T), Error>,
) -> Result<T, ApiError> {
    app.change(requester, |docs, caller| decide(docs, caller).map_err(refused(requester))).await
}

fn no_content() -> Response {
    respond(204, &Json::Null, &[], "application/json")
}
