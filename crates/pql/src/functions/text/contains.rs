//! `contains`: whether the other text occurs in the text.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("part"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the other text occurs in the text. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.contains("esd")"#, "true"),
        (r#"contains("Dresden", "DRES", false)"#, "true"),
        (r#""Dresden".contains("")"#, "true"),
        (r#"nope.contains("a")"#, "false"),
        (r#"not nope.contains("a")"#, "true"),
    ],
    ..Function::plain("contains", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| text.contains(other))
    })
};
