//! Documents with the faults they have, from the case files in `tests/config`.

use destination::config::{
    AudienceTemplateConfig, CredentialConfig, DestinationConfig, Fault, LookupPath, ServerConfig,
};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::path::Path;

fn yaml(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(file);
    let text = std::fs::read_to_string(&path).expect("the case file is there");
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Reads a document as what its fields say it is; gives it in its stored form.
fn parse(document: &Json) -> Result<Json, Vec<Fault>> {
    if document.get("metadataTemplate").is_some() {
        AudienceTemplateConfig::parse(document).map(|config| config.json)
    } else if document.get("destinationServerType").is_some() {
        ServerConfig::parse(document).map(|config| config.json)
    } else if document.as_object().is_some_and(|map| map.keys().any(|name| name.ends_with("Authentication"))) {
        CredentialConfig::parse(document).map(|config| config.json)
    } else {
        DestinationConfig::parse(document).map(|config| config.json)
    }
}

/// JSON merge patch: null removes. `a[0]` patches one item.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    for (name, value) in patch {
        let index = name.strip_suffix(']').and_then(|name| name.split_once('['));
        if let Some((list, index)) = index {
            let index: usize = index.parse().expect("an index");
            merge(&mut target[list][index], value);
        } else if value.is_null() {
            target.as_object_mut().expect("an object").shift_remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn contains(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => part.iter().all(|(name, value)| match whole.get(name) {
            Some(found) => contains(found, value),
            None => value.is_null(),
        }),
        _ => whole == part,
    }
}

#[test]
fn bases_have_no_fault() {
    for (name, document) in yaml("bases.yaml").as_object().expect("a map") {
        let stored = parse(document).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
        assert_eq!(parse(&stored), Ok(stored.clone()), "{name}: the stored form reads as itself");
    }
}

#[test]
fn cases() {
    let bases = yaml("bases.yaml");
    let mut wrong = Vec::new();
    for file in ["destination.yaml", "fields.yaml", "authentication.yaml", "batch.yaml", "server.yaml", "others.yaml"] {
        for case in yaml(file).as_array().expect("a list of cases") {
            let name = format!("{file}: {}", case["case"].as_str().expect("a name"));
            let base = case["base"].as_str().expect("a base");
            let mut document = bases.get(base).unwrap_or_else(|| panic!("{name}: no base {base}")).clone();
            merge(&mut document, &case["with"]);
            let read = parse(&document);
            let faults: Vec<String> = read.as_ref().err().into_iter().flatten().map(ToString::to_string).collect();
            let expected: Vec<String> = case["faults"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|text| text.as_str().expect("text").into())
                .collect();
            if faults != expected {
                wrong.push(format!("{name}\n  given    {faults:#?}\n  expected {expected:#?}"));
            }
            if let (Some(part), Ok(stored)) = (case.get("stored"), &read)
                && !contains(stored, part)
            {
                wrong.push(format!("{name}\n  stored {stored:#}\n  without {part}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// JSON that is like a document in its names and like nothing in its values.
fn arbitrary_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        "[{%}a.\\[\\]( $^*]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec(("[a-zA-Z.%]{0,8}", inner), 0..5)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place of a document.
fn places(json: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        Json::Object(map) => map.iter().for_each(|(name, item)| places(item, &format!("{at}/{name}"), found)),
        _ => {}
    }
}

fn parse_all(json: &Json) {
    _ = DestinationConfig::parse(json);
    _ = ServerConfig::parse(json);
    _ = AudienceTemplateConfig::parse(json);
    _ = CredentialConfig::parse(json);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_json_is_read_or_refused(json in arbitrary_json()) {
        parse_all(&json);
    }

    /// A sound document with one value replaced is read or refused, and what is read is stored in a form that reads
    /// the same.
    #[test]
    fn one_changed_value_is_read_or_refused(base in 0usize..64, place in any::<prop::sample::Index>(), value in arbitrary_json()) {
        let bases = yaml("bases.yaml");
        let bases: Vec<&Json> = bases.as_object().expect("a map").values().collect();
        let mut document = bases[base % bases.len()].clone();
        let mut found = Vec::new();
        places(&document, "", &mut found);
        *document.pointer_mut(place.get(&found[..]).as_str()).expect("a place of the document") = value;
        parse_all(&document);
        if let Ok(stored) = parse(&document) {
            prop_assert_eq!(parse(&stored), Ok(stored.clone()));
        }
    }
}

#[test]
fn paths_into_answers() {
    let answer = json!({"a": [{"b c": 1}, {"b": {"c": [2]}}]});
    for (path, expected) in [
        ("$", Some(&answer)),
        ("$.a[0]['b c']", Some(&json!(1))),
        ("$[\"a\"][1].b.c[0]", Some(&json!(2))),
        ("$.a[2]", None),
        ("$.a.b", None),
    ] {
        assert_eq!(LookupPath::parse(path).expect("a path").select(&answer), expected, "{path}");
    }
    for wrong in ["", "a", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a['b]", "$.a[*]", "$.a[?(@.b)]", "$.*"] {
        assert!(LookupPath::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn faults_do_not_repeat_secrets() {
    let documents = [
        json!({"basicAuthentication": {"username": "u", "password": ["s3cr3t"]}, "type": "s3Authentication"}),
        json!({"basicAuthentication": {"username": "u", "password": 5331}}),
        json!({"name": "d", "destinationDelivery": [], "customerAuthenticationConfigurations": [
            {"authType": "OAUTH2", "grant": "OAUTH2_PASSWORD", "clientSecret": {"x": "s3cr3t"},
             "authenticationDataFields": [{"name": "n", "type": "integer", "format": "password", "value": "s3cr3t"}]}]}),
        json!({"name": "d", "destinationDelivery": [], "customerDataFields": [
            {"name": "n", "type": "integer", "format": "password", "default": "s3cr3t"}]}),
    ];
    for document in documents {
        let faults = parse(&document).expect_err("each of them is wrong");
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(!text.join("\n").contains("s3cr3t") && !text.join("\n").contains("5331"), "{text:#?}");
    }
    let config = CredentialConfig::parse(&json!({"s3Authentication": {"accessId": "a", "secretKey": "s3cr3t"}}));
    let config = config.expect("a sound credential");
    assert!(!format!("{:?}", config.auth).contains("s3cr3t"));
}
