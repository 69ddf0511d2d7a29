//! Functions of numbers (pql.md §21).

mod absolute;
mod format_currency;
mod format_number;
mod random;
mod round_down;
mod round_up;
mod to_hex_string;
mod to_percentage;
mod to_precision;

use super::Group;
use crate::value::V;

pub(super) const GROUP: Group = Group {
    name: "number",
    summary: "Null in, null out. A whole result of 64 bits is an Integer.",
    functions: &[
        absolute::FUNCTION,
        round_down::FUNCTION,
        round_up::FUNCTION,
        format_number::FUNCTION,
        format_currency::FUNCTION,
        to_percentage::FUNCTION,
        to_precision::FUNCTION,
        to_hex_string::FUNCTION,
        random::FUNCTION,
    ],
};

/// Rounds; a whole number of 64 bits is an integer again.
pub(super) fn whole<'a>(number: &V<'a>, round: fn(f64) -> f64) -> V<'a> {
    match number {
        V::Int(_) => number.clone(),
        V::Double(n) => {
            let rounded = round(*n);
            if rounded.abs() < 9e18 { V::Int(rounded as i64) } else { V::Double(rounded) }
        }
        _ => V::Null,
    }
}
