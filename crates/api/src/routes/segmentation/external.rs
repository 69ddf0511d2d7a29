//! External audiences: `/data/core/ais/external-audience`.
//!
//! The published client libraries and the published guide differ in some paths; both are served.

use super::{change, no_content, read};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{JsonBody, Requester, text};
use crate::routes::merge_policies::refused;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocSet};
use segmentation::{Error, Kind, audience_api, external};
use std::pin::Pin;
use tokio::io::AsyncWriteExt as _;

const PATH: &str = "/data/core/ais/external-audience";
/// Largest file that is taken.
const FILE_BYTES_MAX: u64 = 1 << 30;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(PATH, post(submit))
        .route(&format!("{PATH}/submit"), post(submit))
        .route(&format!("{PATH}/task/{{id}}"), get(task))
        .route(&format!("{PATH}/operations/{{id}}"), get(task))
        .route(&format!("{PATH}/{{id}}"), axum::routing::delete(delete))
        .route(&format!("{PATH}/{{id}}/run"), post(start))
        .route(&format!("{PATH}/{{id}}/runs"), get(runs).post(start))
        .route(&format!("{PATH}/{{id}}/runs/{{run}}"), get(run))
        .route(&format!("{PATH}/{{id}}/upload"), post(upload))
}

async fn submit(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let id = change(&app, &requester, |docs, caller| external::submit(docs, caller, &body)).await?;
    read(&app, &requester, 202, |docs, caller| external::task(docs, caller, &id))
}

async fn task(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| external::task(docs, caller, &id))
}

async fn start(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let run = change(&app, &requester, |docs, caller| external::start_run(docs, caller, &id, &body)).await?;
    read(&app, &requester, 200, |docs, caller| external::run(docs, caller, &id, &run))
}

async fn runs(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| external::runs(docs, caller, &id, &parameters))
}

async fn run(
    State(app): State<App>,
    requester: Requester,
    Path((id, run)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    read(&app, &requester, 200, |docs, caller| external::run(docs, caller, &id, &run))
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        external::check_known(docs, caller, &id)?;
        let used = |audience: &str| flows::dataflows::using_audience(docs, caller.sandbox, audience);
        audience_api::delete(docs, caller, &id, &used)
    };
    change(&app, &requester, decide).await?;
    Ok(no_content())
}

/// Takes a CSV file as the upload in the user interface does: kept in the landing zone until a run has loaded it.
async fn upload(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let kind = text(&headers, "content-type").unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv") {
        let rule = format!("the content-type must be text/csv, is {kind:?}");
        return Err(refused(&requester)(Error::new(Kind::Invalid, rule)));
    }
    let known = |docs: &DocSet, caller: &Caller<'_>| external::check_known(docs, caller, &id);
    app.read(&requester, |docs, caller| known(docs, caller).map_err(refused(&requester)))?;
    let run = requester.caller(app.clock.now(), &access::fresh).uuid();
    let name = format!("uploads/{run}.csv");
    let file = app.landing_zone.join(&name);
    let unfinished = Unfinished(&file);
    keep(body, &file, &requester).await?;
    std::mem::forget(unfinished);
    let decide = |docs: &DocSet, caller: &Caller<'_>| external::uploaded_run(docs, caller, &id, &run, &name);
    match change(&app, &requester, decide).await {
        Ok(run) => read(&app, &requester, 202, |docs, caller| external::run(docs, caller, &id, &run)),
        Err(refusal) => {
            let _ = tokio::fs::remove_file(&file).await;
            Err(refusal)
        }
    }
}

/// A file that is being written; removed unless it is finished, also when the client hangs up.
struct Unfinished<'a>(&'a std::path::Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = std::fs::remove_file(self.0);
    }
}

/// Writes a body to a file, which lasts when this returns.
async fn keep(body: Body, file: &std::path::Path, requester: &Requester) -> Result<(), ApiError> {
    let unwritable = |e: std::io::Error| ApiError::unavailable(&e);
    if let Some(directory) = file.parent() {
        tokio::fs::create_dir_all(directory).await.map_err(unwritable)?;
    }
    let mut out = tokio::fs::File::create(file).await.map_err(unwritable)?;
    let (mut body, mut bytes) = (body, 0u64);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame =
            frame.map_err(|e| refused(requester)(Error::new(Kind::Invalid, format!("the body broke off: {e}"))))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > FILE_BYTES_MAX {
            let rule = format!("the file has more than {FILE_BYTES_MAX} bytes");
            return Err(refused(requester)(Error::new(Kind::TooLarge, rule)));
        }
        out.write_all(&data).await.map_err(unwritable)?;
    }
    out.sync_all().await.map_err(unwritable)?;
    Ok(())
}
