//! `equals`: whether the value equals one of the others.

use crate::functions::{Compares, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value"), Takes::Any.named("other")],
    summary: "True if the value equals one of the others. A Boolean after them tells whether case matters; it does by default.",
    examples: &[
        (r#"loyalty.tier.equals("Gold")"#, "true"),
        (r#"loyalty.tier.equals("silver", "gold", false)"#, "true"),
        (r#""a".equals("b", "a")"#, "true"),
        ("true.equals(true)", "true"),
        ("1.equals(1.0)", "true"),
        (r#"nope.equals("a")"#, "false"),
        (r#""a".equals("a", nope)"#, "false"),
    ],
    variadic: true,
    compares: Compares::Values,
    ..Function::plain("equals", Gives::Boolean, |run, args| super::equals(run, args, true))
};
