//! `isNull`: whether the value is absent.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "True if the value is absent. An empty text or array is not.",
    examples: &[
        ("person.name.middleName.isNull()", "true"),
        ("homeAddress.city.isNull()", "false"),
        ("[].isNull()", "false"),
        (r#""".isNull()"#, "false"),
        ("null.isNull()", "true"),
    ],
    ..Function::plain("isNull", Gives::Boolean, |_, args| V::Bool(args[0].is_null()))
};
