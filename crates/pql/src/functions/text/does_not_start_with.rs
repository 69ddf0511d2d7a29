//! `doesNotStartWith`: whether the text does not begin with the other; false if one of them is absent.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("start"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the text does not begin with the other; false if one of them is absent. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.doesNotStartWith("B")"#, "true"),
        (r#""Dresden".doesNotStartWith("DRES", false)"#, "false"),
        (r#""".doesNotStartWith("")"#, "false"),
        (r#"nope.doesNotStartWith("B")"#, "false"),
    ],
    ..Function::plain("doesNotStartWith", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| !text.starts_with(other))
    })
};
