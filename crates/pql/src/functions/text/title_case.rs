//! `titleCase`: the text with the first letter of every word in upper case; all else stays.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text with the first letter of every word in upper case; all else stays.",
    examples: &[
        (r#"titleCase("washington high street")"#, r#""Washington High Street""#),
        (r#"titleCase("  élan vital")"#, r#""  Élan Vital""#),
        (r#""".titleCase()"#, r#""""#),
        ("nope.titleCase()", "null"),
    ],
    ..Function::plain("titleCase", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::made(super::capitalized(text)))
    })
};
