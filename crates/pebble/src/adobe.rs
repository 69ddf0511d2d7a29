//! Names that Adobe adds for destinations: picking audiences out of memberships, JSON text, form text.
//!
//! In: a membership map of one namespace, or of all. Out: maps of the same entries, in their order.

use crate::error::{Raised, fault};
use crate::escape::percent;
use crate::filters::{Given, first};
use crate::operators;
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::{Map, Value};

/// Does this map hold memberships themselves, rather than namespaces?
fn is_membership(value: &Value) -> bool {
    matches!(value, Value::Map(map) if matches!(map.get("status"), Some(Value::Str(_))))
}

fn pick(renderer: &mut Renderer<'_>, value: Option<&Value>, name: &str, statuses: &[&str]) -> Raised<Value> {
    let map = match value {
        None | Some(Value::Null) => return operators::map(Vec::new()),
        Some(Value::Map(map)) => map,
        Some(other) => return Err(fault(format!("`{name}` takes a map of memberships, not {}", other.kind()))),
    };
    let namespaces = map.entries.iter().map(|(_, v)| if let Value::Map(inner) = v { inner.len() } else { 0 });
    let count: usize = if map.entries.iter().any(|(_, v)| is_membership(v)) { map.len() } else { namespaces.sum() };
    renderer.charge((map.len() + count) * size_of::<(Value, Value)>())?;
    let fits = |value: &Value| match value {
        Value::Map(membership) => {
            matches!(membership.get("status"), Some(Value::Str(s)) if statuses.contains(&s.as_str()))
        }
        _ => false,
    };
    let mut picked = Vec::new();
    let mut take = |map: &Map| picked.extend(map.entries.iter().filter(|(_, v)| fits(v)).cloned());
    if map.entries.iter().any(|(_, v)| is_membership(v)) {
        take(map);
    } else {
        for (_, namespace) in &map.entries {
            if let Value::Map(namespace) = namespace {
                take(namespace);
            }
        }
    }
    operators::map(crate::value::without_repeats(picked))
}

const ADDED: &[&str] = &["realized", "existing"];
const REMOVED: &[&str] = &["exited"];

pub(crate) fn added<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    pick(renderer, Some(&input), "added", ADDED).map(Held::Own)
}

pub(crate) fn removed<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    pick(renderer, Some(&input), "removed", REMOVED).map(Held::Own)
}

pub(crate) fn added_segments(renderer: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    pick(renderer, first(args).as_deref(), "addedSegments", ADDED)
}

pub(crate) fn removed_segments(renderer: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    pick(renderer, first(args).as_deref(), "removedSegments", REMOVED)
}

pub(crate) fn has_segments(renderer: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    match first(args).as_deref() {
        None | Some(Value::Null) => Ok(Value::Bool(false)),
        Some(Value::Map(map)) => {
            renderer.step(1 + map.len() as u64)?;
            let any = |value: &Value| matches!(value, Value::Map(inner) if !inner.is_empty());
            Ok(Value::Bool(map.entries.iter().any(|(_, v)| any(v))))
        }
        Some(other) => Err(fault(format!("`hasSegments` takes a map of memberships, not {}", other.kind()))),
    }
}

pub(crate) fn to_json<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    let mut text = String::new();
    renderer.changed.write_json(&input, &mut text);
    renderer.charge(text.len())?;
    Ok(Held::Own(Value::Str(text.into())))
}

/// `key=value&…`; null is an empty value.
pub(crate) fn form_url_encode(renderer: &mut Renderer<'_>, args: Given<'_>) -> Raised<Value> {
    if !args.len().is_multiple_of(2) {
        return Err(fault("`formUrlEncode` takes names and values in pairs"));
    }
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        out.push_str(match i {
            0 => "",
            i if i % 2 == 0 => "&",
            _ => "=",
        });
        if let Some(value) = arg.as_deref().filter(|v| !matches!(v, Value::Null)) {
            let text = renderer.shown(value);
            renderer.charge(text.len().saturating_mul(3))?;
            percent(&text, &mut out, &crate::escape::FORM);
        }
    }
    renderer.charge(out.len())?;
    Ok(Value::Str(out.into()))
}
