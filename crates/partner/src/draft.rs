//! A request before it is sent: out of templates, or built by hand.
//!
//! Always: an address is a legal URL, header names and values are legal; the authorization that comes with the account
//! is added only if the template sets none.

use crate::context::render;
use base64::Engine as _;
use destination::config::{HttpTemplate, Templated, is_transport_header, parse_address};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use url::Url;

/// A request before it is sent.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
}

impl Draft {
    /// A draft whose body is still missing.
    pub(crate) fn post(url: Url, content_type: &'static str) -> Draft {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Draft { method: Method::POST, url, headers, body: None }
    }

    /// A draft out of the templates of a server.
    pub(crate) fn render(url: &Templated, http: &HttpTemplate, context: &pebble::Value) -> Result<Draft, String> {
        let mut address = render("url", url, context)?;
        if let Some(query) = &http.query {
            let query = render("httpTemplate.queryParameters", query, context)?;
            let query = query.trim().trim_start_matches(['?', '&']);
            if !query.is_empty() {
                address.push(if address.contains('?') { '&' } else { '?' });
                address.push_str(query);
            }
        }
        let mut draft = Draft::new(http.method.as_str(), &address)?;
        if let Some(body) = &http.body {
            draft.body = Some(render("httpTemplate.requestBody", body, context)?);
        }
        if let Some(content_type) = &http.content_type {
            draft.add("Content-Type", content_type)?;
        }
        for (name, value) in &http.headers {
            draft.add(name, &render(&format!("header `{name}`"), value, context)?)?;
        }
        Ok(draft)
    }

    pub(crate) fn new(method: &str, address: &str) -> Result<Draft, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("httpMethod: `{method}` is none"))?;
        let url = parse_address(address.trim())
            .map_err(|reason| format!("url: the rendered text is no http or https URL: {reason}"))?;
        Ok(Draft { method, url, headers: HeaderMap::new(), body: None })
    }

    /// Sets a header; the last one of a name wins.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let legal = HeaderName::from_bytes(name.trim().as_bytes());
        let legal = legal.map_err(|_| format!("header `{name}`: not a legal name"))?;
        if is_transport_header(legal.as_str()) {
            return Err(format!("header `{name}`: belongs to the transport and cannot be set"));
        }
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| format!("header `{name}`: the rendered value has characters that no header can carry"))?;
        value.set_sensitive(true);
        self.headers.insert(legal, value);
        Ok(())
    }

    /// Adds the account's authorization unless there is one.
    pub(crate) fn authorize(&mut self, header: HeaderValue) {
        self.headers.entry(AUTHORIZATION).or_insert(header);
    }

    pub(crate) fn accept_json(&mut self) {
        self.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    }

    pub(crate) fn into_request(self) -> Request {
        let mut request = Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body.map(Into::into);
        request
    }
}

/// `Basic`, for a user and a password.
pub(crate) fn basic_header(user: &str, password: &str) -> Result<HeaderValue, String> {
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    secret_header(&format!("Basic {coded}"))
}

/// `Bearer`, for a token.
pub(crate) fn bearer_header(token: &str) -> Result<HeaderValue, String> {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "a token or credential has characters that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
