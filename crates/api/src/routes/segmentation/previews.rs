//! Previews and estimates: `/data/core/ups/preview`, `/data/core/ups/estimate`.

use super::UPS;
use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use crate::routes::merge_policies::refused;
use crate::routes::union_schema;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use model::{Caller, DocSet, NamespaceId, ProfileId, SandboxId, SmolStr};
use segmentation::preview;
use serde_json::{Value as Json, json};

/// Reads stored profiles for predicates, in the background.
pub trait Previews: Send + Sync {
    /// Begins to read.
    fn start(&self, sandbox: SandboxId, request: preview::Request) -> PreviewIds;

    /// How a preview stands; `None` when there is none of that id.
    fn find(&self, sandbox: SandboxId, id: &str) -> Option<Preview>;

    /// Stops and forgets a preview; false when there is none of that id.
    fn cancel(&self, sandbox: SandboxId, id: &str) -> bool;
}

/// The names of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewIds {
    /// As clients name it.
    pub preview_id: SmolStr,
    /// The query.
    pub query_id: SmolStr,
    /// Which execution of it.
    pub execution_id: u64,
}

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewState {
    /// Waits for others.
    New,
    /// Reads.
    Running,
    /// Has read what it had to.
    ResultReady,
    /// Could not read.
    Failed,
}

impl PreviewState {
    fn as_str(self) -> &'static str {
        match self {
            PreviewState::New => "NEW",
            PreviewState::Running => "RUNNING",
            PreviewState::ResultReady => "RESULT_READY",
            PreviewState::Failed => "FAILED",
        }
    }
}

/// How a preview stands.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Its names.
    pub ids: PreviewIds,
    /// How far it is.
    pub state: PreviewState,
    /// Why it failed.
    pub fault: Option<String>,
    /// Stored profiles when it began.
    pub total: u64,
    /// How many of them it reads.
    pub to_read: u64,
    /// How many it has read.
    pub read: u64,
    /// How many of these fit.
    pub matched: u64,
    /// The first that fit.
    pub profiles: Vec<ProfileId>,
    /// Of those that fit: how many have an identity of a namespace.
    pub by_namespace: Vec<(NamespaceId, u64)>,
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(&format!("{UPS}/preview"), post(create))
        .route(&format!("{UPS}/preview/{{id}}"), get(results).delete(delete))
        .route(&format!("{UPS}/estimate/{{id}}"), get(estimate))
}

async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let read = |docs: &DocSet, caller: &Caller<'_>| preview::request(docs, caller, &union_schema(docs, caller), &body);
    let request = app.read(&requester, |docs, caller| read(docs, caller).map_err(refused(&requester)))?;
    let ids = app.previews.start(requester.sandbox, request);
    let body = json!({
        "state": "NEW",
        "previewQueryId": ids.query_id.as_str(),
        "previewQueryStatus": "NEW",
        "previewId": ids.preview_id.as_str(),
        "previewExecutionId": ids.execution_id,
    });
    let location = ("x-location", href(&app, &ids.preview_id));
    Ok(respond(201, &body, &[location], "application/json"))
}

async fn results(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let preview = find(&app, &requester, &id)?;
    let (offset, limit) = preview::page(&parameters).map_err(refused(&requester))?;
    let page = preview.profiles.iter().skip(offset).take(limit);
    let results: Vec<Json> = page.map(|profile| shown(&app, requester.sandbox, *profile)).collect();
    let end = offset.saturating_add(limit);
    let link = match end < preview.profiles.len() {
        true => format!("{}?offset={end}&limit={limit}", href(&app, &preview.ids.preview_id)),
        false => String::new(),
    };
    let body = json!({
        "page": { "offset": offset, "size": results.len(), "totalCount": preview.profiles.len() },
        "results": results,
        "state": preview.state.as_str(),
        "link": link,
    });
    Ok(respond(200, &body, &[], "application/json"))
}

async fn delete(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    if !app.previews.cancel(requester.sandbox, &id) {
        return Err(refused(&requester)(preview::not_found(&id)));
    }
    let body = json!({ "status": true, "message": format!("The preview {id} was cancelled.") });
    Ok(respond(200, &body, &[], "application/json"))
}

async fn estimate(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Result<Response, ApiError> {
    let preview = find(&app, &requester, &id)?;
    let (size, error) = preview::estimate(preview.matched, preview.read, preview.total);
    let namespaces: Vec<Json> = preview
        .by_namespace
        .iter()
        .map(|(namespace, n)| json!({ "namespaceId": namespace.to_string(), "profilesMatchedSoFar": n }))
        .collect();
    let fault = preview.fault.as_deref().unwrap_or_default();
    let body = json!({
        "estimatedSize": size,
        "numRowsToRead": preview.to_read,
        "estimatedNamespaceDistribution": namespaces,
        "state": preview.state.as_str(),
        "profilesReadSoFar": preview.read,
        "standardError": error,
        "error": { "description": fault, "traceback": "" },
        "profilesMatchedSoFar": preview.matched,
        "totalRows": preview.total,
        "confidenceInterval": "95%",
        "_links": { "preview": href(&app, &preview.ids.preview_id) },
    });
    Ok(respond(200, &body, &[], "application/json"))
}

fn find(app: &App, requester: &Requester, id: &str) -> Result<Preview, ApiError> {
    app.previews.find(requester.sandbox, id).ok_or_else(|| refused(requester)(preview::not_found(id)))
}

fn href(app: &App, id: &str) -> String {
    format!("{}{UPS}/preview/{id}", app.public_url)
}

/// A profile and its identities, each as an XID that `/access/entities` takes.
fn shown(app: &App, sandbox: SandboxId, profile: ProfileId) -> Json {
    let link = |id: String| {
        let path = format!("{UPS}/access/entities?schema.name=_xdm.context.profile&entityId={id}");
        json!({ "objectId": id, "_href": format!("{}{path}", app.public_url) })
    };
    let mut out = link(profile.to_string());
    // Merged or deleted since it was read: nothing is related to it any more.
    let stored = app.engine.profile(sandbox, profile).ok().flatten();
    let identities = stored.iter().flat_map(|stored| stored.profile.identities.iter());
    let related: Vec<Json> = identities.map(|known| link(known.identity.xid(sandbox).to_string())).collect();
    out["relatedObjects"] = related.into();
    out
}
