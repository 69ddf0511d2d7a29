//! The authorization code grant: login page, exchange, refresh.

use crate::world::{World, answers, form};
use serde_json::{Value as Json, json};

const BACK: &str = "https://rivermouth.example/data/core/activation/oauth/api/v1/callback";

fn oauth() -> Json {
    json!({
        "grant": "OAUTH2_AUTHORIZATION_CODE",
        "accessTokenUrl": "http://receiver/t",
        "authorizationUrl": "http://receiver/login?theme=dark",
        "refreshTokenUrl": "http://receiver/r",
        "clientId": "me",
        "clientSecret": "s:1",
        "scope": ["read", "write"],
    })
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn a_login_gives_tokens_that_are_refreshed() {
    let world = World::scripted(&[
        answers(json!({"access_token": "a1", "refresh_token": "r1", "expires_in": 3600})),
        answers(json!({"access_token": "a2", "refresh_token": "r2", "expires_in": 3600})),
        answers(json!({"access_token": "a3", "expires_in": 3600})),
        json!({"status": 401, "body": r#"{"error":"invalid_client"}"#}),
        json!({"status": 400, "body": r#"{"error":"invalid_grant"}"#}),
    ])
    .await;
    let tokens = world.tokens(oauth(), json!({}));
    let nobody = tokens.access(&world.line, None).await.expect_err("nobody has logged in");
    assert_eq!((nobody.message.as_str(), nobody.retry), ("nobody has logged in yet: log in at the destination", false));

    let page = tokens.grant().authorization_url("st&te", BACK).expect("a page");
    assert_eq!(page.path(), "/login");
    let query: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    assert_eq!(
        query,
        pairs(&[
            ("theme", "dark"),
            ("response_type", "code"),
            ("client_id", "me"),
            ("redirect_uri", BACK),
            ("state", "st&te"),
            ("scope", "read write")
        ])
    );

    let set = tokens.grant().exchange(&world.line, "c/1", BACK).await.expect("tokens");
    tokens.replace(set).await;
    assert_eq!(world.kept.lock().len(), 1, "a login is kept");
    for (advance, token) in [(0, "a1"), (3_540_000, "a2"), (3_540_000, "a3")] {
        world.advance(advance);
        assert_eq!(tokens.access(&world.line, None).await.expect("a token").token.expose(), token);
    }
    let client = [("client_id", "me"), ("client_secret", "s:1")];
    let refresh = |token| [&[("grant_type", "refresh_token"), ("refresh_token", token)], &client[..]].concat();
    let forms = world.forms();
    let code = [&[("grant_type", "authorization_code"), ("code", "c/1"), ("redirect_uri", BACK)], &client[..]].concat();
    assert_eq!(forms[0], pairs(&code));
    assert_eq!((&forms[1], &forms[2]), (&pairs(&refresh("r1")), &pairs(&refresh("r2"))));
    // The second refresh token stays, since the third answer had none.
    world.advance(3_540_000);
    // A fault of the client can be mended without a person, a refused refresh token cannot.
    let failure = tokens.access(&world.line, None).await.expect_err("refused");
    assert_eq!((failure.message.as_str(), failure.retry), ("token endpoint: status 401 (invalid_client)", true));
    assert_eq!(world.forms()[3], pairs(&refresh("r2")));
    world.advance(4_000);
    for _ in 0..3 {
        let failure = tokens.access(&world.line, None).await.expect_err("revoked");
        assert_eq!((failure.message.as_str(), failure.retry), ("token endpoint: status 400 (invalid_grant)", false));
        assert_eq!((world.forms().len(), &world.forms()[4]), (5, &pairs(&refresh("r2"))), "nobody asks again");
        world.advance(86_400_000);
    }
}

#[tokio::test]
async fn without_a_refresh_url_an_expired_token_asks_for_a_person() {
    let world =
        World::scripted(&[answers(json!({"access_token": "a1", "refresh_token": "r1", "expires_in": 60}))]).await;
    let mut oauth = oauth();
    oauth.as_object_mut().expect("an object").remove("refreshTokenUrl");
    oauth["options"] = json!({"useBasicAuth": true});
    let tokens = world.tokens(oauth, json!({}));
    tokens.replace(tokens.grant().exchange(&world.line, "c", BACK).await.expect("tokens")).await;
    assert_eq!(tokens.access(&world.line, None).await.expect("a token").token.expose(), "a1");
    world.advance(60_000);
    let failure = tokens.access(&world.line, None).await.expect_err("expired");
    let told =
        "the access token is no longer good and the destination has no refreshTokenUrl: log in at the destination";
    assert_eq!((failure.message.as_str(), failure.retry), (told, false));
    let came = world.came();
    assert_eq!(came.len(), 1);
    assert!(came[0].headers.contains_key("authorization"));
    let fields: Vec<String> = form(came[0].body.as_str().expect("a form")).into_iter().map(|(n, _)| n).collect();
    assert_eq!(fields, ["grant_type", "code", "redirect_uri"]);
}

#[tokio::test]
async fn a_state_serves_one_login() {
    let world = World::scripted(&[answers(json!({"access_token": "a1"}))]).await;
    let grant = world.grant(oauth(), json!({})).expect("a grant");
    let logins = partner::Logins::default();
    let state = |page: url::Url| page.query_pairs().find(|(n, _)| n == "state").expect("a state").1.into_owned();
    let now = || world.clock.now();
    let first = state(logins.start(now(), "c1", grant.clone(), BACK).expect("a page"));
    let late = state(logins.start(now(), "c2", grant.clone(), BACK).expect("a page"));
    assert!(first.len() >= 40 && first != late);
    let (of, set) = logins.finish(&world.line, &first, "c").await.expect("tokens");
    assert_eq!((of, set.access_token.expose()), ("c1", "a1"));
    world.advance(partner::LOGIN_MS_MAX);
    for state in [first.as_str(), late.as_str(), "guessed", ""] {
        let failure = logins.finish(&world.line, state, "c").await.expect_err("no such login");
        assert!(failure.message.starts_with("this login is unknown"), "{failure}");
    }
    assert_eq!(world.came().len(), 1);
    let mut other = oauth();
    other["grant"] = "OAUTH2_PASSWORD".into();
    other.as_object_mut().expect("an object").remove("authorizationUrl");
    let other = world.grant(other, json!({})).expect("a grant");
    assert!(logins.start(now(), "c3", other, BACK).expect_err("no login").message.contains("needs no login"));
}
