//! Refusals of the Authoring API, in the platform's problem shape with every fault listed.

use destination::config::Fault;
use serde_json::{Value as Json, json};
use std::fmt;

/// Result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// A refused request. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request breaks rules; at least one fault. A fault of the whole request has an empty path.
    Invalid(Vec<Fault>),
    /// There is no such object.
    NotFound(String),
}

impl Error {
    /// One fault of the whole request.
    pub(crate) fn refused(message: impl Into<String>) -> Error {
        Error::field("", message)
    }

    /// One fault of one field.
    pub(crate) fn field(path: &str, message: impl Into<String>) -> Error {
        Error::Invalid(vec![Fault::new(path, message)])
    }

    pub(crate) fn not_found(noun: &str, id: &str) -> Error {
        Error::NotFound(format!("there is no {noun} {id:?} in this sandbox"))
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Error::Invalid(_) => 400,
            Error::NotFound(_) => 404,
        }
    }

    /// The body of the answer: the first fault in `detail`, all of them in `errors`.
    pub fn body(&self) -> Json {
        let title = if self.status() == 404 { "NotFoundError" } else { "BadRequestError" };
        let mut body =
            json!({ "type": "about:blank", "status": self.status(), "title": title, "detail": self.to_string() });
        if let Error::Invalid(faults) = self {
            body["errors"] =
                faults.iter().map(|fault| json!({ "path": fault.path, "message": fault.message })).collect();
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound(detail) => f.write_str(detail),
            Error::Invalid(faults) => match faults.first() {
                Some(fault) if fault.path.is_empty() => f.write_str(&fault.message),
                Some(fault) => write!(f, "{fault}"),
                None => f.write_str("the request is refused"),
            },
        }
    }
}

impl std::error::Error for Error {}
