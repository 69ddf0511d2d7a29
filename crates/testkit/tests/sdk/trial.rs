//! The test of a destination instance (destination-sdk.md §2.12).

use crate::partner::Reply;
use crate::scene::{AUTHORING, Scene, hashed};
use serde_json::{Value as Json, json};

#[test]
fn profiles_go_to_the_partner_and_the_answer_comes_back() {
    let scene = Scene::new();
    let vips = scene.vips();
    let destination = json!({ "aggregation": { "bestEffortAggregation": {
        "maxUsersPerRequest": 7, "splitUserById": false,
        "aggregationKey": { "includeSegmentId": true, "includeSegmentStatus": true, "includeIdentity": true, "oneIdentityPerGroup": true },
    } } });
    let (_, flow) = scene.activate(&json!({}), &destination, &Json::Null, &[&vips]);
    scene.partner.plan(|_| {
        Reply::Raw(202, vec![("content-type", "text/plain".into()), ("x-request", "r-1".into())], b"taken".to_vec())
    });
    let path = format!("{AUTHORING}/testing/destinationInstance/{flow}");
    let profile = |n: usize| {
        json!({
            "identityMap": { "Email": [{ "id": format!("Person{n}@Example.com") }] },
            "person": { "name": { "lastName": format!("L{n}") } },
            "segmentMembership": { "ups": { vips.as_str(): { "status": "realized", "lastQualificationTime": "2026-03-01T11:00:00Z" } } },
        })
    };
    let profiles: Vec<Json> = (0..10).map(profile).collect();
    let answer = scene.world.api.post(&path, &json!({ "profiles": profiles })).expect(200).json;
    assert_eq!(answer["inputProfiles"], json!(profiles));
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 1, "{answer}");
    let key = &results[0]["aggregationKey"];
    assert_eq!(
        (&key["destinationInstanceId"], &key["segmentId"], &key["segmentStatus"]),
        (&json!(flow), &json!(vips), &json!("realized"))
    );
    assert_eq!(key["identityNamespaces"], json!([["email"]]));
    let calls = results[0]["httpCalls"].as_array().expect("calls");
    let sizes: Vec<usize> =
        scene.partner.calls("/in").iter().map(|call| call.json()["people"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!((calls.len(), sizes), (2, vec![7, 3]));
    let call = &calls[0];
    assert_eq!(call["traceId"].as_str().map(str::len), Some(36));
    assert_eq!(
        (&call["request"]["method"], &call["request"]["uri"]),
        (&json!("POST"), &json!(format!("{}/in", scene.partner.url)))
    );
    assert_eq!(call["request"]["body"], json!(scene.partner.calls("/in")[0].body));
    let has = |headers: &Json, name: &str, value: &str| {
        headers.as_array().is_some_and(|h| h.contains(&json!({ name: value })))
    };
    assert!(
        has(&call["request"]["headers"], "Content-Type", "application/json")
            || has(&call["request"]["headers"], "content-type", "application/json"),
        "{call}"
    );
    assert_eq!((&call["response"]["code"], &call["response"]["body"]), (&json!("202"), &json!("taken")));
    assert!(has(&call["response"]["headers"], "x-request", "r-1"), "{call}");
    assert!(call["request"]["body"].as_str().is_some_and(|body| body.contains(&hashed(0))));
}

#[test]
fn without_profiles_some_are_made_up_and_faults_are_named() {
    let scene = Scene::new();
    let vips = scene.vips();
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&vips]);
    scene.partner.plan(|_| crate::partner::status(202));
    let path = format!("{AUTHORING}/testing/destinationInstance/{flow}");
    for body in [None, Some(json!({}))] {
        let answer = scene.world.api.call("POST", &path, body.as_ref()).expect(200).json;
        let made = answer["inputProfiles"].as_array().expect("profiles");
        assert!(!made.is_empty() && made[0]["identityMap"]["Email"].is_array(), "{answer}");
        assert_eq!(made[0]["segmentMembership"]["ups"][&vips]["status"], "realized", "{answer}");
        assert!(made[0]["person"]["name"]["lastName"].is_string(), "{answer}");
        assert_eq!(answer["results"][0]["httpCalls"][0]["response"]["code"], "202");
    }
    assert_eq!(scene.partner.calls("/in").len(), 2);
    // Nothing of it is an export.
    scene.check_ledger(&flow, 0, 0);
    // What does not work is said.
    for (body, named) in [
        (json!({ "profiles": [] }), "profiles"),
        (json!({ "profiles": [1] }), "profiles[0]"),
        (json!({ "people": [] }), "people"),
        (json!({ "profiles": [{ "identityMap": { "Email": "x" } }] }), "identityMap"),
    ] {
        let answer = scene.world.api.post(&path, &body);
        assert!(answer.status == 400 && answer.text.contains(named), "{body}: {answer:?}");
    }
    scene.world.api.post(&format!("{AUTHORING}/testing/destinationInstance/no-such-flow"), &json!({})).expect(404);
    // Samples in the source schema, and a template tried out.
    let samples =
        scene.world.api.get(&format!("{AUTHORING}/sample-profiles?destinationInstanceId={flow}&count=3")).ok();
    assert_eq!(samples.as_array().map(Vec::len), Some(3));
    scene.world.api.post(&path, &json!({ "profiles": samples })).expect(200);
}

#[test]
fn a_partner_that_is_away_is_shown_as_such() {
    let scene = Scene::new();
    let dead = json!({ "urlBasedDestination": { "url": { "value": "http://127.0.0.1:1/in" } } });
    let (_, flow) = scene.activate(&dead, &json!({}), &Json::Null, &[&scene.vips()]);
    let answer =
        scene.world.api.post(&format!("{AUTHORING}/testing/destinationInstance/{flow}"), &json!({})).expect(200).json;
    let call = &answer["results"][0]["httpCalls"][0];
    assert!(call["request"]["body"].is_string() && call["response"]["error"].is_string(), "{answer}");
}
