//! Places in an answer: the small part of JSONPath that reading answers needs.
//!
//! In: `$`, then any number of `.name`, `['any name']`, `[3]` and `[*]`. Out: the nodes at that place, in document
//! order. Always: a place that is not there is told apart from a place that holds something of the wrong type.

use serde_json::Value as Json;
use std::fmt;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
    All,
}

impl Path {
    /// The place itself: `$`.
    pub(crate) fn itself() -> Path {
        Path { text: "$".to_owned(), steps: Vec::new() }
    }

    /// Parses a path; the error says what was expected where.
    pub(crate) fn parse(text: &str) -> Result<Path, String> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err(format!("a path starts with `$`, given `{text}`"));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(|| {
                format!("expected `.name`, `['name']`, `[0]` or `[*]` at `{rest}` of the path `{text}`")
            })?;
            steps.push(step);
            rest = after;
        }
        Ok(Path { text: text.to_owned(), steps })
    }

    /// The nodes here. `Ok(None)`: the place is absent or null. An error: something on the way has the wrong type.
    pub(crate) fn nodes<'a>(&self, root: &'a Json) -> Result<Option<Vec<&'a Json>>, String> {
        let mut nodes = vec![root];
        let mut spread = false;
        for step in &self.steps {
            let mut next = Vec::with_capacity(nodes.len());
            for node in nodes {
                self.advance(step, node, &mut next)?;
            }
            let all = *step == Step::All;
            if next.is_empty() && !spread && !all {
                return Ok(None);
            }
            spread |= all;
            nodes = next;
        }
        let absent = !spread && nodes.iter().all(|n| n.is_null());
        Ok((!absent).then_some(nodes))
    }

    fn advance<'a>(&self, step: &Step, node: &'a Json, out: &mut Vec<&'a Json>) -> Result<(), String> {
        match (step, node) {
            (Step::Field(name), Json::Object(fields)) => out.extend(fields.get(name).filter(|v| !v.is_null())),
            (Step::Item(at), Json::Array(items)) => out.extend(items.get(*at).filter(|v| !v.is_null())),
            (Step::All, Json::Array(items)) => out.extend(items),
            (_, Json::Null) => {}
            (Step::Field(name), other) => {
                return Err(format!("no object to read `{name}` of `{self}` from, but {}", kind(other)));
            }
            (_, other) => return Err(format!("no list to read `{self}` from, but {}", kind(other))),
        }
        Ok(())
    }

    /// The nodes of a list: those of `$.a[*]`, or the items of the array that `$.a` names.
    pub(crate) fn list<'a>(&self, root: &'a Json) -> Result<Option<Vec<&'a Json>>, String> {
        let Some(nodes) = self.nodes(root)? else { return Ok(None) };
        if self.steps.contains(&Step::All) {
            return Ok(Some(nodes));
        }
        match nodes.as_slice() {
            [Json::Array(items)] => Ok(Some(items.iter().collect())),
            [other] => Err(format!("no list at `{self}`, but {}", kind(other))),
            _ => Ok(None),
        }
    }

    /// The first node, or null; wrong types on the way count as absent.
    pub(crate) fn first<'a>(&self, root: &'a Json) -> &'a Json {
        self.nodes(root).ok().flatten().and_then(|nodes| nodes.first().copied()).unwrap_or(&Json::Null)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One step at the start of `rest`, and what follows it.
fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(name) = rest.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let valid = end > 0 && name[..end].chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@'));
        return valid.then(|| (Step::Field(name[..end].to_owned()), &name[end..]));
    }
    let inner = rest.strip_prefix('[')?;
    if let Some(after) = inner.strip_prefix("*]") {
        return Some((Step::All, after));
    }
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote) {
            let end = name.find(quote)?;
            return name[end + 1..].strip_prefix(']').map(|after| (Step::Field(name[..end].to_owned()), after));
        }
    }
    let end = inner.find(']')?;
    let digits = !inner[..end].is_empty() && inner[..end].bytes().all(|b| b.is_ascii_digit());
    let at = if digits { inner[..end].parse().ok()? } else { return None };
    Some((Step::Item(at), &inner[end + 1..]))
}

/// What a JSON value is, for messages.
pub fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_places() {
        let answer = json!({"a": {"b.c": [{"x": 1}, {"y": 2}, {"x": 3}]}, "n": null, "s": "text"});
        type Found = Result<Option<Vec<Json>>, ()>;
        let cases: &[(&str, Found)] = &[
            ("$", Ok(Some(vec![answer.clone()]))),
            ("$.a['b.c'][*].x", Ok(Some(vec![json!(1), json!(3)]))),
            ("$.a[\"b.c\"][1].y", Ok(Some(vec![json!(2)]))),
            ("$.a['b.c'][9]", Ok(None)),
            ("$.n", Ok(None)),
            ("$.n[*]", Ok(None)),
            ("$.s.x", Err(())),
            ("$.s[*]", Err(())),
            ("$.a[0]", Err(())),
        ];
        for (text, expected) in cases {
            let path = Path::parse(text).expect("a valid path");
            let found =
                path.nodes(&answer).map(|n| n.map(|n| n.into_iter().cloned().collect::<Vec<_>>())).map_err(drop);
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in ["", "a", "$a", "$.", "$..a", "$[", "$[-1]", "$[+1]", "$['a]", "$.a b", "$[?(@.x)]", "$.*"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
