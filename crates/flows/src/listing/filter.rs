//! One `property` filter: `<path><operator><value>`.
//!
//! `==` takes a comma list (any of them) and optional double quotes; `=` is read as `==` before
//! a quoted value, as the filters on spec attributes are written. Array elements are reached
//! with `[]`. Words of status and state compare without case.

use crate::error::{Error, Result};
use serde_json::Value as Json;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed filter.
#[derive(Debug)]
pub(super) struct Filter {
    steps: Vec<Step>,
    operator: Operator,
    values: Vec<String>,
    caseless: bool,
}

#[derive(Debug)]
struct Step {
    name: String,
    each: bool,
}

/// Text members: no order is defined between them here.
const UNORDERED: &[&str] = &[
    "id",
    "name",
    "description",
    "state",
    "etag",
    "version",
    "createdBy",
    "updatedBy",
    "createdClient",
    "updatedClient",
    "sandboxId",
    "sandboxName",
    "imsOrgId",
    "flowId",
    "baseConnectionId",
];

impl Filter {
    /// Reads one filter; the first name of the path must be one of `fields`.
    pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Filter> {
        let at = text.find(['=', '!', '<', '>', '~']);
        let at =
            at.ok_or_else(|| Error::new(1450, format!("property {text:?} has no operator; use ==, !=, >, >=, <, <=")))?;
        let (path, rest) = (text[..at].trim(), &text[at..]);
        let (operator, value) = operator(rest).ok_or_else(|| unknown_operator(text, rest))?;
        known(path, fields)?;
        let values = split_values(value.trim());
        if values.iter().any(String::is_empty) {
            return Err(Error::new(1453, format!("property {text:?} has an empty value")));
        }
        if values.len() > 1 && operator != Operator::Equal {
            return Err(Error::new(1443, format!("property {text:?}: only == takes several values")));
        }
        let ranged = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ranged && (UNORDERED.contains(&path) || values[0].parse::<f64>().is_err()) {
            return Err(Error::new(1448, format!("property {text:?}: this operator compares numbers only")));
        }
        let steps = path.split('.').map(Step::parse).collect::<Vec<_>>();
        let caseless = steps.last().is_some_and(|step| matches!(step.name.as_str(), "status" | "state" | "value"));
        Ok(Filter { steps, operator, values, caseless })
    }

    /// True when some value at the path passes; `!=` passes when none is equal.
    pub(super) fn accepts(&self, item: &Json) -> bool {
        let any = |test: &dyn Fn(&Json) -> bool| reach(item, &self.steps, test);
        let equal = |value: &Json| self.values.iter().any(|given| self.equals(value, given));
        match self.operator {
            Operator::Equal => any(&equal),
            Operator::NotEqual => !any(&equal),
            _ => any(&|value| self.in_range(value)),
        }
    }

    fn equals(&self, value: &Json, given: &str) -> bool {
        match value {
            Json::String(text) if self.caseless => text.eq_ignore_ascii_case(given),
            Json::String(text) => text == given || text.trim_matches('"') == given && text.starts_with('"'),
            Json::Bool(flag) => given.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            Json::Number(number) => number.as_f64() == given.parse().ok(),
            _ => false,
        }
    }

    fn in_range(&self, value: &Json) -> bool {
        let number = match value {
            Json::Number(number) => number.as_f64(),
            Json::String(text) => text.parse().ok(),
            _ => None,
        };
        let (Some(number), Ok(bound)) = (number, self.values[0].parse::<f64>()) else { return false };
        match self.operator {
            Operator::Less => number < bound,
            Operator::LessOrEqual => number <= bound,
            Operator::Greater => number > bound,
            _ => number >= bound,
        }
    }
}

impl Step {
    fn parse(text: &str) -> Step {
        match text.strip_suffix("[]") {
            Some(name) => Step { name: name.to_owned(), each: true },
            None => Step { name: text.to_owned(), each: false },
        }
    }
}

/// Refuses a path whose first name no entity of the list has.
pub(super) fn known(path: &str, fields: &[&str]) -> Result<()> {
    let first = path.split('.').next().unwrap_or_default().trim_end_matches("[]");
    if fields.contains(&first) {
        return Ok(());
    }
    Err(Error::new(1451, format!("{path:?} is not a known property; known: {}", fields.join(", "))))
}

fn operator(rest: &str) -> Option<(Operator, &str)> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ];
    let plain = OPERATORS.iter().find_map(|(text, op)| Some((*op, rest.strip_prefix(text)?)));
    let quoted = || rest.strip_prefix('=').filter(|value| value.starts_with('"')).map(|v| (Operator::Equal, v));
    plain.or_else(quoted).filter(|(_, value)| !value.starts_with(['=', '<', '>', '~', '!']))
}

fn unknown_operator(text: &str, rest: &str) -> Error {
    if rest.starts_with('~') {
        return Error::new(1440, format!("property {text:?}: the operator ~ is not supported"));
    }
    Error::new(1450, format!("property {text:?} has an unknown operator; use ==, !=, >, >=, <, <="))
}

/// Splits at commas outside double quotes and takes the quotes off.
fn split_values(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(String::new()),
            c => {
                if let Some(last) = values.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    values
}

fn reach(value: &Json, steps: &[Step], test: &dyn Fn(&Json) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return test(value) };
    match (value.get(&step.name), step.each) {
        (Some(Json::Array(items)), true) => items.iter().any(|item| reach(item, rest, test)),
        (Some(inner), false) => reach(inner, rest, test),
        _ => false,
    }
}
