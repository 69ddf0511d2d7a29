//! `notIn`: whether neither is absent and no item of the array equals the value.

use crate::functions::{Compares, Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("item"), Takes::Array.named("array")],
    summary: "True if neither is absent and no item of the array equals the value. Mostly written between its operands.",
    examples: &[
        (r#"homeAddress.countryISO notIn ["US", "CA"]"#, "true"),
        (r#"notIn("a", ["a", "b"])"#, "false"),
        (r#""a" notIn []"#, "true"),
        (r#"nope notIn ["a"]"#, "false"),
        (r#""a" notIn nope"#, "false"),
    ],
    compares: Compares::ValueWithItems,
    ..Function::plain("notIn", Gives::Boolean, |run, args| V::Bool(run.is_in(&args[0], &args[1], true)))
};
