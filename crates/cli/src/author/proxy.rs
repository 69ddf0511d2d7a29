//! `rivermouth author record` and `replay`: a receiver's answers, kept and given again.
//!
//! `record` stands between a destination and its receiver. `replay` stands in for the receiver; a request that was not
//! recorded is answered with 409 and the difference from the nearest recording.

use super::dev::forward::{aimed, client, receiver, shown};
use super::project::Project;
use super::recording::{self, Asked, Recording, Said, of_transport};
use super::scrub::Scrub;
use crate::output::line;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use std::future::IntoFuture as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest body that is passed on.
const BODY_BYTES_MAX: usize = 64 << 20;

fn scrub(dir: &Path) -> Result<Scrub, String> {
    let project = Project::load(dir)?;
    Ok(Scrub::of(project.cases.iter().filter_map(|file| file.case.as_ref())))
}

/// Serves until the process is told to stop.
async fn serve(router: Router, port: u16, what: &str) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| format!("port {port}: {error}"))?;
    let url = listener.local_addr().map_err(|error| error.to_string())?;
    let mut signals = crate::signals::Signals::listen()?;
    line(&format!("{what} on http://{url}/"));
    let router = router.layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX));
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served.map_err(|error| error.to_string()),
        () = signals.stop() => Ok(()),
    }
}

struct Recorder {
    dir: PathBuf,
    to: url::Url,
    client: reqwest::Client,
    scrub: Scrub,
    next: Mutex<usize>,
}

/// Passes requests on and keeps them with their answers.
pub(crate) async fn record(dir: &Path, port: u16, to: &str) -> Result<(), String> {
    let url = receiver(to)?;
    let what = format!("recording what goes to {}", shown(&url));
    let next = Mutex::new(recording::next(&recording::read(dir)?));
    let recorder = Recorder { dir: dir.to_owned(), to: url, client: client()?, scrub: scrub(dir)?, next };
    let router = Router::new().fallback(pass_on).with_state(Arc::new(recorder));
    serve(router, port, &what).await
}

async fn pass_on(
    State(recorder): State<Arc<Recorder>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match recorder.pass_on(&method, &uri, &headers, body).await {
        Ok(response) => response,
        Err(error) => {
            line(&format!("{method} {}: {error}", recorder.scrub.address(uri.path())));
            (StatusCode::BAD_GATEWAY, error).into_response()
        }
    }
}

impl Recorder {
    async fn pass_on(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Result<Response, String> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let url = aimed(&self.to, &format!("http://receiver{path}"))?;
        let mut request = self.client.request(method.clone(), url).body(body.clone());
        // Answers have to be readable to be kept.
        let passed = headers.iter().filter(|(name, _)| !of_transport(name.as_str()) && *name != "accept-encoding");
        for (name, value) in passed {
            request = request.header(name, value);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| format!("{} cannot be reached: {}", shown(&self.to), error.without_url()))?;
        let (status, answered) = (answer.status(), plain(answer.headers()));
        let bytes = answer.bytes().await.map_err(|error| error.without_url().to_string())?;
        let recording = || Recording {
            request: Asked::new(&self.scrub, method.as_str(), path, &plain(headers), &body),
            response: Said::new(&self.scrub, status.as_u16(), &answered, &bytes),
        };
        // Twice: what the answer shows to be a secret is one in the request too.
        drop(recording());
        let recording = recording();
        let number = {
            let mut next = self.next.lock();
            *next += 1;
            *next - 1
        };
        let name = recording::write(&self.dir, number, &recording)?;
        line(&format!("{}  {}  {name}", recording.request.method, status.as_u16()));
        Ok(response(status.as_u16(), &answered, bytes.to_vec()))
    }
}

/// Headers that are kept, as text.
fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| !of_transport(name.as_str()));
    kept.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

fn response(status: u16, headers: &[(String, String)], body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().clear();
    for (name, value) in headers.iter().filter(|(name, _)| !of_transport(name)) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// What was recorded, and what of it was asked for already.
pub(crate) struct Replay {
    recordings: Vec<(String, Recording)>,
    used: Mutex<Vec<bool>>,
    scrub: Scrub,
}

/// Answers from the recordings.
pub(crate) async fn replay(dir: &Path, port: u16) -> Result<(), String> {
    let recordings = recording::read(dir)?;
    if recordings.is_empty() {
        return Err(format!("{}: nothing was recorded; `rivermouth author record` does", dir.display()));
    }
    let what = format!("answering from {}", super::project::count(recordings.len(), "recording"));
    let replay = Arc::new(Replay::new(recordings, scrub(dir)?));
    serve(Router::new().fallback(answer).with_state(replay), port, &what).await
}

async fn answer(
    State(replay): State<Arc<Replay>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = Asked::new(&replay.scrub, method.as_str(), path, &plain(&headers), &body);
    match replay.answer(&asked) {
        Ok((name, said)) => {
            line(&format!("{method}  {}  {name}", said.status));
            response(said.status, &said.headers, said.text().into_bytes())
        }
        Err(difference) => {
            line(&difference);
            (StatusCode::CONFLICT, difference + "\n").into_response()
        }
    }
}

impl Replay {
    /// Recordings, none of them asked for.
    pub(crate) fn new(recordings: Vec<(String, Recording)>, scrub: Scrub) -> Replay {
        Replay { used: Mutex::new(vec![false; recordings.len()]), recordings, scrub }
    }

    /// The recorded answer to this request: the first that was not given yet, or else the last. Or the difference from
    /// the nearest recording.
    pub(crate) fn answer(&self, asked: &Asked) -> Result<(&str, &Said), String> {
        let same = |other: &Asked| other.method == asked.method && other.path == asked.path && other.body == asked.body;
        let mut used = self.used.lock();
        let found = |alike: &dyn Fn(&Asked) -> bool| -> Vec<usize> {
            (0..self.recordings.len()).filter(|at| alike(&self.recordings[*at].1.request)).collect()
        };
        let mut found = [found(&same), found(&|other| other.may_be(asked))].into_iter();
        let found = found.find(|found| !found.is_empty()).unwrap_or_default();
        if let Some(at) = found.iter().find(|at| !used[**at]).or(found.last()) {
            used[*at] = true;
            let (name, recording) = &self.recordings[*at];
            return Ok((name, &recording.response));
        }
        let nearest = |rank: &dyn Fn(&Asked) -> bool| {
            let all = self.recordings.iter().enumerate().filter(|(_, (_, r))| rank(&r.request));
            all.min_by_key(|(at, _)| used[*at]).map(|(_, recording)| recording)
        };
        let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        let near = nearest(&|other| other.method == asked.method && other.path == asked.path)
            .or_else(|| nearest(&|other| other.method == asked.method && path(&other.path) == path(&asked.path)));
        let head = format!("{} {} was not recorded", asked.method, asked.path);
        Err(match near {
            Some((name, recording)) => {
                let body = destination::case::like(&asked.body, &recording.request.body);
                let asked = Asked { body, ..asked.clone() };
                let diff = destination::case::diff(&recording.request.page(), &asked.page()).unwrap_or_default();
                format!("{head}; the nearest is {name}:\n{diff}")
            }
            None => format!("{head}, nor anything with this method and path"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(path: &str, body: serde_json::Value) -> Asked {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        Asked::new(&Scrub::default(), "POST", path, &headers, body.to_string().as_bytes())
    }

    fn recorded(path: &str, body: serde_json::Value, status: u16) -> (String, Recording) {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let response = Said::new(&Scrub::default(), status, &headers, b"{\"ok\":true}");
        (format!("{status}.json"), Recording { request: asked(path, body), response })
    }

    fn replay_of(path: &str, body: serde_json::Value, asked_path: &str, asked_body: serde_json::Value) -> bool {
        let (name, mut recording) = recorded(path, json!({}), 200);
        (recording.request.path, recording.request.body) = (path.to_owned(), body);
        Replay::new(vec![(name, recording)], Scrub::default()).answer(&asked(asked_path, asked_body)).is_ok()
    }

    #[test]
    fn answers_come_in_order_and_a_mismatch_shows_the_difference() {
        let all = vec![
            recorded("/a", json!({"n": 1}), 200),
            recorded("/a", json!({"n": 1}), 429),
            recorded("/b?x=1", json!({}), 201),
        ];
        let replay = Replay::new(all, Scrub::default());
        let status = |path: &str, body| replay.answer(&asked(path, body)).map(|(_, said)| said.status);
        assert_eq!(status("/a", json!({"n": 1})), Ok(200));
        assert_eq!(status("/a", json!({"n": 1})), Ok(429));
        assert_eq!(status("/a", json!({"n": 1})), Ok(429));
        assert_eq!(status("/b?x=1", json!({})), Ok(201));
        insta::assert_snapshot!(status("/a", json!({"n": 2})).unwrap_err(), @r#"
        POST /a was not recorded; the nearest is 200.json:
          POST /a

          {
        -   "n": 1
        +   "n": 2
          }
        "#);
        insta::assert_snapshot!(status("/b?x=2", json!({})).unwrap_err(), @r"
        POST /b?x=2 was not recorded; the nearest is 201.json:
        - POST /b?x=1
        + POST /b?x=2

          {}
        ");
        // What was a secret when it was recorded may be anything.
        let may_be = |path: &str, body| {
            replay_of("/l/<removed>?t=<removed>", json!({"a": ["x <removed>"], "s": "<removed>"}), path, body)
        };
        assert!(may_be("/l/T1?t=2", json!({"a": ["x 1"], "s": {"b": 1}})));
        assert!(!may_be("/l/T1?u=2", json!({"a": ["x 1"], "s": 1})));
        assert!(!may_be("/l/T1?t=2", json!({"a": ["y 1"], "s": 1})));
        assert!(status("/c", json!({})).is_err_and(|error| error.ends_with("nor anything with this method and path")));
    }
}
