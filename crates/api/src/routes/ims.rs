//! `POST /ims/token/v3`: how API clients get their bearer tokens.
//!
//! Parameters may stand in the query, in a form body, or in both. The rules are those of `access`.

use crate::app::App;
use crate::error::respond;
use crate::gateway::text;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::post;
use percent_encoding::percent_decode;
use serde_json::json;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/ims/token/v3", post(token))
}

async fn token(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    let no_store = [("cache-control", "no-store".to_owned()), ("pragma", "no-cache".to_owned())];
    let kind = text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !body.is_empty() && !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let description = "the body must be of type application/x-www-form-urlencoded";
        let body = json!({ "error": "invalid_request", "error_description": description });
        return respond(400, &body, &no_store, "application/json");
    }
    let mut parameters = pairs(query.unwrap_or_default().as_bytes());
    parameters.extend(pairs(&body));
    let current = app.current();
    let answer = access::answer_token_request(&app.keyring, &current.docs, app.clock.now(), &parameters);
    respond(answer.status, &answer.body, &no_store, "application/json")
}

/// Names and values of a query or form, decoded.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    let pair = |part: &[u8]| {
        let at = part.iter().position(|b| *b == b'=').unwrap_or(part.len());
        (decoded(&part[..at]), decoded(part.get(at + 1..).unwrap_or_default()))
    };
    form.split(|b| *b == b'&').filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let expected = [("a", "b c"), ("d", "e+&="), ("f", ""), ("g", "")];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(pairs(b"a=b+c&d=e%2B%26=&&f=&g"), expected);
    }
}
