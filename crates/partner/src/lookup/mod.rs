//! Live lookups: lists and schemas that a server of the receiving system gives while a flow is set up.
//!
//! In: a lookup server, the customer's data, an account. Out: choices, target fields, or why there are none.
//!
//! Always: one answer serves for a minute, for the same request only; the table of answers is bounded; a refused token
//! is replaced once; what the template renders has to be JSON.

mod options;
mod schema;

pub use options::Choice;
pub use schema::{FIELDS_MAX, TargetField, TargetFields};

use crate::context::{context, json_of, render, response, shown};
use crate::draft::Draft;
use crate::failure::worth_retrying;
use crate::{Account, Failure, Line};
use delivery::Reply;
use destination::config::{
    DynamicEnum, DynamicSchema, HttpTemplate, ResponseField, ServerConfig, ServerTarget, Templated,
};
use model::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// How long an answer serves.
pub const LOOKUP_KEPT_MS: i64 = 60_000;
/// Answers that are kept at most.
const KEPT_MAX: usize = 1_000;

/// What a lookup is made with.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Names the server document and its version; answers are kept apart by it.
    pub server_key: &'a str,
    /// The lookup server.
    pub server: &'a ServerConfig,
    /// What the customer entered so far.
    pub customer_data: &'a Map<String, Json>,
    /// What lets the call in.
    pub account: &'a Account,
}

/// Why a lookup gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    /// A sentence for who sets the flow up.
    pub message: String,
    /// Whether waiting may help.
    pub retry: bool,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
}

/// Lookups with the answers of the last minute.
#[derive(Debug, Default)]
pub struct Lookups {
    kept: Mutex<HashMap<[u8; 32], Kept>>,
}

#[derive(Debug)]
struct Kept {
    until: Timestamp,
    rendered: Rendered,
}

/// The response fields of a server, rendered and read.
type Rendered = Arc<Vec<(String, Json)>>;

impl Lookups {
    /// The choices of a field with `dynamicEnum`.
    ///
    /// # Errors
    /// The call fails, or its answer does not become a list of names and values.
    pub async fn options(
        &self,
        line: &Line,
        of: &DynamicEnum,
        lookup: &Lookup<'_>,
    ) -> Result<Vec<Choice>, LookupError> {
        if let Some(name) = of.query_params.iter().find(|name| !is_entered(lookup.customer_data, name)) {
            return Err(LookupError::settings(format!("needs a value of {name} first")));
        }
        let rendered = self.rendered(line, lookup).await?;
        options::choices(&rendered, &of.value).map_err(LookupError::content)
    }

    /// The target fields of a destination with `dynamicSchemaConfig`.
    ///
    /// # Errors
    /// The call fails, or its answer does not become a schema.
    pub async fn schema(
        &self,
        line: &Line,
        of: &DynamicSchema,
        lookup: &Lookup<'_>,
    ) -> Result<TargetFields, LookupError> {
        let rendered = self.rendered(line, lookup).await?;
        let named = |name: &str| rendered.iter().find(|(n, _)| n == name);
        let (name, schema) = named(&of.value)
            .or_else(|| named("schema"))
            .ok_or_else(|| LookupError::content("the server has no response field `schema`".to_owned()))?;
        schema::fields(name, schema).map_err(LookupError::content)
    }

    async fn rendered(&self, line: &Line, lookup: &Lookup<'_>) -> Result<Rendered, LookupError> {
        let authorization = lookup.account.authorization(line, None).await?;
        let mut draft = lookup.draft()?;
        authorization.header.into_iter().for_each(|header| draft.authorize(header));
        let key = key(lookup.server_key, &draft);
        let now = line.wire.clock().now();
        if let Some(kept) = self.kept.lock().get(&key)
            && now < kept.until
        {
            return Ok(kept.rendered.clone());
        }
        let mut reply = send(line, draft).await?;
        if reply.status == 401 && authorization.number.is_some() {
            let fresh = lookup.account.authorization(line, authorization.number).await?;
            let mut draft = lookup.draft()?;
            fresh.header.into_iter().for_each(|header| draft.authorize(header));
            reply = send(line, draft).await?;
        }
        let rendered = Arc::new(lookup.read(&reply)?);
        self.keep(key, now, rendered.clone());
        Ok(rendered)
    }

    fn keep(&self, key: [u8; 32], now: Timestamp, rendered: Rendered) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() < KEPT_MAX {
            kept.insert(key, Kept { until: Timestamp(now.0.saturating_add(LOOKUP_KEPT_MS)), rendered });
        }
    }
}

impl Lookup<'_> {
    fn draft(&self) -> Result<Draft, LookupError> {
        let mut names = self.names();
        names.insert("authData".to_owned(), self.account.auth_data().into());
        let (url, http, _) = self.parts()?;
        let mut draft = Draft::render(url, http, &context(&names)).map_err(LookupError::settings)?;
        draft.accept_json();
        Ok(draft)
    }

    fn parts(&self) -> Result<(&Templated, &HttpTemplate, &[ResponseField]), LookupError> {
        match &self.server.target {
            ServerTarget::Url { url, http: Some(http), response_fields } => Ok((url, http, response_fields)),
            ServerTarget::Url { http: None, .. } => {
                Err(LookupError::settings("the server has no httpTemplate".to_owned()))
            }
            ServerTarget::File(_) => Err(LookupError::settings("a server of files cannot be asked".to_owned())),
        }
    }

    fn names(&self) -> Map<String, Json> {
        [("customerData".to_owned(), self.customer_data.clone().into())].into_iter().collect()
    }

    /// Renders the response fields out of an answer; each has to become JSON.
    fn read(&self, reply: &Reply) -> Result<Vec<(String, Json)>, LookupError> {
        let (status, retry) = (reply.status, worth_retrying(reply.status));
        if !(200..300).contains(&status) {
            let hint = if (300..400).contains(&status) { ": redirects are not followed" } else { "" };
            return Err(LookupError { message: format!("status {status}{hint}"), retry, status: Some(status) });
        }
        let fault = |message: String| LookupError { message, retry: true, status: Some(status) };
        let body = json_of(reply).map_err(fault)?;
        let mut names = self.names();
        names.insert("response".to_owned(), response(reply, body));
        let context = context(&names);
        let mut fields = Vec::new();
        for field in self.parts()?.2 {
            let what = format!("responseFields `{}`", field.name);
            let text = render(&what, &field.value, &context).map_err(LookupError::content)?;
            let json = serde_json::from_str(&text).map_err(|error| {
                LookupError::content(format!(
                    "{what}: the rendered text is no JSON: {error}; it begins `{}`",
                    shown(&text)
                ))
            })?;
            fields.push((field.name.to_string(), json));
        }
        Ok(fields)
    }
}

async fn send(line: &Line, draft: Draft) -> Result<Reply, LookupError> {
    let sent = line.send(draft.into_request()).await;
    sent.map_err(|error| LookupError { message: error.reason, retry: error.retry, status: None })
}

/// Whether a field has a value: a name of the top level or of a group, or a path from the top.
fn is_entered(data: &Map<String, Json>, name: &str) -> bool {
    let filled = |value: &Json| !matches!(value, Json::Null) && value.as_str() != Some("");
    let mut names = name.split('.');
    let first = names.next().and_then(|first| data.get(first));
    let at_path = first.and_then(|first| names.try_fold(first, |at, name| at.get(name)));
    let mut in_groups = data.values().filter_map(|group| group.get(name));
    at_path.is_some_and(filled) || in_groups.any(filled)
}

/// What tells requests apart. Only the digest is kept, since headers hold secrets.
fn key(server: &str, draft: &Draft) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    add(server.as_bytes());
    add(draft.method.as_str().as_bytes());
    add(draft.url.as_str().as_bytes());
    for (name, value) in &draft.headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    add(draft.body.as_deref().unwrap_or_default().as_bytes());
    digest.finalize().into()
}

impl LookupError {
    fn settings(message: String) -> LookupError {
        LookupError { message, retry: false, status: None }
    }

    /// The receiver answered, but not with what the destination's author promised.
    fn content(message: String) -> LookupError {
        LookupError { message, retry: false, status: None }
    }
}

impl From<Failure> for LookupError {
    fn from(failure: Failure) -> LookupError {
        LookupError { message: failure.message, retry: failure.retry, status: failure.status }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lookup: {}", self.message)
    }
}

impl std::error::Error for LookupError {}
