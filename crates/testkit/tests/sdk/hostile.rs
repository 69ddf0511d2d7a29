//! Partners that answer what nobody asked for.

use crate::partner::{Reply, ok};
use crate::scene::{Scene, pebble};
use serde_json::{Value as Json, json};
use testkit::Options;

fn dead(scene: &Scene) -> String {
    scene.world.server.command(&["dead-letters", "list", "--output", "json"]).json()["deadLetters"].to_string()
}

#[test]
fn a_redirect_is_not_followed() {
    let scene = Scene::new();
    let elsewhere = format!("{}/private", scene.partner.url);
    scene.partner.plan(move |_| Reply::Raw(307, vec![("location", elsewhere.clone())], Vec::new()));
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&scene.vips()]);
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 0, 1);
    assert!(dead(&scene).contains("307") && scene.partner.calls("/private").is_empty(), "{}", dead(&scene));
}

#[test]
fn a_private_address_is_not_reached() {
    let mut options = Options::manual(testkit::World::START);
    options.private_targets_refused = true;
    let scene = Scene::start(options, |_| ok());
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&scene.vips()]);
    scene.people(0..1, "Vip");
    scene.world.drive("1h");
    scene.check_ledger(&flow, 0, 1);
    assert!(dead(&scene).contains("127.0.0.1") || dead(&scene).contains("private"), "{}", dead(&scene));
    assert!(scene.partner.calls("/").is_empty());
}

#[test]
fn huge_and_garbled_answers() {
    let scene = Scene::new();
    // Success is the status, whatever follows.
    scene.partner.plan(|_| Reply::Raw(200, Vec::new(), vec![b'{'; 48 << 20]));
    let vips = scene.vips();
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&vips]);
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 0);
    // A refusal whose words do not end.
    scene.partner.plan(|_| Reply::Raw(400, Vec::new(), "\u{1b}[31m\"no\"\r\n".repeat(1 << 20).into_bytes()));
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 1);
    assert!(dead(&scene).len() < 4096 && !dead(&scene).contains("\\u001b"), "{}", dead(&scene));
}

#[test]
fn a_declared_answer_that_is_garbage_is_no_success() {
    let scene = Scene::new();
    let server = json!({ "responseOutcome": { "type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok"] } });
    let mut answers = vec![
        Reply::Raw(200, vec![("content-type", "text/html".into())], b"<html>".to_vec()),
        Reply::Json(200, json!({ "results": "all" })),
        Reply::Json(200, json!({ "results": [] })),
        Reply::Json(200, json!({ "results": [{ "status": "ok" }, { "status": "ok" }] })),
        Reply::Raw(200, Vec::new(), vec![b'['; 1 << 20]),
    ]
    .into_iter();
    let good = Reply::Json(200, json!({ "results": [{ "status": "ok" }] }));
    scene.partner.plan(move |_| answers.next().unwrap_or_else(|| good.clone()));
    let (_, flow) = scene.activate(&server, &json!({}), &Json::Null, &[&scene.vips()]);
    scene.people(0..1, "Vip");
    scene.partner.wait_for("/in", 1);
    scene.world.drive("30m");
    scene.check_ledger(&flow, 1, 0);
    assert_eq!(scene.partner.calls("/in").len(), 6);
}

#[test]
fn templates_of_other_people_are_bounded() {
    let scene = Scene::new();
    let bomb = r#"{% set s = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" %}{% for a in input.profiles %}{% for b in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40] %}{% set s = s ~ s %}{% endfor %}{% endfor %}{{ s }}"#;
    let server = json!({ "httpTemplate": { "requestBody": pebble(bomb) } });
    let (_, flow) = scene.activate(&server, &json!({}), &Json::Null, &[&scene.vips()]);
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 0, 1);
    assert!(scene.partner.calls("/").is_empty());
}

#[test]
fn an_address_that_a_template_makes_must_be_one() {
    let scene = Scene::new();
    let url = pebble("{{ input.profiles[0].attributes.lastName.value }}://127.0.0.1/x");
    let server = json!({ "urlBasedDestination": { "url": url } });
    let destination = json!({ "aggregation": { "bestEffortAggregation": { "maxUsersPerRequest": 1 } } });
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&scene.vips()]);
    let names = ["ftp", "file", "no scheme"];
    let people: Vec<Json> = names.iter().enumerate().map(|(n, name)| scene.person(n, name, "Vip")).collect();
    scene.world.send_and_settle(&people);
    scene.check_ledger(&flow, 0, 3);
    assert!(scene.partner.calls("/").is_empty());
}

#[test]
fn a_partner_that_never_answers_is_left() {
    let scene = Scene::new();
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&scene.vips()]);
    let mut silent = true;
    scene.partner.plan(move |_| if std::mem::take(&mut silent) { Reply::Stall } else { ok() });
    scene.people(0..1, "Vip");
    scene.answered(&flow, 1);
    assert_eq!(scene.world.ledger(&flow)["waiting"], 1);
    scene.world.drive("1m");
    scene.check_ledger(&flow, 1, 0);
}
