//! `like`: whether the whole text fits the pattern: `%` is any run of characters, `_` is one; a backslash makes them plain.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("pattern")],
    summary: "True if the whole text fits the pattern: `%` is any run of characters, `_` is one; a backslash makes them plain. Mostly written between its operands.",
    examples: &[
        (r#"homeAddress.city like "Dres%""#, "true"),
        (r#"homeAddress.city like "Dres""#, "false"),
        (r#""a_c" like "a\\_c" and not "abc" like "a\\_c""#, "true"),
        (r#"like("", "%")"#, "true"),
        (r#"nope like "%""#, "false"),
        (r#""a" like "\\a""#, "error"),
    ],
    ..Function::form("like", Gives::Boolean, Form::Like)
};
