//! `/rivermouth/why` and `/rivermouth/plan/audience`: why a profile is a member, and what an audience would change.
//!
//! Operator's paths. A plan answers line by line, JSON each: `{"progress":{"read","of"}}` while profiles are read, at
//! the end `{"plan":{…}}` or `{"error":"…"}`. Who hangs up ends it.

use super::operator::{Operator, ok};
use crate::app::App;
use crate::error::ApiError;
use crate::gateway::{JsonBody, bad_request};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use http_body::Frame;
use serde_json::Value as Json;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Profiles named of those that enter, and of those that leave.
const SAMPLES: usize = 5;
/// The most that may be asked for.
const SAMPLES_MAX: u64 = 1000;

/// Explains memberships, and plans changes of audiences.
pub trait Insight: Send + Sync {
    /// Why a profile, named by id or `NAMESPACE:VALUE`, is or is not in an audience, named by id or name; blocks.
    fn why(&self, sandbox: &str, profile: &str, audience: &str) -> Result<Json, ApiError>;

    /// Begins to look at all stored profiles: lines as this module says. It ends when the receiver is dropped.
    fn plan(&self, request: PlanRequest) -> Result<mpsc::Receiver<Json>, ApiError>;
}

/// An audience as it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// The sandbox.
    pub sandbox: String,
    /// The rule, as pql/text.
    pub expression: String,
    /// The audience that would be changed, by id or name; a new one without.
    pub audience: Option<String>,
    /// Its merge policy; that of the audience, or the default one, without.
    pub merge_policy: Option<String>,
    /// How many profiles to name.
    pub samples: usize,
}

pub(super) fn routes() -> Router<App> {
    Router::new().route("/rivermouth/why", get(why)).route("/rivermouth/plan/audience", post(plan))
}

async fn why(
    State(app): State<App>,
    _: Operator,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let (mut sandbox, mut profile, mut audience) = (None, None, None);
    for (name, value) in query {
        match name.as_str() {
            "sandbox" => sandbox = Some(value),
            "profile" => profile = Some(value),
            "audience" => audience = Some(value),
            _ => return Err(bad_request(&format!("{name:?} is no parameter: profile, audience and sandbox are"))),
        }
    }
    let (Some(profile), Some(audience)) = (profile, audience) else {
        return Err(bad_request("profile (an id, or NAMESPACE:VALUE) and audience (an id or a name) are needed"));
    };
    let answer =
        tokio::task::spawn_blocking(move || app.insight.why(sandbox.as_deref().unwrap_or("prod"), &profile, &audience));
    Ok(ok(&answer.await.map_err(|broken| ApiError::unavailable(&broken))??))
}

async fn plan(State(app): State<App>, _: Operator, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let request = plan_request(&body)?;
    let started = tokio::task::spawn_blocking(move || app.insight.plan(request));
    let lines = started.await.map_err(|broken| ApiError::unavailable(&broken))??;
    let mut response = Response::new(Body::new(Lines(lines)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn plan_request(body: &Json) -> Result<PlanRequest, ApiError> {
    const KNOWN: [&str; 5] = ["expression", "audience", "mergePolicyId", "samples", "sandbox"];
    let members = body.as_object().ok_or_else(|| bad_request("an object is needed"))?;
    if let Some(unknown) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(bad_request(&format!("/{unknown}: is no member of a plan: {} are", KNOWN.join(", "))));
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(bad_request(&format!("/{name}: a string is needed, given {other}"))),
    };
    let samples = match members.get("samples") {
        None => SAMPLES,
        Some(given) => match given.as_u64().filter(|n| *n <= SAMPLES_MAX) {
            Some(n) => n as usize,
            None => return Err(bad_request(&format!("/samples: a number up to {SAMPLES_MAX}, given {given}"))),
        },
    };
    Ok(PlanRequest {
        sandbox: text("sandbox")?.unwrap_or_else(|| "prod".into()),
        expression: text("expression")?.ok_or_else(|| bad_request("/expression: is needed"))?,
        audience: text("audience")?,
        merge_policy: text("mergePolicyId")?,
        samples,
    })
}

/// A body that is written while it is sent.
struct Lines(mpsc::Receiver<Json>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n"))))))
    }
}
