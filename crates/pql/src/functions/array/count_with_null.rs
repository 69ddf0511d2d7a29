//! `countWithNull`: how many items there are, nulls among them.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array")],
    summary: "How many items there are, nulls among them.",
    examples: &[
        ("scores.countWithNull()", "4"),
        ("[null].countWithNull()", "1"),
        ("[].countWithNull()", "0"),
        ("nope.countWithNull()", "0"),
    ],
    ..Function::form("countWithNull", Gives::Integer, Form::Fold(Fold::CountWithNull))
};
