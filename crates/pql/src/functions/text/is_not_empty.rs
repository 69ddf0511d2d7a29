//! `isNotEmpty`: whether the text has characters; false if it is absent.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "True if the text has characters; false if it is absent.",
    examples: &[
        ("isNotEmpty(homeAddress.city)", "true"),
        (r#""".isNotEmpty()"#, "false"),
        ("nope.isNotEmpty()", "false"),
    ],
    ..Function::plain("isNotEmpty", Gives::Boolean, |_, args| {
        V::Bool(args[0].as_str().is_some_and(|text| !text.is_empty()))
    })
};
