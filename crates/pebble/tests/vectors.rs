//! Every case of `vectors/*.jsonl` and `vectors/extra/*.jsonl`: the exact bytes, or an error of the right phase.

use pebble::{Limits, Options, Phase, Reads, Template, Templates, Value};
use serde_json::Value as Json;
use std::path::Path;

fn options_of(case: &Json) -> Options {
    let flag = |name: &str, default: bool| case[name].as_bool().unwrap_or(default);
    Options {
        autoescape: flag("autoescape", true),
        strict: flag("strict", false),
        newline_trim: flag("newline_trim", true),
        path_macros: flag("path_macros", false),
        ..if flag("destination", false) { Options::destination() } else { Options::default() }
    }
}

fn compiled(case: &Json) -> Result<Template, pebble::Error> {
    let source = case["template"].as_str().expect("a template");
    Template::compile(case["id"].as_str().expect("an id"), source, &options_of(case))
}

/// One case: the fields of a line.
fn run(case: &Json, context: &Value) -> Result<String, (Phase, String)> {
    let mut set = Templates::new(options_of(case));
    for (name, source) in case["templates"].as_object().into_iter().flatten() {
        set.insert(name, source.as_str().expect("a source"));
    }
    let id = case["id"].as_str().expect("an id");
    let refuse = |e: pebble::Error| (e.phase, e.to_string());
    let template = compiled(case).map_err(refuse)?;
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

/// All cases, each with its context.
fn cases() -> Vec<(Json, Value)> {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), &mut paths);
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).expect("a file of vectors"));
    let texts: Vec<String> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty());
    lines.map(|line| (serde_json::from_str(line).expect("a case"), context_of(line))).collect()
}

#[test]
fn every_vector_holds() {
    let cases = cases();
    let mut wrong = Vec::new();
    for (case, context) in &cases {
        let got = run(case, context);
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
    let count = cases.len();
    assert!(count > 2600, "only {count} vectors found");
    assert!(wrong.is_empty(), "{} of {count} fail:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a template does not read may be missing: the same bytes, or the same error down to its words.
#[test]
fn every_vector_holds_without_what_is_not_read() {
    let (mut wrong, mut left_out) = (Vec::new(), 0);
    for (case, context) in cases() {
        let reads = compiled(&case).map_or(Reads::nothing(), |template| template.reads());
        let pruned = reads.prune(&context);
        let (whole, less) = (run(&case, &context), run(&case, &pruned));
        left_out += usize::from(whole.is_ok() && pruned.to_json().len() < context.to_json().len());
        if whole != less {
            let left = pruned.to_json();
            wrong.push(format!("{}: {}\n   {whole:?}\n   {less:?} of {left}", case["id"], case["template"]));
        }
    }
    assert!(left_out > 1_400, "only {left_out} contexts with a render became smaller");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
