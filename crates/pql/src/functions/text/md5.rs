//! `md5`: the MD5 digest of the text (UTF-8) in lower-case hexadecimal digits.

use crate::functions::{Function, Gives, Takes};
use md5::{Digest, Md5};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The MD5 digest of the text (UTF-8) in lower-case hexadecimal digits.",
    examples: &[
        (r#"md5("hello world")"#, r#""5eb63bbbe01eeed093cb22bb8f5acdc3""#),
        (r#""".md5()"#, r#""d41d8cd98f00b204e9800998ecf8427e""#),
        ("nope.md5()", "null"),
    ],
    ..Function::plain("md5", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::hexadecimal(&Md5::digest(text)))
    })
};
