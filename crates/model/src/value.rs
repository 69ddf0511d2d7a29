//! The dynamic value: what a record, an event or a profile attribute holds.
//!
//! Objects keep the order in which fields came; field names and short strings live inline.
//! JSON null is accepted and means absent (pql.md §3).

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use smol_str::SmolStr;
use std::fmt;

/// The name of a field, or the key of a map.
pub type Name = SmolStr;

/// A JSON-like value. Whole numbers that fit are `Int`, all others `Double`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// An IEEE-754 number, always finite.
    Double(f64),
    /// Text.
    Str(SmolStr),
    /// Items in order.
    Array(Vec<Value>),
    /// Fields in the order in which they came; names are unique (the last of two wins).
    Object(Vec<(Name, Value)>),
}

/// The value that every missing field has.
pub static NULL: Value = Value::Null;

impl Value {
    /// The direct field `name`, or null.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Value::Object(fields) => fields.iter().find(|(n, _)| n == name).map_or(&NULL, |(_, v)| v),
            _ => &NULL,
        }
    }

    /// The value at a dotted path, without looking through arrays; null where there is none.
    pub fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self, |at, name| at.get(name))
    }

    /// Sets the value at a path of names, making objects on the way; a scalar in the way is replaced.
    pub fn set(&mut self, path: &[&str], value: Value) {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Value::Object(_)) {
            *self = Value::Object(Vec::new());
        }
        let Value::Object(fields) = self else { return };
        let at = match fields.iter().position(|(n, _)| n == first) {
            Some(at) => at,
            None => {
                fields.push((SmolStr::new(first), Value::Null));
                fields.len() - 1
            }
        };
        fields[at].1.set(rest, value);
    }

    /// Removes and returns the direct field `name`.
    pub fn take(&mut self, name: &str) -> Value {
        match self {
            Value::Object(fields) => match fields.iter().position(|(n, _)| n == name) {
                Some(at) => fields.remove(at).1,
                None => Value::Null,
            },
            _ => Value::Null,
        }
    }

    /// True for absent.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Double(d) => Some(*d),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The fields, if this is an object.
    pub fn as_object(&self) -> Option<&[(Name, Value)]> {
        match self {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// Parses JSON. Depth is bounded by the parser (128).
    pub fn from_json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Appends this value as JSON. Null fields of objects are left out: absent is absent.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(i) => write_number(out, &serde_json::Number::from(*i)),
            Value::Double(d) => match serde_json::Number::from_f64(*d) {
                Some(n) => write_number(out, &n),
                None => out.extend_from_slice(b"null"),
            },
            Value::Str(s) => write_json_str(out, s),
            Value::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Value::Object(fields) => {
                out.push(b'{');
                let mut first = true;
                for (name, value) in fields.iter().filter(|(_, v)| !v.is_null()) {
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    write_json_str(out, name);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }

    /// This value as a `serde_json` value, for surfaces that build documents.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Value::Null => J::Null,
            Value::Bool(b) => J::Bool(*b),
            Value::Int(i) => J::from(*i),
            Value::Double(d) => J::from(*d),
            Value::Str(s) => J::String(s.to_string()),
            Value::Array(items) => J::Array(items.iter().map(Value::to_json).collect()),
            Value::Object(fields) => J::Object(
                fields.iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n.to_string(), v.to_json())).collect(),
            ),
        }
    }
}

fn write_number(out: &mut Vec<u8>, n: &serde_json::Number) {
    out.extend_from_slice(n.to_string().as_bytes());
}

/// Appends a JSON string literal.
pub fn write_json_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut start = 0;
    for (i, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => {
                out.extend_from_slice(&text.as_bytes()[start..i]);
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                start = i + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[start..i]);
        out.extend_from_slice(escape);
        start = i + 1;
    }
    out.extend_from_slice(&text.as_bytes()[start..]);
    out.push(b'"');
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Value {
        use serde_json::Value as J;
        match json {
            J::Null => Value::Null,
            J::Bool(b) => Value::Bool(*b),
            J::Number(n) => n.as_i64().map_or_else(|| n.as_f64().map_or(Value::Null, Value::Double), Value::Int),
            J::String(s) => Value::Str(SmolStr::new(s)),
            J::Array(items) => Value::Array(items.iter().map(Value::from).collect()),
            J::Object(fields) => Value::Object(fields.iter().map(|(n, v)| (SmolStr::new(n), Value::from(v))).collect()),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(i64::try_from(v).map_or(Value::Double(v as f64), Value::Int))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(if v.is_finite() { Value::Double(v) } else { Value::Null })
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Str(SmolStr::new(v)))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(Name, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<NameText, Value>()? {
            push_field(&mut fields, name.0, value);
        }
        Ok(Value::Object(fields))
    }
}

/// Adds a field; the last of two equal names wins. Objects are small, so a scan beats a map; a
/// hostile object of many names is bounded by the request size.
fn push_field(fields: &mut Vec<(Name, Value)>, name: Name, value: Value) {
    match fields.iter_mut().find(|(n, _)| *n == name) {
        Some(slot) => slot.1 = value,
        None => fields.push((name, value)),
    }
}

struct NameText(Name);

impl<'de> Deserialize<'de> for NameText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NameText, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = NameText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_str<E>(self, v: &str) -> Result<NameText, E> {
                Ok(NameText(SmolStr::new(v)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_json() {
        let text = r#"{"a":{"b":[1,2.5,"x\n\u0001\"",true]},"c":-9}"#;
        let value = Value::from_json(text.as_bytes()).expect("valid");
        let mut out = Vec::new();
        value.write_json(&mut out);
        assert_eq!(Value::from_json(&out).expect("valid"), value);
        assert_eq!(value.at("a.b").as_array().map(<[Value]>::len), Some(4));
        assert!(value.at("a.z.q").is_null());
    }

    #[test]
    fn the_last_of_two_equal_names_wins_and_null_is_absent() {
        let value = Value::from_json(br#"{"a":1,"a":2,"n":null}"#).expect("valid");
        let mut out = Vec::new();
        value.write_json(&mut out);
        assert_eq!(out, br#"{"a":2}"#);
    }
}
