//! `getUrlPath`: the path of a URL, from the first `/` after the host up to `?` or `#`.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("url")],
    summary: "The path of a URL, from the first `/` after the host up to `?` or `#`. The URL must have a protocol and `://`; null otherwise.",
    examples: &[
        (r#"getUrlPath("https://www.myurl.com/contact.html")"#, r#""/contact.html""#),
        (r#""http://a.test/x/y?z#w".getUrlPath()"#, r#""/x/y""#),
        (r#""http://a.test".getUrlPath()"#, r#""""#),
        ("nope.getUrlPath()", "null"),
    ],
    ..Function::plain("getUrlPath", Gives::Text, |_, args| {
        super::one(args, |url| super::url_parts(url).map_or(V::Null, |parts| super::made(parts[2])))
    })
};
