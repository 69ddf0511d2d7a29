//! `countOnlyNull`: how many items are null.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array")],
    summary: "How many items are null. Zero is a value.",
    examples: &[
        ("scores.countOnlyNull()", "1"),
        ("countOnlyNull([4, 0, 1, 6, 0, 0])", "0"),
        ("[].countOnlyNull()", "0"),
        ("nope.countOnlyNull()", "0"),
    ],
    ..Function::form("countOnlyNull", Gives::Integer, Form::Fold(Fold::CountOnlyNull))
};
