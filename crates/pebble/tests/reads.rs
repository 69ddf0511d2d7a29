//! What templates read of their contexts: `reads/cases.jsonl`, and bounds for hostile sources.

use pebble::{Limits, Options, Reads, Template, Value};
use serde_json::Value as Json;

fn template(source: &str, options: &Options) -> Template {
    Template::compile("t", source, options).map_err(|e| format!("{e}")).expect(source)
}

#[test]
fn cases_hold() {
    let mut wrong = Vec::new();
    for line in include_str!("reads/cases.jsonl").lines() {
        let case: Json = serde_json::from_str(line).expect("a case");
        let base = if case["destination"] == Json::Bool(true) { Options::destination() } else { Options::default() };
        let options = Options { path_macros: case["path_macros"] == Json::Bool(true), ..base };
        let source = case["template"].as_str().expect("a template");
        let got = template(source, &options).names_read().join(" ");
        if case["reads"] != got.as_str() {
            wrong.push(format!("{source}\n   expected {}\n   got      \"{got}\"", case["reads"]));
        }
    }
    assert!(wrong.is_empty(), "{} fail:\n{}", wrong.len(), wrong.join("\n"));
}

/// The template of the benchmark reads few parts of a profile.
#[test]
fn the_benchmark_reads_parts_of_a_profile() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/data/pebble/b2_loop100.json");
    let input: Json = serde_json::from_str(&std::fs::read_to_string(path).expect("the input")).expect("JSON");
    let template = template(input["template"].as_str().expect("a template"), &Options::destination());
    let reads = template.reads();
    let context = Value::from(&input["context"]);
    let [mut whole, mut less] = [String::new(), String::new()];
    template.render(&context, &mut whole, &Limits::default()).expect("sound");
    template.render(&reads.prune(&context), &mut less, &Limits::default()).expect("sound");
    assert_eq!(whole, less);
    let profiles = reads.child("input").and_then(|input| Some(input.child("profiles")?.into_owned())).expect("read");
    let mut as_maps = Vec::new();
    // What remains once it is known which parts are lists and which are maps.
    for path in profiles.item().expect("items are read").paths() {
        let map_as_list = path.starts_with("identityMap[]") || path.starts_with("segmentMembership.ups[]");
        let list_as_map = path.starts_with("identityMap{}{}");
        if !map_as_list && !list_as_map {
            as_maps.push(path);
        }
    }
    let expected = [
        "attributes.email.value",
        "attributes.firstName.value",
        "attributes.lastName.value",
        "identityMap#",
        "identityMap{}#",
        "identityMap{}[].id",
        "segmentMembership.ups#",
        "segmentMembership.ups{}.status",
    ];
    assert_eq!(as_maps, expected);
    assert_eq!(profiles.paths().iter().filter(|path| !path.starts_with("[]")).collect::<Vec<_>>(), ["#"]);

    let profile = r#"{"attributes":{"firstName":{"value":"E","time":1},"city":{"value":"Z"}},
        "identityMap":{"ecid":[{"id":"1","primary":true}],"gaid":[]},"consents":{"x":1},
        "segmentMembership":{"ups":{"s":{"lastQualificationTime":"t","status":"realized"}},"aam":{"s":{"status":"x"}}}}"#;
    let less = r#"{"attributes":{"firstName":{"value":"E"}},"identityMap":{"ecid":[{"id":"1"}],"gaid":[]},"segmentMembership":{"ups":{"s":{"status":"realized"}}}}"#;
    let profile = Value::parse_json(profile).expect("JSON");
    assert_eq!(profiles.item().expect("items are read").prune(&profile).to_json(), less);
}

#[test]
fn children_are_what_is_read_under_a_name_and_of_every_value() {
    let reads = template("{{ a.b.c }}{% for x in a %}{{ x.value.d }}{% endfor %}", &Options::default()).reads();
    let a = reads.child("a").expect("read");
    assert!(a.keys() && !a.is_whole());
    assert_eq!(a.child("b").expect("read").paths(), ["c", "d"]);
    assert_eq!(a.child("other").expect("read").paths(), ["d"]);
    assert_eq!(a.item().expect("read").paths(), ["value.d"]);
    assert_eq!(reads.child("x"), None);
    assert_eq!(Reads::nothing().child("x"), None);
    assert!(Reads::Whole.child("x").expect("all").is_whole());
}

#[test]
fn merged_reads_hold_both() {
    let reads = |source: &str| template(source, &Options::default()).reads();
    let mut both = reads("{{ a.b }}{{ c.d.e }}{% for x in f %}{{ x.g }}{% endfor %}");
    both.merge(&reads("{{ a }}{{ c.d.h }}{% for x in f %}{{ x.value }}{% endfor %}{{ i | length }}"));
    assert_eq!(both.paths(), ["a", "c.d.e", "c.d.h", "f#", "f[].g", "f[].value", "f{}", "i#"]);
    both.merge(&Reads::Whole);
    assert!(both.is_whole());
}

/// Reads stay small and shallow, and cost little, whatever the source.
#[test]
fn hostile_sources_are_bounded() {
    let chain = format!("{{{{ a{} }}}}", ".b".repeat(50_000));
    let forks = format!("{{{{ a{} }}}}", "['0']".repeat(2_000));
    let nested = (0..40).fold("{{ x40 }}".to_owned(), |body, i| {
        format!("{{% for x{} in x{}.value %}}{body}{{% endfor %}}", 40 - i, 39 - i)
    });
    let sets: String = (1..2_000).map(|i| format!("{{% set x{i} = x{}.a %}}", i - 1)).collect();
    for source in [chain, forks, nested, sets] {
        let reads = template(&source, &Options::default()).reads();
        let paths = reads.paths();
        assert!(paths.len() < 10_000, "{} paths", paths.len());
        let depth = paths.iter().map(|path| path.matches(['.', '[', '{']).count()).max();
        assert!(depth < Some(60), "{depth:?} deep");
    }
}
