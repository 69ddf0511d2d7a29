//! `bottomN`: the first `n` items by ascending key; equal keys keep their order, items without a key come last.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("key"), Takes::Number.named("n")],
    summary: "The first `n` items by ascending key; equal keys keep their order, items without a key come last.",
    examples: &[
        ("orders.bottomN(price, 2).id", r#"["o1","o3"]"#),
        ("orders.bottomN(store, 4).id", r#"["o1","o3","o2","o4"]"#),
        ("orders.bottomN(price, -1)", "[]"),
        ("nope.bottomN(a, 1)", "[]"),
    ],
    ..Function::form("bottomN", Gives::First, Form::BottomN)
};
