//! What templates see: contexts out of JSON, and answers of the receiving system as values.

use crate::failure::media_type;
use delivery::Reply;
use destination::config::Templated;
use pebble::Limits;
use serde_json::{Map, Value as Json, json};

/// The longest text that is shown of what was rendered.
const SHOWN_CHARS: usize = 60;

/// What one setting may cost: these are short texts, and they are rendered between requests.
const LIMITS: Limits<'static> = Limits {
    steps: 2_000_000,
    time: Some(pebble::RENDER_TIME),
    out_of_time: None,
    output_bytes: 2 << 20,
    loop_passes: 200_000,
    memory_bytes: 16 << 20,
    depth: 32,
};

/// Renders one setting; a fault names it. The value that failed is left out, since it could be a secret.
pub(crate) fn render(what: &str, setting: &Templated, context: &pebble::Value) -> Result<String, String> {
    setting
        .render(context, &LIMITS)
        .map_err(|error| format!("{what}: line {}, column {}: {}", error.line, error.column, error.message))
}

/// A context out of top-level names.
pub(crate) fn context(names: &Map<String, Json>) -> pebble::Value {
    pebble::Value::from(&Json::Object(names.clone()))
}

/// An answer as `response`: `status`, `headers` by lower-case name with a list each, and `body`.
pub(crate) fn response(reply: &Reply, body: Json) -> Json {
    let mut headers = Map::new();
    for name in reply.headers.keys() {
        let values = reply.headers.get_all(name).iter();
        let values: Vec<Json> = values.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned().into()).collect();
        headers.insert(name.as_str().to_owned(), values.into());
    }
    json!({ "status": reply.status, "headers": headers, "body": body })
}

/// The body of an answer: JSON, or else its text.
pub(crate) fn body_of(reply: &Reply) -> Json {
    match serde_json::from_slice(&reply.body) {
        Ok(body) => body,
        Err(_) => String::from_utf8_lossy(&reply.body).into_owned().into(),
    }
}

/// The body of an answer, which has to be JSON.
pub(crate) fn json_of(reply: &Reply) -> Result<Json, String> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        let size = reply.body.len();
        format!("the answer is no JSON ({}, {size} bytes): {error}", media_type(reply))
    })
}

/// The beginning of a text, for sentences about faults.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
