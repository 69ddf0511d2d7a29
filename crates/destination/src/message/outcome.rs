//! `responseOutcome`: how a destination server says how its answer is to be read, record by record.
//!
//! In: the object in the configuration of a destination server; later, an answer's status and body. Out: what became
//! of each entry of the message (an entry is one element of `input.profiles`), or that the whole message is suspect.
//! Always: an answer that does not fit the declaration is an error, never a success; nothing here panics. A receiver that
//! says that something failed, and names or counts it otherwise than it was sent, makes the message suspect: halves of it
//! find what is refused, and the rest is delivered.
//! This is an extension of ours: the original knows statuses only.

use super::judge::SliceOutcome;
use super::path::{Path, kind};
use crate::config::Fault;
use pebble::Template;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// The longest message of a receiver that is kept.
const MESSAGE_CHARS_MAX: usize = 200;

/// A parsed `responseOutcome`.
///
/// Common fields:
///
/// | field | meaning |
/// | --- | --- |
/// | `type` | `STATUS_LIST`, `FAILED_INDEXES`, `FAILED_IDS` or `COUNTS` |
/// | `statuses` | which answers are read this way: statuses (`200`) and classes (`"4xx"`); `["2xx"]` unless given |
/// | `list` | the place of the records (all types but `COUNTS`) |
/// | `state` | within a record: the place of its state; `$`, the record itself, unless given |
/// | `success`, `retry` | the states that mean delivered, or worth another attempt; any other state means refused |
/// | `message` | within a record: the place of the receiver's words |
/// | `error` | within the whole answer: the place of the receiver's words on the whole message |
///
/// Places are paths such as `$.results[*]`, `$.error['code']`, `$[0]`. Values are compared as text: `200` = `"200"`.
///
/// One state for each entry, in the order of the entries:
/// ```json
/// {"type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok"], "retry": ["throttled"],
///  "message": "$.error.message"}
/// ```
/// The failed entries by their place, counted from `firstIndex` (0 unless given):
/// ```json
/// {"type": "FAILED_INDEXES", "list": "$.errors", "index": "$.index", "message": "$.reason"}
/// ```
/// The failed entries by an id; `entryId` prints the id of an `entry` (with `customerData` in scope, nothing escaped):
/// ```json
/// {"type": "FAILED_IDS", "list": "$.invalid[*].email", "id": "$",
///  "entryId": {"templatingStrategy": "PEBBLE_V1", "value": "{{ entry.identityMap.email[0].id }}"}}
/// ```
/// Only how many failed (or, with `succeeded`, how many did not): a message of several is then suspect as a whole
/// and sent again in halves, until the refused ones stand alone:
/// ```json
/// {"type": "COUNTS", "failed": "$.num_invalid_entries"}
/// ```
/// A missing or null `list` of failed entries means that none failed. With a 2xx status, an answer that cannot be
/// read is a failure that is worth another attempt; with any other status, the status decides.
#[derive(Debug, Clone)]
pub struct Outcome {
    statuses: Vec<(u16, u16)>,
    shape: Shape,
    state: Option<Path>,
    success: Vec<String>,
    retry: Vec<String>,
    message: Option<Path>,
    error: Option<Path>,
}

#[derive(Debug, Clone)]
enum Shape {
    StatusList { list: Path },
    FailedIndexes { list: Path, index: Path, first: usize },
    FailedIds { list: Path, id: Path, entry_id: Arc<Template> },
    Counts { place: Path, succeeded: bool },
}

/// What an answer says.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// One outcome for each entry.
    Each(Vec<SliceOutcome>),
    /// Some failed, and nothing says which.
    Suspect(String),
}

/// Prints the id of the entry with a number.
pub(crate) type PrintId<'a> = &'a dyn Fn(&Template, usize) -> Result<String, String>;

impl Outcome {
    /// Parses the object; every unknown field, wrong type or unreadable path is a fault. Paths of faults
    /// start within the object (`list`).
    pub fn parse(json: &Json) -> Result<Outcome, Vec<Fault>> {
        let Some(fields) = json.as_object() else {
            return Err(vec![Fault::new("", format!("an object is needed, given {}", kind(json)))]);
        };
        let mut reader = Reader { fields, faults: Vec::new() };
        let outcome = reader.outcome();
        match outcome {
            Some(outcome) if reader.faults.is_empty() => Ok(outcome),
            _ => Err(reader.faults),
        }
    }

    /// Whether answers of this status are read record by record.
    pub fn applies(&self, status: u16) -> bool {
        self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// The template that prints the id of an entry.
    pub(crate) fn entry_id(&self) -> Option<&Template> {
        match &self.shape {
            Shape::FailedIds { entry_id, .. } => Some(entry_id),
            Shape::StatusList { .. } | Shape::FailedIndexes { .. } | Shape::Counts { .. } => None,
        }
    }

    /// The receiver's words on the whole message, if there are any.
    pub(crate) fn error(&self, body: &[u8]) -> Option<String> {
        let path = self.error.as_ref()?;
        let answer: Json = serde_json::from_slice(body).ok()?;
        words(path.first(&answer))
    }

    /// Reads an answer to `entries` entries. An error says why it cannot be read.
    pub(crate) fn read(&self, body: &[u8], entries: usize, print: PrintId<'_>) -> Result<Reading, String> {
        let answer: Json = serde_json::from_slice(body).map_err(|e| match body {
            [] => "its body is empty".to_owned(),
            _ => format!("its body is no JSON: {e}"),
        })?;
        match &self.shape {
            Shape::StatusList { list } => self.status_list(list, &answer, entries),
            Shape::FailedIndexes { list, index, first } => {
                let at = |item: &Json| {
                    let place = number(index.first(item)).ok_or(format!("no whole number at `{index}`"))?;
                    let at = place.checked_sub(*first as u64).and_then(|n| usize::try_from(n).ok());
                    let at = at.filter(|at| *at < entries);
                    at.map(|at| vec![at]).ok_or(format!("index {place} names none of the {entries} entries"))
                };
                self.failed(list, &answer, entries, &at)
            }
            Shape::FailedIds { list, id, entry_id } => self.failed_ids(list, id, entry_id, &answer, entries, print),
            Shape::Counts { place, succeeded } => {
                let count = number(place.nodes(&answer)?.and_then(|n| n.first().copied()).unwrap_or(&Json::Null))
                    .ok_or(format!("no whole number at `{place}`"))?;
                let failed = match succeeded {
                    true => (entries as u64).checked_sub(count).ok_or("it counts more than was sent")?,
                    false => count,
                };
                let words = self.error.as_ref().and_then(|p| words(p.first(&answer)));
                let words = words.map(|w| format!(": {w}")).unwrap_or_default();
                Ok(match failed {
                    0 => Reading::Each(vec![SliceOutcome::Delivered; entries]),
                    n => Reading::Suspect(format!("{n} of {entries} refused{words}")),
                })
            }
        }
    }

    fn status_list(&self, list: &Path, answer: &Json, entries: usize) -> Result<Reading, String> {
        let items = list.list(answer)?.ok_or(format!("nothing at `{list}`"))?;
        if items.len() != entries {
            return Err(format!("{} states at `{list}` for {entries} entries", items.len()));
        }
        Ok(Reading::Each(items.into_iter().map(|item| self.state_of(item, false)).collect()))
    }

    fn failed(
        &self,
        list: &Path,
        answer: &Json,
        entries: usize,
        at: &dyn Fn(&Json) -> Result<Vec<usize>, String>,
    ) -> Result<Reading, String> {
        let mut each = vec![SliceOutcome::Delivered; entries];
        for item in list.list(answer)?.unwrap_or_default() {
            let outcome = self.state_of(item, true);
            for at in at(item)? {
                each[at] = std::mem::replace(&mut each[at], SliceOutcome::Delivered).worse(outcome.clone());
            }
        }
        Ok(Reading::Each(each))
    }

    fn failed_ids(
        &self,
        list: &Path,
        id: &Path,
        entry_id: &Template,
        answer: &Json,
        entries: usize,
        print: PrintId<'_>,
    ) -> Result<Reading, String> {
        if list.list(answer)?.unwrap_or_default().is_empty() {
            return Ok(Reading::Each(vec![SliceOutcome::Delivered; entries]));
        }
        let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(entries);
        for at in 0..entries {
            let id = print(entry_id, at).map_err(|e| format!("`entryId` of entry {at}: {e}"))?;
            places.entry(id.trim().to_owned()).or_default().push(at);
        }
        let mut unknown = None;
        let reading = self.failed(list, answer, entries, &|item| {
            let id = scalar(id.first(item)).ok_or(format!("no id at `{id}`"))?;
            Ok(places.get(id.trim()).cloned().unwrap_or_default())
        })?;
        for item in list.list(answer)?.unwrap_or_default() {
            let known = scalar(id.first(item)).is_some_and(|id| places.contains_key(id.trim()));
            if !known && self.state_of(item, true) != SliceOutcome::Delivered {
                unknown = Some(item);
            }
        }
        Ok(match unknown {
            Some(item) => Reading::Suspect(self.reason(item, "refused an entry of an id that was not sent")),
            None => reading,
        })
    }

    /// What one record says. A record of a list of failures without a declared state is refused.
    fn state_of(&self, item: &Json, failure: bool) -> SliceOutcome {
        let state = match (&self.state, failure) {
            (Some(path), _) => path.first(item),
            (None, false) => item,
            (None, true) => return SliceOutcome::Rejected { reason: self.reason(item, "refused") },
        };
        let text = scalar(state).unwrap_or_default();
        if self.success.contains(&text) {
            return SliceOutcome::Delivered;
        }
        let shown: String = text.chars().take(MESSAGE_CHARS_MAX).collect();
        let reason = self.reason(item, &format!("state `{shown}`"));
        match self.retry.contains(&text) {
            true => SliceOutcome::Retry { reason },
            false => SliceOutcome::Rejected { reason },
        }
    }

    fn reason(&self, item: &Json, what: &str) -> String {
        match self.message.as_ref().and_then(|path| words(path.first(item))) {
            Some(words) => format!("{what}: {words}"),
            None => what.to_owned(),
        }
    }
}

/// The text of a scalar; null is empty text.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::Null => Some(String::new()),
        Json::Bool(b) => Some(b.to_string()),
        Json::Number(n) => Some(n.to_string()),
        Json::String(s) => Some(s.clone()),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// A whole number; `1.0` is one.
fn number(value: &Json) -> Option<u64> {
    /// From here on not every whole number is a float.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Json::Number(n) => n.as_u64().or_else(|| {
            let whole = n.as_f64().filter(|f| f.fract() == 0.0 && (0.0..WHOLE_MAX).contains(f))?;
            Some(whole as u64)
        }),
        Json::String(s) => s.parse().ok(),
        _ => None,
    }
}

/// A receiver's message, bounded.
fn words(value: &Json) -> Option<String> {
    let text = match value {
        Json::Array(_) | Json::Object(_) => value.to_string(),
        scalar_value => scalar(scalar_value)?,
    };
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

struct Reader<'a> {
    fields: &'a Map<String, Json>,
    faults: Vec<Fault>,
}

const COMMON: &[&str] = &["type", "statuses", "error"];
const OF_RECORDS: &[&str] = &["list", "state", "success", "retry", "message"];

impl Reader<'_> {
    fn outcome(&mut self) -> Option<Outcome> {
        let (shape, own, records) = match self.fields.get("type").and_then(Json::as_str) {
            Some("STATUS_LIST") => {
                if !self.fields.contains_key("success") {
                    self.refuse("success", "is needed with `STATUS_LIST`: the states that mean delivered");
                }
                (self.place("list").map(|list| Shape::StatusList { list }), &[][..], true)
            }
            Some("FAILED_INDEXES") => (self.failed_indexes(), &["index", "firstIndex"][..], true),
            Some("FAILED_IDS") => (self.failed_ids(), &["id", "entryId"][..], true),
            Some("COUNTS") => (self.counts(), &["failed", "succeeded"][..], false),
            _ => {
                let given = self.fields.get("type").unwrap_or(&Json::Null).to_string();
                let rule = "one of `STATUS_LIST`, `FAILED_INDEXES`, `FAILED_IDS`, `COUNTS` is needed";
                self.refuse("type", &format!("{rule}, given {given}"));
                return None;
            }
        };
        let known = |name: &str| COMMON.contains(&name) || own.contains(&name) || records && OF_RECORDS.contains(&name);
        for name in self.fields.keys().filter(|name| !known(name)) {
            self.faults.push(Fault::new(name, "unknown field of this `type`"));
        }
        let statuses = self.statuses();
        let (state, message, error) = (self.optional("state"), self.optional("message"), self.optional("error"));
        let (success, retry) = (self.states("success"), self.states("retry"));
        Some(Outcome { statuses, shape: shape?, state, success, retry, message, error })
    }

    fn failed_indexes(&mut self) -> Option<Shape> {
        let first = match self.fields.get("firstIndex") {
            None => 0,
            Some(given) => match given.as_u64() {
                Some(first @ (0 | 1)) => first as usize,
                _ => {
                    self.refuse("firstIndex", &format!("0 or 1 is needed, given {given}"));
                    0
                }
            },
        };
        let index = self.optional("index").unwrap_or_else(Path::itself);
        Some(Shape::FailedIndexes { list: self.place("list")?, index, first })
    }

    fn failed_ids(&mut self) -> Option<Shape> {
        let list = self.place("list");
        let id = self.optional("id").unwrap_or_else(Path::itself);
        let given = self.fields.get("entryId").unwrap_or(&Json::Null);
        let source = match (given["templatingStrategy"].as_str(), given["value"].as_str()) {
            (Some("PEBBLE_V1"), Some(source)) => source,
            _ => {
                let rule = "`{\"templatingStrategy\": \"PEBBLE_V1\", \"value\": …}` is needed: a template that prints \
                            the id of `entry`";
                self.refuse("entryId", &format!("{rule}, given {given}"));
                return None;
            }
        };
        match Template::compile("responseOutcome.entryId", source, &super::context::plain_options()) {
            Ok(template) => Some(Shape::FailedIds { list: list?, id, entry_id: Arc::new(template) }),
            Err(error) => {
                self.refuse("entryId.value", &error.to_string());
                None
            }
        }
    }

    fn counts(&mut self) -> Option<Shape> {
        match (self.optional("failed"), self.optional("succeeded")) {
            (Some(place), None) => Some(Shape::Counts { place, succeeded: false }),
            (None, Some(place)) => Some(Shape::Counts { place, succeeded: true }),
            _ => {
                self.refuse("failed", "exactly one of `failed` and `succeeded` is needed with `COUNTS`");
                None
            }
        }
    }

    fn place(&mut self, name: &str) -> Option<Path> {
        if !self.fields.contains_key(name) {
            self.refuse(name, "is needed: a path such as `$.results[*]`");
        }
        self.optional(name)
    }

    fn optional(&mut self, name: &str) -> Option<Path> {
        let given = self.fields.get(name)?;
        let parsed = match given.as_str() {
            Some(text) => Path::parse(text),
            None => Err(format!("a path such as `$.results[*]` is needed, given {}", kind(given))),
        };
        parsed.map_err(|message| self.refuse(name, &message)).ok()
    }

    fn states(&mut self, name: &str) -> Vec<String> {
        let Some(given) = self.fields.get(name) else { return Vec::new() };
        let Some(items) = given.as_array().filter(|items| !items.is_empty()) else {
            self.refuse(name, &format!("a list of states is needed, given {given}"));
            return Vec::new();
        };
        let states: Vec<String> = items.iter().filter_map(scalar).collect();
        if states.len() != items.len() {
            self.refuse(name, "states are text, numbers, booleans or null");
        }
        states
    }

    fn statuses(&mut self) -> Vec<(u16, u16)> {
        let Some(given) = self.fields.get("statuses") else { return vec![(200, 299)] };
        let items = given.as_array().map(Vec::as_slice).unwrap_or_default();
        let ranges: Vec<_> = items.iter().filter_map(|item| status(&scalar(item)?)).collect();
        if ranges.is_empty() || ranges.len() != items.len() {
            self.refuse(
                "statuses",
                &format!("a list of statuses (`200`) and classes (`\"2xx\"`) is needed, given {given}"),
            );
        }
        ranges
    }

    fn refuse(&mut self, path: &str, message: &str) {
        self.faults.push(Fault::new(path, message));
    }
}

/// The statuses that `200` or `2xx` name.
fn status(text: &str) -> Option<(u16, u16)> {
    let class = text.strip_suffix("xx").and_then(|c| c.parse::<u16>().ok()).filter(|c| (1..=5).contains(c));
    match class {
        Some(class) => Some((class * 100, class * 100 + 99)),
        None => text.parse().ok().filter(|s| (100..600).contains(s)).map(|s| (s, s)),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
