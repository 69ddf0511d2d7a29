//! `max`: the greatest number, text or instant; null of nothing.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("of").optional()],
    summary: "The greatest number, text or instant; null of nothing.",
    examples: &[
        ("orders.max(price)", "120"),
        ("xEvent.timestamp.max()", r#""2026-03-18T09:20:00Z""#),
        ("[null, 2].max()", "2"),
        ("[].max()", "null"),
        ("nope.max()", "null"),
    ],
    ..Function::form("max", Gives::Item, Form::Fold(Fold::Max))
};
