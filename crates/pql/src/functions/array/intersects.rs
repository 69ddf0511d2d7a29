//! `intersects`: whether the arrays have an item in common.

use crate::eval::Lookup;
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
        let other = Lookup::new(&args[1], args[0].array_len().unwrap_or(0));
        V::Bool(args[0].items().any(|item| !item.is_null() && other.holds(run, &item)))
    })
};
