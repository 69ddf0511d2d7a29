//! `values`: the values, in the order of storage.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Map.named("map")],
    summary: "The values, in the order of storage.",
    examples: &[(r#"{"a": 1, "b": 2}.values()"#, "[1,2]"), (r#"{"a": null}.values()"#, "[]"), ("nope.values()", "[]")],
    ..Function::plain("values", Gives::Values, |run, args| V::list(super::entries(run, &args[0], |_, value| value)))
};
