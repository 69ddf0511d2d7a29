//! `sha256`: the SHA-256 digest of the text (UTF-8) in lower-case hexadecimal digits.

use crate::functions::{Function, Gives, Takes};
use sha2::{Digest, Sha256};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text")],
    summary: "The SHA-256 digest of the text (UTF-8) in lower-case hexadecimal digits.",
    examples: &[
        (r#"sha256("hello world")"#, r#""b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9""#),
        (r#""".sha256()"#, r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#),
        ("nope.sha256()", "null"),
    ],
    ..Function::plain("sha256", Gives::Text, |run, args| {
        super::slowly(run, args, |text| super::hexadecimal(&Sha256::digest(text)))
    })
};
