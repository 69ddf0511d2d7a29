//! The gateway: who calls, for which organisation and sandbox (profile.md §1.1, destination-sdk.md §2.3).
//!
//! Every handler of an AEP path but `/collection` and `/ims` takes a [`Requester`]; without a valid
//! one it is never entered.

use crate::app::App;
use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts as RequestParts;
use axum::http::{HeaderMap, header};
use model::{Caller, SandboxId, SmolStr, Timestamp};
use serde_json::Value as Json;

/// An authorised caller of an AEP path.
#[derive(Debug, Clone)]
pub struct Requester {
    /// Organisation id.
    pub org: SmolStr,
    /// Tenant name, without underscore.
    pub tenant: SmolStr,
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Its name.
    pub sandbox_name: SmolStr,
    /// The API client.
    pub client: SmolStr,
    /// `x-request-id`, as given or fresh.
    pub request_id: SmolStr,
}

impl Requester {
    /// As the control rooms want it.
    pub fn caller<'a>(&'a self, now: Timestamp, fresh: &'a dyn Fn() -> [u8; 16]) -> Caller<'a> {
        Caller {
            org: &self.org,
            tenant: &self.tenant,
            sandbox: self.sandbox,
            sandbox_name: &self.sandbox_name,
            client: &self.client,
            now,
            fresh,
        }
    }
}

/// The text of a header, if it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim).filter(|v| !v.is_empty())
}

impl FromRequestParts<App> for Requester {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut RequestParts, app: &App) -> Result<Requester, ApiError> {
        authorise(&parts.headers, app)
    }
}

/// Checks the headers of an AEP request.
pub(crate) fn authorise(headers: &HeaderMap, app: &App) -> Result<Requester, ApiError> {
    let client = bearer_client(headers, app)?;
    let key = text(headers, "x-api-key").ok_or_else(|| ApiError::gateway(403000, "Api Key is required"))?;
    if key != client {
        return Err(ApiError::gateway(403003, "Api Key is invalid"));
    }
    let current = app.current();
    let organisation =
        access::organisation(&current.docs).ok_or_else(|| ApiError::gateway(403025, "Profile is not valid"))?;
    match text(headers, "x-gw-ims-org-id") {
        None => return Err(ApiError::gateway(400003, "Missing header x-gw-ims-org-id")),
        Some(given) if given != organisation.org_id => return Err(ApiError::gateway(403025, "Profile is not valid")),
        Some(_) => {}
    }
    if text(headers, "x-sandbox-id").is_some() && text(headers, "x-sandbox-name").is_none() {
        return Err(ApiError::problem(
            400,
            "about:blank",
            "BadRequestError",
            "x-sandbox-id is not supported yet; name the sandbox in x-sandbox-name",
        ));
    }
    let sandbox_name = text(headers, "x-sandbox-name").unwrap_or("prod");
    let sandbox = access::sandbox(&current.docs, sandbox_name).ok_or_else(|| {
        ApiError::problem(404, "about:blank", "NotFoundError", &format!("there is no sandbox {sandbox_name:?}"))
    })?;
    Ok(Requester {
        org: organisation.org_id,
        tenant: organisation.tenant,
        sandbox: sandbox.id,
        sandbox_name: sandbox.name,
        client,
        request_id: text(headers, "x-request-id").map_or_else(fresh_request_id, SmolStr::new),
    })
}

/// The API client of the bearer token.
pub(crate) fn bearer_client(headers: &HeaderMap, app: &App) -> Result<SmolStr, ApiError> {
    let value = text(headers, header::AUTHORIZATION.as_str())
        .ok_or_else(|| ApiError::gateway(403010, "Oauth token is missing."))?;
    let invalid = || ApiError::gateway(401013, "Oauth token is not valid");
    let (scheme, token) = value.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    let current = app.current();
    access::verify(&app.keyring, &current.docs, token.trim(), app.clock.now()).map(|c| c.id).map_err(|_| invalid())
}

fn fresh_request_id() -> SmolStr {
    model::Xid(access::fresh()).to_string().into()
}

/// A JSON body; a wrong content type or broken JSON is refused in the platform's shape.
pub(crate) struct JsonBody(pub(crate) Json);

impl FromRequest<App> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<JsonBody, ApiError> {
        let bytes = json_bytes(request, app).await?;
        serde_json::from_slice(&bytes)
            .map(JsonBody)
            .map_err(|e| bad_request(&format!("the body is not valid JSON: {e}")))
    }
}

/// The bytes of a body that says to be JSON.
pub(crate) async fn json_bytes(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let kind = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(bad_request("A valid content-type must be specified"));
    }
    Bytes::from_request(request, app).await.map_err(|e| {
        let status = e.status().as_u16();
        let title = if status == 413 { "PayloadTooLargeError" } else { "BadRequestError" };
        ApiError::problem(status, "about:blank", title, &e.body_text())
    })
}

/// 400 in the platform's problem shape.
pub(crate) fn bad_request(detail: &str) -> ApiError {
    ApiError::problem(400, "about:blank", "BadRequestError", detail)
}
