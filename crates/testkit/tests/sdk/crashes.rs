//! Kills in the middle of a bucket and of an attempt: nothing is lost, and nothing is done twice by a
//! partner that knows delivery ids.

use crate::aggregation::grouped;
use crate::partner::{Reply, ok};
use crate::scene::{Scene, hashed, usual};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use testkit::until;

/// What a partner has that does each delivery id once.
fn done(scene: &Scene) -> BTreeMap<String, usize> {
    let mut bodies: BTreeMap<String, String> = BTreeMap::new();
    for call in scene.partner.calls("/in") {
        let id = call.header("x-rivermouth-delivery-id").expect("an id").to_owned();
        let known = bodies.entry(id).or_insert_with(|| call.body.clone());
        assert_eq!(*known, call.body, "the same id is the same message");
    }
    let mut people: BTreeMap<String, usize> = BTreeMap::new();
    for body in bodies.values() {
        let body: Json = serde_json::from_str(body).expect("JSON");
        for person in body["people"].as_array().expect("people") {
            *people.entry(person["name"].to_string()).or_default() += 1;
        }
    }
    people
}

fn restart_at(scene: &mut Scene, time: &str) {
    scene.world.server.kill9();
    scene.world.server.set_clock(time);
    scene.world.restart();
}

#[test]
fn a_bucket_that_is_being_filled() {
    let mut scene = Scene::new();
    let (server, destination) = grouped();
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&scene.vips()]);
    let waits = |scene: &Scene, count: u64| {
        until("they wait", || scene.world.ledger(&flow), |ledger| ledger["waiting"] == json!(count));
    };
    scene.people(0..20, "Vip");
    waits(&scene, 20);
    restart_at(&mut scene, "2026-03-01T12:01:00.000Z");
    waits(&scene, 20);
    scene.people(20..40, "Vip");
    waits(&scene, 40);
    restart_at(&mut scene, "2026-03-01T12:02:00.000Z");
    assert!(scene.partner.calls("/in").is_empty());
    scene.world.server.advance("301s");
    scene.world.server.settle();
    scene.world.server.advance("301s");
    scene.world.server.settle();
    let people = done(&scene);
    assert!(people.len() == 40 && people.values().all(|count| *count == 1), "{people:?}");
    scene.check_ledger(&flow, 40, 0);
}

#[test]
fn an_attempt_under_way() {
    let mut scene = Scene::new();
    let (server, destination) = grouped();
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&scene.vips()]);
    scene.partner.plan(|_| Reply::Stall);
    scene.people(0..20, "Vip");
    until("they wait", || scene.world.ledger(&flow), |ledger| ledger["waiting"] == json!(20));
    scene.world.server.advance("301s");
    scene.partner.wait_for("/in", 1);
    restart_at(&mut scene, "2026-03-01T12:10:00.000Z");
    scene.partner.wait_for("/in", 2);
    // More changes of the same people, and a second kill while the first message is still on its way.
    scene.people(10..25, "No");
    restart_at(&mut scene, "2026-03-01T12:11:00.000Z");
    scene.partner.plan(|_| ok());
    scene.partner.let_go();
    scene.world.drive("301s");
    let calls = scene.partner.calls("/in");
    assert!(calls.len() >= 3, "{calls:?}");
    let people = done(&scene);
    let expected = |n: usize| if (10..20).contains(&n) { 2 } else { 1 };
    for n in 0..20 {
        assert_eq!(people.get(&format!("\"L{n}\"")), Some(&expected(n)), "{people:?}");
    }
    let ledger = scene.world.ledger(&flow);
    assert_eq!(
        (&ledger["exported"], &ledger["dead"], &ledger["balanced"]),
        (&json!(30), &json!(0), &json!(true)),
        "{ledger}"
    );
}

#[test]
fn single_messages_under_way() {
    let mut scene = Scene::new();
    let best_effort = json!({ "aggregation": { "bestEffortAggregation": { "maxUsersPerRequest": 2 } } });
    let server = scene.server(&json!({}));
    scene.author("destinations", &Scene::destination(&server, &best_effort));
    let to = scene.connect("Partner", &Json::Null, &json!({}));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    let mut count = 0;
    scene.partner.plan(move |_| {
        count += 1;
        if count % 2 == 0 { Reply::Stall } else { ok() }
    });
    scene.people(0..16, "Vip");
    scene.partner.wait_for("/in", 3);
    restart_at(&mut scene, "2026-03-01T12:10:00.000Z");
    scene.partner.plan(|_| ok());
    scene.partner.let_go();
    scene.world.drive("1m");
    let people = done(&scene);
    assert!(people.len() == 16 && people.values().all(|count| *count == 1), "{people:?}");
    assert!(scene.entries("/in").iter().any(|entry| entry["ids"] == json!([hashed(0)])));
    scene.check_ledger(&flow, 16, 0);
}
