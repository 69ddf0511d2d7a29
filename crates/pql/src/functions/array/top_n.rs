//! `topN`: the first `n` items by descending key; equal keys keep their order, items without a key come last.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("key"), Takes::Number.named("n")],
    summary: "The first `n` items by descending key; equal keys keep their order, items without a key come last.",
    examples: &[
        ("orders.topN(price, 2).id", r#"["o2","o4"]"#),
        ("[1, 3, 2].topN((N) => N, 2)", "[3,2]"),
        ("orders.topN(price, 9).count()", "4"),
        ("orders.topN(price, 0)", "[]"),
        ("nope.topN(a, 1)", "[]"),
    ],
    ..Function::form("topN", Gives::First, Form::TopN)
};
