//! `doesNotContain`: whether the other text does not occur in the text; false if one of them is absent.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("part"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the other text does not occur in the text; false if one of them is absent. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.doesNotContain("x")"#, "true"),
        (r#""Dresden".doesNotContain("DRES", false)"#, "false"),
        (r#""Dresden".doesNotContain("")"#, "false"),
        (r#"nope.doesNotContain("x")"#, "false"),
    ],
    ..Function::plain("doesNotContain", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| !text.contains(other))
    })
};
