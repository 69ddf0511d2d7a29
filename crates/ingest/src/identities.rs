//! The identities of a record: from `identityMap` and from identity descriptors, one of them primary.
//!
//! Rules (profile.md §4.1, §5.4): `ECID` is 38 decimal digits; other values have at most 1,024
//! characters; at most 20 identities a record; empty values in `identityMap` are dropped; at most
//! one entry of the map is primary. A primary descriptor wins over the map; a record with a single
//! identity needs no mark.

use crate::violation;
use engine::{DatasetPlan, SandboxPlan};
use model::{Identity, NamespaceId, SmolStr, Value};
use profile::{AuthState, RecordIdentity};
use xdm::Violation;

/// Identities per record (profile.md §12).
pub const IDENTITIES_PER_RECORD_MAX: usize = 20;
const VALUE_CHARS_MAX: usize = 1024;
const ECID_DIGITS: usize = 38;
const ECID: NamespaceId = NamespaceId(4);

/// Takes `identityMap` out of the entity and collects all identities; `None` with a violation when
/// they break a rule.
pub(crate) fn find(
    entity: &mut Value,
    dataset: &DatasetPlan,
    plan: &SandboxPlan,
    violations: &mut Vec<Violation>,
) -> Option<Vec<RecordIdentity>> {
    let mut found = Vec::new();
    let before = violations.len();
    from_map(entity.take("identityMap"), plan, &mut found, violations);
    from_fields(entity, dataset, plan, &mut found, violations);
    if found.len() > IDENTITIES_PER_RECORD_MAX {
        let message =
            format!("the record has {} identities; at most {IDENTITIES_PER_RECORD_MAX} are taken", found.len());
        violations.push(violation("/identityMap", "maxItems", &message));
    }
    choose_primary(&mut found, violations);
    if !dataset.identity_enabled {
        // Links come from data sets that are tagged for Identity only (profile.md §5.4).
        found.iter_mut().for_each(|i| i.in_graph = false);
    }
    (violations.len() == before).then_some(found)
}

fn from_map(map: Value, plan: &SandboxPlan, found: &mut Vec<RecordIdentity>, violations: &mut Vec<Violation>) {
    let Value::Object(namespaces) = map else { return };
    for (code, entries) in namespaces {
        let pointer = format!("/identityMap/{code}");
        let Some(namespace) = plan.namespaces.id(&code) else {
            violations.push(violation(&pointer, "namespace", &format!("there is no identity namespace {code:?}")));
            continue;
        };
        let Value::Array(entries) = entries else { continue };
        for entry in entries {
            let Some(value) = entry.get("id").as_str().filter(|v| !v.is_empty()) else { continue };
            let state = entry.get("authenticatedState").as_str().and_then(AuthState::parse).unwrap_or_default();
            let primary = entry.get("primary") == &Value::Bool(true);
            add(found, plan, namespace, value, Mark { state, primary, mapped: true }, &pointer, violations);
        }
    }
}

fn from_fields(
    entity: &Value,
    dataset: &DatasetPlan,
    plan: &SandboxPlan,
    found: &mut Vec<RecordIdentity>,
    violations: &mut Vec<Violation>,
) {
    for path in &dataset.identity_paths {
        let value = path.path.iter().fold(entity, |at, name| at.get(name));
        if let Some(value) = value.as_str().filter(|v| !v.is_empty()) {
            if path.primary {
                found.iter_mut().for_each(|i| i.primary = false);
            }
            let mark = Mark { state: AuthState::default(), primary: path.primary, mapped: false };
            let pointer = format!("/{}", path.path.join("/"));
            add(found, plan, path.namespace, value, mark, &pointer, violations);
        }
    }
}

struct Mark {
    state: AuthState,
    primary: bool,
    mapped: bool,
}

fn add(
    found: &mut Vec<RecordIdentity>,
    plan: &SandboxPlan,
    namespace: NamespaceId,
    value: &str,
    mark: Mark,
    pointer: &str,
    violations: &mut Vec<Violation>,
) {
    if namespace == ECID && (value.len() != ECID_DIGITS || !value.bytes().all(|b| b.is_ascii_digit())) {
        violations.push(violation(pointer, "pattern", &format!("an ECID has 38 decimal digits, is {value:?}")));
        return;
    }
    if value.chars().count() > VALUE_CHARS_MAX {
        let message = format!("an identity has at most {VALUE_CHARS_MAX} characters");
        violations.push(violation(pointer, "maxLength", &message));
        return;
    }
    let identity = Identity { namespace, value: SmolStr::new(value) };
    match found.iter_mut().find(|i| i.identity == identity) {
        Some(same) => same.primary |= mark.primary,
        None => found.push(RecordIdentity {
            in_graph: plan.namespaces.get(namespace).is_some_and(|n| n.in_graph),
            identity,
            state: mark.state,
            primary: mark.primary,
            mapped: mark.mapped,
        }),
    }
}

fn choose_primary(found: &mut [RecordIdentity], violations: &mut Vec<Violation>) {
    match (found.iter().filter(|i| i.primary).count(), &mut *found) {
        (1, _) => {}
        (0, []) => violations.push(violation("/identityMap", "required", "the record has no identity")),
        (0, [only]) => only.primary = true,
        (0, _) => {
            let message = "the record has several identities and none is primary: mark one with \"primary\": true";
            violations.push(violation("/identityMap", "required", message));
        }
        _ => violations.push(violation("/identityMap", "primary", "at most one identity may be primary")),
    }
}
