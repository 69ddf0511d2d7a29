//! The request of one message: URL, headers, query and body, rendered.
//!
//! In: a group and some of its slices. Out: a [`Request`], or which template failed and how. Always: a request is
//! whole: an empty body, an address that is none, a header of several lines are errors, and nothing is sent (B.28).
//! Whether a body is the JSON that its content type promises can be asked of the request ([`Request::json_fault`]): its
//! author is told. It is sent as it is all the same (destination-sdk.md §4.3): receivers take lists with a comma too many.

use super::context::{key, limits, map};
use super::design::RequestTemplate;
use super::instance::Instance;
use super::slice::{GroupKey, Slice};
use crate::config::{Templated, parse_address};
use pebble::Value;
use serde::de::IgnoredAny;
use std::fmt;
use std::sync::atomic::Ordering;

/// A request, ready to be sent but for what authenticates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST` ….
    pub method: &'static str,
    /// The whole address with its query.
    pub url: String,
    /// Headers in order; `Content-Type` first, unless the template sets it.
    pub headers: Vec<(String, String)>,
    /// The body, if the server has a template for one.
    pub body: Option<String>,
}

impl Request {
    /// Whether the templates set a header. Delivery adds `Authorization` only where they do not (B.33).
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// What is wrong with a body that is no JSON although its `Content-Type` says so (`application/json`, `…+json`).
    /// The error has a place and no part of the body.
    pub fn json_fault(&self) -> Option<serde_json::Error> {
        let (_, kind) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let ending = kind.len().checked_sub("+json".len()).and_then(|at| kind.get(at..));
        let is_json =
            kind.eq_ignore_ascii_case("application/json") || ending.is_some_and(|e| e.eq_ignore_ascii_case("+json"));
        serde_json::from_str::<IgnoredAny>(self.body.as_deref().filter(|_| is_json)?).err()
    }
}

/// Why a message cannot be composed. Nothing of it was sent, and another attempt with the same profiles fails alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeError {
    /// The field of the server that failed: `httpTemplate.requestBody` ….
    pub template: String,
    /// What is wrong.
    pub fault: ComposeFault,
}

/// What is wrong with a rendered field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposeFault {
    /// The template failed.
    Render(Box<pebble::Error>),
    /// The body is empty.
    EmptyBody,
    /// The address is none; with the reason.
    Address(String),
    /// The value is not legal in a header.
    Header,
}

impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.template)?;
        match &self.fault {
            ComposeFault::Render(error) => write!(f, "{error}"),
            ComposeFault::EmptyBody => f.write_str("the body is empty"),
            ComposeFault::Address(reason) => write!(f, "no http or https address: {reason}"),
            ComposeFault::Header => f.write_str("a header is one line without control characters"),
        }
    }
}

impl std::error::Error for ComposeError {}

impl ComposeError {
    /// The same without the value that failed, which can be a secret or somebody's data.
    pub fn without_value(&self) -> ComposeError {
        let fault = match &self.fault {
            ComposeFault::Render(error) => ComposeFault::Render(Box::new(error.without_value())),
            other => other.clone(),
        };
        ComposeError { template: self.template.clone(), fault }
    }
}

/// What is reserved for a body at most.
const BODY_RESERVE_MAX: usize = 1 << 20;

impl Instance {
    /// Renders the request of one message. All slices are of `group`.
    pub fn compose(&self, group: &GroupKey, slices: &[&Slice]) -> Result<Request, ComposeError> {
        self.compose_entries(group, self.entries_read(slices))
    }

    /// The same with entries made before.
    pub fn compose_entries(&self, group: &GroupKey, entries: Vec<Value>) -> Result<Request, ComposeError> {
        let Some(template) = self.design().request() else {
            let fault = ComposeFault::Address("this destination has no server".to_owned());
            return Err(ComposeError { template: "destinationDelivery".to_owned(), fault });
        };
        let context = self.context(group, entries);
        let body = match &template.http.body {
            None => None,
            Some(body) => Some(self.body_text(body, &context)?),
        };
        let mut headers = Vec::with_capacity(template.http.headers.len() + 1);
        for (name, value) in &template.http.headers {
            let field = || format!("httpTemplate.headers.{name}");
            let text = render(value, &context, field)?;
            let text = text.trim().to_owned();
            if text.chars().any(|c| c.is_control() && c != '\t') {
                return Err(ComposeError { template: field(), fault: ComposeFault::Header });
            }
            // An optional value that was not given leaves no header behind.
            if !text.is_empty() {
                headers.push((name.clone(), text));
            }
        }
        if let Some(content_type) = &template.http.content_type
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.insert(0, ("Content-Type".to_owned(), content_type.clone()));
        }
        Ok(Request { method: template.http.method.as_str(), url: url(template, &context)?, headers, body })
    }

    fn body_text(&self, body: &Templated, context: &Value) -> Result<String, ComposeError> {
        let failed = |fault| ComposeError { template: "httpTemplate.requestBody".to_owned(), fault };
        let before = self.parts.body_len.load(Ordering::Relaxed);
        // Half more than the last one, unless that was an exception.
        let text = body.render_long(context, &limits(), (before + before / 2).min(BODY_RESERVE_MAX));
        let text = text.map_err(|error| failed(ComposeFault::Render(Box::new(error))))?;
        self.parts.body_len.store(text.len(), Ordering::Relaxed);
        match text.trim().is_empty() {
            true => Err(failed(ComposeFault::EmptyBody)),
            false => Ok(text),
        }
    }

    /// The context of all templates of one message (destination-sdk.md §4.6, §5.4).
    pub(crate) fn context(&self, group: &GroupKey, entries: Vec<Value>) -> Value {
        let mut input = Vec::with_capacity(3);
        if let [profile] = entries.as_slice() {
            input.push((key("profile"), profile.clone()));
        }
        input.push((key("profiles"), Value::list(entries)));
        if self.design().grouping().keyed {
            input.push((key("aggregationKey"), self.aggregation_key(group)));
        }
        map([
            (key("input"), map(input)),
            (key("customerData"), self.customer_data().clone()),
            (key("destination"), self.destination().clone()),
            (key("authData"), self.auth_data().clone()),
        ])
    }

    /// `input.aggregationKey` (destination-sdk.md §5.6).
    pub(crate) fn aggregation_key(&self, group: &GroupKey) -> Value {
        let mut fields = Vec::with_capacity(5);
        if let Some((namespace, id)) = &group.segment {
            let audience = self.aliases().position(namespace, id).map(|at| &self.aliases().audiences()[at]);
            fields.push((key("segmentId"), Value::string(id.clone())));
            fields.push((key("segmentNamespace"), Value::string(namespace.clone())));
            fields.push((key("segmentAlias"), Value::string(audience.map_or(id, |a| a.alias()).clone())));
        }
        if let Some(status) = group.status {
            fields.push((key("segmentStatus"), Value::string(status.as_str())));
        }
        if let Some(namespaces) = &group.identity_namespaces {
            let names = namespaces.iter().map(|name| Value::string(name.clone())).collect();
            fields.push((key("identityNamespaces"), Value::list(names)));
        }
        map(fields)
    }
}

fn url(template: &RequestTemplate, context: &Value) -> Result<String, ComposeError> {
    const FIELD: &str = "urlBasedDestination.url";
    let mut url = render(&template.url, context, || FIELD.to_owned())?.trim().to_owned();
    if let Some(query) = &template.http.query {
        let query = render(query, context, || "httpTemplate.queryParameters".to_owned())?;
        let query = query.trim().trim_start_matches(['?', '&']);
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
    }
    if template.url.constant().is_some() && template.http.query.is_none() {
        return Ok(url);
    }
    let wrong = |reason: String| ComposeError { template: FIELD.to_owned(), fault: ComposeFault::Address(reason) };
    match parse_address(&url) {
        Ok(_) => Ok(url),
        Err(reason) => Err(wrong(reason)),
    }
}

fn render(value: &Templated, context: &Value, field: impl Fn() -> String) -> Result<String, ComposeError> {
    let failed = |error| ComposeError { template: field(), fault: ComposeFault::Render(Box::new(error)) };
    value.render(context, &limits()).map_err(failed)
}
