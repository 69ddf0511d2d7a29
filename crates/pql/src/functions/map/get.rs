//! `get`: the value of a key; null if the map has no such key.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Map.named("map"), Takes::Text.named("key")],
    summary: "The value of a key; null if the map has no such key.",
    examples: &[
        (r#"identityMap.get("Email").head().id"#, r#""ana@x.test""#),
        (r#"{"a": 1}.get("a")"#, "1"),
        (r#"{"a": 1}.get("A")"#, "null"),
        (r#"{"a": 1}.get(nope)"#, "null"),
        (r#"nope.get("a")"#, "null"),
    ],
    ..Function::plain("get", Gives::Item, |run, args| args[1].as_str().map_or(V::Null, |key| run.field(&args[0], key)))
};
