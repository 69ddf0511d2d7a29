//! `count`: how many items are not null; of a map, how many keys it has.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("array")],
    summary: "How many items are not null; of a map, how many keys it has.",
    examples: &[
        ("orders.count()", "4"),
        ("scores.count()", "3"),
        ("[].count()", "0"),
        ("identityMap.count()", "2"),
        ("nope.count()", "0"),
    ],
    ..Function::form("count", Gives::Integer, Form::Fold(Fold::Count))
};
