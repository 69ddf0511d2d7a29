//! `notEqualTo`: whether the value equals none of the others; false if one of them is absent.

use crate::functions::{Compares, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value"), Takes::Any.named("other")],
    summary: "True if the value equals none of the others; false if one of them is absent. A Boolean after them tells whether case matters; it does by default.",
    examples: &[
        (r#"loyalty.tier.notEqualTo("Silver")"#, "true"),
        (r#"loyalty.tier.notEqualTo("GOLD", false)"#, "false"),
        (r#""a".notEqualTo("b", "a")"#, "false"),
        (r#"nope.notEqualTo("a")"#, "false"),
    ],
    variadic: true,
    compares: Compares::Values,
    ..Function::plain("notEqualTo", Gives::Boolean, |run, args| super::equals(run, args, false))
};
