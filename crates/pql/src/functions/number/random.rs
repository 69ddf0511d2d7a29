//! `random`: refused: a query gives the same answer for the same profile and instant.

use crate::functions::{Code, Function, Gives};

pub(super) const FUNCTION: Function = Function {
    summary: "Refused: a query gives the same answer for the same profile and instant.",
    examples: &[("random()", "error"), ("random() < 2", "error"), ("[random()]", "error")],
    ..Function::new(
        "random",
        Gives::Number,
        Code::Refused("a query must give the same answer each time, so `random` is not allowed"),
    )
};
