//! From rendered response fields to the choices of a field (`NAME_VALUE`).

use crate::select::{kind, text};
use destination::config::LookupPath;
use serde_json::{Value as Json, json};

/// One entry of a list to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is shown.
    pub name: String,
    /// What is stored.
    pub value: String,
}

/// The choices at `path`: within a rendered field; one that is a list itself may have its own name as the first step.
pub(crate) fn choices(rendered: &[(String, Json)], path: &LookupPath) -> Result<Vec<Choice>, String> {
    let inside = rendered.iter().find_map(|(_, json)| path.select(json).cloned());
    let lists = || rendered.iter().filter(|(_, json)| json.is_array());
    let named = || lists().find_map(|(name, json)| path.select(&json!({ name: json })).cloned());
    let source = &path.source;
    match inside.or_else(named) {
        None => Err(format!("there is nothing at `{source}` in what the response fields render to")),
        Some(Json::Array(items)) => items.iter().enumerate().map(|(n, item)| choice(source, n, item)).collect(),
        Some(other) => Err(format!("`{source}` must be a list of {{name, value}}, not {}", kind(&other))),
    }
}

fn choice(source: &str, n: usize, item: &Json) -> Result<Choice, String> {
    let take = |name: &str| match item.get(name) {
        None => Err(format!("`{source}[{n}]`: {name} is missing")),
        Some(value) => text(value).ok_or_else(|| format!("`{source}[{n}].{name}` must be text, not {}", kind(value))),
    };
    if !item.is_object() {
        return Err(format!("`{source}[{n}]` must be {{name, value}}, not {}", kind(item)));
    }
    Ok(Choice { name: take("name")?, value: take("value")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rendered: Json, path: &str) -> Result<Vec<Choice>, String> {
        choices(&[("list".to_owned(), rendered)], &LookupPath::parse(path).expect("a path"))
    }

    #[test]
    fn lists_become_choices() {
        let expected = vec![Choice { name: "North".into(), value: "14".into() }];
        let list = json!([{"name": "North", "value": 14}]);
        assert_eq!(of(json!({ "list": list }), "$.list"), Ok(expected.clone()));
        assert_eq!(of(json!({ "a": [{ "b": list }] }), "$.a[0]['b']"), Ok(expected.clone()));
        assert_eq!(of(list.clone(), "$.list"), Ok(expected.clone()), "the field is the list itself");
        assert_eq!(of(list, "$"), Ok(expected));
        assert_eq!(of(json!({"list": []}), "$.list"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_of_choices_is_told() {
        for (rendered, told) in [
            (json!({"items": []}), "there is nothing at `$.list` in what the response fields render to"),
            (json!({"list": {"a": 1}}), "`$.list` must be a list of {name, value}, not an object"),
            (json!({"list": ["x"]}), "`$.list[0]` must be {name, value}, not text"),
            (json!({"list": [{"name": "a", "value": "b"}, {"name": "c"}]}), "`$.list[1]`: value is missing"),
            (json!({"list": [{"name": {}, "value": "b"}]}), "`$.list[0].name` must be text, not an object"),
        ] {
            assert_eq!(of(rendered, "$.list"), Err(told.to_owned()));
        }
    }
}
