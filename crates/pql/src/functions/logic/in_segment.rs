//! `inSegment`: whether the profile is stored as a member of that segment.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("id")],
    summary: "True if the profile is stored as a member of that segment. The definition of that segment is not evaluated again. The id is a string literal.",
    examples: &[
        (r#"inSegment("seg-a")"#, "true"),
        (r#"inSegment("seg-b")"#, "false"),
        (r#"inSegment("no such segment")"#, "false"),
        ("inSegment(homeAddress.city)", "error"),
    ],
    ..Function::form("inSegment", Gives::Boolean, Form::InSegment)
};
