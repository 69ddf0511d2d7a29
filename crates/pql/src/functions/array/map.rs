//! `map`: the value of the expression for every item.

use crate::functions::{Form, Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::PerItem.named("expression")],
    summary: "The value of the expression for every item. A function of one argument can stand there by its name. Over groups it is written `.map((K, G) => mapEntry(K, …))`.",
    examples: &[
        ("orders.map(price * 2)", "[60,240,151,240]"),
        ("orders.map((O) => O.id)", r#"["o1","o2","o3","o4"]"#),
        (r#"["a", "b"].map(upperCase)"#, r#"["A","B"]"#),
        ("[].map((N) => N)", "[]"),
        ("nope.map(a)", "[]"),
    ],
    ..Function::form("map", Gives::Depends, Form::Map)
};
