//! `upperCase`: the text in upper case.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text in upper case.",
    examples: &[
        (r#"upperCase("López")"#, r#""LÓPEZ""#),
        (r#""straße".upperCase()"#, r#""STRASSE""#),
        ("nope.upperCase()", "null"),
    ],
    ..Function::plain("upperCase", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::made(text.to_uppercase()))
    })
};
