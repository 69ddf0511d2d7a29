//! Logins of people at receiving systems: the authorization code grant of a base connection (destination-sdk.md §3.3).
//!
//! In: a base connection; later the code that the login page sends a person back with. Out: the way to the login page;
//! later a small page that says how it ended. Always: the start is authorised as any call is; the callback is what a
//! browser opens, and proves itself by its state; what others wrote is escaped; no secret is on a page.

use crate::app::{Answer, App};
use crate::error::{ApiError, respond};
use crate::gateway::{Requester, bad_request};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::SandboxId;
use serde::Deserialize;
use serde_json::json;

/// Where login pages send people back to, as partners register it.
pub const CALLBACK_PATH: &str = "/data/core/activation/oauth/api/v1/callback";
/// The longest text of a login page that is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Lets people log in at receiving systems.
pub trait Logins: Send + Sync {
    /// The login page for a base connection. The answer comes to [`CALLBACK_PATH`] of `public_url`.
    ///
    /// # Errors
    /// There is no such connection, or its destination has no login.
    fn start(&self, sandbox: SandboxId, base_connection: &str) -> Result<String, LoginRefusal>;

    /// Takes the code that a login gave, fetches tokens and keeps them sealed in the base connection; gives its name.
    fn finish(&self, state: String, code: String) -> Answer<Result<String, LoginRefusal>>;

    /// The person or the receiving system broke a login off.
    fn break_off(&self, state: &str);
}

/// Why there is no login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRefusal {
    /// The HTTP status that says it: 404, 400, or 502 when the receiving system is at fault.
    pub status: u16,
    /// A sentence for the person, without secrets.
    pub detail: String,
}

pub(super) fn routes() -> Router<App> {
    Router::new().route("/rivermouth/oauth/start", get(start)).route(CALLBACK_PATH, get(callback))
}

#[derive(Deserialize)]
struct Start {
    connection: Option<String>,
}

async fn start(State(app): State<App>, requester: Requester, Query(query): Query<Start>) -> Result<Response, ApiError> {
    let connection = query.connection.filter(|id| !id.is_empty());
    let connection = connection
        .ok_or_else(|| bad_request("the query parameter connection is missing: the id of a base connection"))?;
    let page = app.logins.start(requester.sandbox, &connection).map_err(|refusal| {
        let title = if refusal.status == 404 { "NotFoundError" } else { "BadRequestError" };
        ApiError::problem(refusal.status, "about:blank", title, &refusal.detail)
    })?;
    let headers = [("location", page.clone()), ("cache-control", "no-store".to_owned())];
    Ok(respond(302, &json!({ "authorizationUrl": page }), &headers, "application/json"))
}

#[derive(Default, Deserialize)]
struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(State(app): State<App>, Query(back): Query<Back>) -> Response {
    ended(&*app.logins, back).await
}

async fn ended(logins: &dyn Logins, back: Back) -> Response {
    let state = back.state.unwrap_or_default();
    if let Some(error) = back.error {
        logins.break_off(&state);
        let said = back.error_description.unwrap_or_default();
        let detail = format!("The login page answered: {}. {}", clipped(&error), clipped(&said));
        return page(400, "Not connected", &detail);
    }
    let Some(code) = back.code.filter(|code| !code.is_empty()) else {
        return page(400, "Not connected", "The login page sent no code. Start the login again.");
    };
    match logins.finish(state, code).await {
        Ok(name) => page(200, "Connected", &format!("{name} can be used now. This page can be closed.")),
        Err(refusal) => page(refusal.status, "Not connected", &refusal.detail),
    }
}

fn clipped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// A page without scripts, styles or links, that is not kept anywhere.
fn page(status: u16, title: &str, detail: &str) -> Response {
    let (title, detail) = (escaped(title), escaped(detail.trim()));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{detail}</p></body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, html).into_response()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Knows one login, `s`, and its code, `c`.
    #[derive(Default)]
    struct One {
        broken_off: Mutex<Vec<String>>,
    }

    impl Logins for One {
        fn start(&self, _: SandboxId, _: &str) -> Result<String, LoginRefusal> {
            Ok("https://login.example/".to_owned())
        }

        fn finish(&self, state: String, code: String) -> Answer<Result<String, LoginRefusal>> {
            let detail = || "this login is unknown".to_owned();
            let known = (state.as_str(), code.as_str()) == ("s", "c");
            Box::pin(async move {
                if known { Ok("My <account>".to_owned()) } else { Err(LoginRefusal { status: 400, detail: detail() }) }
            })
        }

        fn break_off(&self, state: &str) {
            self.broken_off.lock().expect("no panic").push(state.to_owned());
        }
    }

    async fn shown(logins: &One, back: Back) -> (u16, String) {
        let response = ended(logins, back).await;
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(response.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
        let html = String::from_utf8(body.to_vec()).expect("text");
        let start = html.find("<h1>").expect("a heading");
        (status, html[start..].replace("</h1><p>", ": ").replace("<h1>", "").replace("</p></body>\n</html>\n", ""))
    }

    #[tokio::test]
    async fn a_page_says_how_a_login_ended() {
        let logins = One::default();
        let text = |text: &str| Some(text.to_owned());
        let back = |state, code| Back { state: text(state), code: text(code), ..Back::default() };
        let expected = (200, "Connected: My &lt;account&gt; can be used now. This page can be closed.".to_owned());
        assert_eq!(shown(&logins, back("s", "c")).await, expected);
        assert_eq!(shown(&logins, back("x", "c")).await, (400, "Not connected: this login is unknown".to_owned()));
        let no_code = (400, "Not connected: The login page sent no code. Start the login again.".to_owned());
        assert_eq!(shown(&logins, back("s", "")).await, no_code);
        let denied =
            Back { state: text("s"), error: text("access_denied"), error_description: text("<b>no"), code: None };
        let expected = (400, "Not connected: The login page answered: access_denied. &lt;b&gt;no".to_owned());
        assert_eq!(shown(&logins, denied).await, expected);
        assert_eq!(*logins.broken_off.lock().expect("no panic"), ["s"]);
    }

    #[test]
    fn what_others_wrote_is_escaped_and_bounded() {
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(clipped(&"\u{7}é".repeat(500)).chars().count(), SHOWN_CHARS_MAX);
    }
}
