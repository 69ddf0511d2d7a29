//! A blocking HTTP client of one server: plain, as an API client, or as the operator.

use crate::RUNTIME;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A client of one base URL with fixed headers.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, String)>,
    login: Option<Arc<Login>>,
}

/// A token, and how to get the next.
#[derive(Debug)]
struct Login {
    id: String,
    secret: String,
    token: Mutex<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Lower-case names and values.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null when it is empty or no JSON.
    pub json: Json,
    /// The body as it came.
    pub text: String,
}

impl Api {
    /// A client without any header.
    pub fn new(base: &str) -> Api {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .tls_backend_preconfigured(delivery::tls_config())
            .build();
        Api {
            http: http.expect("a client can be built"),
            base: base.trim_end_matches('/').to_owned(),
            headers: Vec::new(),
            login: None,
        }
    }

    /// Logs in with the members of `credentials.json`: a client with the headers of every AEP call.
    pub fn log_in(base: &str, credentials: &Json) -> Api {
        let text = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
        let login = Login { id: text("client_id"), secret: text("client_secret"), token: Mutex::default() };
        let plain = Api { login: Some(Arc::new(login)), ..Api::new(base) };
        plain.renew();
        plain
            .with("x-api-key", &text("client_id"))
            .with("x-gw-ims-org-id", &text("org_id"))
            .with("x-sandbox-name", "prod")
    }

    /// Takes a fresh token, as when the clock went past the old one's end; for all clones.
    pub fn renew(&self) {
        if let Some(login) = &self.login {
            let answer = Api::new(&self.base).token(&login.id, &login.secret).expect(200);
            let token = answer.json["access_token"].as_str().expect("an access token").to_owned();
            *login.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        }
    }

    /// The bearer token of a login; empty without one.
    pub fn bearer(&self) -> String {
        let token = |login: &Arc<Login>| login.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.login.as_ref().map(token).unwrap_or_default()
    }

    /// Asks for a token.
    pub fn token(&self, client_id: &str, client_secret: &str) -> Answer {
        let form =
            format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}&scope=openid");
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/ims/token/v3", Some(form.into_bytes()), &kind)
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The value of one of the fixed headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The same client with this header, in the place of one of the same name.
    pub fn with(&self, name: &str, value: &str) -> Api {
        let mut api = self.without(name);
        api.headers.push((name.to_owned(), value.to_owned()));
        api
    }

    /// The same client without a header.
    pub fn without(&self, name: &str) -> Api {
        let mut api = self.clone();
        api.headers.retain(|(n, _)| n != name);
        if name == "authorization" {
            api.login = None;
        }
        api
    }

    /// Sends a JSON request.
    pub fn call(&self, method: &str, path: &str, body: Option<&Json>) -> Answer {
        self.send(method, path, body.map(|b| b.to_string().into_bytes()), &[])
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Json) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// Sends bytes with more headers; without a content type it is JSON.
    pub fn send(&self, method: &str, path: &str, body: Option<Vec<u8>>, extra: &[(&str, &str)]) -> Answer {
        self.try_send(method, path, body, extra).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// The same; an unreachable server is an error.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        extra: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|e| e.to_string())?;
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.login.is_some() {
            request = request.header("authorization", format!("Bearer {}", self.bearer()));
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
        RUNTIME.block_on(async {
            let response = request.send().await.map_err(|e| format!("{e:?}"))?;
            let status = response.status().as_u16();
            let header = |(n, v): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())
            };
            let headers = response.headers().iter().map(header).collect();
            let bytes = response.bytes().await.map_err(|e| format!("{e:?}"))?;
            let json = serde_json::from_slice(&bytes).unwrap_or(Json::Null);
            Ok(Answer { status, headers, json, text: String::from_utf8_lossy(&bytes).into_owned() })
        })
    }
}

impl Answer {
    /// Itself, if it has this status.
    ///
    /// # Panics
    /// With the answer, if not.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The JSON body, if the request succeeded.
    ///
    /// # Panics
    /// With the answer, if not.
    #[track_caller]
    pub fn ok(self) -> Json {
        assert!((200..300).contains(&self.status), "{self:#?}");
        self.json
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
