//! Audience metadata: tells the receiving system of audiences and dataflows, by the templates of the destination.
//!
//! In: an audience template, an event, what its macros see, an account. Out: the response fields, or a message for the
//! user that begins with the template's name. Always: validations pass before any call; string leaves of the body are
//! rendered, all others keep their type; a refused token is replaced once.

use crate::context::{body_of, render, response};
use crate::draft::Draft;
use crate::failure::worth_retrying;
use crate::select::text;
use crate::{Account, Line};
use delivery::Reply;
use destination::config::{AudienceTemplateConfig, Event, JsonTemplate, RestTemplate, Templated};
use serde_json::{Map, Value as Json, json};
use smol_str::SmolStr;
use std::fmt;

/// An audience, as macros see it (`segment.*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its mapping id in the receiving system, once there is one.
    pub alias: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// More of it, as `segment.metadata.<x>`.
    pub metadata: Map<String, Json>,
}

/// The destination, as macros see it (`destination.*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestinationFacts {
    /// Its name.
    pub name: String,
    /// Id of its configuration.
    pub id: String,
    /// The organisation.
    pub ims_org_id: String,
    /// The sandbox.
    pub sandbox_name: String,
    /// Enrichment attributes of all audiences: namespace, audience id, list.
    pub enrichment_attributes: Json,
}

/// What the macros of one call see, but for the account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The audience, for events of one.
    pub segment: Option<Segment>,
    /// What the customer entered.
    pub customer_data: Map<String, Json>,
    /// The destination.
    pub destination: DestinationFacts,
    /// Enrichment attributes of the audience.
    pub segment_enrichment_attributes: Json,
}

/// What a call gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The response fields by name, such as `externalAudienceId`; those that rendered to nothing are missing.
    pub fields: Vec<(String, String)>,
    /// The status of the answer.
    pub status: u16,
}

/// Name of the response field that holds the mapping id.
pub const EXTERNAL_AUDIENCE_ID: &str = "externalAudienceId";

impl Answer {
    /// A response field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The mapping id that the receiving system gave.
    pub fn external_audience_id(&self) -> Option<&str> {
        self.get(EXTERNAL_AUDIENCE_ID)
    }
}

/// Why a call did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// For the user: the template's name, then what the receiving system says.
    pub message: String,
    /// Whether waiting may help.
    pub retry: bool,
    /// The status of the receiver's own answer, where there was one; never that of a token endpoint.
    pub status: Option<u16>,
    /// How long the other side asks to wait.
    pub retry_after_ms: Option<i64>,
}

/// Makes the call of an event; none if the template has no such event.
///
/// # Errors
/// A validation fails, the call cannot be made, or the receiving system says no.
pub async fn call(
    template: &AudienceTemplateConfig,
    event: Event,
    context: &Context,
    account: &Account,
    line: &Line,
) -> Result<Option<Answer>, CallError> {
    let Some(rest) = template.events.get(&event) else { return Ok(None) };
    let said = |failure: Failed| failure.by(&template.name);
    let values = validated(template, rest, context, account).map_err(said)?;
    let call = Call { rest, context, account, values };
    let reply = call.exchange(line).await.map_err(said)?;
    let mut answer = call.judge(&reply).map_err(said)?;
    // A list or a map is no id, even if a template prints it.
    answer.fields.retain(|(name, value)| name != EXTERNAL_AUDIENCE_ID || !is_compound(value));
    if event == Event::Create && call.promises_id() && answer.external_audience_id().is_none() {
        let message = format!("the answer (status {}) gives no {EXTERNAL_AUDIENCE_ID}", reply.status);
        return Err(Failed { status: Some(reply.status), ..Failed::settings(message) }.by(&template.name));
    }
    Ok(Some(answer))
}

/// A failure that does not yet name its template.
struct Failed {
    message: String,
    retry: bool,
    status: Option<u16>,
    retry_after_ms: Option<i64>,
}

impl Failed {
    fn settings(message: String) -> Failed {
        Failed { message, retry: false, status: None, retry_after_ms: None }
    }

    fn by(self, template: &str) -> CallError {
        let message = format!("{template} {}", self.message).trim().to_owned();
        CallError { message, retry: self.retry, status: self.status, retry_after_ms: self.retry_after_ms }
    }
}

/// Checks the template's validations; gives the values that were checked, as `validations.<field>`.
fn validated(
    template: &AudienceTemplateConfig,
    rest: &RestTemplate,
    context: &Context,
    account: &Account,
) -> Result<Map<String, Json>, Failed> {
    let mut values = Map::new();
    let names = Json::Object(context.names(account));
    for validation in template.validations.iter().chain(&rest.validations) {
        let field = validation.field.as_str();
        let found = match field.split_once('.') {
            Some((root, _)) if names.get(root).is_some() => names.pointer(&format!("/{}", field.replace('.', "/"))),
            _ => context.customer_data.get(field),
        };
        let value = found.and_then(text).unwrap_or_default();
        match validation.regex.matches(&value) {
            Ok(true) => {}
            // The value stays out of the message: customer data can be secret.
            Ok(false) if value.is_empty() => {
                return Err(Failed::settings(format!("{field}: is empty, must match `{}`", validation.regex.source)));
            }
            Ok(false) => return Err(Failed::settings(format!("{field}: must match `{}`", validation.regex.source))),
            Err(error) => return Err(Failed::settings(format!("{field}: `{}`: {error}", validation.regex.source))),
        }
        values.insert(field.to_owned(), value.into());
    }
    Ok(values)
}

impl Context {
    fn names(&self, account: &Account) -> Map<String, Json> {
        let mut names = Map::new();
        if let Some(segment) = &self.segment {
            let shown = json!({
                "id": segment.id,
                "name": segment.name,
                "alias": segment.alias,
                "description": segment.description,
                "metadata": segment.metadata,
            });
            names.insert("segment".to_owned(), shown);
        }
        names.insert("customerData".to_owned(), self.customer_data.clone().into());
        names.insert("authData".to_owned(), account.auth_data().into());
        let destination = json!({
            "name": self.destination.name,
            "id": self.destination.id,
            "imsOrgId": self.destination.ims_org_id,
            "sandboxName": self.destination.sandbox_name,
            "enrichmentAttributes": self.destination.enrichment_attributes,
        });
        names.insert("destination".to_owned(), destination);
        names.insert("segmentEnrichmentAttributes".to_owned(), self.segment_enrichment_attributes.clone());
        names
    }
}

/// One call on its way.
struct Call<'a> {
    rest: &'a RestTemplate,
    context: &'a Context,
    account: &'a Account,
    /// `validations.*`.
    values: Map<String, Json>,
}

impl Call<'_> {
    /// Sends the request; once more with another token if the first was refused.
    async fn exchange(&self, line: &Line) -> Result<Reply, Failed> {
        let mut refused = None;
        loop {
            let authorization = self.account.authorization(line, refused).await.map_err(|failure| Failed {
                message: failure.message,
                retry: failure.retry,
                // What a token endpoint said is no answer of the receiver.
                status: None,
                retry_after_ms: failure.retry_after_ms,
            })?;
            let mut draft = self.draft().map_err(Failed::settings)?;
            authorization.header.into_iter().for_each(|header| draft.authorize(header));
            let sent = line.send(draft.into_request()).await;
            let reply = sent.map_err(|e| Failed { retry: e.retry, ..Failed::settings(e.reason) })?;
            if reply.status != 401 || refused.is_some() || authorization.number.is_none() {
                return Ok(reply);
            }
            refused = authorization.number;
        }
    }

    fn names(&self) -> Map<String, Json> {
        let mut names = self.context.names(self.account);
        names.insert("validations".to_owned(), self.values.clone().into());
        if let Account::OAuth2(tokens) = self.account {
            let token = tokens.auth_data().get("accessToken").cloned();
            names.insert("oauth2ServiceAccessToken".to_owned(), token.unwrap_or_default());
        }
        names
    }

    fn draft(&self) -> Result<Draft, String> {
        let context = visible(self.names());
        let mut draft = Draft::new(self.rest.method.as_str(), &render("url", &self.rest.url, &context)?)?;
        if let Some(body) = &self.rest.body {
            draft.body = Some(rendered(body, "requestBody.json", &context)?.to_string());
            draft.add("Content-Type", "application/json")?;
        }
        for (name, value) in &self.rest.headers {
            draft.add(name, &render(&format!("header `{name}`"), value, &context)?)?;
        }
        Ok(draft)
    }

    fn promises_id(&self) -> bool {
        self.rest.response_fields.iter().any(|(name, _)| name == EXTERNAL_AUDIENCE_ID)
    }

    fn judge(&self, reply: &Reply) -> Result<Answer, Failed> {
        let context = visible(self.with_answer(reply));
        let part = |what: &str, of: &[(SmolStr, Templated)]| -> Result<Vec<(String, String)>, String> {
            let mut fields = Vec::new();
            for (name, value) in of {
                let text = render(&format!("{what} `{name}`"), value, &context)?;
                if !text.trim().is_empty() {
                    fields.push((name.to_string(), text.trim().to_owned()));
                }
            }
            Ok(fields)
        };
        if (200..300).contains(&reply.status) {
            let fields = part("responseFields", &self.rest.response_fields).map_err(Failed::settings)?;
            return Ok(Answer { fields, status: reply.status });
        }
        let status = reply.status;
        // A template that fails on the answer must not hide what happened.
        let said = part("responseErrorFields", &self.rest.response_error_fields).unwrap_or_default();
        let message = said.into_iter().find(|(name, _)| name == "message").map(|(_, text)| clipped(&text));
        let hint = if (300..400).contains(&status) { ": redirects are not followed" } else { "" };
        Err(Failed {
            message: message.unwrap_or_else(|| format!("status {status}{hint}")),
            retry: worth_retrying(status),
            status: Some(status),
            retry_after_ms: reply.retry_after_ms,
        })
    }

    /// The names with those of the answer: `body`, `headers`, `root`, `response`, and the body's own keys.
    fn with_answer(&self, reply: &Reply) -> Map<String, Json> {
        let mut names = self.names();
        let body = body_of(reply);
        let whole = response(reply, body.clone());
        let mut headers = Map::new();
        for (name, values) in whole["headers"].as_object().into_iter().flatten() {
            headers.insert(name.clone(), values.get(0).cloned().unwrap_or_default());
        }
        let mut response = body.as_object().cloned().unwrap_or_default();
        for (name, value) in &response {
            names.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, value) in whole.as_object().into_iter().flatten() {
            response.entry(name.clone()).or_insert_with(|| value.clone());
        }
        names.insert("response".to_owned(), response.into());
        names.insert("headers".to_owned(), headers.into());
        names.insert("root".to_owned(), body.clone());
        names.insert("body".to_owned(), body);
        names
    }
}

/// Lists and maps print as JSON here: the texts go into JSON, and `root` shows the answer as it came.
fn visible(names: Map<String, Json>) -> pebble::Value {
    pebble::Value::from(&Json::Object(names)).json()
}

/// Whether a text is a list or a map as templates print them, escaped or not.
fn is_compound(text: &str) -> bool {
    text.starts_with(['{', '['])
        && serde_json::from_str::<Json>(&text.replace("&quot;", "\"").replace("&amp;", "&"))
            .is_ok_and(|value| value.is_array() || value.is_object())
}

/// The longest message of a receiving system that is passed on.
const MESSAGE_CHARS_MAX: usize = 1_000;

fn clipped(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut clipped: String = text.chars().take(MESSAGE_CHARS_MAX).map(clean).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        clipped.push('…');
    }
    clipped
}

/// The body: string leaves are rendered and stay strings, all else is as it was written.
fn rendered(template: &JsonTemplate, at: &str, context: &pebble::Value) -> Result<Json, String> {
    Ok(match template {
        JsonTemplate::Fixed(value) => value.clone(),
        JsonTemplate::Text(text) => render(at, text, context)?.into(),
        JsonTemplate::Array(items) => {
            let items = items.iter().enumerate();
            Json::Array(
                items.map(|(n, item)| rendered(item, &format!("{at}[{n}]"), context)).collect::<Result<_, _>>()?,
            )
        }
        JsonTemplate::Object(fields) => {
            let field = |(name, field): &(String, JsonTemplate)| {
                Ok::<_, String>((name.clone(), rendered(field, &format!("{at}.{name}"), context)?))
            };
            Json::Object(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
    })
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}
