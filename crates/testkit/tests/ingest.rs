//! Bad input at the inlet: each is answered precisely and changes nothing (profile.md §7, design §11.9).

use serde_json::{Value as Json, json};
use testkit::{Api, World};

const ANNA: [(&str, &str); 1] = [("CRMID", "anna")];
const PROBLEM: &str = "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet";

/// A world with one profile of one event.
fn world() -> World {
    let world = World::new();
    world.send_and_settle(&[world.purchase("p1", &ANNA, "2026-03-01T11:00:00Z", 1.0), world.person(&ANNA, "anna")]);
    assert_eq!(world.counts(), (1, 1));
    world
}

fn quarantine(world: &World) -> Vec<Json> {
    let listed = world.server.command(&["quarantine", "list", "--output", "json"]).json();
    listed["quarantine"].as_array().expect("a list").clone()
}

#[test]
fn an_event_counts_once_however_often_it_is_sent() {
    let world = world();
    let audience = world.audience("twice", r#"xEvent[eventType = "commerce.purchases"].count() >= 2"#);
    let again = world.purchase("p1", &ANNA, "2026-03-01T11:00:00Z", 1.0);
    world.send_and_settle(&[again.clone(), again.clone()]);
    world.send_and_settle(&[again]);
    assert_eq!((world.counts(), world.members(&audience)), ((1, 1), 0));
    world.send_and_settle(&[world.purchase("p2", &ANNA, "2026-03-01T11:00:00Z", 1.0)]);
    assert_eq!((world.counts(), world.members(&audience)), ((1, 2), 1));
}

#[test]
fn a_batch_answers_each_message_in_order() {
    let world = world();
    let good = |n: u32| world.purchase(&format!("b{n}"), &ANNA, "2026-03-01T11:00:00Z", 1.0);
    let mut wrong_org = good(1);
    wrong_org["header"]["imsOrgId"] = json!("0@AdobeOrg");
    let mut no_dataset = good(3);
    no_dataset["header"]["datasetId"] = json!("000000000000000000000000");
    let answer = world.send_batch(&[good(0), wrong_org, good(2), no_dataset, json!(42), good(5)]).expect(207);
    let responses = answer.json["responses"].as_array().expect("responses");
    assert_eq!(responses.len(), 6, "{}", answer.json);
    for (n, response) in responses.iter().enumerate() {
        let refused = matches!(n, 1 | 3 | 4);
        assert_eq!(response["statusCode"] == 400, refused, "{n}: {response}");
        assert_eq!(response.get("xactionId").is_some(), !refused, "{n}: {response}");
    }
    assert_eq!(responses[1]["message"], "Message has an absent or wrong ims org in the header");
    assert!(responses[3]["message"].as_str().is_some_and(|m| m.contains("000000000000000000000000")), "{responses:?}");
    assert_eq!(answer.json["inletId"], json!(world.inlet));
    assert_eq!(world.counts(), (1, 4), "the three good ones");
}

/// Sends it with and without synchronous validation: refused with 400, or kept in the quarantine.
fn violates(world: &World, message: &Json, pointer: &str) {
    let refused = world.send_one(message, "?syncValidation=true").expect(400).json;
    assert_eq!((&refused["type"], &refused["status"]), (&json!(PROBLEM), &json!(400)), "{refused}");
    assert_eq!(refused["title"], "Invalid XDM Message Format", "{refused}");
    let violations = refused["report"]["cause"]["_streamingValidation"].as_array().expect("violations");
    let pointers: Vec<&str> = violations.iter().filter_map(|v| v["pointerToViolation"].as_str()).collect();
    assert!(pointers.contains(&format!("#{pointer}").as_str()), "{pointer}: {refused}");
    assert!(violations.iter().all(|v| v["message"].as_str().is_some_and(|m| !m.is_empty())), "{refused}");
    let before = quarantine(world).len();
    world.send_one(message, "").expect(200);
    world.wait_applied();
    let kept = quarantine(world);
    assert_eq!(kept.len(), before + 1, "{kept:?}");
    assert_eq!(world.counts(), (1, 1), "nothing changed");
}

#[test]
fn what_does_not_fit_the_schema_is_refused_or_quarantined() {
    let world = world();
    let purchase = |time: &str, body: Json| world.event("bad", &ANNA, time, "commerce.purchases", body);
    let now = "2026-03-01T12:00:00Z";
    violates(
        &world,
        &purchase(now, json!({ "commerce": { "order": { "priceTotal": "dear" } } })),
        "/commerce/order/priceTotal",
    );
    violates(&world, &purchase(now, json!({ "commerce": [] })), "/commerce");
    violates(&world, &purchase(now, json!({ "eventType": 7 })), "/eventType");
    violates(&world, &purchase("2026-03-01T12:05:00.001Z", json!({})), "/timestamp");
    violates(&world, &purchase("yesterday", json!({})), "/timestamp");
    violates(&world, &purchase(now, json!({ "_id": null })), "/_id");
    violates(&world, &purchase(now, json!({ "identityMap": {} })), "/identityMap");
    violates(
        &world,
        &purchase(now, json!({ "identityMap": { "Nobody": [{ "id": "x", "primary": true }] } })),
        "/identityMap/Nobody",
    );
    violates(&world, &world.record(&ANNA, json!({ "person": { "name": { "lastName": 7 } } })), "/person/name/lastName");
    let anna = world.show("CRMID", "anna").ok();
    assert_eq!(anna["attributes"]["person"]["name"]["lastName"], "anna", "{anna}");
    let metrics = world.server.metrics();
    assert!(metrics.contains("rivermouth_ingest_messages_total{result=\"quarantined\"} 9\n"), "{metrics}");
}

#[test]
fn the_quarantine_can_be_replayed_once_its_reason_is_gone() {
    let world = world();
    world.send_one(&world.purchase("early", &ANNA, "2026-03-01T12:30:00Z", 1.0), "").expect(200);
    let mut hopeless = world.purchase("hopeless", &ANNA, "2026-03-01T12:00:00Z", 1.0);
    hopeless["body"]["xdmEntity"]["commerce"]["order"]["priceTotal"] = json!("dear");
    world.send_one(&hopeless, "").expect(200);
    world.wait_applied();
    assert_eq!((quarantine(&world).len(), world.counts()), (2, (1, 1)));
    let refused = world.server.command(&["quarantine", "replay", "--output", "json"]).json();
    assert_eq!(refused["replayed"], 0, "{refused}");
    assert_eq!(refused["refused"].as_array().map(Vec::len), Some(2), "{refused}");
    world.advance("30m");
    let replayed = world.server.command(&["quarantine", "replay", "--output", "json"]).json();
    assert_eq!(
        (&replayed["replayed"], replayed["refused"].as_array().map(Vec::len)),
        (&json!(1), Some(1)),
        "{replayed}"
    );
    assert_eq!(world.counts(), (1, 2));
    let left = quarantine(&world);
    assert_eq!(left.len(), 1, "{left:?}");
    let id = left[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(left[0]["violations"][0]["pointer"], "/commerce/order/priceTotal", "{left:?}");
    let wrong = world.server.command(&["quarantine", "replay", "one", "--output", "json"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("\"one\""), "{wrong:?}");
    let again = world.server.command(&["quarantine", "replay", &id, "--output", "json"]).json();
    assert_eq!(again["replayed"], 0, "{again}");
}

#[test]
fn a_faulty_envelope_is_refused() {
    let world = world();
    let good = world.purchase("p9", &ANNA, "2026-03-01T11:00:00Z", 1.0);
    let with = |pointer: &str, value: Json| {
        let mut message = good.clone();
        *message.pointer_mut(pointer).expect("a member") = value;
        message
    };
    let without = |pointer: &str, name: &str| {
        let mut message = good.clone();
        message.pointer_mut(pointer).and_then(Json::as_object_mut).expect("an object").remove(name);
        message
    };
    let cases = [
        (with("/header/imsOrgId", json!("0@AdobeOrg")), "Message has an absent or wrong ims org in the header"),
        (without("/header", "imsOrgId"), "Message has an absent or wrong ims org in the header"),
        (
            with("/header/schemaRef/id", json!("https://ns.adobe.com/other/schemas/1")),
            "https://ns.adobe.com/other/schemas/1",
        ),
        (with("/header/datasetId", json!("nowhere")), "\"nowhere\""),
        (without("/header", "datasetId"), "header.datasetId is missing"),
        (without("/header", "schemaRef"), "schemaRef"),
        (with("/header/schemaRef/contentType", json!("text/plain")), "header.schemaRef.contentType is \"text/plain\""),
        (with("/body/xdmEntity", json!([])), "Message has unknown xdm format"),
        (without("", "body"), "Message has unknown xdm format"),
        (json!([]), "Message has unknown xdm format"),
        (with("/header", json!({ "surprise": 1 })), "surprise"),
    ];
    for (message, said) in &cases {
        let refused = world.send_one(message, "").expect(400).json;
        let text = refused["report"]["message"].as_str().unwrap_or_default();
        assert!(text.contains(said), "{said}: {refused}");
        assert_eq!(world.counts(), (1, 1), "{said}");
    }
    assert_eq!(quarantine(&world), [] as [Json; 0]);
    world.send_one(&good, "").expect(200);
    assert_eq!(world.counts(), (1, 2), "the good one fits");
}

#[test]
fn a_request_that_is_no_message_is_refused() {
    let world = world();
    let plain = Api::new(&world.server.url);
    let path = format!("/collection/{}", world.inlet);
    let good = world.purchase("p9", &ANNA, "2026-03-01T11:00:00Z", 1.0).to_string();
    let post = |path: &str, body: &str, kind: &str| {
        let answer = plain.send("POST", path, Some(body.as_bytes().to_vec()), &[("content-type", kind)]);
        assert_eq!(world.counts(), (1, 1), "{path}");
        (answer.status, answer.json["report"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, said) = post("/collection/nowhere", &good, "application/json");
    assert_eq!((status, said.contains("\"nowhere\"")), (404, true), "{said}");
    let (status, said) = post(&path, &good[..good.len() - 9], "application/json");
    assert_eq!((status, said.contains("line 1 column")), (400, true), "{said}");
    let (status, said) = post(&path, "", "application/json");
    assert_eq!(status, 400, "{said}");
    let (status, said) = post(&path, &good, "text/plain");
    assert_eq!((status, said.contains("text/plain")), (415, true), "{said}");
    let (status, said) = post(&format!("{path}?syncValidation=maybe"), &good, "application/json");
    assert_eq!((status, said.contains("\"maybe\"")), (400, true), "{said}");
    let batch = format!("/collection/batch/{}", world.inlet);
    let (status, said) = post(&batch, &good, "application/json");
    assert_eq!((status, said.contains("messages")), (400, true), "{said}");
    let large = format!("{{\"messages\":[{}]}}", vec![good.as_str(); 2 * 1024 * 1024 / good.len()].join(","));
    let (status, said) = post(&batch, &large, "application/json");
    assert_eq!((status, said.contains("1048576")), (413, true), "{said}");
    let invalid = plain.send("POST", &path, Some(vec![b'"', 0xff, b'"']), &[]).expect(400);
    assert_eq!(invalid.json["type"], PROBLEM, "{invalid:?}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, said) = post(&path, &deep, "application/json");
    assert_eq!(status, 400, "{said}");
    plain.get("/health").expect(200);
}

#[test]
fn an_authenticated_inlet_wants_a_token_of_its_organisation() {
    let mut world = world();
    world.inlet = world.inlet("guarded", true);
    let path = format!("/collection/{}", world.inlet);
    let message = world.purchase("p9", &ANNA, "2026-03-01T11:00:00Z", 1.0);
    let plain = Api::new(&world.server.url);
    let bearer = format!("Bearer {}", world.api.bearer());
    let foreign = plain.with("authorization", &bearer).with("x-gw-ims-org-id", "0@AdobeOrg");
    let forged = plain.with("authorization", "Bearer e30.e30.e30").with("x-gw-ims-org-id", &world.org);
    for (api, status) in [(&plain, "401"), (&forged, "401"), (&foreign, "403")] {
        let refused = api.post(&path, &message).expect(status.parse().expect("a status")).json;
        let kind = "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization";
        assert_eq!((&refused["type"], &refused["status"]), (&json!(kind), &json!(status)), "{refused}");
        assert_eq!(refused["title"], "Authorization", "{refused}");
        assert!(refused["report"]["message"].is_string(), "{refused}");
        assert_eq!(world.counts(), (1, 1));
    }
    world.api.post(&path, &message).expect(200);
    assert_eq!(world.counts(), (1, 2));
}
