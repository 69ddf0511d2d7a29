//! `currentTimeInMillis`: the milliseconds from the beginning of 1970 to now.

use crate::eval::Run;
use crate::functions::{Function, Gives};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    summary: "The milliseconds from the beginning of 1970 to now.",
    examples: &[
        ("currentTimeInMillis()", "1773829800000"),
        ("currentTimeInMillis() / 1000", "1773829800"),
        ("currentTimeInMillis().isNull()", "false"),
    ],
    clock: true,
    ..Function::plain("currentTimeInMillis", Gives::Integer, current_time_in_millis)
};

fn current_time_in_millis<'a>(run: &mut Run<'a>, _: &[V<'a>]) -> V<'a> {
    super::settled(run, &V::Now).map_or(V::Null, V::Int)
}
