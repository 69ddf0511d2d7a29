//! `average`: the exact sum of the numbers divided by their count; null of nothing.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("of").optional()],
    summary: "The exact sum of the numbers divided by their count; null of nothing.",
    examples: &[
        ("orders.average(price)", "86.375"),
        ("[1, 2, null].average()", "1.5"),
        ("[].average()", "null"),
        ("nope.average()", "null"),
    ],
    ..Function::form("average", Gives::Number, Form::Fold(Fold::Average))
};
