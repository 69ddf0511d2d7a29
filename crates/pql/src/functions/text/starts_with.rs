//! `startsWith`: whether the text begins with the other.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("start"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the text begins with the other. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.startsWith("Dres")"#, "true"),
        (r#""Dresden".startsWith("dres")"#, "false"),
        (r#""Dresden".startsWith("dres", false)"#, "true"),
        (r#""".startsWith("")"#, "true"),
        (r#"nope.startsWith("")"#, "false"),
        (r#""a".startsWith(nope)"#, "false"),
    ],
    ..Function::plain("startsWith", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| text.starts_with(other))
    })
};
