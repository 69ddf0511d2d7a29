//! `roundDown`: the greatest whole number that is not above.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number")],
    summary: "The greatest whole number that is not above.",
    examples: &[
        ("roundDown(1.9)", "1"),
        ("roundDown(-1.5)", "-2"),
        ("roundDown(7)", "7"),
        ("nope.roundDown()", "null"),
    ],
    ..Function::plain("roundDown", Gives::Number, |_, args| super::whole(&args[0], f64::floor))
};
