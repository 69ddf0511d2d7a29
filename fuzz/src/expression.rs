//! PQL: any text parses or is refused with its place; what is printed, formatted or written as JSON is the same
//! query; evaluation over any profile ends, twice alike, and nothing changes before it said so.

use model::{Timestamp, Value};
use pql::{Person, Schema};

/// Parses a text, or checks how it is refused.
fn parsed(text: &str) -> Option<pql::Ast> {
    match pql::parse(text) {
        Ok(ast) => Some(ast),
        Err(diagnostics) => {
            refused(text, &diagnostics);
            None
        }
    }
}

fn refused(text: &str, diagnostics: &pql::Diagnostics) {
    assert!(!diagnostics.render(text).is_empty());
    for diagnostic in diagnostics.iter() {
        let (line, column) = diagnostic.line_column(text);
        assert!(line >= 1 && column >= 1 && line <= text.split('\n').count());
    }
}

/// One input.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(ast) = parsed(&text) {
        let printed = ast.to_string();
        let again = pql::parse(&printed).unwrap_or_else(|error| panic!("{}: {printed}", error.render(&printed)));
        assert_eq!(again.to_string(), printed, "from {text:?}");
    }
}

/// A formatted text is the same query, and formatted.
pub fn format(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(ast) = parsed(&text) else { return };
    let formatted = ast.pretty();
    let again = pql::parse(&formatted).unwrap_or_else(|error| panic!("{}: {formatted}", error.render(&formatted)));
    assert_eq!(pql::to_json(&again), pql::to_json(&ast), "from {text:?}");
    assert_eq!(again.pretty(), formatted);
    // Advice is given about every query.
    let _ = pql::warnings(&ast);
}

/// A document of the JSON form is refused, or read as a query that is written as a document of the same meaning;
/// bytes that are none are a text whose tree is written.
pub fn json(data: &[u8]) {
    let ast = match serde_json::from_slice(data) {
        Ok(document) => match pql::from_json(&document) {
            Ok(ast) => ast,
            Err(diagnostics) => return assert!(!diagnostics.to_string().is_empty()),
        },
        Err(_) => match parsed(&String::from_utf8_lossy(data)) {
            Some(ast) => ast,
            None => return,
        },
    };
    let written = pql::to_json(&ast);
    let again = pql::from_json(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(again.to_string(), ast.to_string());
    assert_eq!(pql::to_json(&again), written);
}

/// The instant of evaluations: the one of the corpus.
const NOW: i64 = 1_773_829_800_000;
/// More events make nested quantifiers slow, which is no find.
const EVENTS_MAX: usize = 4;
/// So do many quantifiers within each other.
const TEXT_BYTES_MAX: usize = 400;

/// A text, a line break, a profile as JSON.
pub fn eval(data: &[u8]) {
    let input = String::from_utf8_lossy(data);
    let (text, profile) = input.split_once('\n').unwrap_or((&input, "{}"));
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    let Ok(mut person) = Value::from_json(profile.as_bytes()).map_err(drop).and_then(|v| Person::of(v).map_err(drop))
    else {
        return;
    };
    person.events.truncate(EVENTS_MAX);
    let query = match pql::compile(text, &Schema::untyped()) {
        Ok(query) => query,
        Err(diagnostics) => return refused(text, &diagnostics),
    };
    let at = |now: i64| person.at(Timestamp(now), |world| (query.eval(world), query.eval_bool(world)));
    let (outcome, truth) = at(NOW);
    assert_eq!(at(NOW).0, outcome, "evaluated again: {text}");
    let _ = pql::value_to_json(&outcome.value);
    // Of a truth that changes later, nothing is seen before.
    if let Some(flip) = truth.flips_at {
        assert!(flip.0 > NOW);
        assert_eq!(at(flip.0 - 1).1.holds, truth.holds, "{text} before {flip}");
    }
}
