//! `stringToNumber`: the number that the text says, or the text itself if it says none.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The number that the text says, or the text itself if it says none.",
    examples: &[
        (r#"stringToNumber("12.5")"#, "12.5"),
        (r#"stringToNumber("12") + 1"#, "13"),
        (r#"stringToNumber("1e3")"#, "1000"),
        (r#"stringToNumber("abc")"#, r#""abc""#),
        (r#"stringToNumber("")"#, r#""""#),
        ("nope.stringToNumber()", "null"),
    ],
    ..Function::plain("stringToNumber", Gives::Depends, string_to_number)
};

fn string_to_number<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match args[0].as_str().map(super::number) {
        None => V::Null,
        Some(V::Null) => args[0].clone(),
        Some(number) => number,
    }
}
