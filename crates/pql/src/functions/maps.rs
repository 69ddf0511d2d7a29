//! Functions of maps, objects and absence; logic; memberships (pql.md §11.4–§11.6).

use super::{Code, Form, Function, function};
use crate::value::V;

pub(super) const FUNCTIONS: &[Function] = &[
    function!("get"(map: Map, key: Text) 2 => Item, Code::Plain(|run, a| a[1].as_str().map_or(V::Null, |key| run.field(&a[0], key))),
        "The value of a key, or null.", r#"{"a": 1}.get("a")"# => "1"),
    function!("keys"(map: Map) 1 => Texts, Code::Plain(|_, a| V::set(entries(&a[0], |key, _| key))),
        "The keys; they compare as a set.", r#"{"a": 1, "b": 2}.keys()"# => r#"["a","b"]"#),
    function!("values"(map: Map) 1 => Array, Code::Plain(|_, a| V::list(entries(&a[0], |_, value| value))),
        "The values, in the order of storage.", r#"{"a": 1, "b": 2}.values()"# => "[1,2]"),
    function!("isNull"(value: Any) 1 => Boolean, Code::Plain(|_, a| V::Bool(a[0].is_null())),
        "True if the value is absent.", "null.isNull()" => "true"),
    function!("isNotNull"(value: Any) 1 => Boolean, Code::Plain(|_, a| V::Bool(!a[0].is_null())),
        "True if the value is present.", "[].isNotNull()" => "true"),
    function!("if"(condition: Any, then: Any, otherwise: Any) 3 => Depends, Code::Form(Form::If),
        "One of two values; only that one is evaluated.", r#"if(1 < 2, "a", "b")"# => r#""a""#),
    function!("inSegment"(id: Text) 1 => Boolean, Code::Form(Form::InSegment),
        "True if the profile is stored as a member of that segment.", r#"inSegment("no such segment")"# => "false"),
    function!("mapEntry"(key: Any, value: Any) 2 => Depends, Code::Form(Form::MapEntry),
        "An entry of the map that `.map` over groups gives.",
        r#"[1].groupBy((X) => "k").map((K, G) => mapEntry(K, G.sum()))"# => r#"{"k":1}"#),
];

/// The entries of a map or object that are not null.
fn entries<'a>(map: &V<'a>, pick: impl Fn(V<'a>, V<'a>) -> V<'a>) -> Vec<V<'a>> {
    match map {
        V::Fields(fields) => {
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| pick(V::Str(name), V::of(v))).collect()
        }
        V::Record(fields) => {
            let present = fields.iter().filter(|(_, v)| !v.is_null());
            present.map(|(name, v)| pick(V::Own(name.clone()), v.clone())).collect()
        }
        _ => Vec::new(),
    }
}
