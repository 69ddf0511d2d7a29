//! JSON that people write: read as documents are, but a key that is given twice is a fault, not the last one's win.
//!
//! In: bytes. Out: the document, or one fault; that of a key names its path. Always: what is read is what any reader
//! of JSON gives; nothing panics, and nesting is bounded by the reader underneath.

use crate::config::{Fault, is_plain};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use std::cell::RefCell;
use std::fmt;

/// Reads a document. A fault without a path is one of the syntax.
pub fn read_json(bytes: &[u8]) -> Result<Json, Fault> {
    let state = State::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Place(&state).deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
    read.map_err(|error| {
        let path = state.twice.into_inner().unwrap_or_default();
        Fault::new(path, error.to_string())
    })
}

#[derive(Default)]
struct State {
    /// The path of what is being read, and its length before each open step.
    path: RefCell<String>,
    /// The path of the key that was given twice.
    twice: RefCell<Option<String>>,
}

impl State {
    /// Reads what stands under `step`.
    fn under<T, E>(&self, step: impl FnOnce(&mut String), read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let before = self.path.borrow().len();
        step(&mut self.path.borrow_mut());
        let result = read();
        self.path.borrow_mut().truncate(before);
        result
    }
}

/// Adds a step to a path in the notation of faults.
pub(crate) fn add_key(path: &mut String, name: &str) {
    if !is_plain(name) {
        path.push_str(&format!("[{}]", Json::from(name)));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// A value at the path of the state.
#[derive(Clone, Copy)]
struct Place<'s>(&'s State);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        loop {
            let step = format!("[{}]", list.len());
            match self.0.under(|path| path.push_str(&step), || items.next_element_seed(self))? {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if map.contains_key(&name) {
                self.0.under(
                    |path| add_key(path, &name),
                    || {
                        *self.0.twice.borrow_mut() = Some(self.0.path.borrow().clone());
                        Err(A::Error::custom("is given twice in this object"))
                    },
                )?;
            }
            let value = self.0.under(|path| add_key(path, &name), || fields.next_value_seed(self))?;
            map.insert(name, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_given_twice_have_a_path() {
        let cases = [
            (r#"{"a": 1, "a": 1}"#, "a: is given twice in this object at line 1 column 12"),
            (
                r#"{"a": [{}, {"b": {"c": 1, "d": 2, "c": 3}}]}"#,
                "a[1].b.c: is given twice in this object at line 1 column 37",
            ),
            (
                "{\"odd name\": {\"\": 1,\n\"\": 2}}",
                "[\"odd name\"][\"\"]: is given twice in this object at line 2 column 2",
            ),
            (r#"{"a": 1, "\u0061": 2}"#, "a: is given twice in this object at line 1 column 17"),
            (r#"{"a": 1"#, "EOF while parsing an object at line 1 column 7"),
            (r#"{} {}"#, "trailing characters at line 1 column 4"),
            ("", "EOF while parsing a value at line 1 column 0"),
        ];
        for (text, expected) in cases {
            assert_eq!(read_json(text.as_bytes()).expect_err("a fault").to_string(), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read_json(deep.as_bytes()).is_err_and(|fault| fault.message.contains("recursion limit")));
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".{0,8}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let fields = prop::collection::vec((".{0,4}", inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Json::Array),
                fields.prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Where no key is given twice, it reads as the usual reader does.
        #[test]
        fn reads_as_the_usual_reader(document in json()) {
            let text = document.to_string();
            prop_assert_eq!(read_json(text.as_bytes()).expect("JSON"), serde_json::from_str::<Json>(&text).expect("JSON"));
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in "[\\[\\]{}\":,a0 \\\\]{0,40}") {
            prop_assert_eq!(serde_json::from_str::<Json>(&text).is_ok() || read_json(text.as_bytes()).is_err(), true);
        }
    }
}
