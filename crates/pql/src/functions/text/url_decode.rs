//! `urlDecode`: what `urlEncode` encoded; null where a `%` has no two digits or the bytes are no text.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "What `urlEncode` encoded; null where a `%` has no two digits or the bytes are no text.",
    examples: &[
        (r#"urlDecode("a+b%26c%3D%C3%A9")"#, r#""a b&c=é""#),
        (r#""a%20b".urlDecode()"#, r#""a b""#),
        (r#""100%".urlDecode()"#, "null"),
        (r#""%FF".urlDecode()"#, "null"),
        ("nope.urlDecode()", "null"),
    ],
    ..Function::plain("urlDecode", Gives::Text, |run, args| {
        super::slowly(run, args, |text| decoded(text).map_or(V::Null, super::made))
    })
};

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}
