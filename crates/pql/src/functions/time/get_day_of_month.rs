//! `getDayOfMonth`: the day of the month of an instant, from 1 to 31.

use crate::ast::Unit;
use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The day of the month of an instant, from 1 to 31.",
    examples: &[
        ("loyalty.joined.getDayOfMonth()", "29"),
        ("date(2026, 3, 18).getDayOfMonth()", "18"),
        ("nope.getDayOfMonth()", "null"),
    ],
    ignores_year: true,
    ..Function::plain("getDayOfMonth", Gives::Integer, |run, args| super::part(run, &args[0], Unit::Day))
};
