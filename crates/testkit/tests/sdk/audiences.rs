//! Audiences and dataflows made known to the partner (destination-sdk.md §6).

use crate::partner::{Call, Reply, ok};
use crate::scene::{Connected, FLOWS, Scene, usual};
use serde_json::{Value as Json, json};
use testkit::until;

/// All events, at paths of their own.
fn template(url: &str) -> Json {
    let call = |method: &str, path: &str, body: Json| {
        json!({
            "url": format!("{url}/{path}"), "httpMethod": method,
            "headers": [{ "header": "Content-Type", "value": "application/json" }],
            "requestBody": { "json": body },
            "responseErrorFields": [{ "name": "message", "value": "{{error.message}}" }],
        })
    };
    let list = json!({ "title": "{{segment.name}}", "ref": "{{segment.id}}", "days": 30 });
    let mut create = call("POST", "lists", list);
    create["responseFields"] = json!([{ "name": "externalAudienceId", "value": "{{body.lists[0].id}}" }]);
    json!({ "metadataTemplate": {
        "name": "Partner lists",
        "create": create,
        "update": call("PUT", "lists/{{segment.alias}}", json!({ "title": "{{segment.name}}" })),
        "delete": call("DELETE", "lists/{{segment.alias}}", json!({ "gone": "{{segment.alias}}" })),
        "validate": call("POST", "check", json!({ "by": "{{destination.sandboxName}}" })),
        "updateDestination": call("PUT", "flows", json!({ "by": "{{destination.imsOrgId}}" })),
        "createDestination": call("POST", "flows", json!({ "by": "{{destination.imsOrgId}}" })),
        "deleteDestination": call("DELETE", "flows", json!({ "of": "{{destination.name}}" })),
    } })
}

/// The partner names lists in the order in which they are made.
fn naming() -> impl FnMut(&Call) -> Reply + Send {
    let mut made = 0;
    move |call| match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/lists") => {
            made += 1;
            Reply::Json(200, json!({ "lists": [{ "id": format!("ZX-{made}") }] }))
        }
        _ => ok(),
    }
}

fn connected(scene: &Scene) -> Connected {
    let template = scene.author("audience-templates", &template(&scene.partner.url));
    let server = scene.server(&json!({}));
    let mut body = Scene::destination(&server, &json!({}));
    body["segmentMappingConfig"]["mapExperiencePlatformSegmentName"] = json!(false);
    body["customerDataFields"] = json!([{ "name": "region", "title": "Region", "type": "string" }]);
    body["audienceMetadataConfig"] = json!({ "audienceTemplateId": template });
    scene.author("destinations", &body);
    scene.connect("Partner", &Json::Null, &json!({}))
}

fn rename(scene: &Scene, audience: &str, name: &str) {
    let path = format!("/data/core/ups/segment/definitions/{audience}");
    scene.world.api.call("PATCH", &path, Some(&json!({ "name": name }))).ok();
}

#[test]
fn the_partner_knows_audiences_from_first_to_last() {
    let mut scene = Scene::new();
    scene.partner.plan(naming());
    let vips = scene.vips();
    scene.people(0..2, "Vip");
    let flow = scene.flow(&connected(&scene), &[&vips], &usual());
    scene.partner.wait_for("/in", 1);
    scene.world.server.settle();
    let all = scene.partner.calls("/");
    let order: Vec<String> = all.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    let first = ["POST /check", "POST /flows", "POST /lists"];
    assert_eq!(order[..3], first, "the check first, then the flow, then the audience, then exports");
    assert_eq!(all[2].json(), json!({ "title": "Vips", "ref": vips, "days": 30 }));
    let entries = scene.entries("/in");
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry["add"] == json!(["ZX-1"])), "{entries:?}");

    rename(&scene, &vips, "Best");
    let update = scene.partner.wait_for("/lists/ZX-1", 1).remove(0);
    assert_eq!((update.method.as_str(), update.json()), ("PUT", json!({ "title": "Best" })));
    // A restart tells nothing again.
    scene.world.restart();
    scene.partner.forget();
    let lapsed = scene.world.audience("Lapsed", "person.name.firstName = \"No\"");
    scene.world.map(&flow, &lapsed);
    scene.partner.wait_for("/lists", 1);
    scene.people(0..1, "No");
    scene.world.server.settle();
    let paths: Vec<String> = scene.partner.calls("/").iter().map(|call| call.path.clone()).collect();
    assert_eq!(paths[..2], ["/lists", "/in"]);
    // In one message, or the exit before the receiver's word on the new audience was written down.
    let entries = scene.entries("/in");
    let last = entries.last().map(|entry| (entry["add"].clone(), entry["remove"].clone()));
    assert_eq!(last, Some((json!(["ZX-2"]), json!(["ZX-1"]))), "{entries:?}");
    assert!(entries.len() <= 2 && entries.iter().all(|entry| entry["remove"] == json!(["ZX-1"])), "{entries:?}");

    scene.world.unmap(&flow, 0);
    let gone = scene.partner.wait_for("/lists/ZX-1", 1).remove(0);
    assert_eq!((gone.method.as_str(), gone.json()), ("DELETE", json!({ "gone": "ZX-1" })));
    scene.world.api.call("DELETE", &format!("{FLOWS}/flows/{flow}"), None).ok();
    assert_eq!(scene.partner.wait_for("/lists/ZX-2", 1)[0].method, "DELETE");
    assert_eq!(scene.partner.wait_for("/flows", 1)[0].method, "DELETE");
}

#[test]
fn what_the_partner_does_not_know_yet_waits() {
    let mut scene = Scene::new();
    let quota = |call: &Call| match call.path.as_str() {
        "/lists" => Reply::Json(400, json!({ "error": { "message": "quota reached" } })),
        _ => ok(),
    };
    scene.partner.plan(quota);
    let vips = scene.vips();
    scene.people(0..2, "Vip");
    let flow = scene.flow(&connected(&scene), &[&vips], &usual());
    scene.partner.wait_for("/lists", 1);
    let log = |scene: &Scene| scene.world.server.log();
    until(
        "the log has the partner's words",
        || log(&scene),
        |log| log.contains("Partner lists") && log.contains("quota reached"),
    );
    until(
        "the operator reads them",
        || scene.world.server.flows()[0]["notTold"].clone(),
        |told| *told == json!([{ "audience": vips, "name": "Vips", "error": "Partner lists quota reached" }]),
    );
    scene.people(2..3, "Vip");
    scene.world.server.settle();
    assert!(scene.partner.calls("/in").is_empty());
    scene.world.restart();
    // Asked again, later and later, over a restart.
    let before = scene.partner.calls("/lists").len();
    scene.world.server.advance("1h");
    scene.partner.wait_for("/lists", before + 1);
    assert!(scene.partner.calls("/in").is_empty());
    scene.partner.plan(naming());
    let advance = || {
        scene.world.server.advance("20m");
        scene.entries("/in").len()
    };
    until("all members are exported", advance, |count| *count >= 3);
    scene.world.server.settle();
    assert_eq!(scene.world.server.flows()[0]["notTold"], json!([]));
    let mut ids: Vec<String> = scene.entries("/in").iter().map(|entry| entry["ids"][0].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), scene.entries("/in").len()), (3, 3), "each once");
    assert!(scene.entries("/in").iter().all(|entry| entry["add"] == json!(["ZX-1"])));
    let ledger = scene.world.ledger(&flow);
    assert_eq!((&ledger["dead"], &ledger["balanced"]), (&json!(0), &json!(true)), "{ledger}");
}

#[test]
fn an_audience_that_the_partner_cannot_take_keeps_back_only_itself() {
    let scene = Scene::new();
    let mut naming = naming();
    scene.partner.plan(move |call| if call.body.contains("Bad") { crate::partner::status(400) } else { naming(call) });
    let (vips, bad) = (scene.vips(), scene.world.audience("Bad", "person.name.lastName.isNotNull()"));
    scene.people(0..1, "Vip");
    scene.flow(&connected(&scene), &[&bad, &vips], &usual());
    scene.partner.wait_for("/in", 1);
    scene.world.server.settle();
    let entries = scene.entries("/in");
    assert_eq!((entries.len(), &entries[0]["add"]), (1, &json!(["ZX-1"])), "{entries:?}");
}

#[test]
fn an_audience_that_comes_back_is_new_to_the_partner() {
    let scene = Scene::new();
    scene.partner.plan(naming());
    let vips = scene.vips();
    scene.people(0..2, "Vip");
    let flow = scene.flow(&connected(&scene), &[&vips], &usual());
    scene.partner.wait_for("/in", 1);
    scene.world.server.settle();
    scene.world.unmap(&flow, 0);
    scene.partner.wait_for("/lists/ZX-1", 1);
    scene.world.server.settle();
    scene.partner.forget();
    scene.world.map(&flow, &vips);
    scene.partner.wait_for("/in", 1);
    scene.world.server.settle();
    let entries = scene.entries("/in");
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry["add"] == json!(["ZX-2"])), "{entries:?}");
}

#[test]
fn a_farewell_is_said_again_until_it_is_heard() {
    let mut scene = Scene::new();
    scene.partner.plan(naming());
    let vips = scene.vips();
    let to = connected(&scene);
    let flow = scene.flow(&to, &[&vips], &usual());
    scene.partner.wait_for("/lists", 1);
    scene.people(0..1, "Vip");
    scene.partner.wait_for("/in", 1);
    // What a changed connection means to the partner is told, too.
    let path = format!("{FLOWS}/targetConnections/{}", to.target);
    let etag = crate::scene::text(&scene.world.api.get(&path).ok()["items"][0], "etag");
    let patch = json!([{ "op": "replace", "path": "/params", "value": { "region": "eu" } }]);
    scene.world.server.advance("1m");
    scene.world.api.send("PATCH", &path, Some(patch.to_string().into_bytes()), &[("if-match", &etag)]).ok();
    assert_eq!(scene.partner.wait_for("/flows", 2)[1].method, "PUT");
    scene.partner.forget();
    scene.partner.plan(|_| crate::partner::status(500));
    for (what, id) in [("flows", &flow), ("targetConnections", &to.target), ("connections", &to.base)] {
        scene.world.api.call("DELETE", &format!("{FLOWS}/{what}/{id}"), None).ok();
    }
    scene.partner.wait_for("/lists/ZX-1", 1);
    scene.world.restart();
    scene.partner.wait_for("/lists/ZX-1", 2);
    assert!(scene.partner.calls("/flows").is_empty(), "the flow goes after its audiences");
    // What the partner no longer has need not be said.
    scene.partner.plan(|call| if call.path.starts_with("/lists") { crate::partner::status(410) } else { ok() });
    let advance = || {
        scene.world.server.advance("11m");
        scene.partner.calls("/flows").len()
    };
    until("both are heard", advance, |count| *count >= 1);
    let heard = scene.partner.calls("/").len();
    scene.world.server.advance("2h");
    scene.world.server.settle();
    assert_eq!(scene.partner.calls("/").len(), heard, "what was heard is not said again");
}
