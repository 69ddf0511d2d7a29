//! `subsetOf`: whether every item of the array is in the other; repetitions do not count.

use crate::functions::{Compares, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::Array.named("other")],
    summary: "True if every item of the array is in the other; repetitions do not count. False if one of them is absent.",
    examples: &[
        (r#"["Prague"].subsetOf(visited)"#, "true"),
        ("[1, 1].subsetOf([1, 2])", "true"),
        ("[1, 3].subsetOf([1, 2])", "false"),
        ("tags.subsetOf([])", "true"),
        ("nope.subsetOf([1])", "false"),
        ("[].subsetOf(nope)", "false"),
    ],
    compares: Compares::Items,
    ..Function::plain("subsetOf", Gives::Boolean, |run, args| super::subset(run, &args[0], &args[1]))
};
