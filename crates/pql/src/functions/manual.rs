//! The manual of functions, printed from their records: one page for each group, and an index.

use super::{Function, GROUPS, Gives, Group, Takes};
use std::fmt::Write;

/// The pages: name without ending, and text in Markdown.
pub fn pages() -> Vec<(String, String)> {
    let mut pages = vec![("functions".to_owned(), index())];
    pages.extend(GROUPS.iter().map(|group| (format!("functions-{}", group.name), page(group))));
    pages
}

const PRINTED: &str =
    "<!-- Printed from crates/pql/src/functions by `PQL_REWRITE=1 cargo test -p pql --test manual`. -->";

fn index() -> String {
    let mut out = format!(
        "{PRINTED}\n# Functions\n\nEvery function can be written `f(a, b)` or `a.f(b)`. Names are case-sensitive. What \
         is left out in the examples of a page: they are queries over the profile of `crates/pql/tests/cases/\
         profile.json` at 2026-03-18T10:30:00Z, `nope` is a field that it lacks, and a query that is refused gives \
         `error`.\n\n| Function | Gives | |\n|---|---|---|\n"
    );
    for group in GROUPS {
        for function in group.functions {
            let name = function.name;
            let link = format!("functions-{}.md#{}", group.name, name.to_lowercase());
            let (first, _) = function.summary.split_once(". ").unwrap_or((function.summary.trim_end_matches('.'), ""));
            let _ = writeln!(out, "| [`{name}`]({link}) | {} | {first} |", result(function));
        }
    }
    out
}

fn page(group: &Group) -> String {
    let mut out = format!("{PRINTED}\n# Functions: {}\n\n{}\n", group.name, group.summary);
    for function in group.functions {
        let _ = write!(out, "\n## {}\n\n`{}`", function.name, signature(function));
        let _ = write!(out, "\n\n{}\n\n| Query | Value |\n|---|---|\n", function.summary);
        for (query, outcome) in function.examples {
            let _ = writeln!(out, "| {} | {} |", cell(query), cell(outcome));
        }
    }
    out
}

/// Code in a cell of a table.
fn cell(code: &str) -> String {
    format!("`{}`", code.replace('|', "\\|"))
}

/// `name(a: Type, b?: Type) → Type`
pub fn signature(function: &Function) -> String {
    let mut params: Vec<String> = function
        .params
        .iter()
        .map(|p| format!("{}{}: {}", p.name, if p.optional { "?" } else { "" }, taken(p.takes)))
        .collect();
    if function.variadic {
        params.push("…".into());
    }
    format!("{}({}) → {}", function.name, params.join(", "), result(function))
}

fn taken(takes: Takes) -> &'static str {
    match takes {
        Takes::Any => "any",
        Takes::Text => "String",
        Takes::Regex => "regular expression",
        Takes::DatePattern => "date pattern",
        Takes::Locale | Takes::DateLocale => "locale",
        Takes::Number => "Number",
        Takes::Boolean => "Boolean",
        Takes::Time => "Timestamp",
        Takes::Array => "Array",
        Takes::Map => "Map",
        Takes::PerItem => "expression of an item",
    }
}

fn result(function: &Function) -> &'static str {
    match function.result {
        Gives::Boolean => "Boolean",
        Gives::Integer => "Integer",
        Gives::Number => "Number",
        Gives::Text => "String",
        Gives::Date => "Date",
        Gives::Time => "Timestamp",
        Gives::Texts => "Array of String",
        Gives::First | Gives::Array | Gives::Values => "Array",
        Gives::Item => "item",
        Gives::Depends => "any",
    }
}
