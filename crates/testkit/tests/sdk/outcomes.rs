//! Answers record by record, and whole messages refused for one record.

use crate::partner::{Reply, ok, status};
use crate::scene::{Scene, hashed};
use serde_json::{Value as Json, json};

fn names(scene: &Scene) -> Vec<Vec<String>> {
    let of = |body: Json| {
        let people = body["people"].as_array().expect("people").clone();
        people.iter().map(|person| person["name"].as_str().expect("a name").to_owned()).collect()
    };
    scene.partner.calls("/in").iter().map(|call| of(call.json())).collect()
}

fn letters(scene: &Scene) -> Vec<Json> {
    let listed = scene.world.server.command(&["dead-letters", "list", "--output", "json"]).json();
    listed["deadLetters"].as_array().expect("a list").clone()
}

#[test]
fn each_record_by_its_own_state() {
    let scene = Scene::new();
    let server = json!({ "responseOutcome": {
        "type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok"], "retry": ["later"],
        "message": "$.why",
    } });
    let mut first = true;
    scene.partner.plan(move |call| {
        let later = std::mem::take(&mut first);
        let people = call.json()["people"].as_array().cloned().unwrap_or_default();
        let result = |person: &Json| match person["name"].as_str() {
            Some("L1") => json!({ "status": "bad", "why": "no such person" }),
            Some("L2") if later => json!({ "status": "later" }),
            _ => json!({ "status": "ok" }),
        };
        Reply::Json(200, json!({ "results": people.iter().map(result).collect::<Vec<_>>() }))
    });
    let vips = scene.vips();
    scene.people(0..4, "Vip");
    let (_, flow) = scene.activate(&server, &json!({}), &Json::Null, &[&vips]);
    scene.partner.wait_for("/in", 1);
    scene.world.drive("1m");
    scene.check_ledger(&flow, 3, 1);
    let letters = letters(&scene);
    assert!(letters.len() == 1 && letters[0].to_string().contains("no such person"), "{letters:?}");
    let names = names(&scene);
    let count = |name: &str| names.iter().flatten().filter(|n| *n == name).count();
    assert_eq!([count("L0"), count("L1"), count("L3")], [1, 1, 1], "what is settled is not sent again: {names:?}");
}

#[test]
fn a_poisoned_message_is_halved() {
    let scene = Scene::new();
    scene.partner.plan(|call| if call.body.contains("\"L5\"") { status(422) } else { ok() });
    let vips = scene.vips();
    scene.people(0..8, "Vip");
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&vips]);
    scene.world.server.settle();
    scene.check_ledger(&flow, 7, 1);
    let letters = letters(&scene);
    assert!(letters.len() == 1 && letters[0].to_string().contains("422"), "{letters:?}");
    let taken: Vec<String> =
        names(&scene).into_iter().filter(|names| !names.contains(&"L5".to_owned())).flatten().collect();
    assert_eq!(taken.len(), 7, "{taken:?}");
    assert!(names(&scene).len() <= 15, "halved, not tried one by one without end: {:?}", names(&scene));
}

#[test]
fn failed_ids_name_the_records() {
    let scene = Scene::new();
    let server = json!({ "responseOutcome": {
        "type": "FAILED_IDS", "list": "$.invalid[*]", "id": "$",
        "entryId": { "templatingStrategy": "PEBBLE_V1", "value": "{{ entry.identityMap.email[0].id }}" },
    } });
    scene.partner.plan(|call| match call.body.contains(&hashed(1)) {
        true => Reply::Json(200, json!({ "invalid": [hashed(1)] })),
        false => ok(),
    });
    let vips = scene.vips();
    scene.people(0..3, "Vip");
    let (_, flow) = scene.activate(&server, &json!({}), &Json::Null, &[&vips]);
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 1);
}
