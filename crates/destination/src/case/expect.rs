//! Compares what left with what a case expects.
//!
//! Always: JSON bodies are compared as JSON, so the order of fields and the layout do not matter; the difference is
//! shown in the order of the expectation.

use super::diff::diff;
use super::file::{Case, ExpectedRequest};
use super::run::{Exchange, Mismatch, Run};
use crate::message::Request;
use serde_json::Value as Json;

/// Adds the mismatches of requests and outcomes.
pub(crate) fn messages(case: &Case, run: &mut Run) {
    requests(case, run);
    let Some(expected) = &case.outcomes else { return };
    let mut found = Vec::new();
    if expected.len() != run.outcomes.len() {
        let message = format!("outcomes: {} are expected, there are {} profiles", expected.len(), run.outcomes.len());
        found.push(Mismatch::new(message));
    }
    for (at, (expected, outcome)) in expected.iter().zip(&run.outcomes).enumerate() {
        if !expected.is(outcome) {
            let diff = Some(format!("- {}\n+ {}", expected.text(), outcome.text()));
            found.push(Mismatch { what: format!("outcomes[{at}]"), diff });
        }
    }
    run.mismatches.extend(found);
}

/// Adds the mismatches of requests.
pub(crate) fn requests(case: &Case, run: &mut Run) {
    let mut found = Vec::new();
    for (at, exchange) in run.exchanges.iter().enumerate() {
        if let Err(error) = &exchange.request {
            let profiles: Vec<String> = exchange.profiles.iter().map(|p| format!("profiles[{p}]")).collect();
            let of = if profiles.is_empty() { String::new() } else { format!(" ({})", profiles.join(", ")) };
            found.push(Mismatch::new(format!("request {}{of} cannot be composed: {error}", at + 1)));
        }
    }
    let Some(expected) = &case.expect else {
        found.push(Mismatch::new("nothing is expected yet; `--accept` writes what leaves now into the file"));
        run.mismatches.extend(found);
        return;
    };
    let sent: Vec<&Exchange> = run.exchanges.iter().collect();
    for at in 0..expected.len().max(sent.len()) {
        let what = format!("request {}", at + 1);
        match (expected.get(at), sent.get(at).map(|e| &e.request)) {
            (_, Some(Err(_))) | (None, None) => {}
            (Some(expected), Some(Ok(request))) => {
                let (old, new) = pages(expected, request);
                found.extend(diff(&old, &new).map(|diff| Mismatch { what, diff: Some(diff) }));
            }
            (Some(expected), None) => {
                let diff = Some(signed('-', &expected_alone(expected)));
                found.push(Mismatch { what: format!("{what} is expected and does not leave"), diff });
            }
            (None, Some(Ok(request))) => {
                let diff = Some(signed('+', &page(request)));
                found.push(Mismatch { what: format!("{what} leaves and is not expected"), diff });
            }
        }
    }
    run.mismatches.extend(found);
}

fn signed(sign: char, text: &str) -> String {
    text.lines().map(|line| format!("{sign} {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A request as people read it: the line, the headers, the body.
pub fn page(request: &Request) -> String {
    let mut page = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        page.push_str(&format!("{name}: {value}\n"));
    }
    if let Some(body) = &request.body {
        page.push('\n');
        match json(body) {
            Some(json) => page.push_str(&pretty(&json)),
            None => page.push_str(body),
        }
    }
    page
}

pub(crate) fn json(body: &str) -> Option<Json> {
    serde_json::from_str(body).ok()
}

fn pretty(json: &Json) -> String {
    let mut text = serde_json::to_string_pretty(json).unwrap_or_default();
    text.push('\n');
    text
}

/// Expectation and request as two pages; what is not expected is alike in both.
fn pages(expected: &ExpectedRequest, request: &Request) -> (String, String) {
    let method = expected.method.as_deref().unwrap_or(request.method);
    let url = expected.url.as_deref().unwrap_or(&request.url);
    let mut old = format!("{method} {url}\n");
    let mut new = format!("{} {}\n", request.method, request.url);
    for (name, value) in expected.headers.iter() {
        old.push_str(&format!("{name}: {value}\n"));
        for (_, value) in request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)) {
            new.push_str(&format!("{name}: {value}\n"));
        }
    }
    if let Some(wanted) = &expected.body {
        old.push_str(&format!("\n{}", pretty(wanted)));
        match request.body.as_deref().map(|body| (body, serde_json::from_str::<Json>(body))) {
            None => new.push_str("\n(no body)\n"),
            Some((_, Ok(body))) => new.push_str(&format!("\n{}", pretty(&like(&body, wanted)))),
            Some((body, Err(error))) => new.push_str(&format!("\n(no JSON: {error})\n{body}\n")),
        }
    } else if let Some(wanted) = &expected.body_text {
        old.push_str(&format!("\n{wanted}"));
        match &request.body {
            Some(body) => new.push_str(&format!("\n{body}")),
            None => new.push_str("\n(no body)\n"),
        }
    }
    (old, new)
}

fn expected_alone(expected: &ExpectedRequest) -> String {
    let mut page = format!(
        "{} {}\n",
        expected.method.as_deref().unwrap_or("(any method)"),
        expected.url.as_deref().unwrap_or("(any address)")
    );
    for (name, value) in expected.headers.iter() {
        page.push_str(&format!("{name}: {value}\n"));
    }
    if let Some(body) = &expected.body {
        page.push_str(&format!("\n{}", pretty(body)));
    } else if let Some(body) = &expected.body_text {
        page.push_str(&format!("\n{body}"));
    }
    page
}

/// The same JSON with its fields in the order of another, so that a difference shows what differs only.
pub fn like(json: &Json, order: &Json) -> Json {
    match (json, order) {
        (Json::Object(fields), Json::Object(first)) => {
            let known = first.iter().filter_map(|(name, order)| Some((name.clone(), like(fields.get(name)?, order))));
            let mut ordered: Vec<(String, Json)> = known.collect();
            // A field that only this one has stands behind the one that it follows here.
            let mut before: Option<&String> = None;
            for (name, value) in fields {
                if !first.contains_key(name) {
                    let place = before.and_then(|before| ordered.iter().position(|(other, _)| other == before));
                    ordered.insert(place.map_or(0, |place| place + 1), (name.clone(), value.clone()));
                }
                before = Some(name);
            }
            Json::Object(ordered.into_iter().collect())
        }
        (Json::Array(items), Json::Array(others)) => {
            let ordered = items.iter().enumerate();
            Json::Array(ordered.map(|(at, item)| like(item, others.get(at).unwrap_or(&Json::Null))).collect())
        }
        _ => json.clone(),
    }
}
