//! `trim`: the text without white space around it.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text without white space around it.",
    examples: &[(r#"trim("  a b ")"#, r#""a b""#), (r#""   ".trim()"#, r#""""#), ("nope.trim()", "null")],
    ..Function::plain("trim", Gives::Text, |_, args| super::one(args, |text| super::made(text.trim())))
};
