//! A case of an audience template: one event becomes one request, its answer a mapping id or a message.
//!
//! Always: macros see what they see when the call is made for real; validations are checked before.

use super::expect;
use super::file::{Case, GivenAnswer};
use super::run::{Exchange, Mismatch, Run, Subject};
use crate::config::{AudienceTemplateConfig, Event, JsonTemplate, Pattern, RestTemplate, Templated, parse_address};
use crate::message::{ComposeError, ComposeFault, Request};
use pebble::{Limits, Value};
use serde_json::{Map, Value as Json, json};

const ALIAS: &str = "externalAudienceId";
const MESSAGE: &str = "message";

pub(crate) fn run(subject: &Subject, case: &Case, event: &str) -> Run {
    let mut run = Run::default();
    let (template, event) = match find(subject, case, event) {
        Ok(found) => found,
        Err(why) => {
            run.mismatches.push(Mismatch::new(why));
            run.refused = true;
            return run;
        }
    };
    let Some(rest) = template.events.get(&event) else {
        run.mismatches.push(Mismatch::new(format!("the audience template has no event `{}`", event.field())));
        run.refused = true;
        return run;
    };
    let names = names(subject, case);
    match validated(template, rest, &names) {
        Err(why) => run.error = Some(format!("{} {why}", template.name)),
        Ok(values) => {
            let mut names = names;
            names.insert("validations".to_owned(), values.into());
            exchange(template, rest, case, names, &mut run);
        }
    }
    expect::requests(case, &mut run);
    compare(case, &mut run);
    run
}

fn find<'s>(subject: &'s Subject, case: &Case, event: &str) -> Result<(&'s AudienceTemplateConfig, Event), String> {
    let known = || Event::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = Event::ALL.iter().find(|(name, _)| *name == event);
    let (_, event) = found.ok_or_else(|| format!("event: one of {} is needed, given `{event}`", known()))?;
    let names: Vec<&str> = subject.audience_templates.iter().map(|(name, _)| name.as_str()).collect();
    let template = match (&case.template, subject.audience_templates.as_slice()) {
        (Some(name), all) => all.iter().find(|(other, _)| other == name),
        (None, [one]) => Some(one),
        (None, _) => None,
    };
    match (template, names.as_slice()) {
        (Some((_, template)), _) => Ok((template, *event)),
        (None, []) => Err("event: the destination has no audience template".to_owned()),
        (None, names) => Err(format!("template: one of {} is needed", names.join(", "))),
    }
}

/// What macros see before the call.
fn names(subject: &Subject, case: &Case) -> Map<String, Json> {
    let mut names = Map::new();
    if let Json::Object(given) = &case.audience {
        let mut segment = json!({"id": null, "name": null, "alias": null, "description": null, "metadata": {}});
        for (name, value) in given {
            segment[name.as_str()] = value.clone();
        }
        let enrichment = segment.as_object_mut().and_then(|s| s.shift_remove("enrichmentAttributes"));
        names.insert("segmentEnrichmentAttributes".to_owned(), enrichment.unwrap_or_default());
        names.insert("segment".to_owned(), segment);
    }
    let object = |json: &Json| if json.is_null() { json!({}) } else { json.clone() };
    names.insert("customerData".to_owned(), object(&case.customer_data));
    let account = case.account();
    if let Some(token) = account.get("accessToken") {
        names.insert("oauth2ServiceAccessToken".to_owned(), token.clone());
    }
    names.insert("authData".to_owned(), account);
    let destination = json!({
        "name": subject.destination.name,
        "id": "00000000-0000-4000-8000-000000000000",
        "imsOrgId": "AUTHOR@AdobeOrg",
        "sandboxName": "prod",
        "enrichmentAttributes": null,
    });
    names.insert("destination".to_owned(), destination);
    names
}

/// The checked values, as `validations.<field>`.
fn validated(
    template: &AudienceTemplateConfig,
    rest: &RestTemplate,
    names: &Map<String, Json>,
) -> Result<Map<String, Json>, String> {
    let mut values = Map::new();
    let all = Json::Object(names.clone());
    for validation in template.validations.iter().chain(&rest.validations) {
        let field = validation.field.as_str();
        let found = match field.split_once('.') {
            Some((root, _)) if names.contains_key(root) => all.pointer(&format!("/{}", field.replace('.', "/"))),
            _ => names.get("customerData").and_then(|data| data.get(field)),
        };
        let value = match found {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            Some(Json::Bool(yes)) => yes.to_string(),
            _ => String::new(),
        };
        let source = &validation.regex.source;
        let whole = Pattern::compile(&format!("^(?:{source})\\z")).and_then(|whole| whole.matches(&value));
        match whole {
            Ok(true) => {}
            Ok(false) if value.is_empty() => return Err(format!("{field}: is empty, must match `{source}`")),
            Ok(false) => return Err(format!("{field}: must match `{source}`")),
            Err(error) => return Err(format!("{field}: `{source}`: {error}")),
        }
        values.insert(field.to_owned(), value.into());
    }
    Ok(values)
}

fn exchange(
    template: &AudienceTemplateConfig,
    rest: &RestTemplate,
    case: &Case,
    names: Map<String, Json>,
    run: &mut Run,
) {
    let request = compose(rest, &visible(names.clone()));
    let answer = case.answers.first().cloned().unwrap_or_default();
    let mut words = "not sent".to_owned();
    if request.is_ok() {
        match read(rest, &answer, names) {
            Ok(alias) => {
                words = alias.as_ref().map_or("done".to_owned(), |alias| format!("mapping id {alias}"));
                run.alias = alias;
            }
            Err(why) => {
                words = format!("failed: {why}");
                run.error = Some(format!("{} {why}", template.name));
            }
        }
    }
    if case.answers.len() > 1 {
        run.mismatches.push(Mismatch::new(format!("answers: one event makes one call, given {}", case.answers.len())));
    }
    let (profiles, lanes, entries) = (Vec::new(), Vec::new(), Vec::new());
    run.exchanges.push(Exchange {
        key: None,
        profiles,
        lanes,
        entries,
        request,
        answer,
        judgement: words,
        halved: false,
    });
}

/// Lists and maps print as JSON here, as in the real call.
fn visible(names: Map<String, Json>) -> Value {
    Value::from(&Json::Object(names)).json()
}

fn render(setting: &Templated, context: &Value, field: &str) -> Result<String, ComposeError> {
    let failed = |error| ComposeError { template: field.to_owned(), fault: ComposeFault::Render(Box::new(error)) };
    setting.render(context, &Limits::default()).map_err(failed)
}

fn compose(rest: &RestTemplate, context: &Value) -> Result<Request, ComposeError> {
    let url = render(&rest.url, context, "url")?.trim().to_owned();
    if let Err(reason) = parse_address(&url) {
        return Err(ComposeError { template: "url".to_owned(), fault: ComposeFault::Address(reason) });
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in &rest.headers {
        let field = format!("headers.{name}");
        let text = render(value, context, &field)?.trim().to_owned();
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(ComposeError { template: field, fault: ComposeFault::Header });
        }
        headers.push((name.clone(), text));
    }
    let body = match &rest.body {
        None => None,
        Some(body) => Some(leaves(body, "requestBody.json", context)?.to_string()),
    };
    if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.insert(0, ("Content-Type".to_owned(), "application/json".to_owned()));
    }
    Ok(Request { method: rest.method.as_str(), url, headers, body })
}

/// String leaves are rendered, all else is as it was written.
fn leaves(template: &JsonTemplate, at: &str, context: &Value) -> Result<Json, ComposeError> {
    Ok(match template {
        JsonTemplate::Fixed(value) => value.clone(),
        JsonTemplate::Text(text) => render(text, context, at)?.into(),
        JsonTemplate::Array(items) => {
            let each = items.iter().enumerate().map(|(n, item)| leaves(item, &format!("{at}[{n}]"), context));
            Json::Array(each.collect::<Result<_, _>>()?)
        }
        JsonTemplate::Object(fields) => {
            let field = |(name, field): &(String, JsonTemplate)| {
                Ok::<_, ComposeError>((name.clone(), leaves(field, &format!("{at}.{name}"), context)?))
            };
            Json::Object(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
    })
}

/// The mapping id that the answer gives, or the receiver's words.
fn read(rest: &RestTemplate, answer: &GivenAnswer, names: Map<String, Json>) -> Result<Option<String>, String> {
    let context = visible(with_answer(names, answer));
    let value = |fields: &[(model::SmolStr, Templated)], name: &str| -> Result<Option<String>, String> {
        let Some((_, template)) = fields.iter().find(|(other, _)| other == name) else { return Ok(None) };
        let text = render(template, &context, name).map_err(|error| error.to_string())?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    if (200..300).contains(&answer.status) {
        let promised = rest.response_fields.iter().any(|(name, _)| name == ALIAS);
        let alias = value(&rest.response_fields, ALIAS)?;
        return match (promised, alias) {
            (true, None) => Err(format!("the answer (status {}) gives no {ALIAS}", answer.status)),
            (_, alias) => Ok(alias),
        };
    }
    let words = value(&rest.response_error_fields, MESSAGE).unwrap_or_default();
    Err(words.unwrap_or_else(|| format!("status {}", answer.status)))
}

/// Adds `body`, `headers`, `root`, `response` and the body's own keys.
fn with_answer(mut names: Map<String, Json>, answer: &GivenAnswer) -> Map<String, Json> {
    let bytes = answer.bytes();
    let text = || Json::String(String::from_utf8_lossy(&bytes).into_owned());
    let body: Json = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    let headers = answer.headers.iter().map(|(name, value)| (name.to_lowercase(), Json::from(value.as_str())));
    let headers: Map<String, Json> = headers.collect();
    let mut response = body.as_object().cloned().unwrap_or_default();
    for (name, value) in &response {
        names.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let lists: Map<String, Json> = headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    for (name, value) in [("status", json!(answer.status)), ("headers", lists.into()), ("body", body.clone())] {
        response.entry(name).or_insert(value);
    }
    names.insert("response".to_owned(), response.into());
    names.insert("headers".to_owned(), headers.into());
    names.insert("root".to_owned(), body.clone());
    names.insert("body".to_owned(), body);
    names
}

fn compare(case: &Case, run: &mut Run) {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    let mut found = Vec::new();
    if case.alias.is_some() && case.alias != run.alias {
        let diff = Some(format!("- {}\n+ {}", shown(&case.alias), shown(&run.alias)));
        found.push(Mismatch { what: "alias".to_owned(), diff });
    }
    match (&case.error, &run.error) {
        (Some(expected), Some(given)) if given.contains(expected.as_str()) => {}
        (None, None) => {}
        (None, Some(given)) => found.push(Mismatch::new(format!("the event fails: {given}"))),
        (Some(_), _) => {
            let diff = Some(format!("- …{}…\n+ {}", shown(&case.error), shown(&run.error)));
            found.push(Mismatch { what: "error".to_owned(), diff });
        }
    }
    run.mismatches.extend(found);
}
