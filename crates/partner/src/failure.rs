//! Why a call to the receiving system did not do what it should.
//!
//! Always: no secret and nothing that the other side wrote, except its error code if that is one of RFC 6749.

use delivery::{ERROR_CODES, Reply, WireError};
use std::fmt;

/// Why there is no access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A sentence for the operator, without secrets.
    pub message: String,
    /// Whether waiting may help. If not, the account or the destination's configuration has to change.
    pub retry: bool,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// How long the other side asks to wait.
    pub retry_after_ms: Option<i64>,
    /// Whether the grant itself was refused, so that asking again is useless until the account changes.
    pub(crate) refused: bool,
}

impl Failure {
    /// The configuration or the account has to change.
    pub(crate) fn settings(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), retry: false, status: None, retry_after_ms: None, refused: false }
    }

    /// The answer is not what was agreed on; the next may be.
    pub(crate) fn answer(reply: &Reply, message: impl Into<String>) -> Failure {
        let status = Some(reply.status);
        Failure { message: message.into(), retry: true, status, retry_after_ms: reply.retry_after_ms, refused: false }
    }

    /// A token endpoint said no.
    pub(crate) fn refusal(reply: &Reply) -> Failure {
        let said = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        let said = said.as_ref().and_then(|body| body.get("error")?.as_str());
        let code = said.and_then(|said| ERROR_CODES.iter().find(|code| **code == said));
        let detail = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let redirect = if (300..400).contains(&reply.status) { ": redirects are not followed" } else { "" };
        let refused = code.is_some() && (400..500).contains(&reply.status) && !worth_retrying(reply.status);
        Failure {
            message: format!("token endpoint: status {}{detail}{redirect}", reply.status),
            retry: worth_retrying(reply.status) || (code.is_none() && (400..500).contains(&reply.status)),
            status: Some(reply.status),
            retry_after_ms: reply.retry_after_ms,
            refused,
        }
    }

    pub(crate) fn wire(endpoint: &str, error: WireError) -> Failure {
        let message = format!("{endpoint}: {}", error.reason);
        Failure { message, retry: error.retry, status: None, retry_after_ms: None, refused: false }
    }
}

/// Whether an answer of this status may be another one later.
pub(crate) fn worth_retrying(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// The media type of an answer, for sentences about bodies that cannot be read.
pub(crate) fn media_type(reply: &Reply) -> String {
    let given = reply.headers.get(reqwest::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let plain = given.unwrap_or("no content type").split(';').next().unwrap_or_default().trim();
    plain.chars().take(60).filter(|c| !c.is_control()).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
