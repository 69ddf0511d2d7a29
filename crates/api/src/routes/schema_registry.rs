//! Schema registry: `/data/foundation/schemaregistry` (profile.md §3).
//!
//! `mixins` is the older name of `fieldgroups`. Export, import, sample data and the audit log of
//! resources are not served (501).

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{any, get};
use model::{Caller, DocChange, DocSet};
use registry::{Container, Error, Kind, descriptor, resource, union};
use segmentation::namespaces;
use serde_json::Value as Json;

const PATH: &str = "/data/foundation/schemaregistry";

/// Clients write these paths with and without a slash at the end.
pub(super) fn routes() -> Router<App> {
    let routes = Router::new()
        .route(&format!("{PATH}/stats"), get(stats))
        .route(&format!("{PATH}/rpc/{{operation}}"), any(rpc))
        .route(&format!("{PATH}/rpc/{{operation}}/{{id}}"), any(rpc));
    ["", "/"].into_iter().fold(routes, |routes, end| {
        let all = format!("{PATH}/{{container}}/{{kind}}{end}");
        let each = format!("{PATH}/{{container}}/{{kind}}/{{id}}{end}");
        routes.route(&all, get(list).post(create)).route(&each, get(one).put(replace).patch(update).delete(delete))
    })
}

/// What the last two segments of a path name.
enum Target {
    Resource(Kind),
    Descriptor,
    Union,
}

fn target(container: &str, kind: &str) -> Result<(Container, Target), Error> {
    let unknown = || Error::not_found(&format!("/{container}/{kind}"), "1");
    let container = Container::parse(container).ok_or_else(unknown)?;
    let target = match (kind, container) {
        ("descriptors", _) => Target::Descriptor,
        ("unions", Container::Tenant) => Target::Union,
        _ => Target::Resource(Kind::parse(kind).ok_or_else(unknown)?),
    };
    Ok((container, target))
}

/// The target of a write: resources and descriptors of the tenant.
fn writable(container: &str, kind: &str) -> Result<Target, Error> {
    match target(container, kind)? {
        (Container::Global, _) | (_, Target::Union | Target::Resource(Kind::Behavior)) => Err(Error::read_only()),
        (Container::Tenant, target) => Ok(target),
    }
}

fn accept(headers: &HeaderMap) -> &str {
    text(headers, "accept").unwrap_or("*/*")
}

/// An error of the registry, with the id of the request in it.
fn refused<'a>(app: &'a App, requester: &'a Requester) -> impl Fn(Error) -> ApiError + 'a {
    |error| ApiError::new(error.status, error.to_json(&requester.request_id, app.clock.now()))
}

fn read(
    app: &App,
    requester: &Requester,
    f: impl FnOnce(&DocSet, &Caller<'_>) -> Result<Json, Error>,
) -> Result<Response, ApiError> {
    let body = app.read(requester, |docs, caller| f(docs, caller).map_err(refused(app, requester)))?;
    Ok(respond(200, &body, &[], "application/json"))
}

async fn change<T>(
    app: &App,
    requester: &Requester,
    decide: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, T), Error>,
) -> Result<T, ApiError> {
    app.change(requester, |docs, caller| decide(docs, caller).map_err(refused(app, requester))).await
}

async fn stats(State(app): State<App>, requester: Requester) -> Result<Response, ApiError> {
    read(&app, &requester, |docs, caller| Ok(registry::stats(docs, caller)))
}

async fn rpc(State(app): State<App>, requester: Requester, Path(path): Path<Vec<String>>, _: Bytes) -> ApiError {
    let operation = path.first().map_or("", String::as_str);
    refused(&app, &requester)(Error::not_served(&format!("/rpc/{operation}")))
}

async fn list(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind)): Path<(String, String)>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accept = accept(&headers);
    read(&app, &requester, |docs, caller| match target(&container, &kind)? {
        (container, Target::Resource(kind)) => resource::list(docs, caller, container, kind, accept, &parameters),
        (container, Target::Descriptor) => descriptor::list(docs, caller, container, accept, &parameters),
        (_, Target::Union) => union::list(docs, caller, accept, &parameters),
    })
}

async fn one(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accept = accept(&headers);
    read(&app, &requester, |docs, caller| match target(&container, &kind)? {
        (container, Target::Resource(kind)) => resource::get(docs, caller, container, kind, &id, accept),
        (container, Target::Descriptor) => descriptor::get(docs, caller, container, &id, accept),
        (_, Target::Union) => union::get(docs, caller, &id, accept),
    })
}

async fn create(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind)): Path<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| match writable(&container, &kind)? {
        Target::Resource(kind) => resource::create(docs, caller, kind, &body),
        Target::Descriptor => {
            descriptor::create(docs, caller, &body, &|code| namespaces::lookup(docs, caller.sandbox, code))
        }
        Target::Union => Err(Error::read_only()),
    };
    let created = change(&app, &requester, decide).await?;
    Ok(respond(201, &created, &[], "application/json"))
}

async fn replace(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind, id)): Path<(String, String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| match writable(&container, &kind)? {
        Target::Resource(kind) => resource::replace(docs, caller, kind, &id, &body),
        Target::Descriptor => {
            descriptor::replace(docs, caller, &id, &body, &|code| namespaces::lookup(docs, caller.sandbox, code))
        }
        Target::Union => Err(Error::read_only()),
    };
    let replaced = change(&app, &requester, decide).await?;
    Ok(respond(200, &replaced, &[], "application/json"))
}

async fn update(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind, id)): Path<(String, String, String)>,
    JsonBody(operations): JsonBody,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| match writable(&container, &kind)? {
        Target::Resource(kind) => resource::patch(docs, caller, kind, &id, &operations),
        Target::Descriptor | Target::Union => Err(Error::not_served("PATCH of a descriptor (PUT rewrites one)")),
    };
    let updated = change(&app, &requester, decide).await?;
    Ok(respond(200, &updated, &[], "application/json"))
}

async fn delete(
    State(app): State<App>,
    requester: Requester,
    Path((container, kind, id)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let changes = match writable(&container, &kind)? {
            Target::Resource(kind) => resource::delete(docs, caller, kind, &id)?,
            Target::Descriptor => descriptor::delete(docs, caller, &id)?,
            Target::Union => return Err(Error::read_only()),
        };
        Ok((changes, ()))
    };
    change(&app, &requester, decide).await?;
    Ok(respond(204, &Json::Null, &[], "application/json"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_paths_conflict() {
        let routes = super::routes().merge(crate::routes::catalog::routes());
        assert!(routes.has_routes());
    }
}
