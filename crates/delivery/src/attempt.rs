//! One attempt to deliver one export.
//!
//! In: a destination and an export. Out: how it ended ([`Verdict`]). A 401 with an OAuth token
//! fetches a new one and sends again at once, within the same attempt.
//!
//! Always: any 2xx is success; 408, 425, 429, 5xx and broken connections are worth another
//! attempt; all else is final.

use crate::destination::{Auth, Destination};
use crate::egress::Egress;
use crate::http::{self, Answer, Failure};
use crate::metrics::Class;
use crate::oauth::{Access, Line, Tokens, secret_header};
use crate::pace::Signal;
use crate::queue::Job;
use bytes::Bytes;
use clock::Clock;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode};

const DELIVERY_ID: HeaderName = HeaderName::from_static("x-rivermouth-delivery-id");

/// A destination in use: its checked headers and its tokens.
pub(crate) struct Target {
    pub(crate) destination: Destination,
    headers: Result<HeaderMap, String>,
    pub(crate) tokens: Tokens,
    client: Client,
    egress: Egress,
    clock: Clock,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The destination took it.
    Delivered,
    /// It failed.
    Failed(Failure),
    /// The export no longer waits in the outbox.
    Gone,
}

impl Target {
    pub(crate) fn new(destination: Destination, client: Client, egress: Egress, clock: Clock) -> Target {
        let headers = destination.check(&egress).and_then(|()| headers(&destination));
        Target { destination, headers, tokens: Tokens::default(), client, egress, clock }
    }

    /// Sends `body` once, or twice if a token was refused.
    pub(crate) async fn deliver(&self, job: &Job, body: Bytes) -> Verdict {
        match self.exchange(job, body).await {
            Ok(answer) => judge(&answer),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    async fn exchange(&self, job: &Job, body: Bytes) -> Result<Answer, Failure> {
        let headers = self.headers.as_ref().map_err(|reason| Failure::configuration(reason.clone()))?;
        let access = self.access(None).await?;
        let answer = self.send(job, headers, body.clone(), access.as_ref()).await?;
        match access {
            Some(refused) if answer.status == StatusCode::UNAUTHORIZED => {
                let fresh = self.access(Some(refused.number)).await?;
                self.send(job, headers, body, fresh.as_ref()).await
            }
            _ => Ok(answer),
        }
    }

    async fn access(&self, refused: Option<u64>) -> Result<Option<Access>, Failure> {
        match self.destination.auth {
            Auth::None | Auth::Bearer(_) => Ok(None),
            Auth::ClientCredentials { .. } | Auth::Password { .. } => {
                let line = Line { client: &self.client, egress: &self.egress, clock: &self.clock };
                self.tokens.get(&self.destination.auth, &line, refused).await.map(Some)
            }
        }
    }

    async fn send(
        &self,
        job: &Job,
        headers: &HeaderMap,
        body: Bytes,
        access: Option<&Access>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Method::POST, self.destination.endpoint.clone());
        request.headers_mut().clone_from(headers);
        if let Some(access) = access {
            request.headers_mut().insert(AUTHORIZATION, access.header.clone());
        }
        if self.destination.send_delivery_id {
            let id: String = job.idempotency_key.iter().map(|b| format!("{b:02x}")).collect();
            request.headers_mut().insert(DELIVERY_ID, secret_header(&id)?);
        }
        *request.body_mut() = Some(body.into());
        http::send(&self.client, &self.egress, &self.clock, request, self.destination.timeout).await
    }
}

/// The headers that every request carries, the authorization last so that it wins.
fn headers(destination: &Destination) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &destination.headers {
        let illegal = |_| format!("header `{name}`: its value has illegal characters");
        let mut checked = HeaderValue::from_str(value.expose()).map_err(illegal)?;
        checked.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header `{name}`: not a legal name"))?;
        headers.append(name, checked);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Auth::Bearer(token) = &destination.auth {
        let value = secret_header(&format!("Bearer {}", token.expose())).map_err(|failure| failure.reason)?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn judge(answer: &Answer) -> Verdict {
    let status = answer.status;
    if status.is_success() {
        return Verdict::Delivered;
    }
    let code = status.as_u16();
    let (class, retry) = match code {
        429 => (Class::Throttled, true),
        408 | 425 => (Class::Client, true),
        400..500 => (Class::Client, false),
        500..600 => (Class::Server, true),
        _ => (Class::Redirect, false),
    };
    let reason = match (status.is_redirection(), status.canonical_reason()) {
        (true, _) => format!("status {code}: redirects are not followed"),
        (false, Some(words)) => format!("status {code} {words}"),
        (false, None) => format!("status {code}"),
    };
    let signal = if matches!(code, 429 | 503) { Signal::Overloaded } else { Signal::Answered };
    Verdict::Failed(Failure { class, reason, retry, retry_after_ms: answer.retry_after_ms, signal })
}
