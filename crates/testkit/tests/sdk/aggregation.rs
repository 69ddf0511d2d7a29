//! Grouping, caps and ages (destination-sdk.md §3.10, §5.5).

use crate::scene::{Scene, pebble, usual};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use testkit::until;

const BODY: &str = r#"{"segment":"{{ input.aggregationKey.segmentAlias }}","status":"{{ input.aggregationKey.segmentStatus }}","people":[{% for p in input.profiles %}{"id":"{{ p.identityMap.email[0].id }}","name":"{{ p.attributes.lastName.value }}"}{% if not loop.last %},{% endif %}{% endfor %}]}"#;

/// A server whose message shows the group, and buckets of an age.
pub(crate) fn grouped() -> (Json, Json) {
    let server = json!({ "httpTemplate": { "requestBody": pebble(BODY) } });
    let destination = json!({ "aggregation": {
        "aggregationType": "CONFIGURABLE_AGGREGATION", "bestEffortAggregation": null,
        "configurableAggregation": {
            "splitUserById": false, "maxBatchAgeInSecs": 301, "maxNumEventsInBatch": 1000,
            "aggregationKey": { "includeSegmentId": true, "includeSegmentStatus": true, "includeIdentity": false },
        },
    } });
    (server, destination)
}

/// How many came for each audience and status.
fn groups(scene: &Scene) -> BTreeMap<(String, String), Vec<usize>> {
    let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for call in scene.partner.calls("/in") {
        let body = call.json();
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        let count = body["people"].as_array().expect("people").len();
        groups.entry((text("segment"), text("status"))).or_default().push(count);
    }
    groups
}

fn waiting(scene: &Scene, flow: &str, count: u64) {
    until("they wait", || scene.world.ledger(flow), |ledger| ledger["waiting"] == json!(count));
}

#[test]
fn a_bucket_goes_when_it_is_old_enough_by_audience_and_status() {
    let scene = Scene::new();
    let (server, destination) = grouped();
    let (vips, known) = (scene.vips(), scene.world.audience("Known", "person.name.lastName.isNotNull()"));
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&vips, &known]);
    scene.people(0..3, "Vip");
    waiting(&scene, &flow, 3);
    scene.world.server.advance("200s");
    scene.people(3..5, "Vip");
    waiting(&scene, &flow, 5);
    scene.world.server.advance("100s");
    assert!(scene.partner.calls("/in").is_empty(), "300 s old");
    scene.world.server.advance("1s");
    scene.world.server.settle();
    let key = |segment: &str, status: &str| (segment.to_owned(), status.to_owned());
    let entered = BTreeMap::from([(key("Vips", "realized"), vec![5]), (key("Known", "realized"), vec![5])]);
    assert_eq!(groups(&scene), entered);
    scene.partner.forget();
    scene.people(0..2, "No");
    waiting(&scene, &flow, 2);
    scene.world.server.advance("301s");
    scene.world.server.settle();
    assert_eq!(groups(&scene), BTreeMap::from([(key("Vips", "exited"), vec![2])]), "only what changed");
    scene.check_ledger(&flow, 7, 0);
}

#[test]
fn a_full_bucket_goes_at_once() {
    let scene = Scene::new();
    let (server, destination) = grouped();
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&scene.vips()]);
    scene.people(0..1005, "Vip");
    waiting(&scene, &flow, 5);
    let key = ("Vips".to_owned(), "realized".to_owned());
    assert_eq!(groups(&scene)[&key], [1000]);
    scene.world.server.advance("301s");
    scene.world.server.settle();
    assert_eq!(groups(&scene)[&key], [1000, 5]);
    scene.check_ledger(&flow, 1005, 0);
}

#[test]
fn best_effort_keeps_its_cap_and_splits_by_identity() {
    let scene = Scene::new();
    let server = json!({ "httpTemplate": { "requestBody": pebble(BODY) } });
    let destination = json!({ "aggregation": { "bestEffortAggregation": {
        "maxUsersPerRequest": 3, "splitUserById": true,
        "aggregationKey": { "includeSegmentId": true, "includeSegmentStatus": false, "includeIdentity": true, "oneIdentityPerGroup": true },
    } } });
    let vips = scene.vips();
    scene.people(0..7, "Vip");
    let two = scene.world.record(
        &[("CRMID", "c0"), ("Email", "Person0@Example.com"), ("Email", "second@example.com")],
        json!({ "person": { "name": { "lastName": "L0", "firstName": "Vip" } } }),
    );
    scene.world.send_and_settle(&[two]);
    let (_, flow) = scene.activate(&server, &destination, &Json::Null, &[&vips]);
    scene.world.server.settle();
    let sizes: Vec<usize> = groups(&scene).into_values().flatten().collect();
    assert_eq!(sizes.iter().sum::<usize>(), 8, "one entry per identity: {sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 3), "{sizes:?}");
    scene.check_ledger(&flow, 7, 0);
}

#[test]
fn the_partner_of_aggregation_is_asked_again_after_half_an_hour() {
    let scene = Scene::new();
    let (server, destination) = grouped();
    let server = scene.server(&server);
    scene.author("destinations", &Scene::destination(&server, &destination));
    let to = scene.connect("Partner", &Json::Null, &json!({ "deliveryRetry": "aep" }));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    let mut answers = [429, 503].into_iter();
    scene.partner.plan(move |_| crate::partner::status(answers.next().unwrap_or(200)));
    scene.people(0..2, "Vip");
    waiting(&scene, &flow, 2);
    scene.world.server.advance("301s");
    scene.answered(&flow, 1);
    scene.world.server.advance("29m");
    assert_eq!(scene.partner.calls("/in").len(), 1);
    scene.world.server.advance("4m"); // The half hour, with its jitter.
    scene.answered(&flow, 2);
    scene.world.server.advance("33m");
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 0);
    let ids: Vec<Option<String>> = scene
        .partner
        .calls("/in")
        .iter()
        .map(|call| call.header("x-rivermouth-delivery-id").map(str::to_owned))
        .collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
