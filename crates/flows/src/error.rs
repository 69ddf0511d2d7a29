//! Refusals of the Flow Service: a catalogue number, an HTTP status and one precise sentence.
//!
//! The body is a superset of the shapes that clients know: `errorMessage` and `errorDetails`
//! of 404 and 412, `code`, `title` and `status` of the catalogue. Code = `<number>-<status>`.

use serde_json::{Value as Json, json};
use std::fmt;

/// Result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// One refusal. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    number: u16,
    status: u16,
    detail: String,
}

impl Error {
    /// A refusal with status 400.
    pub(crate) fn new(number: u16, detail: impl Into<String>) -> Error {
        Error { number, status: 400, detail: detail.into() }
    }

    /// A refusal with another status.
    pub(crate) fn with_status(number: u16, status: u16, detail: impl Into<String>) -> Error {
        Error { number, status, detail: detail.into() }
    }

    /// No such entity; `plural` is the path word (`flows`).
    pub(crate) fn not_found(plural: &str, id: &str) -> Error {
        Error::with_status(1101, 404, format!("{plural} not found with id = [{id}]"))
    }

    /// The body does not match what the endpoint takes.
    pub(crate) fn invalid(detail: impl Into<String>) -> Error {
        Error::new(1425, detail)
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Catalogue code, `1403-400`.
    pub fn code(&self) -> String {
        format!("{}-{}", self.number, self.status)
    }

    /// The body of the answer.
    pub fn body(&self) -> Json {
        json!({
            "errorMessage": self.detail,
            "errorDetails": self.detail,
            "code": self.code(),
            "title": title(self.number),
            "status": self.status,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

impl std::error::Error for Error {}

/// The numbers that this room uses. 1452 is ours: the catalogue leaves its meaning open.
fn title(number: u16) -> &'static str {
    match number {
        1101 => "Entity not found",
        1401 => "limit and count exclude each other",
        1402 => "Operation reserved for providers",
        1403 => "If-Match header missing",
        1404 => "Etag does not match",
        1405 => "Empty body",
        1406 => "PROGRESS needs a finalize operation",
        1407 => "Sub-operation does not fit the operation",
        1410 => "state not allowed on create",
        1413 => "Invalid spec id",
        1414 => "Connection spec cannot change",
        1415 => "Authentication spec not found",
        1418 => "Connection in use",
        1425 => "Body does not match the schema",
        1426 => "Specs are written by providers",
        1427 => "Runs are written by providers",
        1428 => "Referenced entity missing",
        1432 => "Invalid orderby prefix",
        1433 => "Unknown orderby field",
        1434 => "Unsupported patch operation",
        1436 => "Operation does not fit the flow",
        1437 => "Unknown operation",
        1438 => "Aggregate query not served",
        1440 => "Operator not supported",
        1443 => "Operator takes one value",
        1447 => "Active flows exist",
        1448 => "Operator not allowed for the field",
        1450 => "Unknown operator",
        1451 => "Unknown parameter",
        1452 => "Invalid parameter value",
        1453 => "Empty value",
        1455 => "Patch refused",
        1457 | 1458 => "State transition not allowed",
        _ => "Request refused",
    }
}
