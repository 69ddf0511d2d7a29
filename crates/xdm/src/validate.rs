//! Checks one record against its schema.
//!
//! In: a compiled schema and a value. Out: the first [`VIOLATIONS_MAX`] violations, in the order of
//! the record. Null, empty objects and empty arrays are no values (profile.md §2.2); a field that
//! the schema does not have is a violation unless the object is a map or ad hoc.
//!
//! Always: a valid record costs no allocation here; pointers are put together only for a violation.

use crate::number::as_integer;
use crate::schema::{Field, Kind, Node, Schema, TextRules, field};
use model::{Name, Value};
use smol_str::SmolStr;

/// Validation stops after this many.
pub const VIOLATIONS_MAX: usize = 5;

/// One rule that a record breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer of the place in the record; empty for the record itself.
    pub pointer: String,
    /// JSON pointer of the rule in the flat schema.
    pub schema_pointer: String,
    /// The keyword of the rule: `type`, `required`, `additionalProperties` …
    pub keyword: &'static str,
    /// What is wrong, with what was given.
    pub message: String,
}

/// The violations of `value`, at most [`VIOLATIONS_MAX`]; empty when it is valid.
pub fn validate(schema: &Schema, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    check(&schema.root, value, &Place { parent: None, step: Step::Root }, &mut found);
    found
}

/// Where validation stands: a list linked through the stack.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Root,
    Field(&'a str),
    Key(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    fn step(&'a self, step: Step<'a>) -> Place<'a> {
        Place { parent: Some(self), step }
    }

    fn pointer(&self) -> String {
        let mut out = self.parent.map(Place::pointer).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) | Step::Key(name) => push_token(&mut out, name),
            Step::Item(i) => push_token(&mut out, &i.to_string()),
        }
        out
    }

    fn schema_pointer(&self) -> String {
        let mut out = self.parent.map(Place::schema_pointer).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) => {
                out.push_str("/properties");
                push_token(&mut out, name);
            }
            Step::Key(_) => out.push_str("/additionalProperties"),
            Step::Item(_) => out.push_str("/items"),
        }
        out
    }
}

fn push_token(out: &mut String, token: &str) {
    out.push('/');
    out.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

fn report(found: &mut Vec<Violation>, place: &Place<'_>, keyword: &'static str, message: String) {
    if found.len() < VIOLATIONS_MAX {
        let schema_pointer = format!("{}/{keyword}", place.schema_pointer());
        found.push(Violation { pointer: place.pointer(), schema_pointer, keyword, message });
    }
}

fn check(node: &Node, value: &Value, place: &Place<'_>, found: &mut Vec<Violation>) {
    if found.len() >= VIOLATIONS_MAX {
        return;
    }
    match (&node.kind, value) {
        (Kind::Any, Value::Null) => report(found, place, "type", "expected a value, found: Null".into()),
        (Kind::Any, value) => check_filled(value, place, found),
        (Kind::Text(None), Value::Str(_)) | (Kind::Boolean, Value::Bool(_)) => {}
        (Kind::Text(Some(rules)), Value::Str(text)) => check_text(rules, text, place, found),
        (Kind::Integer { min, max }, Value::Int(n)) => check_integer(*min, *max, *n, place, found),
        (Kind::Integer { min, max }, Value::Double(d)) if as_integer(*d).is_some() => {
            check_integer(*min, *max, as_integer(*d).unwrap_or_default(), place, found);
        }
        (Kind::Number { .. }, Value::Int(n)) => check_number(&node.kind, *n as f64, place, found),
        (Kind::Number { .. }, Value::Double(d)) => check_number(&node.kind, *d, place, found),
        (Kind::Array { items, items_min, items_max, unique }, Value::Array(values)) => {
            check_size(values.len(), (*items_min, *items_max), place, found);
            if *unique && let Some(i) = first_repeated(values) {
                report(found, place, "uniqueItems", format!("array items are not unique: item {i} is repeated"));
            }
            for (i, value) in values.iter().enumerate() {
                check(items, value, &place.step(Step::Item(i)), found);
            }
        }
        (Kind::Object { fields, required, open }, Value::Object(values)) => {
            check_fields(fields, required, *open, values, place, found);
        }
        (Kind::Map(inner), Value::Object(values)) => {
            if values.is_empty() {
                report(found, place, "minProperties", EMPTY_OBJECT.into());
            }
            for (key, value) in values {
                check(inner, value, &place.step(Step::Key(key)), found);
            }
        }
        (kind, value) => {
            report(found, place, "type", format!("expected type: {}, found: {}", kind_name(kind), value_name(value)));
        }
    }
}

const EMPTY_OBJECT: &str = "an empty object is no value: leave the field out";

/// Free-form data still holds no null and nothing empty.
fn check_filled(value: &Value, place: &Place<'_>, found: &mut Vec<Violation>) {
    match value {
        Value::Null => report(found, place, "type", "expected a value, found: Null".into()),
        Value::Array(items) => {
            check_size(items.len(), (1, usize::MAX), place, found);
            for (i, item) in items.iter().enumerate() {
                check_filled(item, &place.step(Step::Item(i)), found);
            }
        }
        Value::Object(fields) => {
            if fields.is_empty() {
                report(found, place, "minProperties", EMPTY_OBJECT.into());
            }
            for (name, field) in fields {
                check_filled(field, &place.step(Step::Key(name)), found);
            }
        }
        _ => {}
    }
}

fn check_fields(
    fields: &[Field],
    required: &[SmolStr],
    open: bool,
    values: &[(Name, Value)],
    place: &Place<'_>,
    found: &mut Vec<Violation>,
) {
    if values.is_empty() && !(open && place.parent.is_none()) {
        report(found, place, "minProperties", EMPTY_OBJECT.into());
    }
    for name in required {
        if !values.iter().any(|(n, v)| n == name && !v.is_null()) {
            report(found, place, "required", format!("required key [{name}] not found"));
        }
    }
    for (name, value) in values {
        match field(fields, name) {
            Some(field) => check(&field.node, value, &place.step(Step::Field(name)), found),
            None if open => check_filled(value, &place.step(Step::Key(name)), found),
            None => report(found, place, "additionalProperties", unknown_field(fields, name)),
        }
    }
}

fn unknown_field(fields: &[Field], name: &str) -> String {
    match fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)) {
        Some(near) => format!("the schema has no field [{name}]; did you mean [{}]?", near.name),
        None => format!("the schema has no field [{name}]"),
    }
}

fn check_text(rules: &TextRules, text: &str, place: &Place<'_>, found: &mut Vec<Violation>) {
    if let Some(format) = rules.format
        && !format.accepts(text)
    {
        report(found, place, "format", format!("[{text}] is not a valid {}", format.name()));
    }
    if !rules.allowed.is_empty() && !rules.allowed.iter().any(|a| a == text) {
        report(found, place, "enum", format!("{text} is not a valid enum value; allowed: {}", list(&rules.allowed)));
    }
    if rules.length_min > 0 || rules.length_max < usize::MAX {
        let length = text.chars().count();
        if length < rules.length_min {
            report(found, place, "minLength", format!("expected minLength: {}, actual: {length}", rules.length_min));
        }
        if length > rules.length_max {
            report(found, place, "maxLength", format!("expected maxLength: {}, actual: {length}", rules.length_max));
        }
    }
    if let Some(pattern) = &rules.pattern {
        match pattern.is_match(text) {
            Ok(true) => {}
            Ok(false) => {
                report(found, place, "pattern", format!("string [{text}] does not match pattern {}", pattern.as_str()))
            }
            Err(_) => report(
                found,
                place,
                "pattern",
                format!("string [{text}] exceeds the effort limit of pattern {}", pattern.as_str()),
            ),
        }
    }
}

/// The first few allowed values.
fn list(allowed: &[SmolStr]) -> String {
    let shown: Vec<&str> = allowed.iter().take(10).map(SmolStr::as_str).collect();
    let more = allowed.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn check_integer(min: i64, max: i64, n: i64, place: &Place<'_>, found: &mut Vec<Violation>) {
    if n < min {
        report(found, place, "minimum", format!("{n} is not greater or equal to {min}"));
    }
    if n > max {
        report(found, place, "maximum", format!("{n} is not less or equal to {max}"));
    }
}

fn check_number(kind: &Kind, n: f64, place: &Place<'_>, found: &mut Vec<Violation>) {
    let Kind::Number { min, max, above, below } = kind else { return };
    if let Some(min) = min.filter(|min| n < *min) {
        report(found, place, "minimum", format!("{n} is not greater or equal to {min}"));
    }
    if let Some(max) = max.filter(|max| n > *max) {
        report(found, place, "maximum", format!("{n} is not less or equal to {max}"));
    }
    if let Some(above) = above.filter(|above| n <= *above) {
        report(found, place, "exclusiveMinimum", format!("{n} is not greater than {above}"));
    }
    if let Some(below) = below.filter(|below| n >= *below) {
        report(found, place, "exclusiveMaximum", format!("{n} is not less than {below}"));
    }
}

fn check_size(size: usize, (min, max): (usize, usize), place: &Place<'_>, found: &mut Vec<Violation>) {
    if size == 0 {
        report(found, place, "minItems", "an empty array is no value: leave the field out".into());
    } else if size < min {
        report(found, place, "minItems", format!("expected minimum item count: {min}, found: {size}"));
    }
    if size > max {
        report(found, place, "maxItems", format!("expected maximum item count: {max}, found: {size}"));
    }
}

/// Long arrays are compared by their bytes in a set: a hostile array must not cost its square.
fn first_repeated(values: &[Value]) -> Option<usize> {
    if values.len() <= 32 {
        return (1..values.len()).find(|i| values[..*i].contains(&values[*i]));
    }
    let mut seen = std::collections::HashSet::with_capacity(values.len());
    values.iter().position(|value| {
        let mut bytes = Vec::new();
        value.write_json(&mut bytes);
        !seen.insert(bytes)
    })
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Any => "Any",
        Kind::Text(_) => "String",
        Kind::Integer { .. } => "Integer",
        Kind::Number { .. } => "Number",
        Kind::Boolean => "Boolean",
        Kind::Array { .. } => "JSONArray",
        Kind::Object { .. } | Kind::Map(_) => "JSONObject",
    }
}

fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Int(_) => "Integer",
        Value::Double(_) => "Double",
        Value::Str(_) => "String",
        Value::Array(_) => "JSONArray",
        Value::Object(_) => "JSONObject",
    }
}
