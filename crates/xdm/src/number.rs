//! Bounds of numbers: JSON numbers as exact integers where they are whole.

use serde_json::Value as Json;

/// The inclusive range of an integer field (profile.md §2.2): its bounds, else those of its type.
pub(crate) fn integer_range(xdm_type: &str, minimum: Option<&Json>, maximum: Option<&Json>) -> (i64, i64) {
    let natural = match xdm_type {
        "byte" => (-128, 128),
        "short" => (-32_768, 32_768),
        "int" => (-2_147_483_648, 2_147_483_648),
        _ => (i64::MIN, i64::MAX),
    };
    (minimum.and_then(whole).unwrap_or(natural.0), maximum.and_then(whole).unwrap_or(natural.1))
}

/// A bound as an integer; bounds beyond 64 bits saturate.
fn whole(bound: &Json) -> Option<i64> {
    bound.as_i64().or_else(|| bound.as_f64().map(|f| f as i64))
}

/// The integer that a double stands for: `3.0` is one (JSON Schema draft 6).
pub(crate) fn as_integer(double: f64) -> Option<i64> {
    (double.fract() == 0.0 && double.abs() < 9.2e18).then_some(double as i64)
}
