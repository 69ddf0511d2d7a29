//! `isNotNull`: whether the value is present.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "True if the value is present. An empty text or array is.",
    examples: &[
        ("person.name.firstName.isNotNull()", "true"),
        ("tags.isNotNull()", "true"),
        ("nope.isNotNull()", "false"),
    ],
    ..Function::plain("isNotNull", Gives::Boolean, |_, args| V::Bool(!args[0].is_null()))
};
