//! The routes of a receiver, and a receiver that runs.

use crate::connection::{Cut, CutListener};
use crate::ledger::{Counts, Incoming, Ledger, Record};
use crate::options::{Options, StartError};
use crate::script::{Player, Script, Step};
use crate::token::{TokenRequest, Tokens};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use clock::Clock;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Largest body that is received.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

struct Receiver {
    ledger: Ledger,
    tokens: Tokens,
    require_token: bool,
    player: Mutex<Player>,
    clock: Clock,
    open: AtomicUsize,
    open_max: AtomicUsize,
    /// Counts ended deliveries.
    ended: watch::Sender<u64>,
}

/// A receiver that runs until it is stopped or dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    receiver: Arc<Receiver>,
    task: JoinHandle<()>,
}

/// Starts a receiver.
///
/// # Errors
/// The address or the record file cannot be used.
pub async fn serve(options: Options) -> Result<Running, StartError> {
    let ledger = Ledger::new(&options)?;
    let listen = |e| StartError::Listen(options.listen, e);
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let receiver = Arc::new(Receiver {
        ledger,
        tokens: Tokens::new(options.token),
        require_token: options.require_token,
        player: Mutex::new(Player::new(options.script)),
        clock: options.clock,
        open: AtomicUsize::new(0),
        open_max: AtomicUsize::new(0),
        ended: watch::Sender::new(0),
    });
    let app = routes(receiver.clone()).into_make_service_with_connect_info::<Cut>();
    let task = tokio::spawn(async move {
        // Serving ends with the task only.
        let _ = axum::serve(CutListener(listener), app).await;
    });
    Ok(Running { addr, receiver, task })
}

impl Running {
    /// The URL of a path, such as `/profiles`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The deliveries that are kept, in the order in which they came.
    pub fn records(&self) -> Vec<Record> {
        self.receiver.ledger.records()
    }

    /// How many deliveries came.
    pub fn counts(&self) -> Counts {
        self.receiver.ledger.counts()
    }

    /// What came to the token endpoint.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.receiver.tokens.requests()
    }

    /// Most deliveries that were open at the same time.
    pub fn open_max(&self) -> usize {
        self.receiver.open_max.load(Ordering::Relaxed)
    }

    /// Plays another script from its start.
    pub fn set_script(&self, script: Script) {
        *self.receiver.player.lock() = Player::new(script);
    }

    /// Makes all tokens invalid that were issued so far.
    pub fn revoke_tokens(&self) {
        self.receiver.tokens.revoke();
    }

    /// Returns once at least `n` deliveries came and were decided on.
    pub async fn wait_for(&self, n: u64) {
        let mut ended = self.receiver.ended.subscribe();
        // The sender lives as long as this receiver.
        let _ = ended.wait_for(|_| self.counts().requests >= n).await;
    }

    /// Runs until its task ends; for a command that only receives.
    pub async fn join(mut self) {
        // A cancelled task has ended, too.
        let _ = (&mut self.task).await;
    }

    /// Stops listening and closes connections.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn routes(receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/received", get(received).delete(clear))
        .route("/received/count", get(count))
        .route("/received/last", get(last))
        .route("/script", put(script))
        .fallback(deliver)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(receiver)
}

async fn token(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, answer) = receiver.tokens.issue(&headers, &body, receiver.clock.now());
    (status, Json(answer)).into_response()
}

async fn received(State(receiver): State<Arc<Receiver>>) -> Response {
    Json(receiver.ledger.records()).into_response()
}

async fn clear(State(receiver): State<Arc<Receiver>>) -> StatusCode {
    receiver.ledger.clear();
    StatusCode::NO_CONTENT
}

async fn count(State(receiver): State<Arc<Receiver>>) -> Response {
    Json(receiver.ledger.counts()).into_response()
}

#[derive(Deserialize)]
struct LastQuery {
    by: String,
    id: Option<String>,
}

async fn last(State(receiver): State<Arc<Receiver>>, Query(query): Query<LastQuery>) -> Response {
    let Some(bodies) = receiver.ledger.last(&query.by) else {
        let error = "this receiver does not keep last bodies: start it with --keep-last";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    match query.id {
        None => Json(bodies).into_response(),
        Some(id) => match bodies.get(&id) {
            Some(body) => Json(body).into_response(),
            None => (StatusCode::NOT_FOUND, Json(json!({ "error": format!("nothing came for {id}") }))).into_response(),
        },
    }
}

async fn script(State(receiver): State<Arc<Receiver>>, body: String) -> Response {
    match body.parse::<Script>() {
        Ok(script) => {
            *receiver.player.lock() = Player::new(script);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a stall takes real time for the sender")]
async fn deliver(
    State(receiver): State<Arc<Receiver>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _open = Open::new(&receiver);
    let time = receiver.clock.now();
    let step = if receiver.require_token && !receiver.tokens.allows(&headers, time) {
        Step::status(401)
    } else {
        receiver.player.lock().next()
    };
    let status = if step.reset { 0 } else { step.status };
    let incoming = Incoming { time, method: &method, uri: &uri, headers: &headers, body: &body };
    let taken = receiver.ledger.take(&incoming, status);
    receiver.ended.send_modify(|n| *n += 1);
    if step.stall_ms > 0 {
        tokio::time::sleep(Duration::from_millis(step.stall_ms)).await;
    }
    if let Err(error) = taken {
        let error = format!("cannot record: {error}");
        return (StatusCode::INSUFFICIENT_STORAGE, Json(json!({ "error": error }))).into_response();
    }
    if step.reset {
        cut.cut();
    }
    answer(step)
}

fn answer(step: Step) -> Response {
    let mut response = Response::builder().status(step.status).header(header::CONTENT_TYPE, "application/json");
    if let Some(retry_after) = step.retry_after {
        response = response.header(header::RETRY_AFTER, retry_after);
    }
    for (name, value) in step.headers {
        response = response.header(name, value);
    }
    let body = step.body.unwrap_or_else(|| "{}".to_owned());
    response.body(Body::from(body)).unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("the script asks for no legal answer: {error}")).into_response()
    })
}

/// Counts a delivery while it is open.
struct Open<'a>(&'a Receiver);

impl<'a> Open<'a> {
    fn new(receiver: &'a Receiver) -> Open<'a> {
        let open = receiver.open.fetch_add(1, Ordering::Relaxed) + 1;
        receiver.open_max.fetch_max(open, Ordering::Relaxed);
        Open(receiver)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
