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
use segmentation::{Error, Kind};
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
        authorise(parts.uri.path(), &parts.headers, app)
    }
}

/// Checks the headers of an AEP request.
pub(crate) fn authorise(path: &str, headers: &HeaderMap, app: &App) -> Result<Requester, ApiError> {
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
        let detail = "x-sandbox-id is not supported yet; name the sandbox in x-sandbox-name";
        return Err(Shape::of(path, headers).error(400, detail, app));
    }
    let sandbox_name = text(headers, "x-sandbox-name").unwrap_or("prod");
    let sandbox = access::sandbox(&current.docs, sandbox_name).ok_or_else(|| {
        let detail = format!("there is no sandbox {sandbox_name:?}");
        Shape::of(path, headers).error(404, &detail, app)
    })?;
    Ok(Requester {
        org: organisation.org_id,
        tenant: organisation.tenant,
        sandbox: sandbox.id,
        sandbox_name: sandbox.name,
        client,
        request_id: request_id(headers),
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

fn request_id(headers: &HeaderMap) -> SmolStr {
    text(headers, "x-request-id").map_or_else(|| model::Xid(access::fresh()).to_string().into(), SmolStr::new)
}

/// How the service of a path shows what is wrong with a request that it cannot begin with (profile.md §1.2).
pub(crate) struct Shape {
    family: Family,
    request_id: SmolStr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Profile and segmentation.
    Profile,
    Registry,
    /// All others: the platform's problem shape.
    Platform,
}

impl Family {
    fn of(path: &str) -> Family {
        const PREFIXES: [(&str, Family); 3] = [
            ("/data/core/ups/", Family::Profile),
            ("/data/core/ais/", Family::Profile),
            ("/data/foundation/schemaregistry/", Family::Registry),
        ];
        PREFIXES.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(Family::Platform, |(_, family)| *family)
    }
}

impl Shape {
    /// That of a request.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Shape {
        Shape { family: Family::of(path), request_id: request_id(headers) }
    }

    /// An error of 400, 404 or 413.
    pub(crate) fn error(&self, status: u16, detail: &str, app: &App) -> ApiError {
        match self.family {
            Family::Profile => self.profile(match status {
                404 => Error::new(Kind::NotFound, detail),
                413 => Error::new(Kind::TooLarge, detail),
                _ => Error::new(Kind::Invalid, detail),
            }),
            Family::Registry => self.registry(status, detail, app.clock.now()),
            Family::Platform => ApiError::problem(status, "about:blank", title(status), detail),
        }
    }

    /// A body that is no JSON.
    fn unreadable(&self, detail: &str, app: &App) -> ApiError {
        match self.family {
            Family::Profile => self.profile(Error::unreadable(detail)),
            _ => self.error(400, detail, app),
        }
    }

    fn profile(&self, error: Error) -> ApiError {
        ApiError::new(error.status(), error.body(&self.request_id))
    }

    fn registry(&self, status: u16, detail: &str, now: Timestamp) -> ApiError {
        let code = match status {
            404 => "XDM-1012-404",
            413 => "XDM-1030-413",
            _ => "XDM-1030-400",
        };
        let (title, detail) = (title(status), detail.to_owned());
        let error = registry::Error { status, code, title, detail, sub_errors: Vec::new() };
        ApiError::new(status, error.to_json(&self.request_id, now))
    }
}

fn title(status: u16) -> &'static str {
    match status {
        404 => "NotFoundError",
        413 => "PayloadTooLargeError",
        _ => "BadRequestError",
    }
}

/// A JSON body; a wrong content type or broken JSON is refused in the shape of the service.
pub(crate) struct JsonBody(pub(crate) Json);

impl FromRequest<App> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<JsonBody, ApiError> {
        let shape = Shape::of(request.uri().path(), request.headers());
        let bytes = json_bytes(request, app).await?;
        serde_json::from_slice(&bytes)
            .map(JsonBody)
            .map_err(|e| shape.unreadable(&format!("the body is not valid JSON: {e}"), app))
    }
}

/// The bytes of a body that says to be JSON.
pub(crate) async fn json_bytes(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let shape = Shape::of(request.uri().path(), request.headers());
    let kind = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Read to its end, even if it is refused: a connection with an unread body is closed under the next request.
    let body = Bytes::from_request(request, app).await;
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(shape.error(400, "A valid content-type must be specified", app));
    }
    body.map_err(|e| shape.error(e.status().as_u16(), &e.body_text(), app))
}

/// 400 in the platform's problem shape.
pub(crate) fn bad_request(detail: &str) -> ApiError {
    ApiError::problem(400, "about:blank", "BadRequestError", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_service_has_its_shape() {
        let headers = HeaderMap::from_iter([("x-request-id".parse().expect("a name"), "r1".parse().expect("a value"))]);
        let ups = Shape::of("/data/core/ups/audiences", &headers).profile(Error::unreadable("the body is empty"));
        let code = "UPLIB-101206-500";
        let title = "There is a problem extracting the user JSON, field(s) missing or invalid. Correct and try again.";
        let items = json!([{ "code": code, "message": title }, { "code": code, "message": "the body is empty" }]);
        let expected = json!({
            "type": format!("https://ns.adobe.com/aep/errors/{code}"), "title": title, "status": 400,
            "requestId": "r1", "errors": { "400": items },
        });
        assert_eq!((ups.status, ups.body), (400, expected));
        let registry = Shape::of("/data/foundation/schemaregistry/tenant/schemas", &headers);
        let registry = registry.registry(404, "there is no sandbox \"x\"", Timestamp(0));
        assert_eq!(registry.body["type"], "http://ns.adobe.com/aep/errors/XDM-1012-404", "{}", registry.body);
        assert_eq!(registry.body["report"]["registryRequestId"], "r1", "{}", registry.body);
        for (path, family) in [
            ("/data/core/ais/external-audience/x/upload", Family::Profile),
            ("/data/core/ups/config/mergePolicies", Family::Profile),
            ("/data/core/idnamespace/identities", Family::Platform),
            ("/data/foundation/catalog/dataSets", Family::Platform),
            ("/rivermouth/why", Family::Platform),
        ] {
            assert_eq!(Family::of(path), family, "{path}");
        }
    }
}
