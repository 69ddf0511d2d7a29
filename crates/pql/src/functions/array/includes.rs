//! `includes`: whether some item of the array equals the value.

use crate::functions::{Compares, Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::Any.named("item")],
    summary: "True if some item of the array equals the value.",
    examples: &[
        (r#"favoriteColors.includes("green")"#, "true"),
        (r#"favoriteColors.includes("blue")"#, "false"),
        (r#"[].includes("a")"#, "false"),
        ("[null].includes(null)", "false"),
        (r#"nope.includes("a")"#, "false"),
    ],
    compares: Compares::ItemsWithValue,
    ..Function::plain("includes", Gives::Boolean, |run, args| V::Bool(run.is_in(&args[1], &args[0], false)))
};
