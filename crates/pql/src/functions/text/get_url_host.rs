//! `getUrlHost`: the host of a URL, without user and port.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("url")],
    summary: "The host of a URL, without user and port. The URL must have a protocol and `://`; null otherwise.",
    examples: &[
        (r#"getUrlHost("https://www.myurl.com/contact")"#, r#""www.myurl.com""#),
        (r#""http://me:pw@a.test:8080?x=/".getUrlHost()"#, r#""a.test""#),
        (r#""http://[::1]:80/".getUrlHost()"#, r#""[::1]""#),
        (r#""/contact".getUrlHost()"#, "null"),
        ("nope.getUrlHost()", "null"),
    ],
    ..Function::plain("getUrlHost", Gives::Text, |_, args| {
        super::one(args, |url| super::url_parts(url).map_or(V::Null, |parts| super::made(parts[1])))
    })
};
