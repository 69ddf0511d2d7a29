//! `lowerCase`: the text in lower case.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text in lower case.",
    examples: &[(r#"lowerCase("López")"#, r#""lópez""#), (r#""".lowerCase()"#, r#""""#), ("nope.lowerCase()", "null")],
    ..Function::plain("lowerCase", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::made(text.to_lowercase()))
    })
};
