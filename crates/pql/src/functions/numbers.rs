//! Functions of numbers (pql.md §21).

use super::{Code, Function, function};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTIONS: &[Function] = &[
    function!("absolute"(number: Number) 1 => Number,
        Code::Plain(|_, a| match a[0] {
            V::Int(n) => n.checked_abs().map_or(V::Double(n.unsigned_abs() as f64), V::Int),
            V::Double(n) => V::Double(n.abs()),
            _ => V::Null,
        }),
        "The number without its sign.", "absolute(-3)" => "3"),
    function!("roundDown"(number: Number) 1 => Number, Code::Plain(|_, a| whole(&a[0], f64::floor)),
        "The greatest whole number that is not above.", "roundDown(-1.5)" => "-2"),
    function!("roundUp"(number: Number) 1 => Number, Code::Plain(|_, a| whole(&a[0], f64::ceil)),
        "The least whole number that is not below.", "roundUp(1.2)" => "2"),
    function!("toInt"(number: Number) 1 => Integer, Code::Plain(|_, a| whole(&a[0], f64::trunc)),
        "The number without its fraction.", "toInt(-1.7)" => "-1"),
    function!("toString"(value: Any) 1 => Text,
        Code::Plain(|_, a| match &a[0] {
            V::Bool(b) => V::Own(SmolStr::from(b.to_string())),
            V::Int(n) => V::Own(SmolStr::from(n.to_string())),
            V::Double(n) => V::Own(SmolStr::from(n.to_string())),
            V::Str(_) | V::Own(_) => a[0].clone(),
            _ => V::Null,
        }),
        "A Boolean, number or text as text.", "toString(2.5)" => r#""2.5""#),
];

/// Rounds; a whole number of 64 bits is an integer again.
fn whole<'a>(number: &V<'a>, round: fn(f64) -> f64) -> V<'a> {
    match number {
        V::Int(_) => number.clone(),
        V::Double(n) => {
            let rounded = round(*n);
            if rounded.abs() < 9e18 { V::Int(rounded as i64) } else { V::Double(rounded) }
        }
        _ => V::Null,
    }
}
