//! Tokens of all grants: requests, mapping of answers, renewal.

use crate::world::{START, World, answers, form, pebble};
use partner::{Account, TokenSet, Tokens};
use receiver::{Options, TokenOptions};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tokio::sync::Notify;

fn client_credentials() -> Json {
    json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/token",
        "clientId": "me",
        "clientSecret": "p+w &=ü",
    })
}

async fn issuing(token: TokenOptions) -> World {
    let token = TokenOptions { client_id: "me".into(), client_secret: "p+w &=ü".into(), ..token };
    World::new(Options { token: Some(token), require_token: true, ..Options::default() }).await
}

#[tokio::test]
async fn a_token_serves_until_a_minute_before_its_end() {
    let world = issuing(TokenOptions { expires_in_s: 3_600, ..TokenOptions::default() }).await;
    let tokens = world.tokens(client_credentials(), json!({}));
    for (advance, number) in [(0, 1), (3_539_999, 1), (1, 2), (10, 2)] {
        world.advance(advance);
        let access = tokens.access(&world.line, None).await.expect("a token");
        assert_eq!(access.number, number, "after {advance} ms more");
    }
    assert_eq!(world.receiver.token_requests().len(), 2);
    assert_eq!(world.receiver.token_requests()[0].fields, ["grant_type", "client_id", "client_secret"]);
    assert!(world.kept.lock().is_empty(), "what can be had again is not kept");
}

#[tokio::test]
async fn many_who_wait_cause_one_request() {
    // A token of no lifetime serves those who waited for it, and nobody after them.
    for (expires_in_s, requests) in [(3_600, 1..=1), (0, 1..=99)] {
        let world = issuing(TokenOptions { expires_in_s, ..TokenOptions::default() }).await;
        let tokens = world.tokens(client_credentials(), json!({}));
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let (tokens, line) = (tokens.clone(), world.line.clone());
                tokio::spawn(async move { tokens.access(&line, None).await })
            })
            .collect();
        for waiter in waiting {
            waiter.await.expect("no panic").expect("a token");
        }
        assert!(requests.contains(&world.receiver.token_requests().len()), "{}", world.receiver.token_requests().len());
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once() {
    let world = issuing(TokenOptions::default()).await;
    let tokens = world.tokens(client_credentials(), json!({}));
    let first = tokens.access(&world.line, None).await.expect("a token");
    let (a, b) =
        tokio::join!(tokens.access(&world.line, Some(first.number)), tokens.access(&world.line, Some(first.number)));
    let (a, b) = (a.expect("a token"), b.expect("a token"));
    assert_eq!((a.number, &a.token), (2, &b.token));
    // Late news of the first token do not spoil the second.
    assert_eq!(tokens.access(&world.line, Some(first.number)).await.expect("a token"), a);
    assert_eq!(world.receiver.token_requests().len(), 2);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_is_handed_over_before_use() {
    let user = Some(("ines".to_owned(), "geheim".to_owned()));
    let world = issuing(TokenOptions { user, refresh: true, expires_in_s: 120, ..TokenOptions::default() }).await;
    let mut oauth = client_credentials();
    oauth["grant"] = "OAUTH2_PASSWORD".into();
    let entered = json!({"username": "ines", "password": "geheim"});
    let tokens = world.tokens(oauth.clone(), entered.clone());
    for kept in 1..=3 {
        let access = tokens.access(&world.line, None).await.expect("a token");
        assert_eq!(world.kept.lock().len(), kept);
        assert_eq!(world.kept.lock()[kept - 1].access_token, access.token);
        world.advance(60_000);
    }
    let grants =
        |world: &World| -> Vec<String> { world.receiver.token_requests().into_iter().map(|r| r.grant_type).collect() };
    assert_eq!(grants(&world), ["password", "refresh_token", "refresh_token"]);
    // A restart goes on with what was kept, in the form in which it is kept.
    let kept = world.kept.lock().last().cloned().expect("kept");
    let kept = partner::TokenSet::from_json(&kept.to_json()).expect("readable");
    let tokens = world.tokens_with(oauth, entered, Some(kept));
    tokens.access(&world.line, None).await.expect("a token");
    assert_eq!(grants(&world).last().map(String::as_str), Some("refresh_token"));
    // A refresh token that was used up falls back to the grant.
    let used_up = world.kept.lock()[0].clone();
    let tokens = world.tokens_with(world_password(), json!({"username": "ines", "password": "geheim"}), Some(used_up));
    tokens.access(&world.line, None).await.expect("a token");
    assert_eq!(&grants(&world)[4..], ["refresh_token", "password"]);
}

fn world_password() -> Json {
    let mut oauth = client_credentials();
    oauth["grant"] = "OAUTH2_PASSWORD".into();
    oauth
}

#[tokio::test]
async fn a_fetch_goes_on_when_nobody_waits_any_more() {
    let slow = json!({"stall_ms": 200, "body": r#"{"access_token":"t","refresh_token":"r","expires_in":3600}"#});
    let world = World::scripted(&[slow]).await;
    let mut oauth = client_credentials();
    oauth["accessTokenUrl"] = "http://receiver/slow".into();
    let tokens = world.tokens(oauth, json!({}));
    let impatient = tokio::time::timeout(std::time::Duration::from_millis(20), tokens.access(&world.line, None)).await;
    assert!(impatient.is_err());
    let access = tokens.access(&world.line, None).await.expect("a token");
    assert_eq!((access.number, world.came().len()), (1, 1), "the first request served");
}

#[tokio::test]
async fn a_login_outlasts_a_renewal_under_way() {
    let world =
        World::scripted(&[answers(json!({"access_token": "t", "refresh_token": "r", "expires_in": 3600}))]).await;
    let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (coming, open) = (entered.clone(), gate.clone());
    // The renewal is held while it hands over what it fetched.
    let sink: partner::Sink = Arc::new(move |set: TokenSet| {
        let (coming, open) = (coming.clone(), open.clone());
        Box::pin(async move {
            if set.access_token.expose() == "t" {
                coming.notify_one();
                open.notified().await;
            }
        })
    });
    let mut oauth = client_credentials();
    oauth["accessTokenUrl"] = "http://receiver/t".into();
    let tokens = Tokens::new(world.grant(oauth, json!({})).expect("a grant"), None, Some(sink));
    let (renewing, line) = (tokens.clone(), world.line.clone());
    let renewal = tokio::spawn(async move { renewing.access(&line, None).await });
    entered.notified().await;
    let login = TokenSet::from_json(&json!({"accessToken": "login", "issued": START.0, "values": {}})).expect("a set");
    let replacing = tokens.clone();
    let replaced = tokio::spawn(async move { replacing.replace(login).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    renewal.await.expect("no panic").expect("a token");
    replaced.await.expect("no panic");
    assert_eq!(tokens.access(&world.line, None).await.expect("a token").token.expose(), "login");
    assert_eq!(tokens.replaced(), 1);
}

#[tokio::test]
async fn scope_basic_authentication_and_response_paths() {
    let body = json!({"token_of_access": "abc", "data": {"refresh": "r-1"}, "best_if_used_in": "7200", "hint": 7});
    let world = World::scripted(&[answers(body)]).await;
    let oauth = json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/t?tenant=1",
        "clientId": "me",
        "clientSecret": "s",
        "scope": ["read", "write"],
        "options": {"useBasicAuth": true},
        "accessTokenResponsePath": "token_of_access",
        "refreshTokenResponsePath": "data.refresh",
        "expiresInResponsePath": "best_if_used_in",
        "authenticationDataFields": [
            {"name": "hint", "type": "integer", "authenticationResponsePath": "hint"},
            {"name": "region", "type": "string", "source": "PARTNER", "value": "eu"},
        ],
    });
    let tokens = world.tokens(oauth, json!({}));
    let access = tokens.access(&world.line, None).await.expect("a token");
    assert_eq!(access.token.expose(), "abc");
    let data = Json::Object(tokens.auth_data());
    for (name, value) in [
        ("accessToken", json!("abc")),
        ("refreshToken", json!("r-1")),
        ("expiresIn", json!(7200)),
        ("hint", json!(7)),
        ("region", json!("eu")),
        ("clientId", json!("me")),
        ("clientSecret", json!("s")),
    ] {
        assert_eq!(data[name], value, "{name}");
    }
    let came = &world.came()[0];
    assert_eq!(came.query.as_deref(), Some("tenant=1"));
    assert_eq!(came.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(came.headers.contains_key("authorization"));
    assert_eq!(came.body, json!("grant_type=client_credentials&scope=read+write"));
}

#[tokio::test]
async fn fields_of_the_destination_override_the_standard() {
    let world = World::scripted(&[answers(json!({"access_token": "a", "expires_in": 10}))]).await;
    let oauth = json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/t",
        "refreshTokenUrl": "http://receiver/r",
        "authenticationDataFields": [
            {"name": "clientId", "type": "string", "isRequired": true, "source": "CUSTOMER", "pattern": "^[a-z]+$"},
            {"name": "clientSecret", "type": "string", "isRequired": true, "format": "password", "source": "CUSTOMER"},
            {"name": "refreshToken", "type": "string", "source": "PARTNER", "value": "fixed-r"},
            {"name": "expiresIn", "type": "integer", "source": "PARTNER", "value": 3600},
        ],
    });
    let missing = world.grant(oauth.clone(), json!({"clientId": "mine"})).expect_err("no secret");
    assert_eq!(missing.message, "the account has no clientSecret, which the destination requires");
    let wrong = world.grant(oauth.clone(), json!({"clientId": "MINE", "clientSecret": "s"})).expect_err("no match");
    assert_eq!(wrong.message, "the account's clientId must match `^[a-z]+$`");
    let tokens = world.tokens(oauth, json!({"clientId": "mine", "clientSecret": "s", "unasked": "x"}));
    tokens.access(&world.line, None).await.expect("a token");
    assert_eq!(
        form(world.came()[0].body.as_str().expect("a form")),
        [("grant_type", "refresh_token"), ("refresh_token", "fixed-r"), ("client_id", "mine"), ("client_secret", "s")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
    assert_eq!(world.came()[0].path, "/r");
    let data = Json::Object(tokens.auth_data());
    assert_eq!((&data["expiresIn"], &data["unasked"]), (&json!(3600), &Json::Null));
    world.advance(3_539_999);
    assert_eq!(tokens.access(&world.line, None).await.expect("still good").number, 1);
}

/// The worked case A.20.
fn templated() -> Json {
    json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "clientId": "lx-app",
        "clientSecret": "s3cr3t",
        "accessTokenRequest": {
            "destinationServerType": "URL_BASED",
            "urlBasedDestination": {"url": pebble("http://receiver/{{ userContext.sandboxName }}/token")},
            "httpTemplate": {
                "httpMethod": "POST",
                "contentType": "application/x-www-form-urlencoded",
                "requestBody": pebble("{{ formUrlEncode('grant_type', 'client_credentials', 'client_id', \
                    authData.clientId, 'client_secret', authData.clientSecret) | raw }}"),
                "headers": [{"header": "X-Org", "value": pebble("{{ userContext.imsOrgId }}")}],
                "queryParameters": pebble("?v=1"),
            },
            "responseFields": [
                {"templatingStrategy": "PEBBLE_V1", "value": "{{ response.body.access_token }}", "name": "accessToken"},
                {"templatingStrategy": "PEBBLE_V1", "value": "{{ response.body.expires_in }}", "name": "expiresIn"},
                {"templatingStrategy": "PEBBLE_V1", "value": "{{ response.headers.server[0] }}", "name": "served"},
            ],
            "validations": [
                {"name": "token", "actualValue": pebble("{{ response.body.access_token is empty }}"),
                 "expectedValue": {"templatingStrategy": "NONE", "value": "false"}},
                {"name": "status", "actualValue": pebble("{{ response.status }}"), "expectedValue": pebble("200")},
                {"name": "server", "actualValue": pebble("{{ response.headers.server[0] }}"),
                 "expectedValue": {"templatingStrategy": "NONE", "value": "lx/[0-9.]+"}},
            ],
        },
    })
}

#[tokio::test]
async fn a_templated_request_as_in_the_worked_case() {
    let step = json!({"headers": {"server": "lx/1.0"}, "body": r#"{"access_token":"tok-1","expires_in":7200}"#});
    let world = World::scripted(&[step]).await;
    let tokens = world.tokens(templated(), json!({}));
    let access = tokens.access(&world.line, None).await.expect("a token");
    assert_eq!(access.token.expose(), "tok-1");
    let came = &world.came()[0];
    assert_eq!((came.path.as_str(), came.query.as_deref()), ("/prod/token", Some("v=1")));
    assert_eq!(came.body, json!("grant_type=client_credentials&client_id=lx-app&client_secret=s3cr3t"));
    assert_eq!(came.headers["x-org"], "ORG@Org");
    let data = Json::Object(tokens.auth_data());
    assert_eq!((&data["expiresIn"], &data["served"]), (&json!(7200), &json!("lx/1.0")));
    world.advance(7_139_999);
    assert_eq!(tokens.access(&world.line, None).await.expect("still good").number, 1);
    world.advance(1);
    assert_eq!(tokens.access(&world.line, None).await.expect("anew").number, 2);
}

#[tokio::test]
async fn a_validation_that_fails_keeps_the_token_out_and_its_text_secret() {
    for (headers, body, told) in [
        (
            json!({"server": "lx/1.0"}),
            json!({"access_token": ""}),
            "fails validation `token`: expected `false`, it is `true`",
        ),
        (
            json!({"server": "other"}),
            json!({"access_token": "tok"}),
            "fails validation `server`: expected `lx/[0-9.]+`, it is something else",
        ),
    ] {
        let world = World::scripted(&[json!({"headers": headers, "body": body.to_string()})]).await;
        let tokens = world.tokens(templated(), json!({}));
        let failure = tokens.access(&world.line, None).await.expect_err("no token");
        assert_eq!(
            (failure.message.as_str(), failure.retry),
            (format!("token endpoint: the answer {told}").as_str(), false)
        );
        // It is not asked again at once, but after the pause.
        tokens.access(&world.line, None).await.expect_err("held");
        assert_eq!(world.came().len(), 1);
        world.advance(4_000);
        tokens.access(&world.line, None).await.expect_err("no token");
        assert_eq!(world.came().len(), 2);
    }
}

/// An expected value is a text or a pattern: what is no pattern is compared, and the reason is told.
#[tokio::test]
async fn an_expected_value_that_is_no_pattern_is_a_text() {
    for (kind, accepted) in [("(user", true), ("user", false)] {
        let body = json!({"access_token": "tok", "kind": kind}).to_string();
        let world = World::scripted(&[json!({"headers": {"server": "lx/1.0"}, "body": body})]).await;
        let mut oauth = templated();
        oauth["accessTokenRequest"]["validations"][2] = json!({"name": "kind",
            "actualValue": pebble("{{ response.body.kind }}"),
            "expectedValue": {"templatingStrategy": "NONE", "value": "(user"}});
        match world.tokens(oauth, json!({})).access(&world.line, None).await {
            Ok(_) => assert!(accepted),
            Err(failure) => {
                let told = "token endpoint: the answer fails validation `kind`: expected `(user` (as a pattern: ";
                assert!(!accepted && failure.message.starts_with(told), "{}", failure.message);
            }
        }
    }
}

#[tokio::test]
async fn accounts_without_token_endpoints() {
    let world = World::scripted(&[json!({})]).await;
    let entered = crate::world::object(json!({"username": "ines", "password": "a:b", "token": "t-1"}));
    for (kind, header, seen) in [
        (partner::StaticKind::Basic, "Basic aW5lczphOmI=", ("username", "ines")),
        (partner::StaticKind::Bearer, "Bearer t-1", ("token", "t-1")),
    ] {
        let account = Account::entered(kind, &entered).expect("complete");
        let authorization = account.authorization(&world.line, Some(1)).await.expect("static");
        assert_eq!(authorization.header.expect("a header").to_str().expect("text"), header);
        assert_eq!(account.auth_data()[seen.0], json!(seen.1));
        assert!(!format!("{account:?}").contains("a:b"));
    }
    let fault = Account::entered(partner::StaticKind::Basic, &crate::world::object(json!({"username": "x"})));
    assert_eq!(fault.expect_err("incomplete").message, "the account has no password");
}
