//! The XID of an identity: `/data/core/identity/identity` (profile.md §5.2).

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::Requester;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use model::{Identity, NamespaceId};
use serde_json::json;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/data/core/identity/identity", get(xid))
}

async fn xid(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let given = |name: &str| parameters.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    let plan = app.current().plan.sandboxes.get(&requester.sandbox).cloned().unwrap_or_default();
    let value = given("id").ok_or_else(|| invalid_input("id is missing"))?;
    let namespace = match (given("namespace"), given("nsid")) {
        (Some(code), _) => {
            plan.namespaces.id(code).ok_or_else(|| invalid_input(&format!("there is no namespace={code}")))?
        }
        (None, Some(text)) => {
            let id = text.parse().ok().map(NamespaceId).filter(|id| plan.namespaces.get(*id).is_some());
            id.ok_or_else(|| invalid_input(&format!("there is no namespace with nsid={text}")))?
        }
        (None, None) => return Err(invalid_input("one of namespace and nsid is required")),
    };
    let identity = Identity { namespace, value: value.into() };
    let body = json!({ "xid": identity.xid(requester.sandbox).to_string() });
    Ok(respond(200, &body, &[("cache-control", "no-cache".to_owned())], "application/json"))
}

fn invalid_input(detail: &str) -> ApiError {
    ApiError::new(400, json!({ "status": 400, "title": "InvalidInput", "detail": detail }))
}
