//! The Audiences API: life cycle, dependents, lists.

use super::{GOLD, UPS, message, people};
use serde_json::{Value as Json, json};
use testkit::{Flow, World};

fn body(name: &str, pql: &str) -> Json {
    json!({
        "name": name, "type": "SegmentDefinition", "profileInstanceId": "ups", "labels": ["core/C1"],
        "schema": { "name": "_xdm.context.profile" },
        "expression": { "type": "PQL", "format": "pql/text", "value": pql },
    })
}

fn made(world: &World, body: &Json) -> (String, Json) {
    let made = world.api.post(&format!("{UPS}/audiences"), body).expect(201).json;
    (made["id"].as_str().expect("an id").to_owned(), made)
}

#[test]
fn only_published_audiences_are_evaluated() {
    let world = World::new();
    people(&world);
    let mut draft = body("gold", GOLD);
    draft["lifecycleState"] = json!("draft");
    let (id, shown) = made(&world, &draft);
    assert_eq!((&shown["lifecycleState"], &shown["namespace"]), (&json!("draft"), &json!("AEPSegments")), "{shown}");
    world.server.settle();
    assert!(world.server.status()["audiences"][&id].is_null(), "a draft is not evaluated");
    let path = format!("{UPS}/audiences/{id}");
    let set = |state: &str| {
        world.api.call("PATCH", &path, Some(&json!([{ "op": "add", "path": "/lifecycleState", "value": state }])))
    };
    assert!(message(&set("inactive").expect(400).json).contains("can become published or archived"));
    assert_eq!(set("published").expect(201).json["lifecycleState"], "published");
    world.server.settle();
    assert_eq!(world.members(&id), 3);
    set("inactive").expect(201);
    world.send_and_settle(&[world.person(&[("CRMID", "x")], "gold")]);
    assert!(world.entity("CRMID", "x")["entity"]["segmentMembership"].is_null());
    set("published").expect(201);
    world.server.settle();
    assert_eq!(world.members(&id), 4);
    set("archived").expect(201);
    for state in ["published", "draft", "inactive", "elsewhere"] {
        set(state).expect(400);
    }
}

#[test]
fn an_audience_that_is_needed_stays() {
    let world = World::new();
    let (inner, _) = made(&world, &body("inner", GOLD));
    let (outer, shown) = made(&world, &body("outer", &format!("inSegment(\"{inner}\")")));
    assert_eq!(shown["dependencies"], json!([inner]), "{shown}");
    let path = format!("{UPS}/audiences/{inner}");
    assert_eq!(world.api.get(&path).ok()["dependents"], json!([outer]));
    let inactive = json!([{ "op": "add", "path": "/lifecycleState", "value": "inactive" }]);
    for refused in [world.api.call("DELETE", &path, None), world.api.call("PATCH", &path, Some(&inactive))] {
        assert!(message(&refused.expect(400).json).contains(&format!("the audience {outer} uses it")));
    }
    let flow = world.flow(&Flow::to(&[&outer]));
    let outer_path = format!("{UPS}/audiences/{outer}");
    let refused = world.api.call("DELETE", &outer_path, None).expect(400).json;
    assert!(message(&refused).contains(&flow), "{refused}");
    world.unmap(&flow, 0);
    world.api.call("DELETE", &outer_path, None).expect(204);
    world.api.call("DELETE", &path, None).expect(204);
    world.api.get(&path).expect(404);
}

#[test]
fn an_audience_is_replaced_patched_and_shared_with_definitions() {
    let world = World::new();
    people(&world);
    let (id, first) = made(&world, &body("gold", GOLD));
    let path = format!("{UPS}/audiences/{id}");
    let mut changed = first.clone();
    changed["name"] = json!("silver");
    changed["expression"]["value"] = json!("person.name.lastName = \"silver\"");
    let put = world.api.call("PUT", &path, Some(&changed)).expect(201).json;
    assert_eq!((&put["name"], &put["labels"], &put["id"]), (&json!("silver"), &json!(["core/C1"]), &json!(id)));
    assert_ne!(put["_etag"], first["_etag"]);
    world.server.settle();
    assert_eq!(world.members(&id), 2);
    let stale = world.api.call("PUT", &path, Some(&changed)).expect(400).json;
    assert!(message(&stale).starts_with("_etag: must be"), "{stale}");
    let patch = json!([
        { "op": "add", "path": "/expression", "value": { "type": "PQL", "format": "pql/text", "value": GOLD } },
        { "op": "add", "path": "/labels/-", "value": "core/C2" },
        { "op": "remove", "path": "/labels/0" },
    ]);
    let patched = world.api.call("PATCH", &path, Some(&patch)).expect(201).json;
    assert_eq!((&patched["labels"], &patched["expression"]["value"]), (&json!(["core/C2"]), &json!(GOLD)));
    let definition = format!("{UPS}/segment/definitions/{id}");
    let renamed = world.api.call("PATCH", &definition, Some(&json!({ "name": "again" }))).ok();
    assert_eq!((&renamed["name"], &renamed["lifecycleState"]), (&json!("again"), &Json::Null), "{renamed}");
    assert_eq!(world.api.get(&path).ok()["labels"], json!(["core/C2"]), "labels stay");
    world.server.settle();
    assert_eq!(world.members(&id), 3);
}

#[test]
fn lists_are_filtered_sorted_and_cut() {
    let world = World::new();
    for name in ["Gold one", "Gold two", "Silver"] {
        let mut audience = body(name, GOLD);
        audience["description"] = json!(format!("people who are {name}"));
        made(&world, &audience);
    }
    let list = |query: &str| world.api.get(&format!("{UPS}/audiences?{query}")).ok();
    let names = |query: &str| {
        let page = list(query);
        let children = page["children"].as_array().expect("children").iter();
        children.map(|audience| audience["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("sort=name:asc", &["Gold one", "Gold two", "Silver"][..]),
        ("sort=name:desc&limit=2", &["Silver", "Gold two"]),
        ("sort=name:desc&limit=2&start=2", &["Gold one"]),
        ("name=gOLD&sort=name:asc", &["Gold one", "Gold two"]),
        ("description=are%20silver", &["Silver"]),
        ("property=name==Silver", &["Silver"]),
        ("property=name!=Silver&property=lifecycleState==published&sort=name:asc", &["Gold one", "Gold two"]),
        ("property=evaluationInfo.batch.enabled==true", &[]),
        ("entityType=_xdm.context.account", &[]),
        ("entityType=_xdm.context.profile&sort=name:asc", &["Gold one", "Gold two", "Silver"]),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    let submission = json!({ "name": "Guests", "fields": [{ "name": "crm", "identityNs": "CRMID" }] });
    world.api.post("/data/core/ais/external-audience/submit", &submission).expect(202);
    for kind in ["ExternalSegment", "ExternalAudience"] {
        assert_eq!(names(&format!("property=type=={kind}")), ["Guests"], "{kind}");
        assert_eq!(names(&format!("property=type!={kind}&sort=name:asc")), ["Gold one", "Gold two", "Silver"]);
    }
    let unknown = world.api.get(&format!("{UPS}/audiences?property=shoe==1")).expect(400).json;
    assert!(message(&unknown).starts_with("property: `shoe` is no member of an audience: id, audienceId"), "{unknown}");
    let guests = list("property=name==Guests")["children"][0]["id"].as_str().expect("an id").to_owned();
    world.api.call("DELETE", &format!("{UPS}/audiences/{guests}"), None).expect(204);
    let page = list("limit=2&start=0&sort=name:asc");
    let expected = json!({
        "totalCount": 3, "totalPages": 2, "sortField": "name", "sort": "asc",
        "pageSize": 2, "limit": 2, "start": 0, "next": 2,
    });
    assert_eq!(page["_page"], expected);
    assert_eq!(page["_links"]["next"]["href"], "@/audiences?start=2&limit=2&sort=name:asc");
    assert!(list("start=2")["_page"]["next"].is_null());
}
