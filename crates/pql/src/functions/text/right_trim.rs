//! `rightTrim`: the text without white space after it.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text without white space after it.",
    examples: &[(r#"rightTrim("  a ")"#, r#""  a""#), (r#""   ".rightTrim()"#, r#""""#), ("nope.rightTrim()", "null")],
    ..Function::plain("rightTrim", Gives::Text, |_, args| super::one(args, |text| super::made(text.trim_end())))
};
