//! `currentYear`: the year of now.

use crate::ast::Unit;
use crate::functions::{Function, Gives};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    summary: "The year of now.",
    examples: &[
        ("currentYear()", "2026"),
        ("currentYear() - person.birthYear", "36"),
        ("currentYear().isNull()", "false"),
    ],
    clock: true,
    ..Function::plain("currentYear", Gives::Integer, |run, _| super::part(run, &V::Now, Unit::Year))
};
