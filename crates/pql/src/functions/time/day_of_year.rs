//! `dayOfYear`: the day of the year of an instant, from 1 to 366.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The day of the year of an instant, from 1 to 366.",
    examples: &[
        ("dayOfYear(now)", "77"),
        ("dayOfYear(date(2024, 12, 31))", "366"),
        ("dayOfYear(date(2026, 1, 1))", "1"),
        ("nope.dayOfYear()", "null"),
    ],
    ..Function::plain("dayOfYear", Gives::Integer, |run, args| super::of_day(run, &args[0], super::day_of_year))
};
