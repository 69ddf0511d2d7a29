//! `lastIndexOf`: where the part last occurs, counted from 0; -1 if it does not.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("part")],
    summary: "Where the part last occurs, counted from 0; -1 if it does not.",
    examples: &[
        (r#"lastIndexOf("hello world", "o")"#, "7"),
        (r#"lastIndexOf("hello", "x")"#, "-1"),
        (r#""ab".lastIndexOf("")"#, "2"),
        (r#"nope.lastIndexOf("a")"#, "null"),
    ],
    ..Function::plain("lastIndexOf", Gives::Integer, |_, args| {
        super::two(args, |text, part| super::place(text, text.rfind(part)))
    })
};
