//! The token endpoint: client credentials (in the body or as a header), password, refresh.
//!
//! Always: a token is good until its `expires_in` is over on the receiver's clock.

use crate::options::TokenOptions;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use model::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use url::form_urlencoded;

/// What came to the token endpoint, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// The content type, as sent.
    pub content_type: String,
    /// Whether the credentials came as a `Basic` header.
    pub basic: bool,
    /// The grant.
    pub grant_type: String,
    /// The names of all form fields, in order.
    pub fields: Vec<String>,
    /// The status that was answered.
    pub status: u16,
}

/// Tokens that were issued.
pub(crate) struct Tokens {
    options: Option<TokenOptions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    good_until: HashMap<String, Timestamp>,
    refresh: Vec<String>,
    requests: Vec<TokenRequest>,
    issued: u64,
}

impl Tokens {
    pub(crate) fn new(options: Option<TokenOptions>) -> Tokens {
        Tokens { options, state: Mutex::default() }
    }

    /// Whether a delivery carries a good token.
    pub(crate) fn allows(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = given.and_then(|text| text.strip_prefix("Bearer "));
        let state = self.state.lock();
        token.and_then(|token| state.good_until.get(token)).is_some_and(|until| now < *until)
    }

    /// Makes all tokens invalid.
    pub(crate) fn revoke(&self) {
        self.state.lock().good_until.clear();
    }

    pub(crate) fn requests(&self) -> Vec<TokenRequest> {
        self.state.lock().requests.clone()
    }

    /// Answers a token request.
    pub(crate) fn issue(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> (StatusCode, Json) {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let content_type = text(headers, header::CONTENT_TYPE);
        let (status, answer) = match self.grant(headers, &content_type, &form, now) {
            Ok(answer) => (StatusCode::OK, answer),
            Err((status, code)) => (status, json!({ "error": code })),
        };
        self.state.lock().requests.push(TokenRequest {
            content_type,
            basic: text(headers, header::AUTHORIZATION).starts_with("Basic "),
            grant_type: field(&form, "grant_type").to_owned(),
            fields: form.iter().map(|(name, _)| name.clone()).collect(),
            status: status.as_u16(),
        });
        (status, answer)
    }

    fn grant(
        &self,
        headers: &HeaderMap,
        content_type: &str,
        form: &[(String, String)],
        now: Timestamp,
    ) -> Result<Json, (StatusCode, &'static str)> {
        let options = self.options.as_ref().ok_or((StatusCode::NOT_FOUND, "no tokens are issued here"))?;
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return Err((StatusCode::BAD_REQUEST, "invalid_request"));
        }
        if !is_client(options, headers, form) {
            return Err((StatusCode::UNAUTHORIZED, "invalid_client"));
        }
        let mut state = self.state.lock();
        match field(form, "grant_type") {
            "client_credentials" => {}
            "password" => {
                let given = (field(form, "username").to_owned(), field(form, "password").to_owned());
                if options.user.as_ref() != Some(&given) {
                    return Err((StatusCode::BAD_REQUEST, "invalid_grant"));
                }
            }
            "refresh_token" => {
                let given = field(form, "refresh_token");
                let at = state.refresh.iter().position(|known| known == given);
                state.refresh.remove(at.ok_or((StatusCode::BAD_REQUEST, "invalid_grant"))?);
            }
            _ => return Err((StatusCode::BAD_REQUEST, "unsupported_grant_type")),
        }
        Ok(state.issue(options, now))
    }
}

impl State {
    fn issue(&mut self, options: &TokenOptions, now: Timestamp) -> Json {
        self.issued += 1;
        let token = format!("token-{}-{:016x}", self.issued, RandomState::new().hash_one(self.issued));
        let until = Timestamp(now.0.saturating_add(options.expires_in_s.saturating_mul(1000)));
        self.good_until.retain(|_, until| now < *until);
        self.good_until.insert(token.clone(), until);
        let mut answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": options.expires_in_s });
        if options.refresh {
            let refresh = format!("refresh-{}-{:016x}", self.issued, RandomState::new().hash_one(self.issued));
            answer["refresh_token"] = Json::String(refresh.clone());
            self.refresh.push(refresh);
        }
        answer
    }
}

fn is_client(options: &TokenOptions, headers: &HeaderMap, form: &[(String, String)]) -> bool {
    let authorization = text(headers, header::AUTHORIZATION);
    match authorization.strip_prefix("Basic ") {
        Some(coded) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(coded).unwrap_or_default();
            decoded == format!("{}:{}", options.client_id, options.client_secret).as_bytes()
        }
        None => field(form, "client_id") == options.client_id && field(form, "client_secret") == options.client_secret,
    }
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}
