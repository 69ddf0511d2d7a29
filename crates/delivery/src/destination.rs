//! Where the exports of a flow go, and how to be let in there.
//!
//! Always: secrets are never printed; `Debug` shows dots.

use crate::egress::Egress;
use crate::retry::RetryPolicy;
use reqwest::header::{HeaderName, HeaderValue};
use std::fmt;
use std::time::Duration;
use url::Url;

/// The answer of an endpoint has to come within this time (activation.md §3.2).
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Text that must not be printed: a token, a password, the value of a header.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// One HTTP destination of one flow, with plain (unsealed) secrets.
#[derive(Clone, PartialEq)]
pub struct Destination {
    /// Where each export is posted; query parameters included.
    pub endpoint: Url,
    /// Custom headers, in order. They win over the content type, not over the authorization.
    pub headers: Vec<(String, Secret)>,
    /// How to be let in.
    pub auth: Auth,
    /// When to try again.
    pub retry: RetryPolicy,
    /// Most requests at the same time, at least 1; fewer while the destination is overloaded.
    pub concurrency_max: usize,
    /// How long the head of an answer may take.
    pub timeout: Duration,
    /// Sends `x-rivermouth-delivery-id`, equal for all attempts of an export.
    pub send_delivery_id: bool,
}

/// How a destination lets requests in (activation.md §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// No `Authorization` header.
    None,
    /// A fixed bearer token.
    Bearer(Secret),
    /// OAuth 2 client credentials.
    ClientCredentials {
        /// The token endpoint.
        token_url: Url,
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// Where the credentials travel.
        style: CredentialStyle,
    },
    /// OAuth 2 password grant.
    Password {
        /// The token endpoint.
        token_url: Url,
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The user.
        username: String,
        /// The user's password.
        password: Secret,
    },
}

impl Auth {
    /// The token endpoint, where there is one.
    pub fn token_url(&self) -> Option<&Url> {
        match self {
            Auth::None | Auth::Bearer(_) => None,
            Auth::ClientCredentials { token_url, .. } | Auth::Password { token_url, .. } => Some(token_url),
        }
    }
}

/// Where OAuth 2 client credentials travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialStyle {
    /// `Body Form Encoded`: as form fields.
    Body,
    /// `Basic Authorization`: as a header.
    Basic,
}

impl Destination {
    /// A destination with defaults: no authorization, default retries, 32 requests at a time.
    pub fn new(endpoint: Url) -> Destination {
        Destination {
            endpoint,
            headers: Vec::new(),
            auth: Auth::None,
            retry: RetryPolicy::Default,
            concurrency_max: 32,
            timeout: TIMEOUT,
            send_delivery_id: false,
        }
    }

    /// Whether requests can be made from this: headers are legal, addresses are let out.
    ///
    /// # Errors
    /// A sentence that names the field and the rule.
    pub fn check(&self, egress: &Egress) -> Result<(), String> {
        egress.check_url(&self.endpoint).map_err(|reason| format!("endpoint: {reason}"))?;
        if let Some(token_url) = self.auth.token_url() {
            egress.check_url(token_url).map_err(|reason| format!("token URL: {reason}"))?;
            if token_url.query_pairs().count() > 1 {
                return Err("token URL: may carry at most one query parameter".to_owned());
            }
        }
        if let Auth::Bearer(token) = &self.auth {
            HeaderValue::from_str(token.expose()).map_err(|_| "token: not a legal header value".to_owned())?;
        }
        self.headers.iter().try_for_each(|(name, value)| check_header(name, value))
    }
}

/// Headers that belong to the transport.
const RESERVED: &[&str] =
    &["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

fn check_header(name: &str, value: &Secret) -> Result<(), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header `{name}`: not a legal name"))?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(format!("header `{name}`: belongs to the transport and cannot be set"));
    }
    HeaderValue::from_str(value.expose()).map_err(|_| format!("header `{name}`: its value has illegal characters"))?;
    Ok(())
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths and query parameters of endpoints often hold keys.
        f.debug_struct("Destination")
            .field("endpoint", &self.endpoint.origin().ascii_serialization())
            .field("headers", &self.headers)
            .field("retry", &self.retry)
            .field("concurrency_max", &self.concurrency_max)
            .finish_non_exhaustive()
    }
}
