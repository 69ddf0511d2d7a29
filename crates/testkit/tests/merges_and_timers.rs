//! Profiles that become one, and windows that end (design, §11.3 and §11.4).

use serde_json::{Value as Json, json};
use testkit::{Flow, World};

const PURCHASES: &str = r#"xEvent[eventType = "commerce.purchases"]"#;
const BUYERS: &str =
    r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#;
const CRM: [(&str, &str); 1] = [("CRMID", "c1")];
const EMAIL: [(&str, &str); 1] = [("Email", "e1@example.com")];

fn segmentation_only(audience: &str, path: &str) -> Flow {
    let triggers = json!({ "activationTriggers": { "attributeChanges": false, "identityChanges": false } });
    Flow { transformation: triggers, path: path.into(), ..Flow::to(&[audience]) }
}

fn since(profile: &Json, audience: &str) -> (String, String) {
    let all = profile["audiences"].as_array().expect("audiences");
    let found = all.iter().find(|a| a["id"] == audience).unwrap_or_else(|| panic!("no {audience} in {profile}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("since"))
}

#[test]
fn two_known_profiles_become_one() {
    let mut world = World::new();
    let some = world.audience("some", &format!("{PURCHASES}.count() >= 1"));
    let one = world.audience("one", &format!("{PURCHASES}.count() = 1"));
    let two = world.audience("two", &format!("{PURCHASES}.count() >= 2"));
    let flows: Vec<String> =
        [(&some, "/some"), (&one, "/one"), (&two, "/two")].map(|(a, p)| world.flow(&segmentation_only(a, p))).to_vec();
    let all = world.flow(&Flow { path: "/all".into(), ..Flow::to(&[&some]) });
    world.send_and_settle(&[world.purchase("p1", &CRM, "2026-03-01T11:00:00Z", 1.0), world.person(&CRM, "crm")]);
    world.advance("2d");
    world.send_and_settle(&[world.purchase("p2", &EMAIL, "2026-03-03T11:00:00Z", 2.0)]);
    assert_eq!(world.counts(), (2, 2));
    assert_eq!((world.members(&some), world.members(&one), world.members(&two)), (2, 2, 0));

    let before = world.received_count();
    let both = [("CRMID", "c1"), ("Email", "e1@example.com")];
    world.send_and_settle(&[world.visit("v1", &both, "2026-03-03T11:30:00Z")]);
    assert_eq!(world.counts(), (1, 3), "one profile, no event lost");
    assert_eq!((world.members(&some), world.members(&one), world.members(&two)), (1, 0, 1));
    let received = world.received(before);
    let of = |path: &str| -> Vec<Json> {
        received.iter().filter(|r| r.path == path).map(|r| r.body["segmentMembership"]["ups"].clone()).collect()
    };
    assert_eq!(of("/some"), [] as [Json; 0], "still true: nothing");
    let exits = of("/one");
    assert!(!exits.is_empty(), "no longer true: an exit");
    assert_eq!(exits.last().expect("an exit")[&one]["status"], "exited");
    let entries = of("/two");
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0][&two]["status"], "realized");
    let identity = received.iter().rfind(|r| r.path == "/all").expect("identities changed");
    assert_eq!(identity.body["identityMap"]["CRMID"], json!([{ "id": "c1" }]), "{}", identity.body);
    assert_eq!(identity.body["identityMap"]["Email"], json!([{ "id": "e1@example.com" }]), "{}", identity.body);

    for _ in 0..2 {
        let (crm, email) = (world.show("CRMID", "c1").ok(), world.show("Email", "e1@example.com").ok());
        assert_eq!(crm, email, "either identity finds it");
        assert_eq!(since(&crm, &some), ("realized".into(), "2026-03-01T12:00:00Z".into()), "the earlier entry");
        assert_eq!(since(&crm, &one).0, "exited");
        assert_eq!(crm["events"].as_array().map(Vec::len), Some(3), "{crm}");
        let entity = world.entity("Email", "e1@example.com");
        assert_eq!(entity["entity"]["person"]["name"], json!({ "lastName": "crm" }), "{entity}");
        for flow in flows.iter().chain([&all]) {
            let ledger = world.ledger(flow);
            assert_eq!((&ledger["balanced"], &ledger["waiting"]), (&json!(true), &json!(0)), "{ledger}");
        }
        world.restart();
        assert_eq!(world.counts(), (1, 3));
    }
}

#[test]
fn a_bound_is_inclusive_to_the_millisecond() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    world.flow(&Flow::to(&[&audience]));
    world.send_and_settle(&[world.purchase("p1", &CRM, "2026-03-01T12:00:00.000Z", 1.0)]);
    assert_eq!(world.members(&audience), 1);
    let bodies = world.bodies_of(|| world.advance("90d"));
    assert_eq!((bodies, world.members(&audience)), (vec![], 1), "exactly 90 days are not more than 90");
    let bodies = world.bodies_of(|| world.advance("1ms"));
    assert_eq!((bodies.len(), world.members(&audience)), (1, 0), "{bodies:?}");
    assert_eq!(bodies[0]["segmentMembership"]["ups"][&audience]["status"], "exited");
}

#[test]
fn a_timer_outlives_restarts_and_crashes() {
    let mut world = World::new();
    let audience = world.audience("buyers", BUYERS);
    world.flow(&Flow::to(&[&audience]));
    world.send_and_settle(&[world.purchase("p1", &CRM, "2026-03-01T12:00:00.000Z", 1.0)]);
    world.send_and_settle(&[world.purchase("p2", &EMAIL, "2026-03-01T12:00:00.000Z", 1.0)]);
    world.restart();
    assert_eq!(world.members(&audience), 2);
    world.server.kill9();
    world.server.restart();
    let bodies = world.bodies_of(|| drop(world.server.advance_to("2026-05-30T12:00:00.000Z")));
    assert_eq!((bodies, world.members(&audience)), (vec![], 2));
    let bodies = world.bodies_of(|| drop(world.server.advance_to("2026-05-30T12:00:00.001Z")));
    assert_eq!((bodies.len(), world.members(&audience)), (2, 0), "{bodies:?}");
}

#[test]
fn a_window_that_ends_while_the_server_is_down_is_noticed_at_start() {
    let mut world = World::new();
    let audience = world.audience("buyers", BUYERS);
    world.flow(&Flow::to(&[&audience]));
    world.send_and_settle(&[world.purchase("p1", &CRM, "2026-03-01T12:00:00.000Z", 1.0)]);
    assert!(world.server.terminate().success());
    world.server.set_clock("2026-07-01T00:00:00Z");
    let before = world.received_count();
    world.server.restart();
    world.server.settle();
    let bodies: Vec<Json> = world.received(before).into_iter().map(|r| r.body).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(bodies[0]["segmentMembership"]["ups"][&audience]["status"], "exited");
    assert_eq!(world.members(&audience), 0);
}
