//! The page and its news.
//!
//! Always: only requests that name this machine as their host are answered, so that no other page can read this one.

use super::Shown;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// How long a request waits for news.
const WAIT: Duration = Duration::from_secs(25);

/// The routes.
pub(crate) fn router(receiver: Receiver<Shown>) -> Router {
    Router::new().route("/", get(page)).route("/state", get(state)).with_state(receiver)
}

async fn page(headers: HeaderMap) -> Response {
    if !is_local(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    Html(include_str!("page.html")).into_response()
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

/// The newest state, as soon as it is newer than what the page has.
async fn state(
    State(mut receiver): State<Receiver<Shown>>,
    Query(Since { since }): Query<Since>,
    headers: HeaderMap,
) -> Response {
    if !is_local(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let newer = receiver.wait_for(|shown| shown.number != 0 && shown.number != since);
    let shown = match tokio::time::timeout(WAIT, newer).await {
        Ok(Ok(shown)) => Shown::clone(&shown),
        Ok(Err(_)) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(_) => return StatusCode::NO_CONTENT.into_response(),
    };
    let body = format!("{{\"number\":{},\"state\":{}}}", shown.number, shown.json);
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}
