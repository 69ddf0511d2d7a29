//! `keys`: the keys; they compare as a set.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Map.named("map")],
    summary: "The keys; they compare as a set.",
    examples: &[("identityMap.keys()", r#"["ECID","Email"]"#), ("{}.keys()", "[]"), ("nope.keys()", "[]")],
    ..Function::plain("keys", Gives::Texts, |run, args| V::set(super::entries(run, &args[0], |key, _| key)))
};
