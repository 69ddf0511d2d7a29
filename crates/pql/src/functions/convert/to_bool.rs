//! `toBool`: true for true, for the text `true` in any case, and for numbers other than 0; null for arrays and objects.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "True for true, for the text `true` in any case, and for numbers other than 0; null for arrays and objects.",
    examples: &[
        (r#"toBool("True")"#, "true"),
        (r#"toBool("yes")"#, "false"),
        ("toBool(1)", "true"),
        ("toBool(0)", "false"),
        ("toBool(false)", "false"),
        ("toBool([1])", "null"),
        ("nope.toBool()", "null"),
    ],
    ..Function::plain("toBool", Gives::Boolean, to_bool)
};

fn to_bool<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match (&args[0], args[0].as_str(), args[0].as_f64()) {
        (V::Bool(flag), ..) => V::Bool(*flag),
        (_, Some(text), _) => V::Bool(text.eq_ignore_ascii_case("true")),
        (.., Some(number)) => V::Bool(number != 0.0),
        _ => V::Null,
    }
}
