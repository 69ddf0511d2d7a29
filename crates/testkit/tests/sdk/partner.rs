//! A receiving system that keeps what it was asked and answers by a plan.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};
use testkit::{block_on, until};
use tokio::sync::watch;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The value of a form field, as text without escapes.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        self.body.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(u16, Json),
    /// Status, headers, body.
    Raw(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// None, until the partner is told to let go; then 200.
    Stall,
}

pub(crate) fn ok() -> Reply {
    Reply::Json(200, json!({}))
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Json(status, json!({}))
}

type Plan = Box<dyn FnMut(&Call) -> Reply + Send>;

struct Room {
    calls: Mutex<Vec<Call>>,
    plan: Mutex<Plan>,
    let_go: watch::Sender<u64>,
}

pub(crate) struct Partner {
    pub(crate) url: String,
    room: Arc<Room>,
}

impl Partner {
    pub(crate) fn start(plan: impl FnMut(&Call) -> Reply + Send + 'static) -> Partner {
        let plan: Plan = Box::new(plan);
        let room = Arc::new(Room { calls: Mutex::default(), plan: Mutex::new(plan), let_go: watch::Sender::new(0) });
        let app = axum::Router::new().fallback(answer).with_state(room.clone());
        let url = block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(async move { axum::serve(listener, app).await });
            format!("http://{address}")
        });
        Partner { url, room }
    }

    /// Answers by another plan from now on.
    pub(crate) fn plan(&self, plan: impl FnMut(&Call) -> Reply + Send + 'static) {
        *self.room.plan.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }

    /// Answers what is stalled.
    pub(crate) fn let_go(&self) {
        self.room.let_go.send_modify(|n| *n += 1);
    }

    /// Calls whose path starts so, in order.
    pub(crate) fn calls(&self, prefix: &str) -> Vec<Call> {
        let calls = self.room.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|call| call.path.starts_with(prefix)).cloned().collect()
    }

    /// Waits for this many calls.
    pub(crate) fn wait_for(&self, prefix: &str, count: usize) -> Vec<Call> {
        until(&format!("{count} calls to {prefix}"), || self.calls(prefix), |calls| calls.len() >= count)
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        self.room.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn answer(State(room): State<Arc<Room>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let bytes: Bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let header = |(n, v): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())
    };
    let call = Call {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(header).collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let mut let_go = room.let_go.subscribe();
    let reply = (room.plan.lock().unwrap_or_else(PoisonError::into_inner))(&call);
    room.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    let (status, headers, body) = match reply {
        Reply::Json(status, body) => {
            (status, vec![("content-type", "application/json".to_owned())], body.to_string().into_bytes())
        }
        Reply::Raw(status, headers, body) => (status, headers, body),
        Reply::Stall => {
            // An error means that the test is over.
            let _ = let_go.changed().await;
            (200, Vec::new(), Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().append(name, value.parse().expect("a header value"));
    }
    response
}
