//! The worked cases of the specification, from a profile in the target schema to the bodies of messages.

use destination::config::{DestinationConfig, ServerConfig};
use destination::message::{Aliases, Design, Instance, MappedAudience, Mapping, Setup, Slice, TargetProfile};
use model::{SmolStr, Timestamp};
use pebble::{Limits, Options, Template};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const CASES: &str = include_str!("cases/appendix-a.yaml");

#[test]
fn every_case_gives_its_messages() {
    let cases: Vec<Json> = serde_saphyr::from_str(CASES).expect("valid YAML");
    assert_eq!(cases.len(), 19);
    for case in cases {
        let expected: Vec<&str> = case["out"].as_array().expect("out").iter().filter_map(Json::as_str).collect();
        let given = if case["in"].is_null() { vec![of_context(&case)] } else { messages(&case) };
        assert_eq!(given, expected, "{}: {}", case["case"], case["title"]);
    }
}

fn text<'a>(case: &'a Json, name: &str) -> &'a str {
    case[name].as_str().expect(name)
}

fn of_context(case: &Json) -> String {
    let template = Template::compile("case", text(case, "template"), &Options::destination()).expect("compiles");
    let mut out = String::new();
    template.render(&pebble::Value::from(&case["context"]), &mut out, &Limits::default()).expect("renders");
    out
}

fn messages(case: &Json) -> Vec<String> {
    let instance = instance(case);
    let profiles = case["in"].as_array().expect("in").iter();
    let times = instance.design().times();
    let target = |json| Arc::new(TargetProfile::from_json(json, times).expect("a profile"));
    let targets: Vec<_> = profiles.map(target).collect();
    let mut bodies = Vec::new();
    for group in instance.messages(&targets) {
        for message in group.messages {
            let slices: Vec<&Slice> = message.iter().collect();
            let request = instance.compose(&group.key, &slices).expect("composes");
            bodies.push(request.body.expect("a body"));
        }
    }
    bodies
}

fn instance(case: &Json) -> Instance {
    let destination = DestinationConfig::parse(&json!({
        "name": "Lumen",
        "schemaConfig": {"segmentRequired": true, "identityRequired": true, "profileRequired": true},
        "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
        "aggregation": case["aggregation"],
    }));
    let server = ServerConfig::parse(&json!({
        "name": "Lumen",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": {"url": {"templatingStrategy": "NONE", "value": "https://api.ex.test/v2"}},
        "httpTemplate": {
            "httpMethod": "POST",
            "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": case["template"]},
            "contentType": "application/json",
        },
    }));
    let design = Design::new(&destination.expect("a destination"), &server.expect("a server")).expect("a design");
    let setup = Setup {
        id: "flow".into(),
        customer_data: &json!({}),
        auth_data: &json!({}),
        mapping: Mapping::default(),
        aliases: Aliases::new(case["audiences"].as_array().into_iter().flatten().map(audience)),
        facts: &json!({}),
    };
    Instance::new(Arc::new(design), setup)
}

fn audience(json: &Json) -> MappedAudience {
    let time = |at: usize| Timestamp(json["times"][at].as_i64().unwrap_or_default() * 1000);
    MappedAudience {
        namespace: "ups".into(),
        id: text(json, "id").into(),
        name: text(json, "id").into(),
        alias: json["alias"].as_str().map(SmolStr::new),
        partner_name: None,
        created_at: time(0),
        updated_at: time(1),
        mapping_created_at: time(2),
        mapping_updated_at: time(3),
    }
}
