//! `indexOf`: where the part first occurs, counted from 0; -1 if it does not.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("part")],
    summary: "Where the part first occurs, counted from 0; -1 if it does not.",
    examples: &[
        (r#"indexOf("hello world", "world")"#, "6"),
        (r#"indexOf("hello", "x")"#, "-1"),
        (r#""éa".indexOf("a")"#, "1"),
        (r#""a".indexOf("")"#, "0"),
        (r#"nope.indexOf("a")"#, "null"),
    ],
    ..Function::plain("indexOf", Gives::Integer, |_, args| {
        super::two(args, |text, part| super::place(text, text.find(part)))
    })
};
