//! `doesNotEndWith`: whether the text does not end with the other; false if one of them is absent.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("end"), Takes::Boolean.named("caseSensitive").optional()],
    summary: "True if the text does not end with the other; false if one of them is absent. A third argument of `false` ignores case.",
    examples: &[
        (r#"homeAddress.city.doesNotEndWith("DEN")"#, "true"),
        (r#"homeAddress.city.doesNotEndWith("DEN", false)"#, "false"),
        (r#""".doesNotEndWith("")"#, "false"),
        (r#"nope.doesNotEndWith("n")"#, "false"),
    ],
    ..Function::plain("doesNotEndWith", Gives::Boolean, |run, args| {
        super::test(run, args, |text, other| !text.ends_with(other))
    })
};
