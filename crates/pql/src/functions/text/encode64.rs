//! `encode64`: the bytes of the text (UTF-8) in Base64, with padding.

use crate::functions::{Function, Gives, Takes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The bytes of the text (UTF-8) in Base64, with padding.",
    examples: &[
        (r#"encode64("hello world")"#, r#""aGVsbG8gd29ybGQ=""#),
        (r#""é".encode64()"#, r#""w6k=""#),
        (r#""".encode64()"#, r#""""#),
        ("nope.encode64()", "null"),
    ],
    ..Function::plain("encode64", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::made(STANDARD.encode(text)))
    })
};
