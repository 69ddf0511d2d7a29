//! A plain secret is in `credentials.json` and the keys, and nowhere else.

use serde_json::{Value as Json, json};
use std::path::Path;
use testkit::{Api, Flow, Options, ReceiverOptions, TokenOptions, World, until};

const CLIENT_SECRET: &str = "outgoing-client-secret-7d1f";
const BEARER: &str = "outgoing-bearer-token-93ab";
const PASSWORD: &str = "outgoing-password-41c8";

fn files(at: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(at).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "keys" {
                files(&path, found);
            }
        } else if name != "credentials.json" {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle.as_bytes())
}

#[test]
fn no_secret_leaves_its_place() {
    let receiver = ReceiverOptions {
        token: Some(TokenOptions {
            client_secret: CLIENT_SECRET.into(),
            user: Some(("user".into(), PASSWORD.into())),
            ..TokenOptions::default()
        }),
        require_token: true,
        ..ReceiverOptions::default()
    };
    let options = Options::manual(World::START).with(&["--log-level", "trace"]);
    let mut world = World::start(options, receiver);
    let audience = world.audience("known", "person.name.lastName.isNotNull()");
    let url = world.receiver.url("/token");
    let client = json!({ "accessTokenUrl": url, "clientId": "receiver", "clientSecret": CLIENT_SECRET });
    let mut basic = client.clone();
    basic["clientCredentialsType"] = json!("Basic Authorization");
    let mut password = client.clone();
    password["username"] = json!("user");
    password["password"] = json!(PASSWORD);
    let accounts = [
        json!({ "specName": "OAuth2 Client Credentials", "params": basic }),
        json!({ "specName": "OAuth2 Password", "params": password }),
        json!({ "specName": "Bearer token", "params": { "token": BEARER } }),
    ];
    let flows: Vec<String> =
        accounts.iter().map(|auth| world.flow(&Flow { auth: auth.clone(), ..Flow::to(&[&audience]) })).collect();
    let person =
        |n: u32| world.record(&[("CRMID", "p")], json!({ "person": { "name": { "lastName": format!("n{n}") } } }));
    world.send_and_settle(&[person(1)]);
    let ledger = |flow: &str| world.ledger(flow);
    assert_eq!((&ledger(&flows[0])["exported"], &ledger(&flows[1])["exported"]), (&json!(1), &json!(1)));
    assert_eq!(ledger(&flows[2])["dead"], 1, "the receiver does not know the fixed token: a dead letter");
    // Failures of all kinds, whose reasons must not tell either.
    world.script(&json!({ "steps": [{ "status": 500 }, { "reset": true }, { "status": 400 }] }));
    world.send(&[person(2)]);
    world.drive("1h");
    let client = world.server.command(&["clients", "create", "--output", "json"]).json();
    let second = Api::log_in(&world.server.url, &client);
    second.get("/data/foundation/flowservice/connections").expect(200);
    let wrong = second.token(client["client_id"].as_str().expect("an id"), "wrong-secret-guess-5512").expect(401);
    assert!(!wrong.text.contains("wrong-secret-guess"), "{wrong:?}");
    let text = |value: &Json| value.as_str().expect("text").to_owned();
    let secrets = [
        CLIENT_SECRET.to_owned(),
        BEARER.to_owned(),
        PASSWORD.to_owned(),
        text(&client["client_secret"]),
        text(&world.server.credentials()["client_secret"]),
        second.bearer(),
        world.api.bearer(),
        std::fs::read_to_string(world.server.data_dir().join("keys/admin.token")).expect("a token").trim().to_owned(),
    ];
    let service = "/data/foundation/flowservice";
    let mut answers = Vec::new();
    for path in ["connections", "targetConnections", "sourceConnections", "flows", "runs"] {
        answers.push(world.api.get(&format!("{service}/{path}")).expect(200).text);
    }
    for path in ["dead-letters", "flows", "clients", "status", "quarantine"] {
        answers.push(world.server.operator().get(&format!("/rivermouth/{path}")).expect(200).text);
    }
    answers.push(world.server.metrics());
    assert!(answers.iter().any(|a| a.contains("<redacted>")), "accounts show that there is a secret");
    // A clean stop writes out what is in memory.
    until("all is quiet", || world.server.flows(), |f| f.iter().all(|f| f["ledger"]["waiting"] == json!(0)));
    world.server.restart();
    assert!(world.server.terminate().success());
    let mut places = Vec::new();
    files(world.server.data_dir(), &mut places);
    let in_log = places.iter().any(|(name, bytes)| name.contains("/log/") && holds(bytes, "To the receiver"));
    assert!(in_log, "documents stand in the log in plain text, so a secret in them would be seen");
    // What the first start prints for its owner, once, is meant to be seen.
    let log = world.server.log();
    let own = text(&world.server.credentials()["client_secret"]);
    let shown = format!("\"client_secret\": \"{own}\"");
    assert_eq!(log.matches(&own).count(), 1, "once only");
    places.push(("the server's output".into(), log.replacen(&shown, "", 1).into_bytes()));
    places.extend(answers.into_iter().map(|a| ("an answer".to_owned(), a.into_bytes())));
    for secret in &secrets {
        assert!(secret.len() >= 16, "long enough to be no accident");
        for (name, bytes) in &places {
            assert!(!holds(bytes, secret), "{name} holds a secret");
        }
    }
}
