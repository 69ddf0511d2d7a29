//! `in`: whether some item of the array equals the value.

use crate::functions::{Compares, Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("item"), Takes::Array.named("array")],
    summary: "True if some item of the array equals the value. Mostly written between its operands.",
    examples: &[
        (r#""green" in favoriteColors"#, "true"),
        (r#"homeAddress.countryISO in ["US", "DE"]"#, "true"),
        (r#"in("A", ["a"])"#, "false"),
        ("1 in [1.0]", "true"),
        (r#""a" in []"#, "false"),
        (r#"nope in ["a"]"#, "false"),
        (r#""a" in nope"#, "false"),
    ],
    compares: Compares::ValueWithItems,
    ..Function::plain("in", Gives::Boolean, |run, args| V::Bool(run.is_in(&args[0], &args[1], false)))
};
