//! A small HTTP client for our own server: the operator's commands and the demo.

use serde_json::Value as Json;
use std::path::Path;
use std::time::Duration;

/// An answer line by line takes as long as there is work.
const LINES_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A client of one base URL with fixed headers.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    headers: Vec<(&'static str, String)>,
}

/// A status and a JSON body (null when empty).
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Json,
}

impl Client {
    pub(crate) fn new(base: &str) -> Result<Client, String> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .tls_backend_preconfigured(delivery::tls_config())
            .build();
        let http = http.map_err(|e| e.to_string())?;
        Ok(Client { http, base: base.trim_end_matches('/').to_owned(), headers: Vec::new() })
    }

    /// The client of the operator's paths of the server that runs on a data directory.
    pub(crate) fn operator(data_dir: &Path) -> Result<Client, String> {
        let marker = data_dir.join(crate::server::MARKER);
        let text = std::fs::read_to_string(&marker)
            .map_err(|_| format!("no server is running on {} ({} is missing)", data_dir.display(), marker.display()))?;
        let marker: Json = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", marker.display()))?;
        let url = marker["url"].as_str().unwrap_or_default();
        let token = data_dir.join("keys").join("admin.token");
        let token = std::fs::read_to_string(&token).map_err(|e| format!("{}: {e}", token.display()))?;
        Ok(Client::new(url)?.with("authorization", format!("Bearer {}", token.trim())))
    }

    /// The same client with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Client {
        self.headers.push((name, value));
        self
    }

    /// Sends a request; a failure to reach the server is a sentence.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        extra: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| e.to_string())?;
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !extra.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let response = request.send().await.map_err(|e| format!("{} cannot be reached: {e}", self.base))?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|e| e.to_string())?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Json::Null);
        Ok(Answer { status, body })
    }

    /// A request that is answered line by line, JSON each, for as long as that takes.
    pub(crate) async fn lines(&self, path: &str, body: &Json, mut each: impl FnMut(Json)) -> Result<(), String> {
        let mut request = self.http.post(format!("{}{path}", self.base)).timeout(LINES_TIMEOUT);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.header("content-type", "application/json").body(body.to_string());
        let mut response = request.send().await.map_err(|e| format!("{} cannot be reached: {e}", self.base))?;
        let status = response.status().as_u16();
        let mut open = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| format!("the answer broke off: {e}"))? {
            open.extend_from_slice(&chunk);
            while let Some(end) = open.iter().position(|byte| *byte == b'\n').filter(|_| status == 200) {
                let line: Vec<u8> = open.drain(..=end).collect();
                each(serde_json::from_slice(&line).map_err(|e| format!("the answer is no JSON: {e}"))?);
            }
        }
        let body = serde_json::from_slice(&open).unwrap_or(Json::Null);
        Answer { status, body }.expect("POST", path).map(drop)
    }

    /// A JSON request that must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Json, String> {
        let bytes = body.map(|b| b.to_string().into_bytes());
        let answer = self.send(method, path, bytes, &[]).await?;
        answer.expect(method, path)
    }
}

impl Answer {
    /// The body, or a sentence about what was refused.
    pub(crate) fn expect(self, method: &str, path: &str) -> Result<Json, String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let detail = self.body.get("detail").or_else(|| self.body.get("message")).and_then(Json::as_str);
        match detail {
            Some(detail) => Err(detail.to_owned()),
            None => Err(format!("{method} {path}: {} {}", self.status, self.body)),
        }
    }
}
