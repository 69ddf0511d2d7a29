//! What a destination points to: the cases of `tests/links.yaml`.

use destination::config::{
    AudienceTemplateConfig, CredentialConfig, DestinationConfig, Kind, Linked, ServerConfig, check_links,
};
use serde_json::{Map, Value as Json};
use std::path::Path;
use std::sync::Arc;

fn yaml(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    let text = std::fs::read_to_string(&path).expect("the case file is there");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// JSON merge patch: null removes.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    for (name, value) in patch {
        match value {
            Json::Null => _ = target.as_object_mut().expect("an object").shift_remove(name),
            value => merge(&mut target[name], value),
        }
    }
}

fn find(kind: Kind, id: &str, things: &Json) -> Option<Linked> {
    let json = things.get(id)?;
    match kind {
        Kind::Server => ServerConfig::parse(json).ok().map(Arc::new).map(Linked::Server),
        Kind::AudienceTemplate => AudienceTemplateConfig::parse(json).ok().map(Arc::new).map(Linked::AudienceTemplate),
        Kind::Credential => CredentialConfig::parse(json).ok().map(Arc::new).map(Linked::Credential),
    }
}

#[test]
fn cases() {
    let file = yaml("links.yaml");
    let bases = yaml("config/bases.yaml");
    let mut things = file["things"].clone();
    for (id, base) in [
        ("main", "server"),
        ("store", "s3"),
        ("drop", "sftp"),
        ("landing", "dlz"),
        ("lists", "template"),
        ("account", "credential"),
    ] {
        things[id] = bases[base].clone();
    }
    let mut wrong = Vec::new();
    for case in file["cases"].as_array().expect("a list of cases") {
        let mut document = bases[case["base"].as_str().expect("a base")].clone();
        merge(&mut document, &case["with"]);
        let destination = DestinationConfig::parse(&document).unwrap_or_else(|faults| panic!("{case}: {faults:#?}"));
        let faults = check_links(&destination, &|kind, id| find(kind, id, &things));
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let expected: Vec<&str> =
            case["faults"].as_array().into_iter().flatten().map(|text| text.as_str().expect("text")).collect();
        if faults != expected {
            wrong.push(format!("{}\n  given    {faults:#?}\n  expected {expected:#?}", case["case"]));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}
