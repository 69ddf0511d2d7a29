//! Secrets of authors and customers are sealed, and shown to nobody but the partner.

use crate::scene::{AUTHORING, FLOWS, Scene, pebble, usual};
use crate::tokens::{CLIENT_SECRET, Issuer, PASSWORD, guard, standard};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use testkit::Options;

const FIELD: &str = "customer-field-secret-8812";
const PARTNER_FIELD: &str = "partner-field-secret-1290";
const PLATFORM: &str = "platform-password-secret-6651";
const BEARER: &str = "customer-bearer-secret-7e42";

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

/// One destination for each way to be let in, all with a secret customer field; flows to them.
fn set_up(scene: &Scene) -> Vec<String> {
    let credential = scene
        .author("credentials", &json!({ "basicAuthentication": { "username": "rivermouth", "password": PLATFORM } }));
    let headers = json!([{ "header": "X-Key", "value": pebble("{{customerData.key}}") }]);
    let server = scene.server(&json!({ "httpTemplate": { "headers": headers } }));
    let mut password = standard(scene, "OAUTH2_PASSWORD");
    password["authenticationDataFields"] = json!([
        { "name": "extra", "title": "Extra", "type": "string", "format": "password", "source": "PARTNER", "value": PARTNER_FIELD },
    ]);
    let ways = [
        ("Password", Some(password), json!({ "username": "ada", "password": PASSWORD })),
        ("Bearer", Some(json!({ "authType": "BEARER" })), json!({ "token": BEARER })),
        ("Platform", None, Json::Null),
    ];
    let vips = scene.vips();
    let mut flows = Vec::new();
    for (name, way, params) in ways {
        let mut body = Scene::destination(&server, &json!({ "name": name }));
        body["customerDataFields"] =
            json!([{ "name": "key", "title": "Key", "type": "string", "isRequired": true, "format": "password" }]);
        match &way {
            Some(way) => {
                body["customerAuthenticationConfigurations"] = json!([way]);
                body["destinationDelivery"][0]["authenticationRule"] = json!("CUSTOMER_AUTHENTICATION");
            }
            None => {
                body["destinationDelivery"][0]["authenticationRule"] = json!("PLATFORM_AUTHENTICATION");
                body["destinationDelivery"][0]["authenticationId"] = json!(credential);
            }
        }
        let id = scene.author("destinations", &body);
        let published = json!({ "destinationId": id, "destinationAccess": "ALL" });
        scene.world.api.post(&format!("{AUTHORING}/destinations/publish"), &published).ok();
        let (spec, _) = scene.card(name, "private");
        let auth = match params {
            Json::Null => Json::Null,
            params => json!({ "specName": spec["authSpec"][0]["name"], "params": params }),
        };
        let to = scene.connect(name, &auth, &json!({ "key": FIELD }));
        flows.push(scene.flow(&to, &[&vips], &usual()));
    }
    flows
}

#[test]
fn none_is_shown_logged_or_written() {
    let issuer = Arc::new(Mutex::new(Issuer::default()));
    let of = issuer.clone();
    let options = Options::manual(testkit::World::START).with(&["--log-level", "trace"]);
    let scene = Scene::start(options, |_| crate::partner::ok());
    scene.partner.plan(move |call| guard(&mut of.lock().expect("no panic"), call));
    let flows = set_up(&scene);
    scene.people(0..2, "Vip");
    scene.world.server.settle();
    // A revoked token, a refused refresh: reasons must not tell either.
    scene.world.advance("2h");
    issuer.lock().expect("no panic").refuses = true;
    scene.people(2..4, "Vip");
    scene.world.drive("1h");
    scene.check_ledger(&flows[0], 2, 2);
    scene.check_ledger(&flows[1], 0, 4);
    scene.check_ledger(&flows[2], 0, 4);
    let calls = scene.partner.calls("/in");
    assert!(calls.iter().all(|call| call.header("x-key") == Some(FIELD)), "{calls:?}");
    for value in
        [format!("Bearer {BEARER}"), "Basic cml2ZXJtb3V0aDpwbGF0Zm9ybS1wYXNzd29yZC1zZWNyZXQtNjY1MQ==".to_owned()]
    {
        assert!(calls.iter().any(|call| call.header("authorization") == Some(&value)), "{value}: {calls:?}");
    }
    let mut answers = Vec::new();
    for path in ["destinations", "destination-servers", "credentials", "audience-templates", "destinations/publish"] {
        answers.push(scene.world.api.get(&format!("{AUTHORING}/{path}")).expect(200).text);
    }
    for path in [
        "connections",
        "targetConnections",
        "sourceConnections",
        "flows",
        "connectionSpecs?limit=100",
        "flowSpecs?limit=100",
        "runs",
    ] {
        answers.push(scene.world.api.get(&format!("{FLOWS}/{path}")).expect(200).text);
    }
    for path in ["dead-letters", "flows", "status", "authoring/reviews"] {
        answers.push(scene.world.server.operator().get(&format!("/rivermouth/{path}")).expect(200).text);
    }
    answers.push(scene.world.server.metrics());
    assert!(answers.iter().filter(|answer| answer.contains("<redacted>")).count() >= 4);
    let mut secrets: Vec<String> =
        [CLIENT_SECRET, PASSWORD, FIELD, PARTNER_FIELD, PLATFORM, BEARER].iter().map(|s| (*s).to_owned()).collect();
    secrets.push("cml2ZXJtb3V0aDpwbGF0Zm9ybS1wYXNzd29yZC1zZWNyZXQtNjY1MQ==".to_owned());
    secrets.extend(issuer.lock().expect("no panic").issued.clone());
    let mut world = scene.world;
    world.server.restart();
    assert!(world.server.terminate().success());
    let mut places = Vec::new();
    files(world.server.data_dir(), &mut places);
    places.push(("the log".into(), world.server.log().into_bytes()));
    places.extend(answers.into_iter().map(|answer| ("an answer".to_owned(), answer.into_bytes())));
    for secret in &secrets {
        for (name, bytes) in &places {
            let at = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
            let around = at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(120)..at]).into_owned());
            assert!(at.is_none(), "{name} holds {secret} after {around:?}");
        }
    }
}
