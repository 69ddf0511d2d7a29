//! The Java methods that templates can reach, called or as attributes.
//!
//! In: a value, a name, arguments. Out: a value, or nothing if there is no such method. Always: names count without
//! case and without a leading `get`, `is` or `has`; nothing is changed in place.

use crate::error::{Raised, fault};
use crate::filters;
use crate::java;
use crate::operators::{compare_units, list};
use crate::print::Changed;
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::{List, Thing, Value};
use smol_str::SmolStr;
use std::sync::Arc;

const OF_STRINGS: [&str; 27] = [
    "length",
    "isEmpty",
    "isBlank",
    "toUpperCase",
    "toLowerCase",
    "trim",
    "strip",
    "stripLeading",
    "stripTrailing",
    "toString",
    "intern",
    "hashCode",
    "replace",
    "indexOf",
    "lastIndexOf",
    "startsWith",
    "endsWith",
    "contains",
    "contentEquals",
    "concat",
    "equals",
    "equalsIgnoreCase",
    "compareTo",
    "compareToIgnoreCase",
    "charAt",
    "substring",
    "subSequence",
];
const OF_LISTS: [&str; 9] =
    ["size", "isEmpty", "contains", "containsAll", "indexOf", "lastIndexOf", "get", "toString", "hashCode"];
const OF_MAPS: [&str; 11] = [
    "size",
    "isEmpty",
    "get",
    "containsKey",
    "containsValue",
    "getOrDefault",
    "keySet",
    "values",
    "entrySet",
    "toString",
    "hashCode",
];
const OF_ENTRIES: [&str; 4] = ["getKey", "getValue", "toString", "hashCode"];
const OF_NUMBERS: [&str; 5] = ["intValue", "longValue", "doubleValue", "toString", "hashCode"];
const OF_LOOPS: [&str; 6] = ["isFirst", "isLast", "getLength", "getIndex", "getRevindex", "toString"];
const OF_LOCALES: [&str; 3] = ["getLanguage", "getCountry", "toString"];
const OF_OTHERS: [&str; 3] = ["booleanValue", "toString", "hashCode"];
/// What every value has got and no template may call.
const DENIED: [&str; 4] = ["getClass", "wait", "notify", "notifyAll"];
/// Those that take regular expressions.
const WITH_PATTERNS: [&str; 4] = ["split", "matches", "replaceAll", "replaceFirst"];

/// Does a name in a template mean this method?
pub(crate) fn means(name: &str, method: &str) -> bool {
    let bare = ["get", "is", "has"].into_iter().find_map(|before| method.strip_prefix(before));
    name.eq_ignore_ascii_case(method) || bare.is_some_and(|bare| name.eq_ignore_ascii_case(bare))
}

fn meant(name: &str, methods: &[&'static str]) -> Option<&'static str> {
    let exact = methods.iter().find(|method| name.eq_ignore_ascii_case(method));
    exact.or_else(|| methods.iter().find(|method| means(name, method))).copied()
}

/// A method of a value; `None` if it has none of that name for such arguments.
pub(crate) fn method(base: &Value, name: &str, args: &[Held<'_>], changed: &Changed) -> Raised<Option<Value>> {
    let denied = DENIED.iter().any(|method| means(name, method));
    if denied && args.is_empty() && !matches!(base, Value::Null) {
        return Err(fault(format!("access to `{name}` is denied")));
    }
    let of = |methods: &[&'static str]| meant(name, methods).unwrap_or("");
    let found = match base {
        Value::Null => return Ok(None),
        Value::Str(s) => string_method(s, of(&OF_STRINGS), args)?,
        Value::List(list) => list_method(list, of(&OF_LISTS), args, changed)?,
        Value::Map(_) => map_method(base, of(&OF_MAPS), args, changed)?,
        Value::Opaque(thing) => thing_method(&thing.0, name, args, changed)?,
        Value::Entry(entry) => match (of(&OF_ENTRIES), args.len()) {
            ("getKey", 0) => Some(entry.0.clone()),
            ("getValue", 0) => Some(entry.1.clone()),
            _ => None,
        },
        number if number.is_number() => {
            let double = crate::operators::as_double(number).unwrap_or_default();
            match (of(&OF_NUMBERS), args.len(), number) {
                ("longValue", 0, Value::Double(v)) => Some(Value::Long(*v as i64)),
                ("intValue", 0, Value::Double(v)) => Some(Value::Int(*v as i32)),
                ("longValue", 0, _) => Some(Value::Long(whole(number))),
                ("intValue", 0, _) => Some(Value::Int(whole(number) as i32)),
                ("doubleValue", 0, _) => Some(Value::Double(double)),
                _ => None,
            }
        }
        Value::Bool(b) if of(&OF_OTHERS) == "booleanValue" && args.is_empty() => Some(Value::Bool(*b)),
        _ => None,
    };
    if found.is_some() || !args.is_empty() {
        return Ok(found);
    }
    Ok(match (meant(name, &["toString", "hashCode"]), base) {
        (Some("toString"), _) => {
            let mut text = String::new();
            changed.print(base, &mut text);
            Some(Value::Str(text.into()))
        }
        // That of the others is another one each time.
        (Some(_), Value::Array(_) | Value::Opaque(_)) | (None, _) => None,
        (Some(_), _) => Some(Value::Int(changed.hash(base))),
    })
}

/// Bytes that the result of a method takes beside those of the text it is called on.
pub(crate) fn result_bytes(base: &Value, name: &str, args: &[Held<'_>]) -> usize {
    let is = |methods: &[&str]| methods.iter().any(|method| name.eq_ignore_ascii_case(method));
    match (base, args) {
        // Letters of other scripts may become up to three.
        (Value::Str(s), []) if !s.is_ascii() && is(&["toUpperCase", "toLowerCase"]) => s.len().saturating_mul(2),
        (Value::Str(s), [other]) if is(&["equalsIgnoreCase", "compareToIgnoreCase"]) => {
            other.text().map_or(0, |other| s.len().saturating_add(other.len().saturating_mul(2)))
        }
        (Value::Str(_), [part]) if is(&["concat"]) => part.text().map_or(0, str::len),
        (Value::Str(s), [from, to]) if is(&["replace"]) => match (&**from, &**to) {
            (Value::Str(from), Value::Str(to)) => filters::replaced_size(s, from, to),
            _ => 0,
        },
        (Value::Map(map), []) if is(&["keySet", "values"]) => map.len().saturating_mul(size_of::<Value>()),
        (Value::Map(map), []) if is(&["entrySet"]) => map.len().saturating_mul(ENTRY_BYTES),
        _ => 0,
    }
}

/// What an entry takes that is a value of its own.
const ENTRY_BYTES: usize = 4 * size_of::<Value>();

/// Is the result a text that is made by printing? Its size is known once it is made, which `Changed` bounds.
pub(crate) fn is_printed(base: &Value, name: &str, args: &[Held<'_>]) -> bool {
    base.text().is_none() && args.is_empty() && name.eq_ignore_ascii_case("toString")
}

fn whole(number: &Value) -> i64 {
    match number {
        Value::Long(v) => *v,
        Value::Int(v) | Value::Lazy(v) => (*v).into(),
        Value::Big(big) => big.low,
        _ => 0,
    }
}

fn list_method(list: &Arc<List>, name: &str, args: &[Held<'_>], changed: &Changed) -> Raised<Option<Value>> {
    let items = changed.items(list);
    let place = |at: Option<usize>| Some(Value::Int(at.map_or(-1, |i| i as i32)));
    let has = |one: &Value| items.iter().any(|item| changed.equal(item, one));
    Ok(match (name, args) {
        ("size", []) => Some(Value::Int(items.len() as i32)),
        ("isEmpty", []) => Some(Value::Bool(items.is_empty())),
        ("contains", [one]) => Some(Value::Bool(has(one))),
        ("containsAll", [all]) => match &**all {
            Value::List(all) => Some(Value::Bool(changed.items(all).iter().all(has))),
            _ => None,
        },
        ("indexOf", [one]) => place(items.iter().position(|item| changed.equal(item, one))),
        ("lastIndexOf", [one]) => place(items.iter().rposition(|item| changed.equal(item, one))),
        ("get", [at]) => match &**at {
            Value::Int(at) => Some(inside(usize::try_from(*at).ok().and_then(|i| items.get(i)).cloned())?),
            _ => None,
        },
        _ => None,
    })
}

fn inside<T>(found: Option<T>) -> Raised<T> {
    found.ok_or_else(|| fault("this index is out of bounds"))
}

fn map_method(base: &Value, name: &str, args: &[Held<'_>], changed: &Changed) -> Raised<Option<Value>> {
    let Value::Map(map) = base else { return Ok(None) };
    let null = || Value::Null;
    if matches!(name, "keySet" | "values" | "entrySet") && args.is_empty() {
        changed.spend(map.len() as u64);
    }
    let each = |part: fn(&(Value, Value)) -> Value| list(map.entries.iter().map(part).collect());
    Ok(Some(match (name, args) {
        ("size", []) => Value::Int(map.len() as i32),
        ("isEmpty", []) => Value::Bool(map.is_empty()),
        ("get", [key]) => changed.find(map, key).cloned().unwrap_or_else(null),
        ("containsKey", [key]) => Value::Bool(changed.find(map, key).is_some()),
        ("containsValue", [value]) => Value::Bool(map.entries.iter().any(|(_, v)| changed.equal(v, value))),
        ("getOrDefault", [key, other]) => changed.find(map, key).cloned().unwrap_or_else(|| (**other).clone()),
        ("keySet", []) => each(|(key, _)| key.clone())?,
        ("values", []) => each(|(_, value)| value.clone())?,
        ("entrySet", []) => each(|entry| Value::Entry(Arc::new(entry.clone())))?,
        _ => return Ok(None),
    }))
}

fn thing_method(thing: &Thing, name: &str, args: &[Held<'_>], changed: &Changed) -> Raised<Option<Value>> {
    Ok(match (thing, args) {
        (Thing::Loop(at), []) => {
            let method = meant(name, &OF_LOOPS);
            let field = method.and_then(|method| method.strip_prefix("get").or_else(|| method.strip_prefix("is")));
            field.and_then(|field| at.field(&field.to_ascii_lowercase()))
        }
        (Thing::Locale, []) => match meant(name, &OF_LOCALES) {
            Some("getLanguage") => Some("en".into()),
            Some("getCountry") => Some("US".into()),
            _ => None,
        },
        (Thing::Template(own), []) if means(name, "getName") => Some(Value::Str(own.clone())),
        (Thing::View(map), args) => match (meant(name, &OF_MAPS), args) {
            (Some("get"), [key]) => {
                let mut text = String::new();
                changed.print(key, &mut text);
                changed.spend(crate::print::reading(text.len()));
                Some(map.get(&text).cloned().unwrap_or(Value::Null))
            }
            (Some("isEmpty"), []) => Some(Value::Bool(false)),
            (Some("toString" | "hashCode") | None, _) => None,
            _ => return Err(fault(format!("`_context` has no `{name}`"))),
        },
        (Thing::Macros, _) => return Err(fault("a template that was imported has macros only")),
        _ => None,
    })
}

fn string_method(s: &str, name: &str, args: &[Held<'_>]) -> Raised<Option<Value>> {
    let text = |t: &str| Some(Value::Str(t.into()));
    let place = |at: Option<usize>| Some(Value::Int(at.map_or(-1, |i| java::units_len(&s[..i]) as i32)));
    let given: Vec<&SmolStr> =
        args.iter().filter_map(|a| if let Value::Str(s) = &**a { Some(s) } else { None }).collect();
    if given.len() != args.len() {
        let equal = name == "equals" && args.len() == 1;
        return if equal { Ok(Some(Value::Bool(false))) } else { by_place(s, name, args) };
    }
    Ok(match (name, given.as_slice()) {
        ("length", []) => Some(Value::Int(java::units_len(s) as i32)),
        ("isEmpty", []) => Some(Value::Bool(s.is_empty())),
        ("isBlank", []) => Some(Value::Bool(s.chars().all(java::is_whitespace))),
        ("toUpperCase", []) => text(&s.to_uppercase()),
        ("toLowerCase", []) => text(&s.to_lowercase()),
        ("trim", []) => text(s.trim_matches(|c| c <= ' ')),
        ("strip", []) => text(s.trim_matches(java::is_whitespace)),
        ("stripLeading", []) => text(s.trim_start_matches(java::is_whitespace)),
        ("stripTrailing", []) => text(s.trim_end_matches(java::is_whitespace)),
        ("toString" | "intern", []) => text(s),
        ("hashCode", []) => Some(Value::Int(java::hash_text(s))),
        ("replace", [from, to]) => text(&s.replace(from.as_str(), to)),
        ("indexOf", [part]) => place(s.find(part.as_str())),
        ("lastIndexOf", [part]) => place(s.rfind(part.as_str())),
        ("startsWith", [part]) => Some(Value::Bool(s.starts_with(part.as_str()))),
        ("endsWith", [part]) => Some(Value::Bool(s.ends_with(part.as_str()))),
        ("contains", [part]) => Some(Value::Bool(s.contains(part.as_str()))),
        ("concat", [part]) => text(&format!("{s}{part}")),
        ("equals" | "contentEquals", [other]) => Some(Value::Bool(s == other.as_str())),
        ("equalsIgnoreCase", [other]) => Some(Value::Bool(s.to_lowercase() == other.to_lowercase())),
        ("compareTo", [other]) => Some(Value::Int(compare_units(s, other))),
        ("compareToIgnoreCase", [other]) => Some(Value::Int(compare_units(&s.to_lowercase(), &other.to_lowercase()))),
        _ => None,
    })
}

/// Methods that take 32-bit integers, such as `loop.index`.
fn by_place(s: &str, name: &str, args: &[Held<'_>]) -> Raised<Option<Value>> {
    let places: Option<Vec<i32>> = args.iter().map(|a| if let Value::Int(i) = **a { Some(i) } else { None }).collect();
    let Some(places) = places else { return Ok(None) };
    let (from, to) = match (name, places.as_slice()) {
        ("charAt", [at]) => {
            let unit = usize::try_from(*at).ok().and_then(|at| java::units(s).nth(at));
            return Ok(Some(Value::Char(inside(unit)?)));
        }
        ("substring", [from]) => (*from, java::units_len(s) as i32),
        ("substring" | "subSequence", [from, to]) => (*from, *to),
        _ => return Ok(None),
    };
    if from < 0 || to < from || to as usize > java::units_len(s) {
        return Err(fault(format!("{from} to {to} is out of bounds")));
    }
    Ok(Some(Value::Str(java::slice_units(s, from as usize, to as usize))))
}

/// As `method`, for those methods of a string that take a regular expression; `None` if it is another one.
pub(crate) fn with_pattern(
    renderer: &mut Renderer<'_>,
    base: &Value,
    name: &str,
    args: &[Held<'_>],
) -> Raised<Option<Value>> {
    let (Value::Str(text), Some(method)) = (base, meant(name, &WITH_PATTERNS)) else { return Ok(None) };
    let limit = |value: &Value| if let Value::Int(limit) = value { Some(*limit) } else { None };
    match (method, args.first().map(|a| &**a), args.get(1).map(|a| &**a), args.len()) {
        ("split", Some(Value::Str(pattern)), None, 1) => filters::split_at(renderer, text, pattern, 0).map(Some),
        ("split", Some(Value::Str(pattern)), Some(other), 2) => match limit(other) {
            Some(limit) => filters::split_at(renderer, text, pattern, limit).map(Some),
            None => Ok(None),
        },
        ("matches", Some(Value::Str(pattern)), None, 1) => {
            filters::is_match(renderer, text, pattern).map(|holds| Some(Value::Bool(holds)))
        }
        ("replaceAll" | "replaceFirst", Some(Value::Str(pattern)), Some(Value::Str(by)), 2) => {
            let most = if method == "replaceAll" { usize::MAX } else { 1 };
            filters::replace_matches(renderer, text, pattern, by, most).map(Some)
        }
        _ => Ok(None),
    }
}
