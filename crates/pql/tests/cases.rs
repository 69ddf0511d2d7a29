//! Runs the case files of `tests/cases`: a command, a query, `----`, what is expected; blank lines apart.
//!
//! Commands: `eval p0|p1` gives the value as JSON or `error`; `method` gives the best method;
//! `flips p1` gives the truth and the instant at which it changes; `refused [typed]` gives the
//! rendered diagnostics; `reads` gives what the query reads. `PQL_REWRITE=1` writes what came out.

mod person;

use model::{SmolStr, Type};
use person::{Person, cases};
use pql::{Kind, Method, Schema, World};

fn schema(typed: bool) -> Schema {
    if !typed {
        return Schema::untyped();
    }
    let object =
        |fields: &[(&str, Type)]| Type::object(fields.iter().map(|(n, t)| (SmolStr::new(n), t.clone())).collect());
    let array = |item: Type| Type::Array(item.into());
    let order = object(&[("id", Type::String), ("store", Type::String), ("price", Type::Double)]);
    let address = object(&[("city", Type::String), ("countryISO", Type::String), ("postalCode", Type::String)]);
    let product = object(&[("SKU", Type::String), ("quantity", Type::Integer)]);
    Schema {
        profile: object(&[
            ("homeAddress", address),
            ("loyalty", object(&[("tier", Type::String), ("points", Type::Integer), ("joined", Type::Timestamp)])),
            ("person", object(&[("birthDate", Type::Date), ("gender", Type::String)])),
            ("favoriteColors", array(Type::String)),
            ("orders", array(order)),
            ("optedIn", Type::Boolean),
            ("scores", Type::Map(Type::Integer.into())),
        ]),
        event: object(&[
            ("eventType", Type::String),
            ("order", object(&[("total", Type::Double)])),
            ("productListItems", array(product)),
        ]),
    }
}

fn run(command: &str, query: &str) -> String {
    let mut words = command.split(' ');
    let verb = words.next().unwrap_or_default();
    let argument = words.next().unwrap_or_default();
    match verb {
        "eval" | "flips" => {
            let person = Person::named(argument);
            let compiled = match pql::compile(query, &schema(words.next() == Some("typed"))) {
                Ok(compiled) => compiled,
                Err(_) => return "error".into(),
            };
            let world = World {
                profile: &person.profile,
                events: &person.events,
                is_member: &|id| person.is_member(id),
                now: person::now(),
            };
            if verb == "flips" {
                let pql::Truth { holds: value, flips_at, .. } = compiled.eval_bool(&world);
                assert_eq!(flips_at, compiled.eval(&world).flips_at, "both ways of evaluation: {query}");
                return format!("{value} {}", flips_at.map_or("never".into(), |t| t.to_string()));
            }
            pql::value_to_json(&compiled.eval(&world).value).to_string()
        }
        "method" => match pql::compile_segment(query, &Schema::untyped()) {
            Ok(query) => match query.method() {
                Method::Batch => "batch".into(),
                Method::Streaming => "streaming".into(),
                Method::Edge => "edge".into(),
            },
            Err(faults) if faults.first().kind == Kind::Type && pql::compile(query, &Schema::untyped()).is_ok() => {
                "computed value".into()
            }
            Err(faults) => faults.render(query),
        },
        "reads" => {
            let query = pql::compile(query, &Schema::untyped()).expect("a query");
            let reads = query.reads();
            format!(
                "events={} types={:?} memberships={:?} time={} paths={:?}",
                reads.events, reads.event_types, reads.memberships, reads.time, reads.profile_paths
            )
        }
        "refused" => match pql::compile_segment(query, &schema(argument == "typed")) {
            Ok(_) => "accepted".into(),
            Err(faults) => {
                faults.iter().map(|f| format!("[{:?}] {}", f.kind, f.render(query))).collect::<Vec<_>>().join("\n")
            }
        },
        other => panic!("no such command: {other}"),
    }
}

/// JSON texts agree if their values do, whole numbers and doubles alike.
fn agree(expected: &str, actual: &str) -> bool {
    fn normal(value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as J;
        match value {
            J::Number(n) => J::from(n.as_f64()),
            J::Array(items) => J::Array(items.into_iter().map(normal).collect()),
            J::Object(fields) => J::Object(fields.into_iter().map(|(k, v)| (k, normal(v))).collect()),
            other => other,
        }
    }
    let parse = |text: &str| serde_json::from_str(text).map(normal).ok();
    expected == actual || (parse(expected).is_some() && parse(expected) == parse(actual))
}

fn file(name: &str) {
    let path = cases().join(name);
    let text = std::fs::read_to_string(&path).expect("a case file");
    let mut failures = Vec::new();
    let mut rewritten = Vec::new();
    let mut count = 0;
    for block in text.trim_end().split("\n\n") {
        let comments: Vec<&str> = block.lines().take_while(|l| l.starts_with('#')).collect();
        let body: Vec<&str> = block.lines().skip(comments.len()).collect();
        let Some(split) = body.iter().position(|l| *l == "----") else {
            assert!(body.is_empty(), "no `----` in {block}");
            rewritten.push(block.to_owned());
            continue;
        };
        let (command, query, expected) = (body[0], body[1..split].join("\n"), body[split + 1..].join("\n"));
        let actual = run(command, &query);
        count += 1;
        if !agree(&expected, &actual) {
            failures.push(format!("{}\n{query}\n  expected {expected}\n  got      {actual}", comments.join(" ")));
        }
        let lines = comments.iter().map(|c| format!("{c}\n")).collect::<String>();
        rewritten.push(format!("{lines}{command}\n{query}\n----\n{actual}"));
    }
    if std::env::var_os("PQL_REWRITE").is_some() {
        std::fs::write(&path, rewritten.join("\n\n") + "\n").expect("writable");
        return;
    }
    assert!(count > 0, "{name} has no cases");
    assert!(failures.is_empty(), "{name}: {} of {count} failed\n{}", failures.len(), failures.join("\n"));
}

macro_rules! files {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { file(concat!(stringify!($name), ".txt")); })+
    };
}

files! { documented, decided, samples, nulls, language, refused }
