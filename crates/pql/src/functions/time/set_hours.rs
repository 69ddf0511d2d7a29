//! `setHours`: the instant at another hour of its day, from 0 to 23; minutes and seconds stay.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::time::DAY_MS;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time"), Takes::Number.named("hour")],
    summary: "The instant at another hour of its day, from 0 to 23; minutes and seconds stay. Null for any other hour.",
    examples: &[
        (r#"setHours("2010-12-12T01:11:05Z", 23)"#, r#""2010-12-12T23:11:05Z""#),
        ("setHours(date(2026, 3, 18), 9)", r#""2026-03-18T09:00:00Z""#),
        ("setHours(now, 24)", "null"),
        ("setHours(nope, 1)", "null"),
    ],
    ..Function::plain("setHours", Gives::Time, set_hours)
};

const HOUR_MS: i64 = 3_600_000;

fn set_hours<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match (super::settled(run, &args[0]), &args[1]) {
        (Some(ms), V::Int(hour @ 0..=23)) => {
            V::Time(ms - ms.rem_euclid(DAY_MS) + hour * HOUR_MS + ms.rem_euclid(HOUR_MS))
        }
        _ => V::Null,
    }
}
