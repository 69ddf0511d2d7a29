//! A value as JSON for people and programs: whole numbers without a fraction, whatever their type.

use model::Value;
use serde_json::{Map, Number, Value as Json};

/// Doubles below this are told apart from their neighbours, so that a whole one can be printed as an integer.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The value as JSON. A Double without a fraction is printed as an integer (pql.md §18, A11).
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => Json::from(*n),
        Value::Double(n) if n.fract() == 0.0 && n.abs() < EXACT_MAX => Json::from(*n as i64),
        Value::Double(n) => Number::from_f64(*n).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::from(text.as_str()),
        Value::Array(items) => Json::Array(items.iter().map(value_to_json).collect()),
        Value::Object(fields) => {
            Json::Object(fields.iter().map(|(name, v)| (name.to_string(), value_to_json(v))).collect::<Map<_, _>>())
        }
    }
}
