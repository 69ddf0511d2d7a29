//! `currentMonth`: the month of now, from 1 to 12.

use crate::ast::Unit;
use crate::functions::{Function, Gives};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    summary: "The month of now, from 1 to 12.",
    examples: &[
        ("currentMonth()", "3"),
        ("person.birthDate.getMonth() = currentMonth()", "true"),
        ("currentMonth().isNull()", "false"),
    ],
    clock: true,
    ignores_year: true,
    ..Function::plain("currentMonth", Gives::Integer, |run, _| super::part(run, &V::Now, Unit::Month))
};
