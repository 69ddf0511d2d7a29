//! Control changes while exports wait: deletions, new endpoints, a flow that goes.

use serde_json::{Value as Json, json};
use testkit::{Flow, World, crm, until};

const FLOWS: &str = "/data/foundation/flowservice";
const KNOWN: &str = "person.name.lastName.isNotNull()";

fn failing(world: &World, status: u16) {
    world.script(&json!({ "steps": [{ "status": status, "repeat": 0 }] }));
}

#[test]
fn a_data_set_that_is_deleted_takes_its_records_along() {
    let mut world = World::new();
    let bought = world.audience("bought", r#"xEvent[eventType = "commerce.purchases"].count() >= 1"#);
    let known = world.audience("known", KNOWN);
    let flow = world.flow(&Flow::to(&[&bought, &known]));
    let at = "2026-03-01T11:00:00Z";
    let anna = [("CRMID", "anna")];
    world.send_and_settle(&[world.person(&anna, "anna"), world.purchase("p1", &anna, at, 1.0)]);
    world.send_and_settle(&[world.purchase("p2", &[("CRMID", "ben")], at, 2.0)]);
    assert_eq!((world.counts(), world.members(&bought), world.members(&known)), ((2, 2), 2, 1));
    let remove = |world: &World, dataset: &str| {
        let path = format!("/data/foundation/catalog/dataSets/{dataset}");
        let bodies = world.bodies_of(|| drop(world.api.call("DELETE", &path, None).expect(200)));
        let statuses = bodies.iter().flat_map(|body| body["segmentMembership"]["ups"].as_object().cloned());
        let statuses = statuses.flatten().filter(|(_, m)| m["status"] == "exited").map(|(id, _)| id);
        statuses.collect::<Vec<String>>()
    };
    let left = remove(&world, &world.event.dataset);
    assert_eq!(left, [bought.as_str(); 2], "both are told to have left");
    assert_eq!((world.counts(), world.members(&bought), world.members(&known)), ((2, 0), 0, 1));
    let refused = world.send_batch(&[world.purchase("p3", &anna, at, 1.0)]).json.to_string();
    assert!(refused.contains(&world.event.dataset), "{refused}");
    assert!(remove(&world, &world.profile.dataset).contains(&known));
    for _ in 0..2 {
        assert_eq!((world.counts(), world.members(&bought), world.members(&known)), ((2, 0), 0, 0));
        let shown = world.show("CRMID", "anna").ok();
        assert_eq!((&shown["attributes"]["person"], &shown["events"]), (&Json::Null, &json!([])), "{shown}");
        world.restart();
    }
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["balanced"], &ledger["waiting"]), (&json!(true), &json!(0)), "{ledger}");
}

#[test]
fn a_profile_that_is_deleted_while_its_export_waits_leaves_last() {
    let world = World::new();
    let flow = world.flow(&Flow::to(&[&world.audience("known", KNOWN)]));
    failing(&world, 503);
    world.send(&[world.person(&[("CRMID", "anna")], "anna")]);
    until("one waits", || world.ledger(&flow), |l| l["waiting"] == 1);
    let path = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=anna&entityIdNS=CRMID";
    world.api.call("DELETE", path, None).expect(202);
    world.wait_applied();
    world.script(&json!({}));
    let before = world.received_count();
    world.drive("10m");
    let statuses: Vec<String> = world
        .received(before)
        .iter()
        .flat_map(|r| r.body["segmentMembership"]["ups"].as_object().cloned().into_iter().flatten())
        .map(|(_, m)| m["status"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(statuses.last().map(String::as_str), Some("exited"), "{statuses:?}");
    assert_eq!(world.ledger(&flow)["balanced"], true);
    assert_eq!(world.counts(), (0, 0));
}

#[test]
fn a_dead_letter_of_a_deleted_profile_does_no_harm() {
    let world = World::new();
    let flow = world.flow(&Flow::to(&[&world.audience("known", KNOWN)]));
    failing(&world, 400);
    world.send_and_settle(&[world.person(&[("CRMID", "anna")], "anna")]);
    let path = "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=anna&entityIdNS=CRMID";
    world.script(&json!({}));
    world.api.call("DELETE", path, None).expect(202);
    world.server.settle();
    let bodies = world.bodies_of(|| {
        world.server.command(&["dead-letters", "replay", "--output", "json"]).json();
    });
    for body in &bodies {
        assert!(body["person"].is_null(), "what was deleted does not come back: {body}");
    }
    let ledger = world.ledger(&flow);
    assert_eq!(
        (&ledger["balanced"], &ledger["dead"], &ledger["waiting"]),
        (&json!(true), &json!(0), &json!(0)),
        "{ledger}"
    );
    assert_eq!(world.counts(), (0, 0));
}

#[test]
fn a_corrected_endpoint_is_tried_with_what_waits() {
    let world = World::new();
    let audience = world.audience("known", KNOWN);
    let flow = world.flow(&Flow::to(&[&audience]));
    failing(&world, 503);
    world.send(&[world.person(&[("CRMID", "anna")], "anna")]);
    until("one attempt", || world.received_count(), |n| *n == 1);
    until("one waits", || world.ledger(&flow), |l| l["waiting"] == 1);
    let target = world.get_flow(&flow)["targetConnectionIds"][0].as_str().expect("a target").to_owned();
    let path = format!("{FLOWS}/targetConnections/{target}");
    let etag = world.api.get(&path).ok()["items"][0]["etag"].as_str().expect("an etag").to_owned();
    world.script(&json!({}));
    let url = world.receiver.url("/corrected");
    let patch = json!([{ "op": "replace", "path": "/params/httpEndpoint", "value": url }]);
    world.api.send("PATCH", &path, Some(patch.to_string().into_bytes()), &[("if-match", &etag)]).ok();
    world.wait_delivered();
    let records = world.receiver.records();
    assert_eq!(records.last().map(|r| (r.path.as_str(), crm(&r.body))), Some(("/corrected", vec!["anna".to_owned()])));
}

#[test]
fn a_deleted_flow_is_gone_with_what_waited() {
    let mut world = World::new();
    let audience = world.audience("known", KNOWN);
    let (gone, stays) = (
        world.flow(&Flow { path: "/gone".into(), ..Flow::to(&[&audience]) }),
        world.flow(&Flow { path: "/stays".into(), ..Flow::to(&[&audience]) }),
    );
    failing(&world, 503);
    world.send(&[world.person(&[("CRMID", "anna")], "anna")]);
    until("both wait", || (world.ledger(&gone), world.ledger(&stays)), |(a, b)| a["waiting"] == 1 && b["waiting"] == 1);
    let path = format!("{FLOWS}/flows/{gone}");
    let answer = world.api.call("DELETE", &path, None);
    if answer.status == 400 {
        world.set_enabled(&gone, false);
        world.api.call("DELETE", &path, None).ok();
    }
    world.api.get(&path).expect(404);
    world.script(&json!({}));
    let before = world.received_count();
    world.drive("10m");
    world.restart();
    world.server.settle();
    let paths: Vec<String> = world.received(before).into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/stays"]);
    assert_eq!(world.server.flows().len(), 1);
    let new = world.flow(&Flow { path: "/new".into(), ..Flow::to(&[&audience]) });
    world.server.settle();
    let ledger = world.ledger(&new);
    assert_eq!(
        (&ledger["exported"], &ledger["balanced"]),
        (&json!(1), &json!(true)),
        "a new flow starts anew: {ledger}"
    );
}

/// One profile's export waits for a retry while the audience that it entered is unmapped.
fn unmapped_while_waiting(first: impl Fn(&World) -> Vec<Json>, then: impl Fn(&World) -> Vec<Json>) {
    let world = World::new();
    let rule = r#"xEvent[eventType = "commerce.purchases"].count() >= 1"#;
    let (buyers, other) =
        (world.audience("buyers", rule), world.audience("other", "person.name.lastName = \"nobody\""));
    let flow = world.flow(&Flow::to(&[&other, &buyers]));
    world.send_and_settle(&first(&world));
    failing(&world, 503);
    world.send(&then(&world));
    until(
        "one waits after an attempt",
        || (world.received_count(), world.ledger(&flow)),
        |(n, l)| *n == 1 && l["waiting"] == 1,
    );
    world.unmap(&flow, 1);
    world.wait_applied();
    world.script(&json!({}));
    let before = world.received_count();
    world.drive("10m");
    let bodies: Vec<Json> = world.received(before).into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [] as [Json; 0], "the profile is in no mapped audience any more");
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["filtered"]["audience_unmapped"], &ledger["balanced"]), (&json!(1), &json!(true)), "{ledger}");
}

const ANNA: [(&str, &str); 1] = [("CRMID", "anna")];

#[test]
fn an_entry_that_waits_is_not_sent_once_its_audience_is_unmapped() {
    let purchase = |world: &World| vec![world.purchase("p1", &ANNA, "2026-03-01T11:00:00Z", 1.0)];
    unmapped_while_waiting(|world| vec![world.person(&ANNA, "anna")], purchase);
}

#[test]
fn a_new_profile_that_waits_is_not_sent_once_its_audience_is_unmapped() {
    let purchase = |world: &World| vec![world.purchase("p1", &ANNA, "2026-03-01T11:00:00Z", 1.0)];
    unmapped_while_waiting(|_| Vec::new(), purchase);
}

#[test]
fn waiting_exports_outlive_a_restart() {
    let mut world = World::new();
    let audience = world.audience("known", KNOWN);
    let flow = world.flow(&Flow { params: json!({ "retry": "aep" }), ..Flow::to(&[&audience]) });
    failing(&world, 503);
    let people: Vec<Json> = (0..50).map(|n| world.person(&[("CRMID", &format!("p{n}"))], "x")).collect();
    world.send(&people);
    world.wait_applied();
    until("all wait", || world.ledger(&flow), |l| l["waiting"] == 50);
    world.server.kill9();
    world.restart();
    until("all wait", || world.ledger(&flow), |l| l["waiting"] == 50);
    world.script(&json!({}));
    world.drive("1m");
    let ledger = world.ledger(&flow);
    assert_eq!(
        (&ledger["exported"], &ledger["dead"], &ledger["balanced"]),
        (&json!(50), &json!(0), &json!(true)),
        "{ledger}"
    );
    let mut ids: Vec<String> =
        world.receiver.records().iter().filter(|r| r.status == 200).flat_map(|r| crm(&r.body)).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn what_is_mapped_while_a_flow_is_off_is_backfilled_once_when_it_goes_on() {
    let world = World::new();
    let known = world.audience("known", KNOWN);
    let flow = world.flow(&Flow::default());
    world.send_and_settle(&[world.person(&[("CRMID", "anna")], "anna")]);
    world.set_enabled(&flow, false);
    world.map(&flow, &known);
    world.server.settle();
    assert_eq!(world.received_count(), 0);
    let on = |enabled| world.bodies_of(|| world.set_enabled(&flow, enabled));
    assert_eq!(on(true).iter().flat_map(crm).collect::<Vec<_>>(), ["anna"]);
    assert!(on(false).is_empty());
    assert!(on(true).is_empty(), "once is enough");
    assert_eq!(world.ledger(&flow)["balanced"], true);
}

#[test]
fn a_dead_letter_of_a_disabled_flow_is_kept() {
    let world = World::new();
    let flow = world.flow(&Flow::to(&[&world.audience("known", KNOWN)]));
    failing(&world, 400);
    world.send_and_settle(&[world.person(&[("CRMID", "anna")], "anna")]);
    world.set_enabled(&flow, false);
    let replay = world.server.command(&["dead-letters", "replay"]);
    assert_eq!(replay.code, Some(1));
    assert!(replay.stderr.contains("is disabled"), "{replay:?}");
    assert_eq!(world.ledger(&flow)["dead"], 1);
}
