//! Picks values out of the answers of a receiving system and says what they are.

use destination::config::LookupPath;
pub(crate) use destination::message::kind;
use serde_json::Value as Json;

/// The value of a response field: under that very name, or else at that path (`data.token`, `$.data['t'][0]`).
pub(crate) fn field<'a>(document: &'a Json, name: &str) -> Option<&'a Json> {
    let at_path = || {
        let path =
            if name.starts_with('$') { LookupPath::parse(name) } else { LookupPath::parse(&format!("$.{name}")) };
        path.ok()?.select(document)
    };
    document.get(name).or_else(at_path)
}

/// A scalar as text.
pub(crate) fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(yes) => Some(yes.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_very_name_goes_before_the_path() {
        let document = json!({"x.y": 3, "x": {"y": 4, "z": [{"a": 5}]}});
        assert_eq!(field(&document, "x.y"), Some(&json!(3)));
        assert_eq!(field(&document, "$.x.y"), Some(&json!(4)));
        assert_eq!(field(&document, "x.z[0].a"), Some(&json!(5)));
        assert_eq!(field(&document, "x.z[1].a"), None);
        assert_eq!(field(&document, ""), None);
    }
}
