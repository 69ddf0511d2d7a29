//! The values of template contexts, and the limits within which templates of others run.

use model::SmolStr;
use pebble::{Key, Limits, Options, Value};

/// Options of a template whose output is plain text, not part of a message: nothing is escaped.
pub(crate) fn plain_options() -> Options {
    Options { autoescape: false, ..Options::destination() }
}

/// The limits of every render here. A message may hold 10,000 profiles, and templates loop over parts of each.
pub(crate) fn limits() -> Limits<'static> {
    Limits { loop_passes: 10_000_000, ..Limits::default() }
}

pub(crate) fn key(name: &str) -> Key {
    Key::from(SmolStr::new(name))
}

pub(crate) fn map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
    Value::map(entries)
}

/// A value of the model as templates see it.
pub(crate) fn value(value: &model::Value) -> Value {
    match value {
        model::Value::Null => Value::null(),
        model::Value::Bool(b) => Value::bool(*b),
        model::Value::Int(i) => Value::int(*i),
        model::Value::Double(d) => Value::double(*d),
        model::Value::Str(s) => Value::string(s.clone()),
        model::Value::Array(items) => Value::list(items.iter().map(self::value).collect()),
        model::Value::Object(fields) => {
            map(fields.iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (Key::from(n.clone()), self::value(v))))
        }
    }
}

/// The text of a scalar, as identities and transformations need it.
pub(crate) fn scalar(value: &model::Value) -> Option<SmolStr> {
    match value {
        model::Value::Str(s) => Some(s.clone()),
        model::Value::Int(i) => Some(SmolStr::new(i.to_string())),
        model::Value::Double(d) => Some(SmolStr::new(d.to_string())),
        model::Value::Bool(b) => Some(SmolStr::new(b.to_string())),
        model::Value::Null | model::Value::Array(_) | model::Value::Object(_) => None,
    }
}

/// A map that prints as JSON: part of a profile.
pub(crate) fn node(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
    Value::json_map(entries)
}

/// A list that prints as JSON: part of a profile.
pub(crate) fn node_list(items: Vec<Value>) -> Value {
    Value::json_list(items)
}

/// The value at a path of names.
pub(crate) fn at<'a>(record: &'a model::Value, path: &[SmolStr]) -> &'a model::Value {
    path.iter().fold(record, |value, name| value.get(name))
}
