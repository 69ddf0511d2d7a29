//! `head`: the first item; null if there is none.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array")],
    summary: "The first item; null if there is none.",
    examples: &[
        ("orders.head().id", r#""o1""#),
        ("[7, 8].head()", "7"),
        ("[].head()", "null"),
        ("nope.head()", "null"),
    ],
    ..Function::plain("head", Gives::Item, |_, args| args[0].item(0))
};
