//! `values`: the values, in the order of storage.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Map.named("map")],
    summary: "The values, in the order of storage.",
    examples: &[(r#"{"a": 1, "b": 2}.values()"#, "[1,2]"), (r#"{"a": null}.values()"#, "[]"), ("nope.values()", "[]")],
    ..Function::plain("values", Gives::Array, |_, args| V::list(super::entries(&args[0], |_, value| value)))
};
