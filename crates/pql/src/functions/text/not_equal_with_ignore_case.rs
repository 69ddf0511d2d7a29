//! `notEqualWithIgnoreCase`: whether the texts differ in more than case; false if one of them is absent.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("other")],
    summary: "True if the texts differ in more than case; false if one of them is absent.",
    examples: &[
        (r#"notEqualWithIgnoreCase("Gold", "silver")"#, "true"),
        (r#"notEqualWithIgnoreCase("Gold", "GOLD")"#, "false"),
        (r#""".notEqualWithIgnoreCase(" ")"#, "true"),
        (r#"nope.notEqualWithIgnoreCase("a")"#, "false"),
    ],
    ..Function::plain("notEqualWithIgnoreCase", Gives::Boolean, |run, args| {
        super::fold_both(run, args, |text, other| text != other)
    })
};
