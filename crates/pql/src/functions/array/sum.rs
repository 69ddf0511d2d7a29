//! `sum`: the exact sum of the numbers, rounded once; 0 of nothing.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("of").optional()],
    summary: "The exact sum of the numbers, rounded once; 0 of nothing.",
    examples: &[
        ("orders.sum(price)", "345.5"),
        ("[0.1, 0.2, 0.3].sum()", "0.6"),
        ("scores.sum()", "10"),
        ("[].sum()", "0"),
        ("nope.sum()", "0"),
        (r#"sum O.price over O from orders where O.store = "s1""#, "105.5"),
    ],
    ..Function::form("sum", Gives::Number, Form::Fold(Fold::Sum))
};
