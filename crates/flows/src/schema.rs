//! Checks a JSON value against the part of JSON Schema that the shipped specs use.
//!
//! Understood: `type` (object, string, boolean, integer), `properties`, `required`,
//! `additionalProperties: false`, `enum`, `pattern`, `minLength`, `minimum`, `maximum`. Messages name
//! the field and the rule; the value of a secret never appears in one.

use destination::config::Pattern;
use serde_json::{Map, Value as Json};

/// Refuses members that are not in `known`.
pub(crate) fn members(fields: &Map<String, Json>, known: &[&str], at: &str) -> Result<(), String> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) if at.is_empty() => Err(format!("{name} is not known here; known: {}", known.join(", "))),
        Some(name) => Err(format!("{at}.{name} is not known here; known: {}", listed(known))),
        None => Ok(()),
    }
}

/// Checks `value`, found at `at`.
pub(crate) fn check(schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    match schema["type"].as_str() {
        Some("object") => check_object(schema, value, at),
        Some("string") => check_string(schema, value, at),
        Some("boolean") if !value.is_boolean() => Err(format!("{at} must be true or false")),
        Some("integer") => check_integer(schema, value, at),
        _ => Ok(()),
    }
}

fn check_object(schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    let fields = value.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    if schema["additionalProperties"] == false {
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        members(fields, &known, at)?;
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if fields.get(name).is_none_or(Json::is_null) {
            return Err(format!("{at}.{name} is missing"));
        }
    }
    for (name, value) in fields.iter() {
        if let Some(rule) = properties.get(name) {
            check(rule, value, &format!("{at}.{name}"))?;
        }
    }
    Ok(())
}

fn check_string(schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| format!("{at} must be a string"))?;
    if (text.chars().count() as u64) < schema["minLength"].as_u64().unwrap_or(0) {
        return Err(format!("{at} must not be empty"));
    }
    let secret = schema["format"] == "password";
    if let Some(pattern) = schema["pattern"].as_str() {
        let matches = Pattern::compile(pattern).and_then(|pattern| pattern.matches(text)).unwrap_or(false);
        if !matches {
            let given = if secret { String::new() } else { format!("; given: {text}") };
            return Err(format!("{at} must match {pattern:?}{given}"));
        }
    }
    match schema["enum"].as_array() {
        Some(allowed) if !allowed.contains(value) && secret => Err(format!("{at} is no value of its list")),
        Some(allowed) if !allowed.contains(value) => {
            let allowed: Vec<&str> = allowed.iter().filter_map(Json::as_str).collect();
            Err(format!("{at} must be one of: {}; given: {text}", allowed.join(", ")))
        }
        _ => Ok(()),
    }
}

fn check_integer(schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    let number = value.as_i64().ok_or_else(|| format!("{at} must be a whole number"))?;
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        return Err(format!("{at} must be one of: {}; given: {number}", Json::from(allowed.clone())));
    }
    let (low, high) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let bound = |bound: Option<i64>| bound.map_or_else(|| "…".into(), |b| b.to_string());
        return Err(format!("{at} must be {} to {}; given: {number}", bound(low), bound(high)));
    }
    Ok(())
}

fn listed(known: &[&str]) -> String {
    if known.is_empty() { "none".into() } else { known.join(", ") }
}
