//! `leftTrim`: the text without white space before it.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text without white space before it.",
    examples: &[(r#"leftTrim("  a ")"#, r#""a ""#), (r#""   ".leftTrim()"#, r#""""#), ("nope.leftTrim()", "null")],
    ..Function::plain("leftTrim", Gives::Text, |_, args| super::one(args, |text| super::made(text.trim_start())))
};
