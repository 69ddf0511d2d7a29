//! The routes, one module per service. A route module looks like this:
//!
//! ```ignore
//! pub(super) fn routes() -> Router<App> {
//!     Router::new().route("/data/core/ups/config/mergePolicies", get(list).post(create))
//! }
//! async fn list(State(app): State<App>, requester: Requester, Query(q): Query<…>) -> Result<Response, ApiError> {
//!     let body = app.read(&requester, |docs, caller| segmentation::merge_policies::list(docs, caller, &q))?;
//!     Ok(respond(200, &body, &[], "application/json"))
//! }
//! async fn create(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
//!     let answer = app.change(&requester, |docs, caller| segmentation::merge_policies::create(docs, caller, body)).await?;
//!     …
//! }
//! ```
//!
//! `Requester` is the authorised caller (gateway.rs); a service error type converts by
//! `impl From<service::Error> for ApiError` in the route module of that service.

mod authoring;
mod catalog;
mod collection;
mod entities;
mod flow_service;
mod health;
mod identity;
mod ims;
mod insight;
mod merge_policies;
mod namespaces;
mod oauth;
mod operator;
mod schema_registry;
mod segment_definitions;
mod segmentation;

pub use insight::{Insight, PlanRequest};
pub use oauth::{CALLBACK_PATH, LoginRefusal, Logins};
pub use segmentation::{Preview, PreviewIds, PreviewState, Previews};

use crate::app::App;
use crate::error::ApiError;
use crate::gateway::authorise;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use model::{Caller, DocSet};
use tower_http::normalize_path::NormalizePath;

/// Largest body of a request that is no ingestion.
const BODY_BYTES_MAX: usize = 4 << 20;

/// All routes of the surface.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .merge(schema_registry::routes())
        .merge(catalog::routes())
        .merge(namespaces::routes())
        .merge(merge_policies::routes())
        .merge(segment_definitions::routes())
        .merge(segmentation::routes())
        .merge(flow_service::routes())
        .merge(authoring::routes())
        .merge(entities::routes())
        .merge(identity::routes())
        .merge(ims::routes())
        .merge(oauth::routes())
        .merge(operator::routes(app.clock.is_manual()))
        .merge(insight::routes())
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .merge(collection::routes())
        .merge(health::routes())
        .fallback(not_served)
        .method_not_allowed_fallback(not_served)
        .with_state(app);
    // Published paths and client libraries end some paths with a slash.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(routes))
}

/// A path of AEP that is not served, and any other path. The body is read to its end, for a connection
/// with an unread body would be closed under the next request.
async fn not_served(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap, _: Bytes) -> ApiError {
    if uri.path().starts_with("/data/")
        && let Err(refused) = authorise(uri.path(), &headers, &app)
    {
        return refused;
    }
    let detail = format!("{method} {} is not served by this server", uri.path());
    ApiError::problem(404, "urn:rivermouth:not-served", "Not served", &detail)
}

/// The union schemas of the caller's sandbox, as queries and selectors are checked against them.
fn union_schema(docs: &DocSet, caller: &Caller<'_>) -> pql::Schema {
    let (profile, event) = registry::union_types(docs, caller.sandbox);
    pql::Schema { profile, event }
}
