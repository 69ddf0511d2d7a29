//! `currentDayOfMonth`: the day of the month of now, from 1 to 31.

use crate::ast::Unit;
use crate::functions::{Function, Gives};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    summary: "The day of the month of now, from 1 to 31.",
    examples: &[
        ("currentDayOfMonth()", "18"),
        ("currentDayOfMonth() in [1, 15]", "false"),
        ("currentDayOfMonth().isNull()", "false"),
    ],
    clock: true,
    ignores_year: true,
    ..Function::plain("currentDayOfMonth", Gives::Integer, |run, _| super::part(run, &V::Now, Unit::Day))
};
