//! `dayOfWeek`: the day of the week of an instant: 1 is Monday, 7 is Sunday, as in ISO 8601.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The day of the week of an instant: 1 is Monday, 7 is Sunday, as in ISO 8601.",
    examples: &[
        ("dayOfWeek(now)", "3"),
        ("dayOfWeek(date(2026, 3, 15))", "7"),
        ("dayOfWeek(date(1969, 12, 31))", "3"),
        ("nope.dayOfWeek()", "null"),
    ],
    ..Function::plain("dayOfWeek", Gives::Integer, |run, args| {
        super::of_day(run, &args[0], |day| (day + 3).rem_euclid(7) + 1)
    })
};
