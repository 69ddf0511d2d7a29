//! Errors of the Identity Namespace service, in its own shape.

use model::{Caller, Timestamp};
use serde_json::{Value as Json, json};

/// A refused request, in the shape of the Identity Namespace service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceError {
    status: u16,
    title: &'static str,
    error: Option<&'static str>,
    description: String,
    code: &'static str,
    at: Timestamp,
}

impl NamespaceError {
    pub(super) fn invalid(at: Timestamp, description: &str) -> NamespaceError {
        NamespaceError {
            status: 400,
            title: "Namespace Validation",
            error: Some("INVALID_REQUEST_PARAMS"),
            description: description.to_owned(),
            code: "INVALID_REQUEST_PARAMS",
            at,
        }
    }

    pub(super) fn code_conflict(at: Timestamp) -> NamespaceError {
        NamespaceError {
            status: 409,
            title: "NAMESPACE_CODE_CONFLICT",
            error: None,
            description: "Namespace code already exists. Please use a different code".to_owned(),
            code: "INTEGRATION_CODE_EXISTS",
            at,
        }
    }

    pub(super) fn not_found(caller: &Caller<'_>, id: &str) -> NamespaceError {
        NamespaceError {
            status: 404,
            title: "Namespace validation",
            error: Some("NAMESPACE_NOT_FOUND"),
            description: format!("Namespace id {id} not found for given IMS Org {}", caller.org),
            code: "NAMESPACE_NOT_FOUND",
            at: caller.now,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body of the answer.
    pub fn body(&self) -> Json {
        let mut body = json!({
            "timestamp": self.at.to_string(),
            "type": "http://ns.adobe.com/adobecloud/problem/namespacevalidation",
            "status": self.status,
            "title": self.title,
        });
        if let Some(error) = self.error {
            body["error"] = error.into();
        }
        body["description"] = self.description.as_str().into();
        body["report"] = json!({ "code": self.code });
        body
    }
}

impl std::fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.description)
    }
}

impl std::error::Error for NamespaceError {}
