//! A private destination from its first call to dead letters (destination-sdk.md §1.4, §3.4, §3.7).

use crate::partner::{Reply, ok, status};
use crate::scene::{Connected, FLOWS, Scene, hashed, text, usual};
use serde_json::{Value as Json, json};
use testkit::until;

fn fields() -> Json {
    json!({
        "customerDataFields": [
            { "name": "acct", "title": "Account", "type": "string", "isRequired": true, "unique": true, "pattern": "^(?=.{2,5}$)[A-Z0-9]+$" },
            { "name": "region", "title": "Region", "type": "string", "enum": ["eu", "us"], "default": "eu" },
            { "name": "options", "title": "Options", "type": "object", "properties": [
                { "name": "days", "title": "Days", "type": "integer", "isRequired": true },
            ] },
        ],
    })
}

/// Connects the destination of [`fields`]; gives the card, too.
fn prepared(scene: &Scene) -> (Json, String, String) {
    let url = format!("{}/in/{{{{customerData.region}}}}/{{{{customerData.acct}}}}", scene.partner.url);
    let server = scene.server(&json!({ "urlBasedDestination": { "url": crate::scene::pebble(&url) } }));
    let mut body = Scene::destination(&server, &fields());
    body["customerAuthenticationConfigurations"] = json!([{ "authType": "BEARER" }]);
    body["destinationDelivery"][0]["authenticationRule"] = json!("CUSTOMER_AUTHENTICATION");
    scene.author("destinations", &body);
    let (spec, flow_spec) = scene.card("Partner", "private");
    let auth = json!({ "specName": spec["authSpec"][0]["name"], "params": { "token": "bearer-1" } });
    let base = scene.account(&spec, &auth);
    (spec, flow_spec, base)
}

#[test]
fn customer_data_is_what_the_author_asked_for() {
    let scene = Scene::new();
    let (spec, _, base) = prepared(&scene);
    let refusals = [
        (json!({ "options": { "days": 1 } }), "acct"),
        (json!({ "acct": "a7", "options": { "days": 1 } }), "acct"),
        (json!({ "acct": "TOOLONG", "options": { "days": 1 } }), "acct"),
        (json!({ "acct": "A7", "region": "mars", "options": { "days": 1 } }), "region"),
        (json!({ "acct": "A7", "options": { "days": "one" } }), "days"),
        (json!({ "acct": "A7", "options": {} }), "days"),
        (json!({ "acct": "A7", "options": { "days": 1 }, "colour": "red" }), "colour"),
    ];
    for (params, named) in refusals {
        let answer = scene.try_target(&spec, &base, &params);
        assert!(answer.status == 400 && answer.text.contains(named), "{params}: {answer:?}");
    }
    let good = json!({ "acct": "A7", "options": { "days": 1 } });
    let first = text(&scene.try_target(&spec, &base, &good).ok(), "id");
    let twice = scene.try_target(&spec, &base, &good).expect(400);
    assert!(twice.text.contains("acct") && twice.text.contains("unique"), "{twice:?}");
    let again = scene.try_target(&spec, &base, &good).expect(400);
    assert!(again.text.contains(&first), "{again:?}");
    let other = text(&scene.try_target(&spec, &base, &json!({ "acct": "B8", "options": { "days": 1 } })).ok(), "id");
    let path = format!("{FLOWS}/targetConnections/{other}");
    let etag = text(&scene.world.api.get(&path).ok()["items"][0], "etag");
    let patch = json!([{ "op": "replace", "path": "/params/acct", "value": "A7" }]);
    let patched = scene.world.api.send("PATCH", &path, Some(patch.to_string().into_bytes()), &[("if-match", &etag)]);
    assert!(patched.status == 400 && patched.text.contains("unique"), "{patched:?}");
}

#[test]
fn members_entries_and_exits_reach_the_partner_as_the_template_says() {
    let scene = Scene::new();
    let (spec, flow_spec, base) = prepared(&scene);
    let params = json!({ "acct": "A7", "region": "us", "options": { "days": 30 } });
    let target = text(&scene.try_target(&spec, &base, &params).ok(), "id");
    let connected = Connected { flow_spec, base, target };
    let vips = scene.vips();
    // Mapping: the target namespace is asked for, and attributes must be of the schema.
    for (mapping, named) in [
        (vec![], "email"),
        (vec![crate::scene::identity("identityMap.Email", "identityMap.mail")], "mail"),
        (vec![crate::scene::attribute("person.nothing", "x")], "person.nothing"),
    ] {
        let answer = scene.try_flow(&connected, &[&vips], &mapping);
        assert!(answer.status == 400 && answer.text.contains(named), "{mapping:?}: {answer:?}");
    }
    scene.people(0..2, "Vip");
    scene.people(2..3, "No");
    let flow = scene.flow(&connected, &[&vips], &usual());
    scene.world.server.settle();
    let mut backfilled = scene.entries("/in/us/A7");
    backfilled.sort_by_key(|entry| entry["name"].to_string());
    let entry = |n: usize, name: &str, add: &[&str], remove: &[&str]| json!({ "ids": [hashed(n)], "name": name, "add": add, "remove": remove });
    assert_eq!(backfilled, [entry(0, "L0", &["Vips"], &[]), entry(1, "L1", &["Vips"], &[])]);
    let calls = scene.partner.calls("/in");
    for call in &calls {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/in/us/A7"));
        assert_eq!(call.header("authorization"), Some("Bearer bearer-1"));
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert!(call.header("x-rivermouth-delivery-id").is_some_and(|id| id.len() == 32), "{call:?}");
    }
    scene.partner.forget();
    scene.people(2..3, "Vip");
    scene.world.server.settle();
    scene.people(0..1, "No");
    scene.world.server.settle();
    assert_eq!(scene.entries("/in"), [entry(2, "L2", &["Vips"], &[]), entry(0, "L0", &[], &["Vips"])]);
    scene.check_ledger(&flow, 4, 0);
}

#[test]
fn what_the_partner_refuses_is_kept_and_its_present_state_sent_again() {
    let scene = Scene::new();
    let (_, flow) = scene.activate(&json!({}), &json!({}), &Json::Null, &[&scene.vips()]);
    scene.partner.plan(|call| if call.body.contains("\"L1\"") { status(400) } else { ok() });
    scene.people(0..3, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 1);
    let command = |args: &[&str]| scene.world.server.command(args).json();
    let listed = command(&["dead-letters", "list", "--output", "json"]);
    let letters = listed["deadLetters"].as_array().expect("a list");
    assert!(letters.len() == 1 && listed.to_string().contains("400"), "{listed}");
    scene.partner.plan(|_| ok());
    scene.partner.forget();
    scene.world.send_and_settle(&[scene.person(1, "Later", "Vip")]);
    scene.partner.forget();
    let id = text(&letters[0], "id");
    let replayed = command(&["dead-letters", "replay", &id, "--output", "json"]);
    scene.world.server.settle();
    let present = json!({ "ids": [hashed(1)], "name": "Later", "add": ["Vips"], "remove": [] });
    assert_eq!(scene.entries("/in"), [present], "{replayed}");
    let ledger = scene.world.ledger(&flow);
    assert_eq!((&ledger["dead"], &ledger["balanced"]), (&json!(0), &json!(true)), "{ledger}");
}

#[test]
fn a_template_that_fails_on_a_profile_kills_that_profile_only() {
    let scene = Scene::new();
    let body = r#"{"people":[{% for p in input.profiles %}{% if p.attributes.lastName.value == "L1" %}{{ p.attributes.lastName.value | date("yyyy") }}{% endif %}{"name":"{{ p.attributes.lastName.value }}"}{% if not loop.last %},{% endif %}{% endfor %}]}"#;
    let server = json!({ "httpTemplate": { "requestBody": crate::scene::pebble(body) } });
    let (_, flow) = scene.activate(&server, &json!({}), &Json::Null, &[&scene.vips()]);
    scene.people(0..3, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 1);
    let listed = scene.world.server.command(&["dead-letters", "list", "--output", "json"]).json();
    assert!(listed.to_string().contains("date"), "{listed}");
}

#[test]
fn a_busy_partner_is_asked_again_as_documented() {
    let scene = Scene::new();
    let server = scene.server(&json!({}));
    scene.author("destinations", &Scene::destination(&server, &json!({})));
    let connected = scene.connect("Partner", &Json::Null, &json!({ "deliveryRetry": "aep" }));
    let flow = scene.flow(&connected, &[&scene.vips()], &usual());
    let mut answers = [403, 403, 403, 429].into_iter();
    scene.partner.plan(move |_| Reply::Json(answers.next().unwrap_or(200), json!({})));
    scene.people(0..1, "Vip");
    scene.answered(&flow, 1);
    for (by, count) in [("17s", 2), ("33s", 3)] {
        scene.world.server.advance(by);
        scene.answered(&flow, count);
    }
    scene.world.server.settle();
    scene.check_ledger(&flow, 0, 1);
    scene.people(1..2, "Vip");
    scene.answered(&flow, 4);
    scene.world.server.advance("17s");
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 1);
    assert_eq!(scene.partner.calls("/in").len(), 5);
}

#[test]
fn what_the_author_changes_holds_at_once_and_what_is_in_use_stays() {
    let scene = Scene::new();
    let server = scene.server(&json!({}));
    let destination = scene.author("destinations", &Scene::destination(&server, &json!({})));
    let to = scene.connect("Partner", &Json::Null, &json!({}));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    let put = |kind: &str, id: &str, body: &Json| {
        scene.world.api.call("PUT", &format!("{}/{kind}/{id}", crate::scene::AUTHORING), Some(body))
    };
    let mut changed = scene.world.api.get(&format!("{}/destination-servers/{server}", crate::scene::AUTHORING)).ok();
    changed["urlBasedDestination"]["url"] = crate::scene::pebble(&format!("{}/new", scene.partner.url));
    put("destination-servers", &server, &changed).ok();
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    assert_eq!((scene.partner.calls("/in").len(), scene.partner.calls("/new").len()), (1, 1));
    for (kind, id) in [("destinations", &destination), ("destination-servers", &server)] {
        let path = format!("{}/{kind}/{id}", crate::scene::AUTHORING);
        let refused = scene.world.api.call("DELETE", &path, None).expect(400);
        assert!(refused.text.contains("in use"), "{refused:?}");
    }
    // A namespace that is mapped goes away, and its transformation: nobody is sent until it is back.
    let good = Scene::destination(&server, &json!({}));
    let mut body = good.clone();
    body["identityNamespaces"] = json!({ "phone": { "acceptedGlobalNamespaces": { "Phone": {} } } });
    put("destinations", &destination, &body).ok();
    scene.people(2..3, "Vip");
    until("it waits", || scene.world.ledger(&flow), |ledger| ledger["waiting"] == json!(1));
    assert!(scene.world.server.log().contains("takes none of the identities"), "{}", scene.world.server.log());
    put("destinations", &destination, &good).ok();
    scene.world.server.settle();
    scene.check_ledger(&flow, 3, 0);
    let ids: Vec<Json> = scene.entries("/new").iter().map(|entry| entry["ids"].clone()).collect();
    assert_eq!(ids, [json!([hashed(1)]), json!([hashed(2)])]);
}
