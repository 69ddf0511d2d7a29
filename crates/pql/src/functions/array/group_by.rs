//! `groupBy`: the items in groups of one key each, for `.map((K, G) => mapEntry(K, …))`; items without a key are left out.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("key")],
    summary: "The items in groups of one key each, for `.map((K, G) => mapEntry(K, …))`; items without a key are left out.",
    examples: &[
        ("orders.groupBy(store).map((K, G) => mapEntry(K, G.count()))", r#"{"s1":2,"s2":1}"#),
        (r#"["a", "b", "a"].groupBy((X) => X).map((K, G) => mapEntry(K, G.count()))"#, r#"{"a":2,"b":1}"#),
        ("nope.groupBy(a).map((K, G) => mapEntry(K, G.count()))", "{}"),
        ("orders.groupBy(store)", "error"),
    ],
    ..Function::form("groupBy", Gives::Depends, Form::GroupBy)
};
