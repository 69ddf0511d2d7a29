//! `getYear`: the year of an instant.

use crate::ast::Unit;
use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The year of an instant.",
    examples: &[
        ("loyalty.joined.getYear()", "2024"),
        ("date(2026, 3, 18).getYear()", "2026"),
        ("nope.getYear()", "null"),
    ],
    ..Function::plain("getYear", Gives::Integer, |run, args| super::part(run, &args[0], Unit::Year))
};
