//! OAuth 2 access tokens of one destination: fetched, kept until shortly before they expire,
//! fetched anew when the destination refuses one.
//!
//! In: the grant (activation.md §3.1, §3.2). Out: a value for `Authorization`, or a failure.
//!
//! Always: one request to the token endpoint at a time; who waited for a failed one shares its
//! failure; reasons hold no secret and nothing that the token endpoint wrote, except its error code
//! if that is one of RFC 6749.

use crate::destination::{Auth, CredentialStyle, Secret};
use crate::egress::Egress;
use crate::http::{self, Answer, Failure};
use crate::metrics::Class;
use crate::pace::Signal;
use base64::Engine as _;
use clock::Clock;
use model::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request};
use serde::Deserialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

/// How long a token endpoint may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A token is not used in the last minute of its life.
const MARGIN_MS: i64 = 60_000;

/// A value for `Authorization`, and which of the fetched tokens it is.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) header: HeaderValue,
    pub(crate) number: u64,
}

#[derive(Default)]
pub(crate) struct Tokens {
    state: Mutex<State>,
    /// Failed fetches so far.
    failures: AtomicU64,
    /// Successful fetches so far.
    fetched: AtomicU64,
}

#[derive(Default)]
struct State {
    current: Option<Token>,
    refresh: Option<Secret>,
    last_failure: Option<Failure>,
}

struct Token {
    access: Access,
    until: Option<Timestamp>,
}

/// What a fetch needs beside the grant.
pub(crate) struct Line<'a> {
    pub(crate) client: &'a Client,
    pub(crate) egress: &'a Egress,
    pub(crate) clock: &'a Clock,
}

impl Tokens {
    /// The current token, or a new one if there is none, it is about to expire, or it is the
    /// `refused` one.
    pub(crate) async fn get(&self, auth: &Auth, line: &Line<'_>, refused: Option<u64>) -> Result<Access, Failure> {
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let now = line.clock.now();
        if let Some(token) = &state.current
            && token.until.is_none_or(|until| now < until)
            && refused != Some(token.access.number)
        {
            return Ok(token.access.clone());
        }
        if self.failures.load(Ordering::Acquire) != failures_before
            && let Some(failure) = &state.last_failure
        {
            return Err(failure.clone());
        }
        state.current = None;
        match fetch(auth, line, state.refresh.take()).await {
            Ok(granted) => {
                let number = self.fetched.fetch_add(1, Ordering::AcqRel) + 1;
                let access = Access { header: granted.header, number };
                let until = granted.expires_in_s.map(|s| usable_until(line.clock.now(), s));
                state.refresh = granted.refresh;
                state.current = Some(Token { access: access.clone(), until });
                Ok(access)
            }
            Err(failure) => {
                self.failures.fetch_add(1, Ordering::AcqRel);
                state.last_failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// How many tokens were fetched.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }
}

/// The time until which a token of this lifetime is used: a minute before its end; short-lived
/// ones for half of it.
pub fn usable_until(now: Timestamp, expires_in_s: i64) -> Timestamp {
    let lifetime_ms = expires_in_s.clamp(0, 10 * 365 * 86_400) * 1000;
    let usable_ms = (lifetime_ms - MARGIN_MS).max(lifetime_ms.min(MARGIN_MS) / 2);
    Timestamp(now.0.saturating_add(usable_ms))
}

struct Granted {
    header: HeaderValue,
    expires_in_s: Option<i64>,
    refresh: Option<Secret>,
}

/// With a refresh token first, and if that one is refused with the grant itself.
async fn fetch(auth: &Auth, line: &Line<'_>, refresh: Option<Secret>) -> Result<Granted, Failure> {
    if let Some(refresh) = refresh {
        let answer = ask(line, request(auth, Some(&refresh))?).await?;
        if answer.status.is_success() {
            let mut granted = granted(&answer)?;
            granted.refresh = granted.refresh.or(Some(refresh));
            return Ok(granted);
        }
        if !answer.status.is_client_error() {
            return Err(refusal(&answer));
        }
    }
    let answer = ask(line, request(auth, None)?).await?;
    if answer.status.is_success() { granted(&answer) } else { Err(refusal(&answer)) }
}

async fn ask(line: &Line<'_>, request: Request) -> Result<Answer, Failure> {
    http::send(line.client, line.egress, line.clock, request, TOKEN_TIMEOUT).await.map_err(|mut failure| {
        failure.reason = format!("token endpoint: {}", failure.reason);
        if failure.class != Class::Configuration {
            failure.class = Class::Token;
        }
        failure
    })
}

/// The request for a token. The two content types differ by a space, as documented.
fn request(auth: &Auth, refresh: Option<&Secret>) -> Result<Request, Failure> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let (url, client_id, client_secret, style) = match auth {
        Auth::ClientCredentials { token_url, client_id, client_secret, style } => {
            (token_url, client_id, client_secret, *style)
        }
        Auth::Password { token_url, client_id, client_secret, .. } => {
            (token_url, client_id, client_secret, CredentialStyle::Body)
        }
        Auth::None | Auth::Bearer(_) => {
            return Err(Failure::configuration("no token endpoint is configured".to_owned()));
        }
    };
    match (refresh, auth) {
        (Some(refresh), _) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", refresh.expose());
        }
        (None, Auth::Password { username, password, .. }) => {
            form.append_pair("grant_type", "password")
                .append_pair("username", username)
                .append_pair("password", password.expose());
        }
        (None, _) => {
            form.append_pair("grant_type", "client_credentials");
        }
    }
    let content_type = match style {
        CredentialStyle::Body => {
            form.append_pair("client_id", client_id).append_pair("client_secret", client_secret.expose());
            "application/x-www-form-urlencoded;charset=UTF-8"
        }
        CredentialStyle::Basic => "application/x-www-form-urlencoded; charset=UTF-8",
    };
    let mut request = post(url.clone(), content_type, form.finish());
    if style == CredentialStyle::Basic {
        let pair = format!("{client_id}:{}", client_secret.expose());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        request.headers_mut().insert(AUTHORIZATION, secret_header(&basic)?);
    }
    Ok(request)
}

fn post(url: Url, content_type: &'static str, body: String) -> Request {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    request
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<Number>,
    refresh_token: Option<String>,
}

/// Some token endpoints write the lifetime as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Number {
    fn seconds(&self) -> Option<i64> {
        match self {
            Number::Int(n) => Some(*n),
            Number::Float(n) => Some(*n as i64),
            Number::Text(text) => text.trim().parse().ok(),
        }
    }
}

fn granted(answer: &Answer) -> Result<Granted, Failure> {
    let token: TokenAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| failure("token endpoint: the answer is no JSON object with an access_token".to_owned(), None))?;
    Ok(Granted {
        header: secret_header(&format!("Bearer {}", token.access_token))?,
        expires_in_s: token.expires_in.as_ref().and_then(Number::seconds),
        refresh: token.refresh_token.map(Secret::from),
    })
}

/// A header value that logs leave out.
pub(crate) fn secret_header(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::configuration("a token or credential is not a legal header value".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The error codes of RFC 6749, section 5.2; other text could hold anything.
pub const ERROR_CODES: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

fn refusal(answer: &Answer) -> Failure {
    let code = serde_json::from_slice::<ErrorAnswer>(&answer.body).ok();
    let code = code.and_then(|said| ERROR_CODES.iter().find(|known| **known == said.error));
    let detail = code.map(|code| format!(" ({code})")).unwrap_or_default();
    failure(format!("token endpoint: status {}{detail}", answer.status.as_u16()), answer.retry_after_ms)
}

fn failure(reason: String, retry_after_ms: Option<i64>) -> Failure {
    Failure { class: Class::Token, reason, retry: true, retry_after_ms, signal: Signal::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_a_minute_before_its_end() {
        let until = |s| usable_until(Timestamp(0), s).0;
        assert_eq!(until(86_400), 86_340_000);
        assert_eq!(until(3_600), 3_540_000);
        assert_eq!(until(60), 30_000);
        assert_eq!(until(10), 5_000);
        assert_eq!(until(0), 0);
        assert_eq!(until(-5), 0);
        assert!(until(i64::MAX) > 0);
    }
}
