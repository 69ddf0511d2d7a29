//! `mapEntry`: an entry of the map that `.map` over groups gives; stands nowhere else.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("key"), Takes::Any.named("value")],
    summary: "An entry of the map that `.map` over groups gives; stands nowhere else.",
    examples: &[
        ("orders.groupBy(store).map((K, G) => mapEntry(K, G.sum(price)))", r#"{"s1":105.5,"s2":120}"#),
        (r#"[1].groupBy((X) => "k").map((K, G) => mapEntry(K, null))"#, r#"{"k":null}"#),
        ("[].groupBy((X) => X).map((K, G) => mapEntry(K, 1))", "{}"),
        (r#"mapEntry("a", 1)"#, "error"),
    ],
    ..Function::form("mapEntry", Gives::Depends, Form::MapEntry)
};
