//! The JSON form of queries, `pql/json` (pql.md §15): trees to JSON, and JSON to trees.
//!
//! In: a tree, or a JSON document. Out: the other one. `fnApply`, `fieldLookup`, `parameterReference` and
//! `literal` are the published shapes; the others are ours, and `SHAPES` shows every one. A tree that was
//! written reads as the same tree. Always: reading is bounded by the limits of `ast`, whatever the document;
//! what is read can also be printed and parsed, and its places are those of the printed text.

mod document;
mod read;
mod write;

pub use document::document;
pub use read::from_json;
pub use write::to_json;

use crate::functions::{self, Takes};
use std::fmt::Write as _;

/// Operators that are applied as `fnApply` and written between their operands.
const OPERATORS: &[&str] =
    &["and", "or", "not", "=", "!=", "<", "<=", ">", ">=", "in", "notIn", "like", "+", "-", "*", "/", "%"];

/// Names in force: where a bare name is a variable, a property of an item or one of the profile.
#[derive(Default)]
struct Scope {
    variables: Vec<String>,
    items: usize,
}

impl Scope {
    fn is_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|known| known == name)
    }
}

/// True for an argument that is evaluated with an item as scope, unless it is a lambda.
fn is_per_item(function: &str, at: usize) -> bool {
    functions::find(function).and_then(|f| f.params.get(at)).is_some_and(|p| p.takes == Takes::PerItem)
}

/// Every shape with a query that shows it.
const SHAPES: &[(&str, &str)] = &[
    ("A property of the first parameter, and a comparison.", r#"homeAddress.countryISO = "US""#),
    ("A list of plain values is one literal.", r#"gender in ["female", 1, 2.5, true, null]"#),
    (
        "`and`, `or` and `not`; operators have two or more `params`, from left to right.",
        "a.isNull() and (b > 1 or not c < 2) and d",
    ),
    ("Plus and minus among each other: operators with their right operands.", "a + b - c"),
    (
        "Functions; `style` is `method` where the first argument stood before a dot, and `prefix` where a name of an \
         operator was called.",
        r#"startsWith(city, "D", false) or a.in(b) and in(a, b)"#,
    ),
    ("The first parameter by its position: `explicit` tells it from a bare name.", "$1.a = $1"),
    ("A filter; `item` is the item of the innermost one.", "orders[price > 5]"),
    ("`level` climbs out of items, as `^` does; the outermost is the first parameter.", "orders[price > ^limit]"),
    ("Lambdas and variables.", "orders.map((O) => O.price)"),
    ("Local definitions.", "let a = 2 in a * -3"),
    ("Quantifiers; `where` and `condition` may be absent.", "exists E from xEvent, I from E.items where I.n : I.m"),
    ("Selections.", "select O from orders where O.price < 100"),
    ("Aggregations over a selection.", "sum O.price over O from orders"),
    ("Windows of time by distance; operators as in comparisons.", "t occurs <= 24 hours before now"),
    ("A side of a point or period.", "t occurs after last month"),
    ("Within a period.", "t occurs today"),
    ("Between two points.", "t occurs between date(2026, 1, 1) and tomorrow"),
    (
        "Sequences; `when` may be absent.",
        r#"chain(xEvent, timestamp, [A: WHAT(eventType = "a"), B: WHAT(true) WHEN(<= 1 hour after A)])"#,
    ),
    ("Arrays of expressions, and objects.", r#"{"n": [a, 1]}"#),
    ("Context entities.", "@{_xdm.context.additionalParameters;version=1}.weather"),
];

/// The page of the manual about this form.
pub fn manual() -> String {
    let mut out = String::from(
        "<!-- Printed from crates/pql/src/json.rs by `PQL_REWRITE=1 cargo test -p pql --test manual`. -->\n\
         # The JSON form of queries\n\n\
         `pql/json` holds the tree of a query. Every node is an object with a `nodeType`. Members that are not \
         named here are refused. A document is limited as queries are: 1,000 nodes, 64 levels.\n",
    );
    for (title, query) in SHAPES {
        let tree = crate::parse(query).map(|ast| to_json(&ast)).unwrap_or_default();
        let text = serde_json::to_string_pretty(&tree).unwrap_or_default();
        let _ = write!(out, "\n{title}\n\n```\n{query}\n```\n\n```json\n{text}\n```\n");
    }
    out.push_str(
        "\nAlso read, never written: the literal types `Timestamp` (a text in ISO 8601 form) and `XDMObject` with the \
         value `profile` (the first parameter).\n",
    );
    out
}

#[cfg(test)]
mod tests;
