//! `length`: how many characters (Unicode code points) the text has.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "How many characters (Unicode code points) the text has.",
    examples: &[
        ("person.name.lastName.length()", "5"),
        (r#""".length()"#, "0"),
        (r#"length("😀")"#, "1"),
        ("nope.length()", "null"),
    ],
    ..Function::plain("length", Gives::Integer, |_, args| super::one(args, |text| V::Int(text.chars().count() as i64)))
};
