//! How profiles and events look in an answer (profile.md §4.1, §4.2, §8.1).

use super::ask::Ask;
use super::events::{Cursor, Page};
use super::{Found, Room};
use engine::{SandboxPlan, StoredEvent};
use model::membership::UPLOADED_FIELD;
use model::{Identity, NamespaceId, SmolStr, Timestamp, Value};
use profile::{AttributeMerge, Fragment, Graph, MergePolicy, Profile};
use serde_json::{Value as Json, json};

/// The merged profile; an empty one for an unknown identity.
pub(super) fn profile_entity(found: &Found, room: &Room<'_>, fields: &[Vec<String>]) -> Json {
    let mut answer = match &found.stored {
        Some(stored) => {
            let asked = found.asked.as_ref();
            let fragments = fragments(&stored.profile, &room.policy, asked);
            let identities = identities(&stored.profile, &room.policy, asked);
            let modified = match room.policy.graph {
                Graph::Pdg => stored.profile.modified,
                Graph::None => fragments.iter().map(|f| f.written).max().unwrap_or_default(),
            };
            let entity = entity(&stored.profile, &room.policy, &room.plan, asked);
            json!({
                "sources": sources(&fragments, &room.plan),
                "identityGraph": identities.iter().map(|i| i.xid(room.sandbox).to_string()).collect::<Vec<_>>(),
                "entity": project(&entity, fields).to_json(),
                "lastModifiedAt": modified.to_string(),
            })
        }
        None => json!({
            "sources": [],
            "identityGraph": [found.xid],
            "entity": {},
            "lastModifiedAt": Timestamp(0).to_string(),
        }),
    };
    answer["entityId"] = found.xid.as_str().into();
    answer["tags"] = json!([]);
    if !room.policy.id.is_empty() {
        answer["mergePolicy"] = json!({ "id": room.policy.id.as_str() });
    }
    answer
}

/// The attributes of a profile with the fields that the service keeps.
pub(super) fn entity(profile: &Profile, policy: &MergePolicy, plan: &SandboxPlan, asked: Option<&Identity>) -> Value {
    let mut entity = profile::attributes(profile, policy, asked);
    // Shown as memberships.
    entity.take(UPLOADED_FIELD);
    let identities = identities(profile, policy, asked);
    entity.set(&["identityMap"], profile::identity_map(identities, &|id| plan.namespaces.code(id)));
    let memberships = engine::membership_map(profile, plan);
    if !memberships.is_null() {
        entity.set(&["segmentMembership"], memberships);
    }
    entity
}

/// The fragments that take part under a policy.
fn fragments<'a>(profile: &'a Profile, policy: &MergePolicy, asked: Option<&Identity>) -> Vec<&'a Fragment> {
    let listed = |f: &Fragment| match &policy.attributes {
        AttributeMerge::TimestampOrdered => true,
        AttributeMerge::DatasetPrecedence(order) => order.contains(&f.dataset),
    };
    let stitched = |f: &Fragment| policy.graph == Graph::Pdg || Some(&f.identity) == asked;
    profile.fragments.iter().filter(|f| listed(f) && stitched(f)).collect()
}

fn identities<'a>(profile: &'a Profile, policy: &MergePolicy, asked: Option<&Identity>) -> Vec<&'a Identity> {
    let known = profile.identities.iter().map(|k| &k.identity);
    known.filter(|i| policy.graph == Graph::Pdg || Some(*i) == asked).collect()
}

/// The ids of the data sets of fragments, each once.
fn sources(fragments: &[&Fragment], plan: &SandboxPlan) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in fragments.iter().filter_map(|f| plan.dataset(f.dataset)).map(|d| d.id.to_string()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// One page of events. No time of receipt is kept of an event, which never changes: it counts as
/// last modified when it happened.
pub(super) fn event_page(xid: &str, page: &Page, ask: &Ask, code: &dyn Fn(NamespaceId) -> SmolStr) -> Json {
    let child = |event: &StoredEvent| {
        json!({
            "relatedEntityId": xid,
            "entityId": event.view.id.as_str(),
            "timestamp": event.view.timestamp.0,
            "entity": project(&event_value(event, code), &ask.fields).to_json(),
            "lastModifiedAt": event.view.timestamp.to_string(),
        })
    };
    let text = |cursor: Option<&Cursor>| cursor.map(Cursor::text).unwrap_or_default();
    json!({
        "_page": {
            "orderby": if ask.events.descending { "-timestamp" } else { "timestamp" },
            "start": text(ask.events.after.as_ref()),
            "count": page.events.len(),
            "next": text(page.next.as_ref()),
        },
        "children": page.events.iter().map(child).collect::<Vec<_>>(),
        "_links": { "next": { "href": if page.next.is_some() { "/entities" } else { "" } } },
    })
}

/// An event as it was sent: its body, `_id`, `timestamp` and the identities that came in `identityMap`.
pub(super) fn event_value(event: &StoredEvent, code: &dyn Fn(NamespaceId) -> SmolStr) -> Value {
    let mut value = event.view.body.clone();
    value.set(&["_id"], Value::Str(event.view.id.clone()));
    value.set(&["timestamp"], Value::Str(event.view.timestamp.to_string().into()));
    let mut map: Vec<(SmolStr, Value)> = Vec::new();
    for identity in event.identities.iter().filter(|i| i.mapped) {
        let entry = Value::Object(vec![
            ("id".into(), Value::Str(identity.identity.value.clone())),
            ("authenticatedState".into(), Value::Str(identity.state.as_str().into())),
            ("primary".into(), Value::Bool(identity.primary)),
        ]);
        let name = code(identity.identity.namespace);
        match map.iter_mut().find(|(n, _)| *n == name) {
            Some((_, Value::Array(items))) => items.push(entry),
            _ => map.push((name, Value::Array(vec![entry]))),
        }
    }
    if !map.is_empty() {
        value.set(&["identityMap"], Value::Object(map));
    }
    value
}

/// The fields at the paths, looking through arrays; everything when no path is given.
pub(super) fn project(value: &Value, paths: &[Vec<String>]) -> Value {
    if paths.is_empty() {
        return value.clone();
    }
    match narrowed(value, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
        Value::Null => Value::Object(Vec::new()),
        narrowed => narrowed,
    }
}

fn narrowed(value: &Value, paths: &[&[String]]) -> Value {
    if paths.iter().any(|path| path.is_empty()) {
        return value.clone();
    }
    match value {
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(|i| narrowed(i, paths)).filter(|i| !i.is_null()).collect();
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(fields) => {
            let below = |name: &str| -> Vec<&[String]> {
                paths.iter().filter(|path| path[0] == name).map(|path| &path[1..]).collect()
            };
            let field = |(name, value): &(SmolStr, Value)| {
                let paths = below(name);
                let value = if paths.is_empty() { Value::Null } else { narrowed(value, &paths) };
                (!value.is_null()).then(|| (name.clone(), value))
            };
            let fields: Vec<(SmolStr, Value)> = fields.iter().filter_map(field).collect();
            if fields.is_empty() { Value::Null } else { Value::Object(fields) }
        }
        _ => Value::Null,
    }
}
