//! `isEmpty`: whether the text has no characters; false if it is absent.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "True if the text has no characters; false if it is absent.",
    examples: &[
        (r#""".isEmpty()"#, "true"),
        (r#"" ".isEmpty()"#, "false"),
        ("isEmpty(homeAddress.city)", "false"),
        ("nope.isEmpty()", "false"),
    ],
    ..Function::plain("isEmpty", Gives::Boolean, |_, args| V::Bool(args[0].as_str().is_some_and(str::is_empty)))
};
