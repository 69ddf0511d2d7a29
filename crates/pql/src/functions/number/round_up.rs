//! `roundUp`: the least whole number that is not below.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number")],
    summary: "The least whole number that is not below.",
    examples: &[("roundUp(1.2)", "2"), ("roundUp(-1.5)", "-1"), ("roundUp(7)", "7"), ("nope.roundUp()", "null")],
    ..Function::plain("roundUp", Gives::Number, |_, args| super::whole(&args[0], f64::ceil))
};
