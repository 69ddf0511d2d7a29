//! `intersects`: whether the arrays have an item in common.

use crate::eval::Lookup;
use crate::functions::{Compares, Function, Gives, Takes};
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
    compares: Compares::Items,
    ..Function::plain("intersects", Gives::Boolean, |run, args| {
        let len = args[0].array_len().unwrap_or(0);
        let other = Lookup::new(run, &args[1], len);
        run.pay_each(len);
        V::Bool(args[0].items().any(|item| !item.is_null() && other.holds(run, &item)))
    })
};
