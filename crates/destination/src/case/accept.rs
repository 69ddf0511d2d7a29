//! Writes what a case gave into its file, as its expectation.
//!
//! In: the text of a case file, the case and its run. Out: the text with `expect` (and `alias` and `error` of an event)
//! replaced. Always: the result reads as the case with these fields; where lines of a field can be replaced, every other
//! line stays as it is, comments and line ends included; else (flow style, JSON, an anchor in what goes) the file is
//! written anew.

use super::expect::json;
use super::file::Case;
use super::run::Run;
use crate::folder::text;
use crate::message::Request;
use serde_json::{Map, Value as Json};

/// A case file is read as YAML, whatever its ending: JSON is YAML.
const YAML: &str = "case.yaml";

/// The text of the case file with the requests of the run as its expectation. None if a request cannot be composed:
/// there is nothing to accept then.
pub fn accept(text: &str, case: &Case, run: &Run) -> Option<String> {
    let mut requests = Vec::new();
    for (at, exchange) in run.exchanges.iter().enumerate() {
        requests.push(expectation(exchange.request.as_ref().ok()?, case, at));
    }
    let mut changes = vec![("expect", Some(Json::Array(requests)))];
    if case.is_of_audience() {
        let value = |given: &Option<String>| given.as_ref().map(|text| Json::from(text.as_str()));
        changes.push(("alias", value(&run.alias)));
        // A part of the message that still is one stays as it was written.
        if case.error.as_ref().is_none_or(|part| !run.error.as_ref().is_some_and(|error| error.contains(part))) {
            changes.push(("error", value(&run.error)));
        }
    }
    Some(changed(text, &changes))
}

/// The text with some of its top-level fields changed; a field without a value is gone. Lines end as they did.
fn changed(text: &str, changes: &[(&str, Option<Json>)]) -> String {
    let lines = text.matches('\n').count();
    match lines > 0 && text.matches("\r\n").count() == lines {
        true => changed_lines(&text.replace("\r\n", "\n"), changes).replace('\n', "\r\n"),
        false => changed_lines(text, changes),
    }
}

fn changed_lines(text: &str, changes: &[(&str, Option<Json>)]) -> String {
    let lines = changes.iter().fold(text.to_owned(), |text, (name, value)| replace(&text, name, value.as_ref()));
    // A text that is no mapping has no fields to write anew; it was no case either.
    let Ok(Json::Object(mut fields)) = text::parse(YAML, text) else { return lines };
    for (name, value) in changes {
        match value {
            Some(value) => _ = fields.insert((*name).to_owned(), value.clone()),
            None => _ = fields.remove(*name),
        }
    }
    let fields = Json::Object(fields);
    match text::parse(YAML, &lines).as_ref() == Ok(&fields) {
        true => lines,
        false if text.trim_start().starts_with('{') => text::json_text(&fields),
        false => text::yaml(&fields),
    }
}

/// One request as a case expects it: the headers that were named before, or all.
fn expectation(request: &Request, case: &Case, at: usize) -> Json {
    let before = case.expect.as_ref().and_then(|all| all.get(at));
    let mut fields = Map::new();
    fields.insert("method".to_owned(), request.method.into());
    fields.insert("url".to_owned(), request.url.as_str().into());
    let named = |name: &str| before.is_none_or(|b| b.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)));
    let headers = request.headers.iter().filter(|(name, _)| named(name));
    let headers: Map<String, Json> = headers.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    if !headers.is_empty() {
        fields.insert("headers".to_owned(), headers.into());
    }
    if let Some(body) = &request.body {
        let as_text = before.is_some_and(|b| b.body_text.is_some());
        match json(body).filter(|_| !as_text) {
            Some(json) => fields.insert("body".to_owned(), json),
            None => fields.insert("bodyText".to_owned(), body.as_str().into()),
        };
    }
    fields.into()
}

/// The text with the value of a top-level field replaced; at the end if it was not there, gone without a value.
fn replace(text: &str, name: &str, value: Option<&Json>) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let start = lines.iter().position(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    let new = value.map(|value| text::field(name, value)).unwrap_or_default();
    let Some(start) = start else {
        let gap = if text.is_empty() || text.ends_with('\n') || new.is_empty() { "" } else { "\n" };
        return format!("{text}{gap}{new}");
    };
    let end = end(&lines, start);
    [lines[..start].concat(), new, lines[end..].concat()].concat()
}

/// Where the next field begins, with the comments and empty lines before it.
fn end(lines: &[&str], start: usize) -> usize {
    let inside = |line: &str| line.starts_with([' ', '\t', '-', ']', '}']);
    let mut end = start + 1;
    for (at, line) in lines.iter().enumerate().skip(start + 1) {
        let line = line.trim_end_matches(['\n', '\r']);
        if inside(line) && !line.starts_with("---") {
            end = at + 1;
        } else if !line.is_empty() && !line.starts_with('#') {
            break;
        }
    }
    end
}
