//! What a flow exports, and what it does not (activation.md §3.4).

use serde_json::{Value as Json, json};
use testkit::{Flow, World, crm};

const BUYERS: &str =
    r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#;

/// A person and their purchase.
fn buyer(world: &World, name: &str, time: &str) -> [Json; 2] {
    let identity = [("CRMID", name)];
    [world.person(&identity, name), world.purchase(&format!("buy-{name}"), &identity, time, 10.0)]
}

#[test]
fn exactly_the_profiles_that_change_are_exported() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let old: Vec<Json> = (0..100).flat_map(|n| buyer(&world, &format!("old-{n}"), "2026-02-20T00:00:00Z")).collect();
    world.send_and_settle(&old);
    assert_eq!(world.members(&audience), 100);
    let flow = world.flow(&Flow::to(&[&audience]));
    world.server.settle();
    assert_eq!(world.received_count(), 100, "backfill");

    let new: Vec<String> = (0..5).map(|n| format!("new-{n}")).collect();
    let messages: Vec<Json> = new.iter().flat_map(|n| buyer(&world, n, "2026-03-01T11:00:00Z")).collect();
    let bodies = world.bodies_of(|| world.send(&messages));
    let mut ids: Vec<String> = bodies.iter().flat_map(crm).collect();
    ids.sort();
    assert_eq!(ids, new, "exactly the five");
    for body in &bodies {
        let id = crm(body).remove(0);
        assert_eq!(body["person"], json!({ "name": { "lastName": id } }), "{body}");
        assert_eq!(body["personalEmail"], json!({ "address": format!("{id}@example.com") }), "{body}");
        let membership = json!({ "lastQualificationTime": "2026-03-01T12:00:00Z", "status": "realized" });
        assert_eq!(body["segmentMembership"], json!({ "ups": { &audience: membership } }), "{body}");
    }
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["exported"], &ledger["balanced"]), (&json!(105), &json!(true)), "{ledger}");
}

#[test]
fn each_kind_of_change_exports_or_does_not() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let flow = world.flow(&Flow::to(&[&audience]));
    let anna = [("CRMID", "anna")];
    let bodies = world.bodies_of(|| world.send(&buyer(&world, "anna", "2026-03-01T11:00:00Z")));
    assert_eq!(bodies.len(), 1, "entered: {bodies:?}");

    let first_name = json!({ "person": { "name": { "firstName": "Anna" } } });
    let bodies = world.bodies_of(|| world.send(&[world.record(&anna, first_name)]));
    assert_eq!(bodies, [] as [Json; 0], "an unmapped attribute");
    let birth = json!({ "person": { "birthDate": "1991-04-02" } });
    let bodies = world.bodies_of(|| world.send(&[world.record(&anna, birth)]));
    assert_eq!(bodies, [] as [Json; 0], "another one");

    let bodies = world.bodies_of(|| world.send(&[world.person(&anna, "anna")]));
    assert_eq!(bodies.len(), 1, "a mapped attribute, even with an equal value: {bodies:?}");

    let bodies = world.bodies_of(|| world.send(&[world.purchase("again", &anna, "2026-03-01T11:30:00Z", 5.0)]));
    assert_eq!(bodies, [] as [Json; 0], "a member is confirmed as a member");

    let both = [("CRMID", "anna"), ("Email", "anna@example.com")];
    let bodies = world.bodies_of(|| world.send(&[world.visit("v", &both, "2026-03-01T11:40:00Z")]));
    assert_eq!(bodies.len(), 1, "an identity came: {bodies:?}");
    assert_eq!(bodies[0]["identityMap"]["Email"], json!([{ "id": "anna@example.com" }]), "{}", bodies[0]);
    assert_eq!(bodies[0]["person"], json!({ "name": { "lastName": "anna" } }), "{}", bodies[0]);

    let bodies = world.bodies_of(|| world.advance("90d"));
    assert_eq!(bodies.len(), 1, "the window ended without any event: {bodies:?}");
    assert_eq!(bodies[0]["segmentMembership"]["ups"][&audience]["status"], "exited", "{}", bodies[0]);

    let bodies = world.bodies_of(|| world.send(&[world.person(&anna, "former")]));
    assert_eq!(bodies, [] as [Json; 0], "no longer a member");
    let ledger = world.ledger(&flow);
    assert_eq!(ledger["exported"], 4, "{ledger}");
    assert_eq!(ledger["filtered"]["not_a_member"], 2, "{ledger}");
    assert_eq!(ledger["balanced"], true, "{ledger}");
}

#[test]
fn an_audience_is_backfilled_once() {
    let world = World::new();
    let (audience, other) =
        (world.audience("buyers", BUYERS), world.audience("others", "person.name.firstName = \"x\""));
    let flow = world.flow(&Flow::to(&[&other]));
    let messages: Vec<Json> = (0..20).flat_map(|n| buyer(&world, &format!("c-{n}"), "2026-03-01T11:00:00Z")).collect();
    let bodies = world.bodies_of(|| world.send(&messages));
    assert_eq!(bodies, [] as [Json; 0], "not mapped yet");

    let bodies = world.bodies_of(|| world.map(&flow, &audience));
    let mut ids: Vec<String> = bodies.iter().flat_map(crm).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((bodies.len(), ids.len()), (20, 20), "each member once");

    let bodies = world.bodies_of(|| world.unmap(&flow, 1));
    assert_eq!(bodies, [] as [Json; 0], "unmapping sends nothing");
    let bodies = world.bodies_of(|| world.send(&buyer(&world, "late", "2026-03-01T11:00:00Z")));
    assert_eq!(bodies, [] as [Json; 0], "unmapped");
    let bodies = world.bodies_of(|| world.map(&flow, &audience));
    assert_eq!(bodies, [] as [Json; 0], "mapped for the second time");
    let bodies = world.bodies_of(|| world.send(&buyer(&world, "later", "2026-03-01T11:00:00Z")));
    assert_eq!(bodies.len(), 1, "the mapping is in force");
    assert_eq!(world.ledger(&flow)["balanced"], true);
}

#[test]
fn a_disabled_flow_sends_nothing_and_enabling_does_not_make_up_for_it() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let flow = world.flow(&Flow::to(&[&audience]));
    // Everything fails and waits for the (manual) clock.
    world.script(&json!({ "steps": [{ "status": 503, "repeat": 0 }] }));
    let messages: Vec<Json> = (0..4).flat_map(|n| buyer(&world, &format!("q-{n}"), "2026-03-01T11:00:00Z")).collect();
    world.send(&messages);
    world.wait_applied();
    testkit::until("four wait", || world.ledger(&flow), |l| l["waiting"] == 4);
    world.set_enabled(&flow, false);
    let ledger = testkit::until("none waits", || world.ledger(&flow), |l| l["waiting"] == 0);
    assert_eq!(ledger["filtered"]["flow_disabled"], 4, "{ledger}");

    world.script(&json!({}));
    let bodies = world.bodies_of(|| {
        world.send(&buyer(&world, "meanwhile", "2026-03-01T11:00:00Z"));
        world.wait_applied();
        world.advance("1d");
    });
    assert_eq!(bodies, [] as [Json; 0], "disabled");
    let bodies = world.bodies_of(|| {
        world.set_enabled(&flow, true);
        world.advance("1d");
    });
    assert_eq!(bodies, [] as [Json; 0], "no burst");
    let bodies = world.bodies_of(|| world.send(&[world.person(&[("CRMID", "q-0")], "present")]));
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(bodies[0]["person"]["name"]["lastName"], "present");
    assert_eq!(world.ledger(&flow)["balanced"], true);
}

#[test]
fn what_memberships_say_is_up_to_the_flow() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let with = |path: &str, params: Json| Flow { path: path.into(), params, ..Flow::to(&[&audience]) };
    let unmapped = world.audience("everybody", "person.name.lastName.isNotNull()");
    world.flow(&with("/plain", json!({})));
    world.flow(&with("/legacy", json!({ "statusVocabulary": "legacy" })));
    world.flow(&with("/named", json!({ "includeSegmentNames": true })));
    world.flow(&with("/timed", json!({ "includeSegmentTimestamps": true })));
    world.send_and_settle(&buyer(&world, "anna", "2026-03-01T11:00:00Z"));
    world.send_and_settle(&[world.person(&[("CRMID", "anna")], "anna")]);
    world.advance("90d");
    let memberships = |path: &str, audience: &str| -> Vec<Json> {
        let records = world.receiver.records();
        let found = records.iter().filter(|r| r.path == path);
        found.map(|r| r.body["segmentMembership"]["ups"][audience].clone()).collect()
    };
    let statuses = |path: &str| -> Vec<String> {
        memberships(path, &audience).iter().map(|m| m["status"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(statuses("/plain"), ["realized", "realized", "exited"]);
    assert_eq!(statuses("/legacy"), ["realized", "existing", "exited"]);
    let members = |path: &str, audience: &str| -> Vec<String> {
        let first = memberships(path, audience).remove(0);
        let mut names: Vec<String> = first.as_object().expect("a membership").keys().cloned().collect();
        names.sort();
        names
    };
    let times = ["createdAt", "lastQualificationTime", "mappingCreatedAt", "mappingUpdatedAt", "status", "updatedAt"];
    assert_eq!(members("/plain", &audience), ["lastQualificationTime", "status"]);
    assert_eq!(members("/named", &audience), ["lastQualificationTime", "name", "status"]);
    assert_eq!(members("/timed", &audience), times);
    for path in ["/plain", "/named", "/timed"] {
        assert_eq!(members(path, &unmapped), ["lastQualificationTime", "status"], "unmapped audiences have no extras");
    }
    assert_eq!(memberships("/named", &audience)[0]["name"], "buyers");
}

#[test]
fn a_trigger_that_is_off_counts_only_beside_one_that_is_on() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let triggers = json!({ "activationTriggers": { "attributeChanges": false, "identityChanges": false } });
    let flow = world.flow(&Flow { transformation: triggers, ..Flow::to(&[&audience]) });
    let bodies = world.bodies_of(|| world.send(&buyer(&world, "anna", "2026-03-01T11:00:00Z")));
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let both = [("CRMID", "anna"), ("Email", "anna@example.com")];
    let bodies = world.bodies_of(|| world.send(&[world.person(&both, "changed")]));
    assert_eq!(bodies, [] as [Json; 0]);
    let ledger = world.ledger(&flow);
    assert!(ledger["filtered"]["trigger_off"].as_u64() >= Some(1), "{ledger}");
    assert_eq!(ledger["balanced"], true, "{ledger}");
}
