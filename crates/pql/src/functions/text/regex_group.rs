//! `regexGroup`: what a group of the regular expression took in its first match: the first one by default, 0 for the whole match.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Regex.named("regex"), Takes::Number.named("group").optional()],
    summary: "What a group of the regular expression took in its first match: the first one by default, 0 for the whole match. Null without a match.",
    examples: &[
        (r#"personalEmail.address.regexGroup("@(\\w+)", 1)"#, r#""Example""#),
        (r#""a1b2".regexGroup("[a-z](\\d)")"#, r#""1""#),
        (r#""a1b2".regexGroup("[a-z](\\d)", 0)"#, r#""a1""#),
        (r#""a".regexGroup("(b)", 1)"#, "null"),
        (r#""a".regexGroup("(a)", 7)"#, "null"),
        (r#"nope.regexGroup("(.)", 1)"#, "null"),
    ],
    ..Function::form("regexGroup", Gives::Text, Form::RegexGroup)
};
