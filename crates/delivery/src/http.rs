//! One HTTP request: the client, name resolution under the egress rules, and reading an answer.
//!
//! Always: redirects are not followed, no proxy is taken from the environment, an answer's body
//! is read up to a limit, and reasons hold neither URLs nor header values. Answers are asked for as they are: nothing
//! is decoded.

use crate::egress::Egress;
use crate::metrics::Class;
use crate::pace::Signal;
use crate::retry::retry_after_ms;
use bytes::Bytes;
use clock::Clock;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Request, Response, StatusCode};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What is read of an answer at most: enough for a token, and to keep a connection in use.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why an attempt failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) reason: String,
    /// Whether another attempt could do better.
    pub(crate) retry: bool,
    pub(crate) retry_after_ms: Option<i64>,
    pub(crate) signal: Signal,
}

/// The head of an answer, and its body where it was asked for.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning if it is longer than what is read.
    pub body: Vec<u8>,
    /// Whether the body is longer than what was read of it.
    pub cut: bool,
    pub(crate) retry_after_ms: Option<i64>,
}

/// TLS of every outgoing request: ring, the public roots, HTTP/2 where the peer has it.
pub fn tls_config() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

/// Builds the client that all flows share.
pub(crate) fn client(egress: &Egress, lookup: Arc<dyn Lookup>) -> Result<Client, reqwest::Error> {
    Client::builder()
        .tls_backend_preconfigured(tls_config())
        .dns_resolver(Guarded { egress: egress.clone(), lookup })
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("rivermouth/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        .build()
}

/// How the body of an answer is encoded, if it is: then nobody here can read it.
pub fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let named = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<String> =
        named.flat_map(|text| text.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let encoded: Vec<String> = all.into_iter().filter(|name| !matches!(name.as_str(), "" | "identity")).collect();
    let shown: String = encoded.join(", ").chars().filter(|c| !c.is_control()).take(60).collect();
    (!shown.is_empty()).then_some(shown)
}

/// Sends a request; `timeout` bounds everything up to the head of the answer, and the reading of
/// the body after it.
pub(crate) async fn send(
    client: &Client,
    egress: &Egress,
    clock: &Clock,
    request: Request,
    timeout: Duration,
) -> Result<Answer, Failure> {
    send_for(client, egress, clock, request, timeout, ANSWER_BYTES_MAX).await
}

/// [`send`], reading up to `body_max` bytes of the answer.
pub(crate) async fn send_for(
    client: &Client,
    egress: &Egress,
    clock: &Clock,
    request: Request,
    timeout: Duration,
    body_max: usize,
) -> Result<Answer, Failure> {
    let mut response = head(client, egress, request, timeout).await?;
    let status = response.status();
    let retry_after_ms = asked_to_wait(&response, clock);
    // The status decides. A body that does not end is left, and its connection with it.
    let headers = std::mem::take(response.headers_mut());
    let read = tokio::time::timeout(timeout, read_body(response, body_max)).await;
    let (body, cut) = read.unwrap_or_else(|_| (Vec::new(), true));
    Ok(Answer { status, headers, body, cut, retry_after_ms })
}

/// Sends a request where it may go, and waits for the head of the answer.
pub(crate) async fn head(
    client: &Client,
    egress: &Egress,
    request: Request,
    timeout: Duration,
) -> Result<Response, Failure> {
    if let Err(reason) = egress.check_url(request.url()) {
        return Err(Failure::configuration(reason));
    }
    match tokio::time::timeout(timeout, client.execute(request)).await {
        Err(_) => Err(Failure::timeout(timeout)),
        Ok(Err(error)) => Err(Failure::transport(error)),
        Ok(Ok(response)) => Ok(response),
    }
}

/// How long an answer asks to wait.
pub(crate) fn asked_to_wait(response: &Response, clock: &Clock) -> Option<i64> {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    retry_after.and_then(|text| retry_after_ms(text, clock.now()))
}

/// The body up to a length, and whether there was more.
async fn read_body(mut response: Response, max: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let chunk: Bytes = chunk;
        if body.len() + chunk.len() > max {
            body.extend_from_slice(&chunk[..max - body.len()]);
            return (body, true);
        }
        body.extend_from_slice(&chunk);
    }
    (body, false)
}

impl Failure {
    pub(crate) fn configuration(reason: String) -> Failure {
        let signal = Signal::Nothing;
        Failure { class: Class::Configuration, reason, retry: false, retry_after_ms: None, signal }
    }

    /// An attempt that ended without a word, as by a panic.
    pub(crate) fn cut_off() -> Failure {
        let reason = "the attempt was cut off".to_owned();
        Failure { class: Class::Transport, reason, retry: true, retry_after_ms: None, signal: Signal::Broken }
    }

    pub(crate) fn timeout(timeout: Duration) -> Failure {
        Failure {
            class: Class::Timeout,
            reason: format!("no answer within {} ms", timeout.as_millis()),
            retry: true,
            retry_after_ms: None,
            signal: Signal::Silent,
        }
    }

    pub(crate) fn transport(error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(at) = cause {
            if let Some(refused) = at.downcast_ref::<Refused>() {
                return Failure::configuration(refused.0.clone());
            }
            reason = format!("{reason}: {at}");
            cause = at.source();
        }
        Failure {
            class: Class::Transport,
            reason,
            retry: !error.is_builder(),
            retry_after_ms: None,
            signal: Signal::Broken,
        }
    }
}

/// Turns names into addresses.
pub(crate) trait Lookup: Send + Sync + 'static {
    fn lookup(&self, name: String) -> LookupFuture;
}

pub(crate) type LookupFuture = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// The operating system's resolver.
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> LookupFuture {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|a| a.ip()).collect()) })
    }
}

/// A resolver that only gives addresses which requests may reach.
struct Guarded {
    egress: Egress,
    lookup: Arc<dyn Lookup>,
}

/// A name of which every address is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.egress.clone();
        let addresses = self.lookup.lookup(name.as_str().to_owned());
        Box::pin(async move {
            let mut let_out = Vec::new();
            let mut refusal = None;
            for address in addresses.await? {
                match egress.check_address(name.as_str(), address) {
                    Ok(()) => let_out.push(SocketAddr::new(address, 0)),
                    Err(reason) => refusal = Some(reason),
                }
            }
            match refusal {
                Some(reason) if let_out.is_empty() => Err(Refused(reason).into()),
                _ => Ok(Box::new(let_out.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests;
