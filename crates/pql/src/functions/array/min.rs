//! `min`: the least number, text or instant; null of nothing.

use crate::functions::{Form, Function, Gives, Takes};
use crate::node::Fold;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("of").optional()],
    summary: "The least number, text or instant; null of nothing.",
    examples: &[
        ("orders.min(price)", "30"),
        ("favoriteColors.min()", r#""green""#),
        ("[null, 2].min()", "2"),
        ("[].min()", "null"),
        ("nope.min()", "null"),
    ],
    ..Function::form("min", Gives::Item, Form::Fold(Fold::Min))
};
