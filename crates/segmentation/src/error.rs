//! Errors of audiences and merge policies, in the shape of Adobe's profile services (UPS).

use serde_json::{Map, Value as Json, json};
use std::fmt;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request breaks a rule.
    Invalid,
    /// There is no such document.
    NotFound,
    /// The name is taken.
    Duplicate,
    /// Something else needs the document.
    InUse,
    /// Too many documents of a kind, or ids in a request.
    Limit,
    /// The body cannot be read.
    Unreadable,
    /// The body is too large.
    TooLarge,
}

/// A refused request. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    messages: Vec<String>,
}

impl Error {
    /// A refusal with one message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, messages: vec![message.into()] }
    }

    /// A rule about one field: `field: rule`.
    pub(crate) fn field(field: impl fmt::Display, rule: impl fmt::Display) -> Error {
        Error::new(Kind::Invalid, format!("{field}: {rule}"))
    }

    pub(crate) fn invalid(messages: Vec<String>) -> Error {
        Error { kind: Kind::Invalid, messages }
    }

    pub(crate) fn not_found(noun: &str, id: &str) -> Error {
        Error::new(Kind::NotFound, format!("The {noun} {id} is not found. Use a valid id and try again."))
    }

    /// A body that is not JSON; `detail` says where it breaks off.
    pub fn unreadable(detail: impl Into<String>) -> Error {
        const TITLE: &str =
            "There is a problem extracting the user JSON, field(s) missing or invalid. Correct and try again.";
        Error { kind: Kind::Unreadable, messages: vec![TITLE.to_owned(), detail.into()] }
    }

    /// The same error of a part of the body: its messages begin with `place`.
    pub(crate) fn within(mut self, place: &str) -> Error {
        self.messages.iter_mut().for_each(|message| message.insert_str(0, place));
        self
    }

    /// What kind of refusal this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong, one text per fault.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self.kind {
            Kind::Invalid | Kind::InUse | Kind::Limit | Kind::Unreadable => 400,
            Kind::NotFound => 404,
            Kind::TooLarge => 413,
            Kind::Duplicate => 422,
        }
    }

    /// The code in `type` and `errors`.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Invalid => "UPAPI-113434-400",
            Kind::NotFound => "UPAPI-113430-404",
            Kind::Duplicate => "UPAPI-113434-422",
            Kind::InUse => "UPAPI-113631-400",
            Kind::Limit => "UPAPI-113015-400",
            Kind::Unreadable => "UPLIB-101206-500",
            Kind::TooLarge => "UPAPI-113434-413",
        }
    }

    /// The body of the answer.
    pub fn body(&self, request_id: &str) -> Json {
        let first = self.messages.first().map_or("", String::as_str);
        let items: Vec<Json> =
            self.messages.iter().map(|message| json!({ "code": self.code(), "message": message })).collect();
        let mut errors = Map::new();
        errors.insert(self.status().to_string(), Json::Array(items));
        json!({
            "type": format!("https://ns.adobe.com/aep/errors/{}", self.code()),
            "title": first.lines().next().unwrap_or_default(),
            "status": self.status(),
            "requestId": request_id,
            "errors": errors,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("; "))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_shape_of_ups() {
        let error = Error::invalid(vec!["expression.value: bad\n  x".into(), "name: missing".into()]);
        assert_eq!(
            error.body("r1"),
            json!({
                "type": "https://ns.adobe.com/aep/errors/UPAPI-113434-400",
                "title": "expression.value: bad",
                "status": 400,
                "requestId": "r1",
                "errors": {"400": [
                    {"code": "UPAPI-113434-400", "message": "expression.value: bad\n  x"},
                    {"code": "UPAPI-113434-400", "message": "name: missing"},
                ]},
            })
        );
        assert_eq!(
            Error::not_found("merge policy", "m").body("r2"),
            json!({
                "type": "https://ns.adobe.com/aep/errors/UPAPI-113430-404",
                "title": "The merge policy m is not found. Use a valid id and try again.",
                "status": 404,
                "requestId": "r2",
                "errors": {"404": [{
                    "code": "UPAPI-113430-404",
                    "message": "The merge policy m is not found. Use a valid id and try again.",
                }]},
            })
        );
    }
}
