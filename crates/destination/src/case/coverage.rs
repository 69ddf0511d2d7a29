//! What the written cases of a destination try, and what they do not.

use super::file::Case;
use super::mapping::{attributes, mapping};
use super::run::{Run, Subject};
use crate::config::{Event, FieldKind, find_field};
use crate::message::Source;
use serde_json::Value as Json;

/// One line about the written cases with their runs.
pub fn coverage(subject: &Subject, cases: &[(&Case, &Run)]) -> String {
    let mut parts = Vec::new();
    if subject.design.is_some() {
        let config = &subject.destination;
        let entries: Vec<Json> = cases.iter().flat_map(|(_, run)| run.exchanges.iter()).flat_map(entries).collect();
        let names = config.identity_namespaces.iter().map(|(name, _)| name.to_string());
        parts.push(part("identity namespaces", names, |name| {
            entries.iter().any(|entry| entry["identityMap"].get(name).is_some())
        }));
        let fields: Vec<String> = attributes(config).iter().map(|(names, _)| names.join(".")).collect();
        if !fields.is_empty() {
            parts.push(part("attributes", fields.iter().cloned(), |name| {
                entries.iter().any(|entry| entry["attributes"].get(name).is_some())
            }));
            parts.push(part("attributes that are missing", fields.into_iter(), |name| {
                entries.iter().any(|entry| entry["attributes"].get(name).is_none())
            }));
        }
        parts.push(part("statuses", ["realized", "exited"].map(str::to_owned).into_iter(), |status| {
            entries.iter().any(|entry| has_status(entry, status))
        }));
        parts.push(part("answers", ["taken", "refused"].map(str::to_owned).into_iter(), |which| {
            let answers = cases.iter().flat_map(|(_, run)| &run.outcomes);
            answers.into_iter().any(|outcome| (outcome.word() == "delivered") == (which == "taken"))
        }));
    }
    let events = subject.audience_templates.iter().flat_map(|(_, template)| template.events.keys());
    let mut events: Vec<Event> = events.copied().collect();
    events.dedup();
    if !events.is_empty() {
        parts.push(part("audience events", events.iter().map(|e| e.field().to_owned()), |event| {
            cases.iter().any(|(case, _)| case.event.as_deref() == Some(event))
        }));
    }
    if parts.is_empty() {
        return "coverage: the destination exports files and announces no audiences; there are no requests to try"
            .to_owned();
    }
    format!("coverage of the written cases: {}", parts.join(", "))
}

fn entries(exchange: &super::run::Exchange) -> impl Iterator<Item = Json> {
    // The first entries of a long message tell as much as all of them.
    exchange.entries.iter().take(100).map(|entry| serde_json::from_str(&entry.to_json()).unwrap_or_default())
}

fn has_status(entry: &Json, status: &str) -> bool {
    let namespaces = entry["segmentMembership"].as_object().into_iter().flatten();
    let mut members = namespaces.flat_map(|(_, audiences)| audiences.as_object().into_iter().flatten());
    members.any(|(_, member)| member["status"] == status)
}

fn part(what: &str, names: impl Iterator<Item = String>, is_tried: impl Fn(&str) -> bool) -> String {
    let names: Vec<String> = names.collect();
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_tried(name)).collect();
    let without = if missing.is_empty() { String::new() } else { format!(" (not {})", missing.join(", ")) };
    format!("{what} {}/{}{without}", names.len() - missing.len(), names.len())
}

/// The sources that the mapping of a case reads: namespaces, and paths of attributes with whether they are numbers.
pub(crate) fn sources(subject: &Subject, case: &Case) -> (Vec<String>, Vec<(Vec<String>, bool)>) {
    let mut namespaces: Vec<String> = Vec::new();
    let mut attributes: Vec<(Vec<String>, bool)> = Vec::new();
    let mapping = mapping(&subject.destination, case.mapping.as_deref()).unwrap_or_default();
    let number = |target: &str| {
        let fields = &subject.destination.schema.profile_fields;
        find_field(fields, target).is_some_and(|field| matches!(field.kind, FieldKind::Integer))
    };
    let identities = mapping.identities.iter().map(|m| (&m.source, false));
    for (source, is_number) in identities.chain(mapping.attributes.iter().map(|m| (&m.source, number(&m.target)))) {
        match source {
            Source::Namespace(name) if !namespaces.iter().any(|n| n == name) => namespaces.push(name.to_string()),
            Source::Attribute(path) => {
                let path: Vec<String> = path.iter().map(ToString::to_string).collect();
                if !attributes.iter().any(|(other, _)| *other == path) {
                    attributes.push((path, is_number));
                }
            }
            _ => {}
        }
    }
    (namespaces, attributes)
}
