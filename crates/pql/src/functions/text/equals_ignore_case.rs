//! `equalsIgnoreCase`: whether the texts are equal but for case.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("other")],
    summary: "True if the texts are equal but for case.",
    examples: &[
        (r#"equalsIgnoreCase("Gold", "gOLD")"#, "true"),
        (r#""LÓPEZ".equalsIgnoreCase("lópez")"#, "true"),
        (r#""".equalsIgnoreCase("")"#, "true"),
        (r#"nope.equalsIgnoreCase("a")"#, "false"),
    ],
    ..Function::plain("equalsIgnoreCase", Gives::Boolean, |run, args| {
        super::fold_both(run, args, |text, other| text == other)
    })
};
