//! `filter`: the items for which the condition holds, in their order; the same as `array[condition]`.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("condition")],
    summary: "The items for which the condition holds, in their order; the same as `array[condition]`.",
    examples: &[
        ("orders.filter(price > 100).count()", "2"),
        ("[1, 2, 3].filter((N) => N > 1)", "[2,3]"),
        ("orders.filter(price > 1000)", "[]"),
        ("nope.filter(a = 1)", "[]"),
    ],
    ..Function::form("filter", Gives::First, Form::Filter)
};
