//! `toUTC`: the same instant, written in UTC.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The same instant, written in UTC.",
    examples: &[
        (r#"toUTC("2026-03-18T10:30:00+02:00")"#, r#""2026-03-18T08:30:00Z""#),
        ("toUTC(date(2026, 3, 18))", r#""2026-03-18T00:00:00Z""#),
        ("nope.toUTC()", "null"),
    ],
    ..Function::plain("toUTC", Gives::Time, to_utc)
};

fn to_utc<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match super::as_time(&args[0]) {
        V::Date(ms) => V::Time(ms),
        other => other,
    }
}
