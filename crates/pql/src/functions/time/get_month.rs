//! `getMonth`: the month of an instant, from 1 to 12.

use crate::ast::Unit;
use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The month of an instant, from 1 to 12.",
    examples: &[
        ("person.birthDate.getMonth()", "3"),
        (r#""2025-12-31T23:59:59-01:00".getMonth()"#, "1"),
        ("date(2026, 3, 18).getMonth()", "3"),
        ("nope.getMonth()", "null"),
        (r#""soon".getMonth()"#, "error"),
    ],
    ignores_year: true,
    ..Function::plain("getMonth", Gives::Integer, |run, args| super::part(run, &args[0], Unit::Month))
};
