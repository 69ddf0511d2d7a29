//! Every function does what its examples say, has enough of them, and is printed in `docs/pql`.

mod person;

use pql::functions::{self, manual};
use pql::{Schema, World, compile, value_to_json};
use std::path::Path;

#[test]
fn every_function_does_what_its_examples_say() {
    let person = person::Person::named("p1");
    let is_member = |id: &str| person.is_member(id);
    let world = World { profile: &person.profile, events: &person.events, is_member: &is_member, now: person::now() };
    let mut wrong = Vec::new();
    for function in functions::functions() {
        for (query, outcome) in function.examples {
            let given = match compile(query, &Schema::untyped()) {
                Ok(compiled) => value_to_json(&compiled.eval(&world).value).to_string(),
                Err(faults) if *outcome != "error" => faults.render(query),
                Err(_) => "error".into(),
            };
            if given != *outcome {
                wrong.push(format!("{}: {query}\n  expected {outcome}\n  got      {given}", function.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_is_described_and_tried() {
    let mut names = Vec::new();
    for function in functions::functions() {
        let name = function.name;
        assert!(function.summary.ends_with('.'), "{name}");
        assert!(function.examples.len() >= 3, "{name} has {} examples", function.examples.len());
        let absent = |text: &str| text.contains("nope") || text.contains("null") || text.contains("isNull");
        let takes_nothing = function.params.is_empty();
        assert!(takes_nothing || function.examples.iter().any(|(q, _)| absent(q)) || name == "inSegment", "{name}");
        names.push(name);
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a name stands twice");
}

/// `PQL_REWRITE=1` writes the pages anew.
#[test]
fn the_manual_is_up_to_date() {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pql"));
    let mut pages = manual::pages();
    pages.push(("json".into(), pql::json::manual()));
    for (name, text) in pages {
        let path = directory.join(format!("{name}.md"));
        if std::env::var_os("PQL_REWRITE").is_some() {
            std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, &text)).expect("writable");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "docs/pql/{name}.md is stale: PQL_REWRITE=1 cargo test -p pql --test manual");
    }
}

/// Whatever the arguments: a value or a refusal, the same each time, never a panic; and never a Double that JSON lacks.
#[test]
fn no_argument_makes_a_function_panic() {
    const ARGUMENTS: &[&str] = &[
        "null",
        "true",
        "0",
        "-1",
        "9223372036854775807",
        "1.0e308",
        "-2.5",
        "\"\"",
        "\"%_[(é😀\"",
        "\"2024-02-29T23:30:00Z\"",
        "date(9999, 12, 31)",
        "now",
        "[]",
        "[1, null, \"a\", [2]]",
        "{\"a\": {\"b\": 1}}",
        "orders",
        "xEvent",
        "nope",
        "homeAddress.city",
    ];
    let person = person::Person::named("p1");
    let is_member = |id: &str| person.is_member(id);
    let world = World { profile: &person.profile, events: &person.events, is_member: &is_member, now: person::now() };
    let mut evaluated = 0;
    for function in functions::functions() {
        let most = function.params.len().min(3);
        for count in function.required().min(most)..=most {
            for choice in 0..ARGUMENTS.len().pow(count as u32) {
                // Of three arguments, a part of all choices.
                if count == 3 && choice % 7 != 0 {
                    continue;
                }
                let args = (0..count as u32).map(|at| ARGUMENTS[choice / ARGUMENTS.len().pow(at) % ARGUMENTS.len()]);
                let query = format!("{}({})", function.name, args.collect::<Vec<_>>().join(", "));
                if let Ok(compiled) = compile(&query, &Schema::untyped()) {
                    let outcome = compiled.eval(&world);
                    assert_eq!(outcome, compiled.eval(&world), "{query}");
                    assert!(outcome.flips_at.is_none_or(|flip| flip > world.now), "{query}");
                    evaluated += 1;
                }
            }
        }
    }
    assert!(evaluated > 3_000, "{evaluated}");
}
