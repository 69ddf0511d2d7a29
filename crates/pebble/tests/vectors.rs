//! Every case of `vectors/*.jsonl` and `vectors/extra/*.jsonl`: the exact bytes, or an error of the right phase.

use pebble::{Limits, Options, Phase, Template, Templates, Value};
use serde_json::Value as Json;
use std::path::Path;

/// One case: the fields of a line.
fn run(case: &Json, context: &Value) -> Result<String, (Phase, String)> {
    let flag = |name: &str, default: bool| case[name].as_bool().unwrap_or(default);
    let options = Options {
        autoescape: flag("autoescape", true),
        strict: flag("strict", false),
        newline_trim: flag("newline_trim", true),
        path_macros: flag("path_macros", false),
        ..if flag("destination", false) { Options::destination() } else { Options::default() }
    };
    let mut set = Templates::new(options.clone());
    for (name, source) in case["templates"].as_object().into_iter().flatten() {
        set.insert(name, source.as_str().expect("a source"));
    }
    let source = case["template"].as_str().expect("a template");
    let id = case["id"].as_str().expect("an id");
    let refuse = |e: pebble::Error| (e.phase, e.to_string());
    let template = Template::compile(id, source, &options).map_err(refuse)?;
    let mut out = String::from("before|");
    match template.render_in(&set, context, &mut out, &Limits::default()) {
        Ok(()) => Ok(out["before|".len()..].to_owned()),
        Err(error) => {
            assert_eq!(out, "before|", "{id}: an error leaves no output");
            Err(refuse(error))
        }
    }
}

/// The context keeps all digits of its numbers, so it is read from the line itself.
fn context_of(line: &str) -> Value {
    let whole = Value::parse_json(line).expect("JSON");
    let Value::Map(fields) = whole else { panic!("not an object") };
    fields.get("context").cloned().unwrap_or_else(|| Value::map([]))
}

fn files(under: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(under).expect("the directory of the vectors").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "jsonl") {
            found.push(path);
        }
    }
}

#[test]
fn every_vector_holds() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), &mut paths);
    paths.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a file of vectors");
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            count += 1;
            let case: Json = serde_json::from_str(line).expect("a case");
            let got = run(&case, &context_of(line));
            let fits = match (&got, case["expected"].as_str()) {
                (Ok(output), Some(expected)) => output == expected,
                (Err((phase, _)), None) => case["phase"].as_str().is_none_or(|p| p == phase.as_str()),
                _ => false,
            };
            if !fits {
                let strict = if case["strict"] == Json::Bool(true) { " strict" } else { "" };
                wrong.push(format!(
                    "{}{strict}: {}\n   expected {} {}\n   got {got:?}",
                    case["id"], case["template"], case["expected"], case["phase"]
                ));
            }
        }
    }
    assert!(count > 2600, "only {count} vectors found");
    assert!(wrong.is_empty(), "{} of {count} fail:\n{}", wrong.len(), wrong.join("\n"));
}
