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
    ..Function::plain("notEqualWithIgnoreCase", Gives::Boolean, |_, args| {
        super::both(args, |text, other| text.to_lowercase() != other.to_lowercase())
    })
};
