//! `intersects`: whether the arrays have an item in common.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::Array.named("other")],
    summary: "True if the arrays have an item in common.",
    examples: &[
        ("visited.intersects(wished)", "true"),
        ("[1].intersects([2])", "false"),
        ("[].intersects([])", "false"),
        ("[null].intersects([null])", "false"),
        (r#"nope.intersects(["a"])"#, "false"),
    ],
    ..Function::plain("intersects", Gives::Boolean, |run, args| {
        V::Bool(args[0].items().any(|item| run.contains(&args[1], &item)))
    })
};
