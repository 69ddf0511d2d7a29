//! OAuth 2 of all grants (destination-sdk.md §3.3, §7.3).

use crate::partner::{Call, Reply, ok};
use crate::scene::{Connected, Scene, pebble, usual};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};
use testkit::{Api, until};

pub(crate) const CLIENT_SECRET: &str = "partner-client-secret-5ad1";
pub(crate) const PASSWORD: &str = "partner-password-77c0";

/// A token endpoint: every access token and every refresh token is new and ends the ones before.
#[derive(Default)]
pub(crate) struct Issuer {
    count: u32,
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// Refuses everybody.
    pub(crate) refuses: bool,
    /// What was issued, to be looked for.
    pub(crate) issued: Vec<String>,
}

impl Issuer {
    fn answer(&mut self, call: &Call) -> Reply {
        let invalid = || Reply::Json(400, json!({ "error": "invalid_grant", "error_description": "ask again" }));
        if self.refuses {
            return invalid();
        }
        let good = match call.form("grant_type") {
            Some("refresh_token") => call.form("refresh_token") == Some(&self.refresh) && !self.refresh.is_empty(),
            Some("password") => call.form("password") == Some(PASSWORD),
            Some("authorization_code") => call.form("code") == Some("code-1"),
            Some("client_credentials") => true,
            _ => false,
        };
        if !good || call.form("client_secret") != Some(CLIENT_SECRET) {
            return invalid();
        }
        self.count += 1;
        self.access = format!("access-token-{}-9f3b2c", self.count);
        self.refresh = format!("refresh-token-{}-1d8e7a", self.count);
        self.issued.extend([self.access.clone(), self.refresh.clone()]);
        let mut body = json!({ "access_token": self.access, "token_type": "bearer", "expires_in": 3600 });
        if call.form("grant_type") != Some("client_credentials") {
            body["refresh_token"] = json!(self.refresh);
        }
        Reply::Raw(
            200,
            vec![("content-type", "application/json".into()), ("server", "lx/1.0".into())],
            body.to_string().into(),
        )
    }
}

/// A partner with a token endpoint and a login page, that lets in whoever has the newest token.
pub(crate) fn guarded() -> (Scene, Arc<Mutex<Issuer>>) {
    let issuer = Arc::new(Mutex::new(Issuer::default()));
    let scene = Scene::new();
    let of = issuer.clone();
    scene.partner.plan(move |call| guard(&mut of.lock().expect("no panic"), call));
    (scene, issuer)
}

pub(crate) fn guard(issuer: &mut Issuer, call: &Call) -> Reply {
    match call.path.split('?').next().unwrap_or_default() {
        "/token" | "/refresh" => issuer.answer(call),
        "/authorize" => {
            let query = call.path.split_once('?').map_or("", |(_, query)| query);
            let value = |name: &str| {
                let pair = query.split('&').filter_map(|p| p.split_once('=')).find(|(n, _)| *n == name);
                pair.map(|(_, v)| v.replace("%3A", ":").replace("%2F", "/")).unwrap_or_default()
            };
            let back = format!("{}?code=code-1&state={}", value("redirect_uri"), value("state"));
            Reply::Raw(302, vec![("location", back)], Vec::new())
        }
        _ if call.header("authorization") == Some(&format!("Bearer {}", issuer.access)) => ok(),
        _ => crate::partner::status(401),
    }
}

/// The destination of a grant, with what the customer is to enter for it.
pub(crate) fn connected(scene: &Scene, authentication: &Json, params: &Json) -> Connected {
    let server = scene.server(&json!({}));
    let mut body = Scene::destination(&server, &json!({}));
    body["customerAuthenticationConfigurations"] = json!([authentication]);
    body["destinationDelivery"][0]["authenticationRule"] = json!("CUSTOMER_AUTHENTICATION");
    scene.author("destinations", &body);
    let (spec, _) = scene.card("Partner", "private");
    let auth = json!({ "specName": spec["authSpec"][0]["name"], "params": params });
    scene.connect("Partner", &auth, &json!({}))
}

pub(crate) fn standard(scene: &Scene, grant: &str) -> Json {
    let url = |path: &str| format!("{}/{path}", scene.partner.url);
    let mut body = json!({
        "authType": "OAUTH2", "grant": grant, "accessTokenUrl": url("token"), "refreshTokenUrl": url("refresh"),
        "clientId": "lx-app", "clientSecret": CLIENT_SECRET, "scope": ["write"],
    });
    if grant == "OAUTH2_AUTHORIZATION_CODE" {
        body["authorizationUrl"] = json!(url("authorize"));
    }
    body
}

/// `accessTokenRequest` of destination-sdk.md A.20; the customer enters the client.
fn templated(scene: &Scene) -> Json {
    let field =
        |name: &str| json!({ "name": name, "title": name, "type": "string", "isRequired": true, "source": "CUSTOMER" });
    let mut secret = field("clientSecret");
    secret["format"] = json!("password");
    json!({
        "authType": "OAUTH2", "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "authenticationDataFields": [field("clientId"), secret],
        "accessTokenRequest": {
            "destinationServerType": "URL_BASED",
            "urlBasedDestination": { "url": pebble(&format!("{}/token", scene.partner.url)) },
            "httpTemplate": {
                "httpMethod": "POST", "contentType": "application/x-www-form-urlencoded",
                "requestBody": pebble("{{ formUrlEncode('grant_type', 'client_credentials', 'client_id', authData.clientId, 'client_secret', authData.clientSecret) | raw }}"),
            },
            "responseFields": [
                { "name": "accessToken", "templatingStrategy": "PEBBLE_V1", "value": "{{ response.body.access_token }}" },
                { "name": "expiresIn", "templatingStrategy": "PEBBLE_V1", "value": "{{ response.body.expires_in }}" },
            ],
            "validations": [
                { "name": "token", "actualValue": pebble("{{ response.body.access_token is empty }}"), "expectedValue": { "templatingStrategy": "NONE", "value": "false" } },
                { "name": "status", "actualValue": pebble("{{ response.status }}"), "expectedValue": { "templatingStrategy": "NONE", "value": "200" } },
                { "name": "server", "actualValue": pebble("{{ response.headers.server[0] }}"), "expectedValue": { "templatingStrategy": "NONE", "value": "lx/.*" } },
            ],
        },
    })
}

#[test]
fn client_credentials_by_a_template() {
    let (scene, _) = guarded();
    let entered = json!({ "clientId": "lx-app", "clientSecret": CLIENT_SECRET });
    let to = connected(&scene, &templated(&scene), &entered);
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..2, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 0);
    let asked = scene.partner.calls("/token");
    let body = format!("grant_type=client_credentials&client_id=lx-app&client_secret={CLIENT_SECRET}");
    assert_eq!((asked.len(), asked[0].body.as_str()), (1, body.as_str()), "one token serves all");
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn a_password_grant_refreshes_expired_and_revoked_tokens() {
    let (mut scene, issuer) = guarded();
    let entered = json!({ "username": "ada", "password": PASSWORD });
    let to = connected(&scene, &standard(&scene, "OAUTH2_PASSWORD"), &entered);
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    assert_eq!(scene.partner.calls("/token")[0].form("grant_type"), Some("password"));
    // The clock goes past the token's end.
    scene.world.advance("2h");
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    assert_eq!(scene.partner.calls("/refresh").len(), 1);
    assert!(!scene.partner.calls("/in").iter().any(|call| call.header("authorization").is_none()));
    // Revoked: one 401, one new token, sent again within the attempt.
    issuer.lock().expect("no panic").access = "another".to_owned();
    let before = scene.partner.calls("/in").len();
    scene.people(2..3, "Vip");
    scene.world.server.settle();
    assert_eq!((scene.partner.calls("/refresh").len(), scene.partner.calls("/in").len()), (2, before + 2));
    // The refresh token that came last is the only good one, also after a crash.
    let clock = scene.world.server.status()["clock"].clone();
    scene.world.server.kill9();
    scene.world.server.set_clock("2026-03-01T14:30:00.000Z");
    scene.world.restart();
    scene.world.advance("2h");
    scene.people(3..4, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 4, 0);
    let grants: Vec<String> = scene.partner.calls("/token").iter().map(|call| call.body.clone()).collect();
    assert_eq!((grants.len(), scene.partner.calls("/refresh").len()), (1, 3), "{grants:?} {clock}");
}

#[test]
fn a_person_logs_in_and_the_refresh_token_survives() {
    let (mut scene, issuer) = guarded();
    let to = connected(&scene, &standard(&scene, "OAUTH2_AUTHORIZATION_CODE"), &json!({}));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..1, "Vip");
    // Nobody has logged in yet: what is to be sent waits.
    let waiting = |scene: &Scene, count: u64| {
        until("exports wait", || scene.world.ledger(&flow)["waiting"].clone(), |waiting| *waiting == json!(count));
    };
    let listed =
        |scene: &Scene| scene.world.server.command(&["dead-letters", "list", "--output", "json"]).json().to_string();
    waiting(&scene, 1);
    scene.world.server.advance("2h");
    scene.world.api.renew();
    // The client follows the way of a browser: login page, callback, page.
    let start = format!("/rivermouth/oauth/start?connection={}", to.base);
    let page = scene.world.api.get(&start).expect(200);
    assert!(page.text.contains("Connected"), "{page:?}");
    let asked = scene.partner.calls("/authorize").remove(0);
    for part in ["response_type=code", "client_id=lx-app", "scope=write", "state="] {
        assert!(asked.path.contains(part), "{asked:?}");
    }
    assert_eq!(scene.partner.calls("/token")[0].form("code"), Some("code-1"));
    // A state is good once.
    let state = asked.path.split("state=").nth(1).and_then(|s| s.split('&').next()).unwrap_or_default();
    let callback = "/data/core/activation/oauth/api/v1/callback";
    let plain = Api::new(&scene.world.server.url);
    plain.get(&format!("{callback}?state={state}&code=code-1")).expect(400);
    plain.get(&format!("{callback}?state=made-up&code=code-1")).expect(400);
    plain.get(&format!("{callback}?state={state}&error=access_denied")).expect(400);
    // What waited leaves at once, however long its next attempt was away.
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 0);
    scene.world.restart();
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    assert!(scene.partner.calls("/refresh").is_empty(), "the access token is kept, too");
    scene.world.advance("2h");
    scene.people(2..3, "Vip");
    scene.world.server.settle();
    assert_eq!((scene.partner.calls("/refresh").len(), scene.partner.calls("/token").len()), (1, 1));
    scene.check_ledger(&flow, 3, 0);
    // The grant is taken back: nothing is sent, and after a day the reason says what to do.
    issuer.lock().expect("no panic").refuses = true;
    scene.world.advance("2h");
    scene.people(3..4, "Vip");
    waiting(&scene, 1);
    scene.partner.wait_for("/refresh", 2);
    let asked = scene.partner.calls("/refresh").len();
    scene.people(4..6, "Vip");
    waiting(&scene, 3);
    scene.world.drive("3h");
    scene.check_ledger(&flow, 3, 3);
    assert!(listed(&scene).contains("invalid_grant"), "{}", listed(&scene));
    assert_eq!(scene.partner.calls("/refresh").len(), asked, "nobody asks until the account changes");
    issuer.lock().expect("no panic").refuses = false;
    scene.world.api.get(&start).expect(200);
    scene.world.server.command(&["dead-letters", "replay"]);
    scene.world.server.settle();
    scene.check_ledger(&flow, 6, 0);
}

#[test]
fn a_token_endpoint_that_is_down_makes_exports_wait() {
    let (scene, issuer) = guarded();
    let of = issuer.clone();
    scene.partner.plan(move |call| match call.path.as_str() {
        "/token" => crate::partner::status(503),
        _ => guard(&mut of.lock().expect("no panic"), call),
    });
    let to = connected(&scene, &standard(&scene, "OAUTH2_CLIENT_CREDENTIALS"), &json!({}));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..2, "Vip");
    scene.partner.wait_for("/token", 1);
    until("it waits", || scene.world.ledger(&flow), |ledger| ledger["waiting"] == json!(2));
    let of = issuer.clone();
    scene.partner.plan(move |call| guard(&mut of.lock().expect("no panic"), call));
    scene.world.drive("1m");
    scene.check_ledger(&flow, 2, 0);
}

#[test]
fn a_client_that_is_refused_is_asked_for_again() {
    let (scene, issuer) = guarded();
    let refuses = |refuses: bool| issuer.lock().expect("no panic").refuses = refuses;
    let asked = || scene.partner.calls("/token").len();
    let waits = |flow: &str| until("it waits", || scene.world.ledger(flow), |ledger| ledger["waiting"] == json!(1));
    let entered = json!({ "username": "ada", "password": PASSWORD });
    let to = connected(&scene, &standard(&scene, "OAUTH2_PASSWORD"), &entered);
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    // One no, and all is well.
    refuses(true);
    scene.people(0..1, "Vip");
    scene.partner.wait_for("/token", 1);
    waits(&flow);
    refuses(false);
    scene.world.drive("1m");
    scene.check_ledger(&flow, 1, 0);
    assert_eq!(asked(), 2);
    // No for a day: every attempt asked, and a replay asks again.
    refuses(true);
    issuer.lock().expect("no panic").refresh.clear();
    scene.world.advance("2h");
    scene.people(1..2, "Vip");
    waits(&flow);
    scene.world.drive("3h");
    scene.check_ledger(&flow, 1, 1);
    assert_eq!(asked(), 2 + 8);
    refuses(false);
    scene.world.advance("10m");
    scene.world.server.command(&["dead-letters", "replay"]);
    scene.world.server.settle();
    scene.check_ledger(&flow, 2, 0);
    // A changed account asks at once, whatever the pause.
    refuses(true);
    issuer.lock().expect("no panic").refresh.clear();
    scene.world.advance("2h");
    scene.people(2..3, "Vip");
    scene.partner.wait_for("/token", 12);
    waits(&flow);
    refuses(false);
    scene.change_account(&to, &entered);
    scene.world.server.settle();
    scene.check_ledger(&flow, 3, 0);
}

#[test]
fn a_token_that_fails_its_validation_is_not_used() {
    let (scene, _) = guarded();
    let mut authentication = templated(&scene);
    authentication["accessTokenRequest"]["validations"][2]["expectedValue"]["value"] = json!("nginx/.*");
    let to = connected(&scene, &authentication, &json!({ "clientId": "lx-app", "clientSecret": CLIENT_SECRET }));
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..1, "Vip");
    scene.partner.wait_for("/token", 1);
    scene.world.drive("1h");
    scene.check_ledger(&flow, 0, 1);
    let listed = scene.world.server.command(&["dead-letters", "list", "--output", "json"]).json();
    assert!(listed.to_string().contains("server") && scene.partner.calls("/in").is_empty(), "{listed}");
}

#[test]
fn another_account_begins_without_the_tokens_of_the_one_before() {
    let (scene, _) = guarded();
    let entered = json!({ "username": "ada", "password": PASSWORD });
    let to = connected(&scene, &standard(&scene, "OAUTH2_PASSWORD"), &entered);
    let flow = scene.flow(&to, &[&scene.vips()], &usual());
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    let shown = scene.change_account(&to, &json!({ "username": "bob", "password": PASSWORD }));
    assert!(!shown.to_string().contains("_tokens"), "{shown}");
    scene.people(1..2, "Vip");
    scene.world.server.settle();
    let users: Vec<Option<String>> =
        scene.partner.calls("/token").iter().map(|call| call.form("username").map(str::to_owned)).collect();
    assert_eq!(users, [Some("ada".to_owned()), Some("bob".to_owned())]);
    scene.check_ledger(&flow, 2, 0);
    // A login is for connections that have one.
    let start = |id: &str| scene.world.api.get(&format!("/rivermouth/oauth/start?connection={id}"));
    start("no-such-connection").expect(404);
    start(&to.base).expect(400);
}
