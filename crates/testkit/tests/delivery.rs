//! A receiver that fails in every way, and what must come of it (design, §11.5, §11.6, §11.8).

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use testkit::{Flow, Options, ReceiverOptions, TokenOptions, World, crm, until};

const KNOWN: &str = "person.name.lastName.isNotNull()";

fn guarded() -> ReceiverOptions {
    ReceiverOptions { token: Some(TokenOptions::default()), require_token: true, ..ReceiverOptions::default() }
}

fn oauth(world: &World) -> Json {
    json!({ "specName": "OAuth2 Client Credentials", "params": {
        "accessTokenUrl": world.receiver.url("/token"), "clientId": "receiver", "clientSecret": "receiver-secret",
        "clientCredentialsType": "Body Form Encoded",
    } })
}

fn person(world: &World, id: &str, name: &str) -> Json {
    world.record(&[("CRMID", id)], json!({ "person": { "name": { "lastName": name } } }))
}

#[test]
fn whatever_the_receiver_does_the_last_state_of_each_profile_arrives() {
    const PROFILES: usize = 20;
    const VERSIONS: usize = 4;
    let world = World::start(Options::manual(World::START), guarded());
    let audience = world.audience("known", KNOWN);
    let flow = world.flow(&Flow { auth: oauth(&world), ..Flow::to(&[&audience]) });
    world.script(&json!({
        "steps": [
            { "status": 429, "retry_after": 90, "repeat": 3 }, { "status": 500, "repeat": 3 }, { "reset": true, "repeat": 2 },
            { "status": 200, "stall_ms": 2600 }, { "status": 503, "retry_after": "Sun, 01 Mar 2026 12:10:00 GMT" },
            { "status": 408 }, { "reset": true },
        ],
        "random": { "seed": 7, "fail_ratio": 0.2, "stall_ms": 0 },
    }));
    for version in 0..VERSIONS {
        let state = |n| person(&world, &format!("p-{n}"), &format!("v{version}"));
        world.send(&(0..PROFILES).map(state).collect::<Vec<_>>());
        world.wait_applied();
        if version == 1 {
            world.receiver.revoke_tokens();
        }
    }
    world.drive("45s");
    world.receiver.revoke_tokens();
    world.send(&[person(&world, "p-0", "last")]);
    world.drive("45s");

    let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in world.receiver.records().iter().filter(|r| r.status == 200) {
        let id = crm(&record.body).remove(0);
        let name = record.body["person"]["name"]["lastName"].as_str().expect("the mapped attribute").to_owned();
        states.entry(id).or_default().push(name);
    }
    assert_eq!(states.len(), PROFILES);
    for (id, mut names) in states {
        names.dedup();
        let mut wanted = vec!["v0", "v1", "v2", "v3"];
        wanted.extend((id == "p-0").then_some("last"));
        assert_eq!(names, wanted, "{id}: every state once or more, in order");
    }
    let ledger = world.ledger(&flow);
    assert_eq!(ledger["exported"], PROFILES * VERSIONS + 1, "{ledger}");
    assert_eq!((&ledger["dead"], &ledger["balanced"]), (&json!(0), &json!(true)), "{ledger}");
    let statuses: Vec<u16> = world.receiver.records().iter().map(|r| r.status).collect();
    for status in [0, 401, 408, 429, 500, 503] {
        assert!(statuses.contains(&status), "the receiver played {status}: {statuses:?}");
    }
    assert!(world.receiver.token_requests().len() >= 2, "a refused token was replaced");
}

#[test]
fn a_token_is_renewed_when_the_clock_says_that_it_ends() {
    let world = World::start(Options::manual(World::START), guarded());
    let audience = world.audience("known", KNOWN);
    world.flow(&Flow { auth: oauth(&world), ..Flow::to(&[&audience]) });
    world.send_and_settle(&[person(&world, "p", "a")]);
    world.send_and_settle(&[person(&world, "p", "b")]);
    assert_eq!(world.receiver.token_requests().len(), 1, "kept");
    world.advance("1d");
    world.send_and_settle(&[person(&world, "p", "c")]);
    assert_eq!(world.receiver.token_requests().len(), 2, "renewed");
    assert_eq!(world.receiver.counts().accepted, 3);
    assert_eq!(world.receiver.counts().requests, 3, "no delivery was refused");
}

#[test]
fn retry_after_is_waited_for() {
    let world = World::new();
    let audience = world.audience("known", KNOWN);
    let flow = world.flow(&Flow::to(&[&audience]));
    world.script(&json!({ "steps": [{ "status": 429, "retry_after": 600 }] }));
    world.send(&[person(&world, "p", "a")]);
    until("one attempt", || world.receiver.counts().requests, |n| *n == 1);
    until("it waits", || world.ledger(&flow), |l| l["waiting"] == 1);
    world.server.advance("599s");
    world.server.wait_applied();
    // Another profile goes out meanwhile: the first has had its chance.
    world.send(&[person(&world, "q", "b")]);
    until("the other", || world.receiver.counts().accepted, |n| *n == 1);
    assert_eq!(world.receiver.counts().requests, 2, "599 s are not 600");
    world.server.advance("2s");
    world.wait_delivered();
    assert_eq!(world.receiver.counts().accepted, 2);
    assert_eq!(world.ledger(&flow)["balanced"], true);
}

#[test]
fn what_is_refused_becomes_a_dead_letter_and_is_replayed_with_the_present_state() {
    let mut world = World::new();
    let audience = world.audience("known", KNOWN);
    let flow = world.flow(&Flow::to(&[&audience]));
    world.script(&json!({ "steps": [{ "status": 400, "repeat": 3 }] }));
    world.send_and_settle(&["x", "y", "z"].map(|id| person(&world, id, "old")));
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["dead"], &ledger["exported"], &ledger["balanced"]), (&json!(3), &json!(0), &json!(true)));
    world.restart();
    let listed = world.server.command(&["dead-letters", "list", "--output", "json"]).json();
    let letters = listed["deadLetters"].as_array().expect("dead letters").clone();
    assert_eq!(letters.len(), 3, "{listed}");
    for letter in &letters {
        assert_eq!(letter["reason"], "status 400 Bad Request", "{letter}");
        assert_eq!((&letter["attempts"], &letter["flow"]), (&json!(1), &json!(flow)), "{letter}");
    }
    let text = world.server.command(&["dead-letters", "list"]);
    assert_eq!((text.code, text.stdout.lines().count()), (Some(0), 3), "{text:?}");

    let bodies = world.bodies_of(|| world.send(&[person(&world, "x", "new")]));
    assert_eq!(bodies.len(), 1, "the receiver is well again: {bodies:?}");
    let of_x = letters.iter().find(|l| l["identities"][0]["id"] == "x").expect("the letter of x");
    let id = of_x["id"].as_str().expect("an id").to_owned();
    let bodies = world.bodies_of(|| {
        let replayed = world.server.command(&["dead-letters", "replay", &id, "--output", "json"]).json();
        assert_eq!(replayed, json!({ "replayed": 1 }));
    });
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!((crm(&bodies[0]), &bodies[0]["person"]["name"]["lastName"]), (vec!["x".to_owned()], &json!("new")));
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["dead"], &ledger["filtered"]["superseded"]), (&json!(2), &json!(1)), "{ledger}");

    let bodies = world.bodies_of(|| assert_eq!(world.server.command(&["dead-letters", "replay"]).code, Some(0)));
    assert_eq!(bodies.len(), 2, "all others: {bodies:?}");
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["dead"], &ledger["filtered"]["superseded"]), (&json!(0), &json!(3)), "{ledger}");
    assert_eq!((&ledger["received"], &ledger["exported"]), (&json!(7), &json!(4)), "{ledger}");
    assert_eq!(ledger["balanced"], true, "{ledger}");
    let again = world.server.command(&["dead-letters", "replay", &id, "--output", "json"]).json();
    assert_eq!(again, json!({ "replayed": 0 }), "a letter is replayed once");
}

#[test]
fn attempts_end_some_day_and_the_reason_is_kept() {
    let world = World::new();
    let audience = world.audience("known", KNOWN);
    let aep = world.flow(&Flow { params: json!({ "retry": "aep" }), path: "/aep".into(), ..Flow::to(&[&audience]) });
    let usual = world.flow(&Flow { path: "/usual".into(), ..Flow::to(&[&audience]) });
    world.script(&json!({ "steps": [{ "status": 500, "repeat": 0 }] }));
    world.send(&[person(&world, "p", "a")]);
    world.drive("1h");
    let attempts = |path: &str| world.receiver.records().iter().filter(|r| r.path == path).count();
    assert_eq!((attempts("/aep"), attempts("/usual")), (3, 8));
    let letters = world.server.operator().get(&format!("/rivermouth/dead-letters?flow={usual}")).ok();
    assert_eq!(letters["deadLetters"][0]["reason"], "status 500 Internal Server Error", "{letters}");
    assert_eq!(letters["deadLetters"][0]["attempts"], 8, "{letters}");
    for flow in [&aep, &usual] {
        let ledger = world.ledger(flow);
        assert_eq!((&ledger["dead"], &ledger["balanced"]), (&json!(1), &json!(true)), "{ledger}");
    }
}
