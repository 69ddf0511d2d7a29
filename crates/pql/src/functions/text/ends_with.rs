//! `endsWith`: whether the text ends with the other.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("end"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the text ends with the other. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.endsWith("den")"#, "true"),
        (r#""Dresden".endsWith("DEN")"#, "false"),
        (r#""Dresden".endsWith("DEN", false)"#, "true"),
        (r#""".endsWith("")"#, "true"),
        (r#"nope.endsWith("n")"#, "false"),
    ],
    ..Function::plain("endsWith", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| text.ends_with(other))
    })
};
