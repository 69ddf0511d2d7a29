//! Sends the requests of the cases to a receiver of one's own.
//!
//! Always: scheme, host and port are those of `--to`, whatever the template says; path, query, headers and body are as
//! rendered; a request that did not change is not sent again.

use super::state::{Reply, State};
use crate::author::scrub::Scrub;
use destination::message::Request;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The longest answer that is shown.
const SHOWN_BYTES: usize = 64 << 10;

/// The receiver.
pub(crate) struct Forward {
    to: url::Url,
    client: reqwest::Client,
    /// What was sent last for a request of a case, and what was said.
    last: Mutex<HashMap<(String, usize), (Request, Said)>>,
}

type Said = Result<(u16, Vec<(String, String)>, String, f64), String>;

impl Forward {
    /// A receiver at an address.
    pub(crate) fn new(to: &str) -> Result<Forward, String> {
        Ok(Forward { to: receiver(to)?, client: client()?, last: Mutex::default() })
    }

    /// Sends what changed, and puts the answers beside the requests.
    pub(crate) async fn send(&self, state: &mut State) {
        for tried in &mut state.cases {
            for at in 0..tried.run.exchanges.len() {
                let Ok(request) = &tried.run.exchanges[at].request else { continue };
                let place = (tried.name().to_owned(), at);
                let known =
                    self.last.lock().get(&place).filter(|(sent, _)| sent == request).map(|(_, said)| said.clone());
                let said = match known {
                    Some(said) => said,
                    None => {
                        let said = self.one(request).await;
                        self.last.lock().insert(place, (request.clone(), said.clone()));
                        said
                    }
                };
                let reply = said.map(|(status, headers, body, millis)| Reply { status, headers, body, millis });
                tried.replies[at] = Some(reply);
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "measures how long an answer takes")]
    async fn one(&self, request: &Request) -> Said {
        let started = Instant::now();
        let url = aimed(&self.to, &request.url)?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut out = self.client.request(method, url);
        for (name, value) in &request.headers {
            out = out.header(name, value);
        }
        if let Some(body) = &request.body {
            out = out.body(body.clone());
        }
        let answer = out
            .send()
            .await
            .map_err(|error| format!("{} cannot be reached: {}", shown(&self.to), error.without_url()))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
        let body = answer.bytes().await.map_err(|error| error.without_url().to_string())?;
        let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
        Ok((status, headers, body, started.elapsed().as_secs_f64() * 1e3))
    }
}

/// The address that `--to` gives.
pub(crate) fn receiver(to: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(to).map_err(|error| format!("--to {}: {error}", Scrub::default().text(to)))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(format!("--to {}: must be an http or https address", shown(&url))),
    }
}

/// An address as it may be printed: without a password.
pub(crate) fn shown(url: &url::Url) -> String {
    Scrub::default().text(url.as_str())
}

/// A client that goes where it is told, without proxies and redirects.
pub(crate) fn client() -> Result<reqwest::Client, String> {
    let built = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .tls_backend_preconfigured(delivery::tls_config())
        .build();
    built.map_err(|error| error.to_string())
}

/// The address with the origin of the receiver; a path of the receiver stands before that of the address.
pub(crate) fn aimed(to: &url::Url, address: &str) -> Result<url::Url, String> {
    let rendered = url::Url::parse(address).map_err(|error| format!("{address}: {error}"))?;
    let mut url = to.clone();
    let path = format!("{}{}", to.path().trim_end_matches('/'), rendered.path());
    url.set_path(&path);
    url.set_query(rendered.query());
    Ok(url)
}

#[cfg(test)]
mod tests {
    #[test]
    fn receivers_are_shown_without_passwords() {
        let shown = |to: &str| super::receiver(to).map(|url| super::shown(&url));
        assert_eq!(shown("http://u:PW@h/x?key=k").as_deref(), Ok("http://u:<removed>@h/x?key=<removed>"));
        let refused = shown("ftp://u:PW@h/");
        assert_eq!(refused.unwrap_err(), "--to ftp://u:<removed>@h/: must be an http or https address");
        assert!(shown("http://u:PW@h:x/").is_err_and(|error| !error.contains("PW")));
    }

    #[test]
    fn requests_go_where_they_are_told() {
        let aimed = |to: &str, address: &str| {
            super::aimed(&url::Url::parse(to).expect("a URL"), address).map(|url| url.to_string())
        };
        assert_eq!(aimed("http://127.0.0.1:9/", "https://a.test/x?y=1").as_deref(), Ok("http://127.0.0.1:9/x?y=1"));
        assert_eq!(aimed("http://127.0.0.1:9/in", "https://a.test/x").as_deref(), Ok("http://127.0.0.1:9/in/x"));
    }
}
