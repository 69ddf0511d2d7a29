//! Errors as the wire shows them. Each service keeps its own shape; this is only the carrier.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

/// A status, a JSON body in the shape of its service, and headers.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Json,
    /// More headers, such as `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
}

impl ApiError {
    /// An error with a ready body.
    pub fn new(status: u16, body: Json) -> ApiError {
        ApiError { status, body, headers: Vec::new() }
    }

    /// The gateway's shape: `{"error_code","message"}` (destination-sdk.md §2.3).
    pub fn gateway(error_code: u32, message: &str) -> ApiError {
        let status = (error_code / 1000) as u16;
        ApiError::new(status, json!({ "error_code": error_code.to_string(), "message": message }))
    }

    /// The platform's problem shape: `{"type","status","title","detail"}`.
    pub fn problem(status: u16, kind: &str, title: &str, detail: &str) -> ApiError {
        ApiError::new(status, json!({ "type": kind, "status": status, "title": title, "detail": detail }))
    }

    /// 503: the write could not be made durable now.
    pub fn unavailable(error: &dyn std::fmt::Display) -> ApiError {
        tracing::warn!(%error, "refused a write");
        let body = json!({ "type": "about:blank", "status": 503, "title": "Service Unavailable", "detail": error.to_string() });
        ApiError { status: 503, body, headers: vec![("retry-after", "1".into())] }
    }

    /// The same error with one more header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> ApiError {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        respond(self.status, &self.body, &self.headers, "application/json")
    }
}

/// A JSON response with extra headers.
pub(crate) fn respond(status: u16, body: &Json, headers: &[(&'static str, String)], content_type: &str) -> Response {
    let mut map = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        map.insert(header::CONTENT_TYPE, value);
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(HeaderName::from_static(name), value);
        }
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::NO_CONTENT {
        return (status, map).into_response();
    }
    (status, map, body.to_string()).into_response()
}
