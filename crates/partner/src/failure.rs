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
    /// When asking again makes sense.
    pub(crate) again: Again,
}

/// When another request makes sense after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Whenever somebody needs it: it passes by itself.
    AtOnce,
    /// After a pause: somebody has to mend it, here or at the other side, and nobody says when that is done.
    Later,
    /// Once a person has logged in, or the account has changed.
    AfterLogin,
}

impl Failure {
    /// The configuration or the account has to change.
    pub(crate) fn settings(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), retry: false, status: None, retry_after_ms: None, again: Again::Later }
    }

    /// The answer is not what was agreed on; the next may be.
    pub(crate) fn answer(reply: &Reply, message: impl Into<String>) -> Failure {
        let (status, retry_after_ms) = (Some(reply.status), reply.retry_after_ms);
        Failure { message: message.into(), retry: true, status, retry_after_ms, again: Again::AtOnce }
    }

    /// A token endpoint said no. `login`: the grant begins with a person, who has to log in again once it is invalid.
    pub(crate) fn refusal(reply: &Reply, login: bool) -> Failure {
        let said = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
        let said = said.as_ref().and_then(|body| body.get("error")?.as_str());
        let code = said.and_then(|said| ERROR_CODES.iter().find(|code| **code == said));
        let refused = (400..500).contains(&reply.status) && !worth_retrying(reply.status);
        let detail = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let redirect = if (300..400).contains(&reply.status) { ": redirects are not followed" } else { "" };
        let again = match code {
            _ if worth_retrying(reply.status) => Again::AtOnce,
            Some(&"invalid_grant") if login && refused => Again::AfterLogin,
            _ => Again::Later,
        };
        Failure {
            message: format!("token endpoint: status {}{detail}{redirect}", reply.status),
            // A refusal can be a fault of the other side, or mended there: the account need not change for it.
            retry: worth_retrying(reply.status) || (refused && again != Again::AfterLogin),
            status: Some(reply.status),
            retry_after_ms: reply.retry_after_ms,
            again,
        }
    }

    pub(crate) fn wire(endpoint: &str, error: WireError) -> Failure {
        let message = format!("{endpoint}: {}", error.reason);
        let again = if error.retry { Again::AtOnce } else { Again::Later };
        Failure { message, retry: error.retry, status: None, retry_after_ms: None, again }
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
    let plain: String = plain.chars().take(60).filter(|c| !c.is_control()).collect();
    match delivery::content_encoding(&reply.headers) {
        Some(encoding) => format!("{plain}, encoded as {encoding} although that was not asked for"),
        None => plain,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
