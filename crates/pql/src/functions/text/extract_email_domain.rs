//! `extractEmailDomain`: what follows the last `@` of an address; null without one.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("address")],
    summary: "What follows the last `@` of an address; null without one.",
    examples: &[
        ("extractEmailDomain(personalEmail.address)", r#""Example.com""#),
        (r#""\"a@b\"@c.test".extractEmailDomain()"#, r#""c.test""#),
        (r#""no address".extractEmailDomain()"#, "null"),
        ("nope.extractEmailDomain()", "null"),
    ],
    ..Function::plain("extractEmailDomain", Gives::Text, |_, args| {
        super::one(args, |text| text.rsplit_once('@').map_or(V::Null, |(_, domain)| super::made(domain)))
    })
};
