//! `weekOfYear`: the number of the week of an instant by ISO 8601: weeks begin on Monday, the first one has the first Thursday of the year.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The number of the week of an instant by ISO 8601: weeks begin on Monday, the first one has the first Thursday of the year.",
    examples: &[
        ("weekOfYear(now)", "12"),
        ("weekOfYear(date(2027, 1, 1))", "53"),
        ("weekOfYear(date(2024, 12, 30))", "1"),
        ("nope.weekOfYear()", "null"),
    ],
    ..Function::plain("weekOfYear", Gives::Integer, |run, args| {
        super::of_day(run, &args[0], |day| super::iso_week(day).1)
    })
};
