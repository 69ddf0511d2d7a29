//! Parameters of a target connection to an authored destination: the customer data that its
//! configuration asks for, and `deliveryRetry` and `deliveryConcurrency`, which are ours.
//!
//! Always: a field of format `password` is stored sealed and shown as `<redacted>`; the placeholder
//! sent back keeps what is stored.

use crate::base_connection::REDACTED;
use crate::rules::Rules;
use crate::{Catalog, Lookups, Outside, SdkDestination, schema};
use destination::config::{self, CustomerDataField};
use model::{Caller, Collection, Doc, DocSet};
use serde_json::{Map, Value as Json, json};

type Checked<T> = Result<T, String>;

/// How many connections to authored destinations a sandbox may have (destination-sdk.md §8.2).
const CONNECTIONS_MAX: usize = 100;
const OURS: [&str; 2] = ["deliveryRetry", "deliveryConcurrency"];

/// Where the parameters belong.
pub(crate) struct Place<'a> {
    pub(crate) docs: &'a DocSet,
    pub(crate) caller: &'a Caller<'a>,
    /// The connection that is changed.
    pub(crate) connection: Option<&'a Doc>,
}

/// The JSON Schema of `deliveryRetry` and `deliveryConcurrency`, for the target spec.
pub fn delivery_properties() -> Json {
    json!({
        "deliveryRetry": {
            "type": "string",
            "enum": ["default", "aep"],
            "default": "default",
            "description": "default: 8 attempts over 24 hours. aep: the documented attempts.",
        },
        "deliveryConcurrency": {
            "type": "integer",
            "minimum": 1,
            "maximum": 256,
            "default": 32,
            "description": "Requests under way at the same time.",
        },
    })
}

/// Refuses what cannot be activated yet.
pub(crate) fn check_served(destination: &SdkDestination) -> Checked<()> {
    if destination.file_based {
        return Err("file exports are not served yet: a file-based destination can be connected, not activated".into());
    }
    match destination.config.source {
        None => Ok(()),
        Some(_) => Err("only audiences of people can be activated yet; the destination sets other sources".into()),
    }
}

/// Refuses one connection too many.
pub(crate) fn check_count(docs: &DocSet, caller: &Caller<'_>, catalog: &Catalog) -> Checked<()> {
    let authored = |doc: &&std::sync::Arc<Doc>| catalog.destination(spec_id(doc)).is_some();
    match docs.iter(caller.sandbox, Collection::TargetConnection).filter(authored).count() < CONNECTIONS_MAX {
        true => Ok(()),
        false => Err(format!("a sandbox takes at most {CONNECTIONS_MAX} connections to authored destinations")),
    }
}

/// Checks parameters and gives them as they are stored.
pub(crate) fn settle(
    destination: &SdkDestination,
    params: &Json,
    place: &Place<'_>,
    outside: &Outside<'_>,
) -> Checked<Json> {
    let given = match params {
        Json::Null => json!({}),
        Json::Object(_) => params.clone(),
        _ => return Err("params must be an object".into()),
    };
    let (mut data, ours) = split(&given);
    let properties = delivery_properties();
    schema::check(&json!({ "type": "object", "properties": properties }), &ours, "params")?;
    let target_schema = &destination.connection_spec["targetSpec"]["spec"];
    let kept = take_kept(target_schema, &mut data, place)?;
    let fields = &destination.config.customer_data_fields;
    let checked = config::check_customer_data(fields, &data, outside.offered_values);
    let mut data = checked.map_err(|faults| first_fault(&faults, &kept)).or_else(|fault| match fault {
        Some(fault) => Err(fault),
        None => Ok(data.clone()),
    })?;
    check_unique(destination, &data, place, outside.catalog)?;
    for pointer in secret_pointers(target_schema, &data) {
        if let Some(value) = data.pointer_mut(&pointer) {
            *value = json!((outside.seal)(value.as_str().unwrap_or_default()));
        }
    }
    for (pointer, sealed) in kept {
        put(&mut data, &pointer, sealed);
    }
    if let (Json::Object(data), Json::Object(ours)) = (&mut data, ours) {
        data.extend(ours);
    }
    Ok(data)
}

/// Customer data, and our own parameters.
pub(crate) fn split(params: &Json) -> (Json, Json) {
    let all = params.as_object().cloned().unwrap_or_default();
    let (ours, data): (Map<_, _>, Map<_, _>) = all.into_iter().partition(|(name, _)| OURS.contains(&name.as_str()));
    (Json::Object(data), Json::Object(ours))
}

/// Where `value` holds texts that `schema` marks as secrets, as JSON pointers.
pub(crate) fn secret_pointers(schema: &Json, value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    collect_secrets(schema, value, String::new(), &mut found);
    found
}

fn collect_secrets(schema: &Json, value: &Json, at: String, found: &mut Vec<String>) {
    if schema["format"] == "password" && value.is_string() {
        found.push(at);
        return;
    }
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(inner) = value.get(name) {
            let name = name.replace('~', "~0").replace('/', "~1");
            collect_secrets(rule, inner, format!("{at}/{name}"), found);
        }
    }
}

/// Puts the placeholder over what the schema marks as secret.
pub(crate) fn redact(schema: &Json, params: &mut Json) {
    for pointer in secret_pointers(schema, params) {
        if let Some(value) = params.pointer_mut(&pointer) {
            *value = json!(REDACTED);
        }
    }
}

/// Takes placeholders out of `data` and gives what is stored in their place.
fn take_kept(schema: &Json, data: &mut Json, place: &Place<'_>) -> Checked<Vec<(String, Json)>> {
    let mut kept = Vec::new();
    for pointer in secret_pointers(schema, data) {
        if data.pointer(&pointer).is_none_or(|value| value != REDACTED) {
            continue;
        }
        let stored = place.connection.and_then(|doc| doc.body["params"].pointer(&pointer));
        let stored = stored.ok_or_else(|| {
            let name = pointer[1..].replace('/', ".");
            format!("params.{name} is the shown placeholder; give the secret itself")
        })?;
        kept.push((pointer.clone(), stored.clone()));
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Json::Object(fields)) = data.pointer_mut(parent) {
            fields.shift_remove(&name.replace("~1", "/").replace("~0", "~"));
        }
    }
    Ok(kept)
}

/// The first fault that is not about a kept secret.
fn first_fault(faults: &[config::Fault], kept: &[(String, Json)]) -> Option<String> {
    let about_kept =
        |fault: &&config::Fault| kept.iter().any(|(pointer, _)| pointer[1..].replace('/', ".") == fault.path);
    faults.iter().find(|fault| !about_kept(fault)).map(|fault| format!("params.{fault}"))
}

fn put(data: &mut Json, pointer: &str, value: Json) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(Json::Object(fields)) = data.pointer_mut(parent) {
        fields.insert(name.replace("~1", "/").replace("~0", "~"), value);
    }
}

/// A `unique` field has one value per connection of the organisation to the destination.
fn check_unique(destination: &SdkDestination, data: &Json, place: &Place<'_>, catalog: &Catalog) -> Checked<()> {
    let mut unique = Vec::new();
    unique_pointers(&destination.config.customer_data_fields, String::new(), &mut unique);
    if unique.is_empty() {
        return Ok(());
    }
    let same = |doc: &Doc| {
        catalog.destination(spec_id(doc)).is_some_and(|other| other.destination_id == destination.destination_id)
    };
    for (sandbox, other) in place.docs.iter_everywhere(Collection::TargetConnection).filter(|(_, doc)| same(doc)) {
        let own = place.connection.is_some_and(|doc| doc.id == other.id && sandbox == place.caller.sandbox);
        let taken = |pointer: &&String| {
            data.pointer(pointer).is_some_and(|value| other.body["params"].pointer(pointer) == Some(value))
        };
        if let Some(pointer) = unique.iter().find(taken).filter(|_| !own) {
            let name = pointer[1..].replace('/', ".");
            return Err(format!("params.{name} must be unique; target connection {} has the same value", other.id));
        }
    }
    Ok(())
}

fn unique_pointers(fields: &[CustomerDataField], at: String, found: &mut Vec<String>) {
    for field in fields {
        let pointer = format!("{at}/{}", field.name.replace('~', "~0").replace('/', "~1"));
        if field.unique {
            found.push(pointer.clone());
        }
        unique_pointers(field.properties(), pointer, found);
    }
}

fn spec_id(doc: &Doc) -> &str {
    doc.body["connectionSpec"]["id"].as_str().unwrap_or_default()
}

/// What the destination allows of mappings, with the target attributes that the receiving system lists now.
pub(crate) fn live_rules(destination: &SdkDestination, lookups: &Lookups<'_>) -> Rules {
    let dynamic = destination.config.schema.dynamic_schema.is_some();
    let listed = dynamic.then(|| (lookups.target_attributes)()).flatten();
    Rules::new(&destination.config, listed.map(|names| names.into_iter().map(Into::into).collect()))
}
