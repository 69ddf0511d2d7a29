//! `matches`: whether some part of the text fits the regular expression, in the syntax of Java; `^` and `$` tie it to the ends.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Regex.named("regex")],
    summary: "True if some part of the text fits the regular expression, in the syntax of Java; `^` and `$` tie it to the ends. An expression that takes too many steps does not match.",
    examples: &[
        (r#"person.name.firstName.matches("(?i)^a")"#, "true"),
        (r#"homeAddress.postalCode.matches("^\\d{5}$")"#, "true"),
        (r#""ab".matches("")"#, "true"),
        (r#""a@gmail.com".matches("@(?!gmail)")"#, "false"),
        (r#"nope.matches(".*")"#, "false"),
        (r#""a".matches("(")"#, "error"),
    ],
    ..Function::form("matches", Gives::Boolean, Form::Matches)
};
