//! `camelCase`: the text with the first letter of every word in upper case, as `titleCase`: the words stay apart.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text with the first letter of every word in upper case, as `titleCase`: the words stay apart.",
    examples: &[
        (r#"camelCase("washington high street")"#, r#""Washington High Street""#),
        (r#"camelCase("iPhone case")"#, r#""IPhone Case""#),
        (r#""".camelCase()"#, r#""""#),
        ("nope.camelCase()", "null"),
    ],
    ..Function::plain("camelCase", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::made(super::capitalized(text)))
    })
};
