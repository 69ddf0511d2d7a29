//! Single requests that are no exports, through the same guarded client as exports.
//!
//! In: a request, how long it may take, how much of the answer is wanted. Out: the whole answer, or why there is none.
//!
//! Always: addresses are judged by [`Egress`], redirects are not followed, an answer that is longer than wanted is a
//! failure and is not read to its end, one time limit spans head and body, and reasons hold no URLs or header values.

use crate::egress::Egress;
use crate::http::{self, Failure, SystemLookup};
use clock::Clock;
use reqwest::header::HeaderMap;
use reqwest::{Client, Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// A way out for single requests. Clones share one client.
#[derive(Clone, Debug)]
pub struct Wire {
    client: Client,
    egress: Egress,
    clock: Clock,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it asks to wait before another attempt.
    pub retry_after_ms: Option<i64>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct WireError {
    /// A sentence without secrets.
    pub reason: String,
    /// Whether another attempt could do better.
    pub retry: bool,
}

impl Wire {
    /// A way out under these rules.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn new(egress: Egress, clock: Clock) -> Result<Wire, WireError> {
        let built = http::client(&egress, Arc::new(SystemLookup));
        let client = built.map_err(|e| WireError { reason: format!("the HTTP client: {e}"), retry: false })?;
        Ok(Wire { client, egress, clock })
    }

    pub(crate) fn over(client: Client, egress: Egress, clock: Clock) -> Wire {
        Wire { client, egress, clock }
    }

    /// The clock that this goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The rules that this goes by.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Sends a request; `timeout` spans it all, and the body is `body_bytes_max` long at most.
    ///
    /// # Errors
    /// It may not be sent there, the connection broke, or the answer is too slow or too long.
    pub async fn send(&self, request: Request, timeout: Duration, body_bytes_max: usize) -> Result<Reply, WireError> {
        match tokio::time::timeout(timeout, self.exchange(request, timeout, body_bytes_max)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::timeout(timeout).into()),
        }
    }

    async fn exchange(&self, request: Request, timeout: Duration, max: usize) -> Result<Reply, WireError> {
        let response = http::head(&self.client, &self.egress, request, timeout).await?;
        let retry_after_ms = http::asked_to_wait(&response, &self.clock);
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = whole_body(response, max).await?;
        Ok(Reply { status, headers, body, retry_after_ms })
    }
}

async fn whole_body(mut response: Response, max: usize) -> Result<Vec<u8>, WireError> {
    let too_long = |told: Option<u64>| {
        let told = told.map(|n| format!(" ({n} bytes are announced)")).unwrap_or_default();
        WireError { reason: format!("the answer is longer than {max} bytes{told}"), retry: true }
    };
    if response.content_length().is_some_and(|n| n > max as u64) {
        return Err(too_long(response.content_length()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::transport)? {
        if body.len() + chunk.len() > max {
            return Err(too_long(None));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl From<Failure> for WireError {
    fn from(failure: Failure) -> WireError {
        WireError { reason: failure.reason, retry: failure.retry }
    }
}
