//! `string_to_integer`: the whole number of 64 bits that the text says; null if it says none.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The whole number of 64 bits that the text says; null if it says none.",
    examples: &[
        (r#"string_to_integer("42")"#, "42"),
        (r#"string_to_integer("-7")"#, "-7"),
        (r#"string_to_integer("4.2")"#, "null"),
        (r#"string_to_integer("")"#, "null"),
        ("nope.string_to_integer()", "null"),
    ],
    ..Function::plain("string_to_integer", Gives::Integer, string_to_integer)
};

fn string_to_integer<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match args[0].as_str().map(super::number) {
        Some(V::Int(n)) => V::Int(n),
        _ => V::Null,
    }
}
