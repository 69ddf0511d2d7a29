//! `getUrlProtocol`: the protocol of a URL.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("url")],
    summary: "The protocol of a URL. The URL must have a protocol and `://`; null otherwise.",
    examples: &[
        (r#"getUrlProtocol("https://www.myurl.com/contact.html")"#, r#""https""#),
        (r#""www.myurl.com".getUrlProtocol()"#, "null"),
        ("nope.getUrlProtocol()", "null"),
    ],
    ..Function::plain("getUrlProtocol", Gives::Text, |_, args| {
        super::one(args, |url| super::url_parts(url).map_or(V::Null, |parts| super::made(parts[0])))
    })
};
