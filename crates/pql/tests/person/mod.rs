//! The people of the cases (pql.md §18): a profile, its events, its memberships.
#![allow(dead_code, reason = "no test needs all of it")]

use model::{SmolStr, Timestamp, Value};
use pql::EventView;
use std::path::{Path, PathBuf};

/// A profile and its events.
pub(crate) struct Person {
    pub(crate) profile: Value,
    pub(crate) events: Vec<EventView>,
}

/// The instant of all cases.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-18T10:30:00Z").expect("a time")
}

pub(crate) fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

impl Person {
    /// `p0` or `p1`.
    pub(crate) fn named(name: &str) -> Person {
        if name == "p0" {
            return Person { profile: Value::Object(Vec::new()), events: Vec::new() };
        }
        let text = std::fs::read(cases().join("profile.json")).expect("the profile of the cases");
        let mut profile = Value::from_json(&text).expect("JSON");
        let Value::Array(stored) = profile.take("xEvent") else { panic!("events") };
        let event = |mut body: Value| {
            let timestamp = Timestamp::parse(body.take("timestamp").as_str().expect("text")).expect("a time");
            EventView { timestamp, id: SmolStr::new(body.take("_id").as_str().expect("an id")), body }
        };
        let mut events: Vec<EventView> = stored.into_iter().map(event).collect();
        events.sort_by(|a, b| (a.timestamp, &a.id).cmp(&(b.timestamp, &b.id)));
        Person { profile, events }
    }

    pub(crate) fn is_member(&self, id: &str) -> bool {
        let status = self.profile.get("segmentMembership").get("ups").get(id).get("status");
        matches!(status.as_str(), Some("realized" | "existing"))
    }
}
