//! Refusals, in the shape of the service that gives them.

use model::Timestamp;
use serde_json::{Value as Json, json};

/// Why the registry or the catalog refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// `XDM-1012-404` and such; in the catalog the code of the error.
    pub code: &'static str,
    /// What kind of refusal.
    pub title: &'static str,
    /// What exactly is wrong: the member, the rule, what was given.
    pub detail: String,
    /// Further faults of the same request.
    pub sub_errors: Vec<String>,
}

impl Error {
    fn new(status: u16, code: &'static str, title: &'static str, detail: impl Into<String>) -> Error {
        Error { status, code, title, detail: detail.into(), sub_errors: Vec::new() }
    }

    /// 404 XDM-1012.
    pub fn not_found(id: &str, version: &str) -> Error {
        let detail = format!("Requested resource {id} with version {version} is not found");
        Error::new(404, "XDM-1012-404", "Resource Not Found", detail)
    }

    /// 400 for a body that breaks a rule; `detail` names the member.
    pub fn invalid(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1030-400", "Schema validation error", detail)
    }

    /// 400 XDM-1021: a custom field outside the tenant's namespace.
    pub fn namespace(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1021-400", "Namespace validation error", detail)
    }

    /// 400 XDM-1521: titles are unique across all resources of a sandbox.
    pub fn title_taken(id: &str) -> Error {
        let detail = format!("Object titles must be unique. An object {id} already exists with the same title");
        Error::new(400, "XDM-1521-400", "Title not unique", detail)
    }

    /// 400 XDM-1413: two definitions of one path.
    pub fn merge(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1413-400", "Merge Schema Error", detail)
    }

    /// 400: a change that is not additive.
    pub fn breaking(detail: impl Into<String>, sub_errors: Vec<String>) -> Error {
        Error { sub_errors, ..Error::new(400, "XDM-1530-400", "Incompatible schema change", detail) }
    }

    /// 400: a resource that others use.
    pub fn in_use(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1540-400", "Resource in use", detail)
    }

    /// 400 XDM-1528: no identity to take part in a union.
    pub fn union_without_identity() -> Error {
        let detail = "To participate in a union, a schema must include an identityMap fieldgroup or a primary identity descriptor.";
        Error::new(400, "XDM-1528-400", "Union descriptor validation error", detail)
    }

    /// 400 XDM-1526: a relationship whose target cannot be found by identity.
    pub fn union_without_reference() -> Error {
        let detail = "If a schema contains properties that are associated with an xdm:descriptorOneToOne descriptor, those properties must also have a xdm:descriptorReferenceIdentity descriptor for that schema to participate in a union.";
        Error::new(400, "XDM-1526-400", "Union descriptor validation error", detail)
    }

    /// 400: a descriptor that breaks a rule.
    pub fn descriptor(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1550-400", "Descriptor validation error", detail)
    }

    /// 400: a list query that breaks a rule.
    pub fn query(detail: impl Into<String>) -> Error {
        Error::new(400, "XDM-1005-400", "Invalid query parameter", detail)
    }

    /// 400 XDM-1006 … 1009: an Accept header that this path does not know.
    pub(crate) fn accept(code: &'static str, given: &str, valid: &str) -> Error {
        let detail =
            format!("The supplied Accept header is not valid: {given} - A valid Accept value should look like {valid}");
        Error::new(400, code, "Accept header invalid", detail)
    }

    /// 501: a documented operation that this server does not have.
    pub fn not_served(what: &str) -> Error {
        Error::new(501, "XDM-1001-501", "Not served", format!("{what} is not served by this server"))
    }

    /// 405: the standard library is read only.
    pub fn read_only() -> Error {
        Error::new(405, "XDM-1002-405", "Method not allowed", "resources of the global container are read only")
    }

    /// A refusal of the catalog.
    pub(crate) fn catalog(status: u16, detail: impl Into<String>) -> Error {
        let (code, title) = match status {
            404 => ("404", "NotFoundError"),
            _ => ("400", "BadRequestError"),
        };
        Error::new(status, code, title, detail)
    }

    /// The registry's body: `{type, title, status, report, detail}` (profile.md §1.2).
    pub fn to_json(&self, request_id: &str, now: Timestamp) -> Json {
        json!({
            "type": format!("http://ns.adobe.com/aep/errors/{}", self.code),
            "title": self.title,
            "status": self.status,
            "report": {
                "registryRequestId": request_id,
                "timestamp": report_time(now),
                "detailed-message": self.detail,
                "sub-errors": self.sub_errors,
            },
            "detail": self.detail,
        })
    }

    /// The catalog's body: `{type, title, status, detail}` (profile.md §1.2).
    pub fn to_catalog_json(&self) -> Json {
        json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        })
    }
}

/// `MM-DD-YYYY hh:mm:ss`, as the registry writes it.
fn report_time(now: Timestamp) -> String {
    let (year, month, day, rest) = now.civil();
    let (h, m, s) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{month:02}-{day:02}-{year:04} {h:02}:{m:02}:{s:02}")
}

impl From<xdm::ResolveError> for Error {
    fn from(error: xdm::ResolveError) -> Error {
        match error {
            xdm::ResolveError::Conflict { path, first, second } => Error::merge(format!(
                "Cannot merge incompatible data types. The path {path} has already been defined using a different data type. Types: {first}, {second}"
            )),
            other => Error::invalid(other.to_string()),
        }
    }
}
