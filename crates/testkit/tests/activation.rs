//! What a flow exports, and what it does not (activation.md §3.4).

use serde_json::{Value as Json, json};
use testkit::{Flow, World, crm};

const BUYERS: &str = r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#;

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
        assert_eq!(body["person"]["name"]["lastName"], json!({ "value": id }), "{body}");
        assert_eq!(body["personalEmail"]["address"], json!({ "value": format!("{id}@example.com") }), "{body}");
        assert_eq!(body["segmentMembership"]["ups"][&audience]["status"], "realized", "{body}");
    }
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["exported"], &ledger["balanced"]), (&json!(105), &json!(true)), "{ledger}");
}
