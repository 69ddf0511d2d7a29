//! Receivers that answer garbage, too much, too late, elsewhere, or no.

use crate::world::{World, answers, raw};
use delivery::Egress;
use partner::Failure;
use receiver::{Options, TokenOptions};
use serde_json::{Value as Json, json};

fn oauth(url: &str) -> Json {
    json!({"grant": "OAUTH2_CLIENT_CREDENTIALS", "accessTokenUrl": url, "clientId": "me", "clientSecret": "hush-hush"})
}

async fn failure(world: &World) -> Failure {
    let tokens = world.tokens(oauth("http://receiver/t"), json!({}));
    tokens.access(&world.line, None).await.expect_err("no token")
}

#[tokio::test]
async fn garbage_is_told_and_never_repeated() {
    for (step, told, retry) in [
        (json!({"body": "<html>hush-token</html>"}), "the answer is no JSON (application/json, 23 bytes)", true),
        (json!({"body": ""}), "the answer is no JSON (application/json, 0 bytes)", true),
        (json!({"body": "\u{0}\u{1}\u{fffd}"}), "the answer is no JSON", true),
        (answers(json!([])), "the answer has no access token at `access_token`", true),
        (answers(json!({"access_token": ""})), "the answer has no access token", true),
        (answers(json!({"access_token": null})), "the answer has no access token", true),
        (answers(json!({"access_token": {"hush-token": 1}})), "accessToken must be text, not an object", true),
        (
            answers(json!({"access_token": "a\nhush-token"})),
            "the access token has characters that no header can carry",
            true,
        ),
        (answers(json!({"access_token": "a", "expires_in": "soon"})), "expiresIn is no number of seconds", true),
        (answers(json!({"access_token": "a", "expires_in": [1]})), "expiresIn must be text, not a list", true),
        (json!({"status": 500, "body": "hush-token"}), "status 500", true),
        (json!({"status": 404}), "status 404", true),
        (
            json!({"status": 302, "headers": {"location": "http://169.254.169.254/"}}),
            "status 302: redirects are not followed",
            false,
        ),
        (
            json!({"status": 400, "body": r#"{"error":"invalid_scope","error_description":"hush-token"}"#}),
            "status 400 (invalid_scope)",
            true,
        ),
        (json!({"reset": true}), "", true),
    ] {
        let world = World::scripted(std::slice::from_ref(&step)).await;
        let failure = failure(&world).await;
        assert!(failure.message.starts_with(&format!("token endpoint: {told}")), "{step}: {failure}");
        assert_eq!(failure.retry, retry, "{step}: {failure}");
        assert!(!failure.message.contains("hush") && !failure.message.contains("127.0.0.1"), "{failure}");
        assert_eq!(world.came().len(), 1, "{step}");
    }
}

#[tokio::test]
async fn a_refused_grant_is_asked_again_after_a_pause_that_grows() {
    for (status, body) in
        [(401, r#"{"error":"invalid_client"}"#), (400, r#"{"error":"invalid_grant"}"#), (401, "hush"), (404, "")]
    {
        let refusal = json!({"status": status, "body": body, "repeat": 12});
        let world = World::scripted(&[refusal, answers(json!({"access_token": "a"}))]).await;
        let tokens = world.tokens(oauth("http://receiver/t"), json!({}));
        let mut pauses = Vec::new();
        for asked in 1..=12 {
            let refused = tokens.access(&world.line, None).await.expect_err("refused");
            assert!(refused.message.starts_with(&format!("token endpoint: status {status}")) && refused.retry);
            let pause = refused.retry_after_ms.expect("it says when to come again");
            // Whoever comes before is told the same without a request, and what is left of the pause.
            world.advance(pause - 1);
            let early = tokens.access(&world.line, None).await.expect_err("refused");
            assert_eq!((early.retry_after_ms, early.message), (Some(1), refused.message));
            assert_eq!(world.came().len(), asked);
            pauses.push(pause);
            world.advance(1);
        }
        assert_eq!(pauses[..8], [4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000], "{status}");
        assert!(pauses[8..].iter().all(|pause| *pause == 300_000), "{pauses:?}");
        tokens.access(&world.line, None).await.expect("it was mended");
    }
}

#[tokio::test]
async fn a_pause_is_of_one_account_and_ends_with_it() {
    let refusal = json!({"status": 401, "body": r#"{"error":"invalid_client"}"#, "retry_after": 900});
    let world = World::scripted(&[refusal, answers(json!({"access_token": "a", "expires_in": 60}))]).await;
    let tokens = world.tokens(oauth("http://receiver/t"), json!({}));
    for _ in 0..3 {
        let refused = tokens.access(&world.line, None).await.expect_err("refused");
        assert_eq!(refused.retry_after_ms, Some(900_000), "what the endpoint asks for, if that is longer");
    }
    assert_eq!(world.came().len(), 1);
    let changed = world.tokens(oauth("http://receiver/t"), json!({}));
    changed.access(&world.line, None).await.expect("a changed account asks at once");
}

#[tokio::test]
async fn who_waits_shares_a_failure_and_the_next_asks_again() {
    let slow = json!({"status": 503, "stall_ms": 100, "retry_after": 7});
    let world = World::scripted(&[slow, answers(json!({"access_token": "a"}))]).await;
    let tokens = world.tokens(oauth("http://receiver/t"), json!({}));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (tokens, line) = (tokens.clone(), world.line.clone());
            tokio::spawn(async move { tokens.access(&line, None).await })
        })
        .collect();
    for waiter in waiting {
        let failure = waiter.await.expect("no panic").expect_err("503");
        assert_eq!((failure.status, failure.retry_after_ms, failure.retry), (Some(503), Some(7_000), true));
    }
    assert_eq!(world.came().len(), 1);
    tokens.access(&world.line, None).await.expect("a token");
}

#[tokio::test]
async fn huge_and_slow_answers_are_bounded() {
    let world = World::scripted(&[json!({"body": " ".repeat(3 << 20)})]).await;
    let huge = failure(&world).await;
    assert!(huge.message.starts_with("token endpoint: the answer is longer than 1048576 bytes"), "{huge}");
    let world = World::scripted(&[json!({"stall_ms": 60_000})]).await;
    let tokens = world.tokens(oauth("http://receiver/t"), json!({}));
    let slow = tokens.access(&world.hurried(50), None).await.expect_err("slow");
    assert_eq!((slow.message.as_str(), slow.retry), ("token endpoint: no answer within 50 ms", true));
}

#[tokio::test]
async fn a_wrong_content_type_and_an_endless_body() {
    let world = World::scripted(&[json!({})]).await;
    for (head, told) in [
        (
            "HTTP/1.1 200 OK\nContent-Type: text/html; charset=x\nContent-Length: 6\n\n<html>",
            "token endpoint: the answer is no JSON (text/html, 6 bytes)",
        ),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Encoding: gzip\nContent-Length: 6\n\n\u{1f}\u{b}abcd",
            "token endpoint: the answer is no JSON (application/json, encoded as gzip although that was not asked for, 6",
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "token endpoint: the answer is no JSON (no content type, 0 bytes)"),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", "token endpoint: the answer is longer than 1048576 bytes"),
        ("HTTP/1.1 200 OK\nContent-Length: 9999999999\n\n", "token endpoint: the answer is longer than 1048576 bytes"),
        ("garbage\n\n", "token endpoint: "),
    ] {
        let tokens = world.tokens(oauth(&raw(head).await), json!({}));
        let failure = tokens.access(&world.line, None).await.expect_err("no token");
        assert!(failure.message.starts_with(told) && failure.retry, "{head}: {failure}");
    }
    // JSON under another name is still JSON.
    let head = "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 20\n\n{\"access_token\":\"a\"}";
    let tokens = world.tokens(oauth(&raw(head).await), json!({}));
    tokens.access(&world.line, None).await.expect("a token");
}

#[tokio::test]
async fn private_addresses_are_refused_before_anything_is_sent() {
    let world =
        World::with(Options { token: Some(TokenOptions::default()), ..Options::default() }, Egress::default()).await;
    let failure = failure(&world).await;
    assert!(failure.message.starts_with("token endpoint: egress refused: 127.0.0.1 is loopback"), "{failure}");
    assert!(!failure.retry);
    for url in ["http://localhost:1/", "http://[::1]/t", "http://10.1.2.3/t", "http://169.254.169.254/latest"] {
        let tokens = world.tokens(oauth(url), json!({}));
        let failure = tokens.access(&world.line, None).await.expect_err("refused");
        assert!(failure.message.contains("egress refused"), "{url}: {failure}");
    }
    assert_eq!(world.receiver.counts().requests, 0);
}
