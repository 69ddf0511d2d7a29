//! `if`: one of two values; only that one is evaluated.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("condition"), Takes::Any.named("then"), Takes::Any.named("otherwise")],
    summary: "One of two values; only that one is evaluated. A null condition is false.",
    examples: &[
        (r#"if(loyalty.points > 1000, "high", "low")"#, r#""high""#),
        ("if(nope, 1, 2)", "2"),
        (r#"if(tags, "some", "none")"#, r#""none""#),
        ("if(true, nope, 1)", "null"),
    ],
    ..Function::form("if", Gives::Depends, Form::If)
};
