//! `supersetOf`: whether every item of the other array is in the array; repetitions do not count.

use crate::functions::{Compares, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::Array.named("other")],
    summary: "True if every item of the other array is in the array; repetitions do not count. False if one of them is absent.",
    examples: &[
        (r#"visited.supersetOf(["Prague"])"#, "true"),
        (r#"visited.supersetOf(["Prague", "Rome"])"#, "false"),
        ("[1].supersetOf([])", "true"),
        ("[1].supersetOf(nope)", "false"),
    ],
    compares: Compares::Items,
    ..Function::plain("supersetOf", Gives::Boolean, |run, args| super::subset(run, &args[1], &args[0]))
};
