//! `urlEncode`: the text as a value of a form or query: a space becomes `+`, all but letters, digits and `.-*_` becomes `%` and two digits.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The text as a value of a form or query: a space becomes `+`, all but letters, digits and `.-*_` becomes `%` and two digits.",
    examples: &[
        (r#"urlEncode("a b&c=é")"#, r#""a+b%26c%3D%C3%A9""#),
        (r#""A-z_0.*".urlEncode()"#, r#""A-z_0.*""#),
        (r#""".urlEncode()"#, r#""""#),
        ("nope.urlEncode()", "null"),
    ],
    ..Function::plain("urlEncode", Gives::Text, |run, args| super::slowly(run, args, |text| super::made(encoded(text))))
};

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                let digit = |of: u8| char::from(b"0123456789ABCDEF"[usize::from(of)]);
                out.extend(['%', digit(other >> 4), digit(other & 15)]);
            }
        }
    }
    out
}
