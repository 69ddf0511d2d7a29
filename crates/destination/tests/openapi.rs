//! Every document that the interface description shows is accepted: as a request, and as an answer sent back.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use destination::config::{AudienceTemplateConfig, CredentialConfig, DestinationConfig, Fault, ServerConfig};
use serde_json::Value as Json;
use std::path::Path;

/// Examples that are wrong by the description's own words, with the reason.
const WRONG: &[(&str, &str)] = &[
    ("post /destination-servers answer 200 [Data Landing Zone]", "useCase is required"),
    ("get /destination-servers/{INSTANCE_ID} answer 200 [Data Landing Zone]", "useCase is required"),
    ("put /destination-servers/{INSTANCE_ID} answer 200 [Data Landing Zone]", "useCase is required"),
    ("get /credentials answer 200 [default] item 2", "it holds the fields of basicAuthentication in s3Authentication"),
];

fn description() -> Option<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/openapi/destination-authoring.yaml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing in CI", path.display());
        eprintln!("NOTICE: {} is missing: the test of the interface description was SKIPPED", path.display());
        return None;
    };
    Some(serde_saphyr::from_str(&text).expect("the description is YAML"))
}

fn parse(path: &str, document: &Json) -> Option<Result<Json, Vec<Fault>>> {
    if path.contains("/publish") || path.contains("/testing") || path.contains("sample-profiles") {
        return None;
    }
    Some(if path.starts_with("/destinations") {
        DestinationConfig::parse(document).map(|config| config.json)
    } else if path.starts_with("/destination-servers") {
        ServerConfig::parse(document).map(|config| config.json)
    } else if path.starts_with("/audience-templates") {
        AudienceTemplateConfig::parse(document).map(|config| config.json)
    } else if path.starts_with("/credentials") {
        CredentialConfig::parse(document).map(|config| config.json)
    } else {
        return None;
    })
}

/// The examples of a body or an answer, by name.
fn examples(content: &Json) -> Vec<(String, &Json)> {
    let json = &content["content"]["application/json"];
    let named = json["examples"].as_object().into_iter().flatten();
    let mut found: Vec<(String, &Json)> = named.map(|(name, example)| (name.clone(), &example["value"])).collect();
    if let Some(example) = json.get("example") {
        found.push(("example".to_owned(), example));
    }
    found
}

#[test]
fn every_example_is_accepted() {
    let Some(description) = description() else { return };
    let (mut read, mut refused) = (0, Vec::new());
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let mut bodies = vec![("request".to_owned(), &operation["requestBody"])];
            for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    bodies.push((format!("answer {status}"), answer));
                }
            }
            for (what, body) in bodies {
                for (name, example) in examples(body) {
                    let items = example["items"].as_array().map_or(vec![example], |items| items.iter().collect());
                    for (index, document) in items.into_iter().enumerate() {
                        let number = if index == 0 { String::new() } else { format!(" item {}", index + 1) };
                        let place = format!("{method} {path} {what} [{name}]{number}");
                        let Some(result) = parse(path, document) else { continue };
                        read += 1;
                        let wrong = WRONG.iter().find(|(place_of, _)| place == *place_of);
                        match (result, wrong) {
                            (Err(faults), None) => refused.push(format!("{place}: {faults:#?}")),
                            (Ok(_), Some((_, why))) => refused.push(format!("{place}: accepted, although {why}")),
                            (Ok(_), None) | (Err(_), Some(_)) => {}
                        }
                    }
                }
            }
        }
    }
    assert!(read > 24, "only {read} examples were found");
    assert!(refused.is_empty(), "{} of {read}:\n{}", refused.len(), refused.join("\n"));
}
