//! Publishing and review (destination-sdk.md §2.13).

use crate::scene::{AUTHORING, Scene, text};
use serde_json::{Value as Json, json};

fn publish(scene: &Scene, destination: &str) -> Json {
    let body = json!({ "destinationId": destination, "destinationAccess": "ALL" });
    scene.world.api.post(&format!("{AUTHORING}/destinations/publish"), &body).expect(201).json
}

/// Id and status of the submitted copies, oldest first.
fn submitted(scene: &Scene, destination: &str) -> Vec<(String, String)> {
    let shown = scene.world.api.get(&format!("{AUTHORING}/destinations/publish/{destination}")).ok();
    let list = shown["publishDetailsList"].as_array().expect("details").iter();
    let public = list.filter(|detail| detail["destinationType"] == "PUBLIC");
    public.map(|detail| (text(detail, "configId"), text(detail, "status"))).collect()
}

fn review(scene: &Scene, verdict: &str, id: &str) -> Option<i32> {
    scene.world.server.command(&["author", "review", verdict, id]).code
}

#[test]
fn customers_see_what_was_approved() {
    let scene = Scene::new();
    let server = scene.server(&json!({}));
    let first = Scene::destination(&server, &json!({ "description": "first" }));
    let id = scene.author("destinations", &first);
    let description = |origin: &str| scene.try_card("Partner", origin).map(|(spec, _)| spec["attributes"].clone());
    assert!(description("private").is_some() && description("public").is_none());
    let answer = publish(&scene, &id);
    assert_eq!(answer["publishDetailsList"].as_array().map(Vec::len), Some(2), "{answer}");
    assert!(description("public").is_none(), "nothing is public before its review");
    let twice = json!({ "destinationId": id, "destinationAccess": "ALL" });
    scene.world.api.post(&format!("{AUTHORING}/destinations/publish"), &twice).expect(400);
    let one = submitted(&scene, &id)[0].0.clone();
    let listed = scene.world.server.command(&["author", "review", "list", "--output", "json"]).json();
    assert_eq!((&listed["reviews"][0]["configId"], &listed["reviews"][0]["status"]), (&json!(one), &json!("REVIEW")));
    assert_eq!(review(&scene, "approve", &one), Some(0));
    assert_ne!(review(&scene, "approve", &one), Some(0), "it is decided");
    assert_ne!(review(&scene, "deny", "no-such-request"), Some(0));
    let shown = |origin: &str| scene.card("Partner", origin).0["targetSpec"].to_string();
    assert!(shown("public").contains("first"));

    // The author goes on; customers see that only once it is approved again.
    let mut second = Scene::destination(&server, &json!({ "description": "second" }));
    second["status"] = json!("PUBLISHED");
    scene.world.api.call("PUT", &format!("{AUTHORING}/destinations/{id}"), Some(&second)).ok();
    assert!(shown("private").contains("second") && shown("public").contains("first"));
    publish(&scene, &id);
    let two = submitted(&scene, &id)[1].0.clone();
    assert_eq!(review(&scene, "deny", &two), Some(0));
    assert!(shown("public").contains("first"));
    publish(&scene, &id);
    let three = submitted(&scene, &id)[2].0.clone();
    assert_eq!(review(&scene, "approve", &three), Some(0));
    assert!(shown("public").contains("second"));
    let statuses: Vec<String> = submitted(&scene, &id).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["DEPRECATED", "DENIED", "PUBLISHED"]);
}

#[test]
fn a_flow_to_a_public_destination_follows_what_is_approved() {
    let scene = Scene::new();
    let server = scene.server(&json!({}));
    let id = scene.author("destinations", &Scene::destination(&server, &json!({})));
    publish(&scene, &id);
    assert_eq!(review(&scene, "approve", &submitted(&scene, &id)[0].0), Some(0));
    let (spec, flow_spec) = scene.card("Partner", "public");
    let base = scene.account(&spec, &Json::Null);
    let target = text(&scene.try_target(&spec, &base, &json!({})).ok(), "id");
    let connected = crate::scene::Connected { flow_spec, base, target };
    let flow = scene.flow(&connected, &[&scene.vips()], &crate::scene::usual());
    // The author's working copy of the server leads elsewhere; that is not what was approved.
    let path = format!("{AUTHORING}/destination-servers/{server}");
    let mut changed = scene.world.api.get(&path).ok();
    changed["urlBasedDestination"]["url"] = crate::scene::pebble(&format!("{}/elsewhere", scene.partner.url));
    scene.world.api.call("PUT", &path, Some(&changed)).ok();
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    assert_eq!((scene.partner.calls("/in").len(), scene.partner.calls("/elsewhere").len()), (1, 0));
    publish(&scene, &id);
    assert_eq!(review(&scene, "approve", &submitted(&scene, &id)[1].0), Some(0));
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    assert_eq!((scene.partner.calls("/in").len(), scene.partner.calls("/elsewhere").len()), (1, 1));
    scene.check_ledger(&flow, 2, 0);
}
