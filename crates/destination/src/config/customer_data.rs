//! Checking what a customer filled in, and completing it with defaults.
//!
//! In: the fields, the data, and how to ask for the values of dynamic lists. Out: the completed data or all faults.

use super::data_field::{Choices, CustomerDataField, FieldKind, text_of, wrong_type};
use super::fault::Fault;
use super::read::{nearest, not_among, shown};
use serde_json::{Map, Value as Json};

/// The values of a dynamic list by the path of its field (`group.field`); none when they are not known now, and
/// then any value of the right type passes.
type Lookup<'l> = &'l dyn Fn(&str) -> Option<Vec<String>>;

/// Checks customer data against its fields and completes it with defaults.
///
/// Paths of faults begin at the data: `csvOptions.sep`. Whether a `unique` value is unique is for the caller, who
/// knows the other dataflows.
pub fn check_customer_data(fields: &[CustomerDataField], data: &Json, dynamic: Lookup<'_>) -> Result<Json, Vec<Fault>> {
    let mut faults = Vec::new();
    let completed = group(fields, data, "", dynamic, &mut faults);
    if faults.is_empty() { Ok(completed) } else { Err(faults) }
}

fn group(fields: &[CustomerDataField], data: &Json, path: &str, dynamic: Lookup<'_>, faults: &mut Vec<Fault>) -> Json {
    let empty = Map::new();
    let given = match data {
        Json::Object(given) => given,
        Json::Null => &empty,
        other => {
            faults.push(Fault::new(path, format!("must be an object; given {}", shown(other))));
            return Json::Null;
        }
    };
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        let message = match nearest(name, &names) {
            Some(near) => format!("unknown field; did you mean {near:?}?"),
            None if names.is_empty() => "unknown field; this destination has no customer data fields".to_owned(),
            None => format!("unknown field; known here: {}", names.join(", ")),
        };
        faults.push(Fault::new(inner(name), message));
    }
    let mut completed = Map::new();
    for field in fields {
        let value = given.get(field.name.as_str()).filter(|value| !value.is_null());
        let path = inner(&field.name);
        if !is_shown(field, fields, given) {
            if value.is_some() {
                faults.push(Fault::new(path, hidden_reason(field)));
            }
            continue;
        }
        if let Some(value) = one(field, value, &path, dynamic, faults) {
            completed.insert(field.name.to_string(), value);
        }
    }
    Json::Object(completed)
}

/// Whether the condition of the field holds; a sibling that is not filled in has its default.
fn is_shown(field: &CustomerDataField, siblings: &[CustomerDataField], given: &Map<String, Json>) -> bool {
    let mut field = field;
    // Conditions cannot go round, so the chain is at most as long as the list.
    for _ in 0..=siblings.len() {
        let Some(condition) = &field.conditional else { return true };
        let Some(sibling) = siblings.iter().find(|sibling| sibling.name == condition.field) else { return false };
        let value = given.get(sibling.name.as_str()).filter(|value| !value.is_null()).or(sibling.default.as_ref());
        if value != Some(&condition.value) {
            return false;
        }
        field = sibling;
    }
    false
}

fn hidden_reason(field: &CustomerDataField) -> String {
    match &field.conditional {
        Some(condition) => {
            format!("can only be given while {:?} equals {:?}", condition.field, text_of(&condition.value))
        }
        None => "cannot be given".to_owned(),
    }
}

fn one(
    field: &CustomerDataField,
    value: Option<&Json>,
    path: &str,
    dynamic: Lookup<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Json> {
    if let FieldKind::Object(properties) = &field.kind {
        if let Some(value) = value {
            return Some(group(properties, value, path, dynamic, faults));
        }
        // A group only holds fields together: one that is absent is one of which nothing is filled in.
        let before = faults.len();
        let completed = group(properties, &Json::Null, path, dynamic, faults);
        let empty = completed.as_object().is_none_or(Map::is_empty);
        if empty && field.is_required && faults.len() == before {
            faults.push(Fault::new(path, "is required"));
        }
        return (!empty).then_some(completed);
    }
    let mut fault = |message: String| faults.push(Fault::new(path, message));
    let Some(value) = value else {
        if field.default.is_none() && field.is_required {
            fault("is required".to_owned());
        }
        return field.default.clone();
    };
    if let Some(message) = wrong_type(field, value) {
        fault(message);
        return None;
    }
    if field.read_only && field.default.as_ref() != Some(value) {
        let fixed =
            field.default.as_ref().map_or("it has no value".to_owned(), |value| format!("it is {}", shown(value)));
        fault(format!("cannot be changed: {fixed}"));
    }
    let choices = choices(field, path, dynamic);
    if field.is_required && choices.is_none() && value.as_str().is_some_and(|text| text.trim().is_empty()) {
        fault("is required; given an empty string".to_owned());
    }
    if let Some(message) = choices.and_then(|choices| outside(field, value, &choices)) {
        fault(message);
    }
    if let Some(message) = mismatch(field, value) {
        fault(message);
    }
    Some(value.clone())
}

/// The texts to choose from; none: any.
fn choices(field: &CustomerDataField, path: &str, dynamic: Lookup<'_>) -> Option<Vec<String>> {
    match &field.choices {
        Choices::Any => None,
        Choices::Dynamic(_) => dynamic(path),
        Choices::Plain(_) | Choices::Named(_) => {
            field.fixed_choices().map(|values| values.into_iter().map(text_of).collect())
        }
    }
}

fn outside(field: &CustomerDataField, value: &Json, choices: &[String]) -> Option<String> {
    let text = text_of(value);
    if choices.contains(&text) {
        return None;
    }
    let names: Vec<&str> = choices.iter().map(String::as_str).take(20).collect();
    Some(match (names.as_slice(), field.secret) {
        ([], secret) => {
            let given = if secret { String::new() } else { format!("; given {}", shown(value)) };
            format!("must be a value of the destination's list, which is empty now{given}")
        }
        (_, true) => "is no value of its list".to_owned(),
        (names, false) => not_among(&text, names),
    })
}

fn mismatch(field: &CustomerDataField, value: &Json) -> Option<String> {
    let pattern = field.pattern.as_ref()?;
    let given = if field.secret { String::new() } else { format!("; given {}", shown(value)) };
    match pattern.matches(&text_of(value)) {
        Ok(true) => None,
        Ok(false) => Some(format!("must match {:?}{given}", pattern.source)),
        Err(error) => Some(format!("cannot be matched against {:?}: {error}", pattern.source)),
    }
}
