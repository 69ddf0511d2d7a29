//! A profile document with everything that a query reads: attributes, events under `xEvent`, memberships.
//!
//! In: one JSON object, as profiles are exported. Out: what a `World` is made of. Always: events are in order.

use crate::calendar::read_instant;
use crate::query::World;
use crate::value::EventView;
use model::{SmolStr, Timestamp, Value};

/// A profile with its events and memberships.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// The profile without its events.
    pub profile: Value,
    /// The events, ascending by timestamp, then by id.
    pub events: Vec<EventView>,
}

impl Person {
    /// Takes the events out of a document. The error names the place that is wrong.
    pub fn of(mut document: Value) -> Result<Person, String> {
        if !matches!(document, Value::Object(_)) {
            return Err("a profile is an object".into());
        }
        let stored = match document.take("xEvent") {
            Value::Null => Vec::new(),
            Value::Array(events) => events,
            _ => return Err("/xEvent: an array of events is needed".into()),
        };
        let events = stored.into_iter().enumerate().map(|(at, event)| view(at, event));
        let mut events = events.collect::<Result<Vec<_>, _>>()?;
        events.sort_by(|a, b| (a.timestamp, &a.id).cmp(&(b.timestamp, &b.id)));
        Ok(Person { profile: document, events })
    }

    /// True if the profile is stored as a member of a segment (pql.md §11.6).
    pub fn is_member(&self, segment: &str) -> bool {
        let status = self.profile.get("segmentMembership").get("ups").get(segment).get("status");
        matches!(status.as_str(), Some("realized" | "existing"))
    }

    /// Gives a world at an instant to what needs one.
    pub fn at<T>(&self, now: Timestamp, f: impl FnOnce(&World<'_>) -> T) -> T {
        let is_member = |segment: &str| self.is_member(segment);
        f(&World { profile: &self.profile, events: &self.events, is_member: &is_member, now })
    }
}

fn view(at: usize, mut event: Value) -> Result<EventView, String> {
    if !matches!(event, Value::Object(_)) {
        return Err(format!("/xEvent/{at}: an event is an object"));
    }
    // Of another type they are as if they were not there (pql.md §8.13).
    let timestamp = event.take("timestamp").as_str().and_then(read_instant);
    let timestamp = timestamp.unwrap_or(EventView::UNTIMED);
    let id = event.take("_id").as_str().map(SmolStr::new).unwrap_or_default();
    Ok(EventView { timestamp, id, body: event })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Result<Person, String> {
        Person::of(Value::from_json(json.as_bytes()).expect("JSON"))
    }

    #[test]
    fn events_are_put_in_order() {
        let person = of(r#"{"a":1,"xEvent":[{"_id":"b","timestamp":"2026-01-02T00:00:00Z"},
            {"_id":"c","timestamp":"2026-01-01T00:00:00Z"},{"_id":"a","timestamp":"2026-01-02T00:00:00Z"}]}"#);
        let ids: Vec<String> = person.expect("a person").events.iter().map(|e| e.id.to_string()).collect();
        assert_eq!(ids, ["c", "a", "b"]);
        assert_eq!(of("{}").expect("a person").events, []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, message) in [
            ("[]", "a profile is an object"),
            (r#"{"xEvent":{}}"#, "/xEvent: an array of events is needed"),
            (r#"{"xEvent":[7]}"#, "/xEvent/0: an event is an object"),
        ] {
            assert_eq!(of(json), Err(message.to_owned()), "{json}");
        }
    }
}
