//! Access tokens.

use crate::world::{World, attempts, reason};
use delivery::{Auth, CredentialStyle, Destination, RetryPolicy};
use receiver::{Options, TokenOptions};

const SECRET: &str = "p+w &=ü";

async fn world(token: TokenOptions) -> World {
    let token = Some(TokenOptions { client_id: "me".into(), client_secret: SECRET.into(), ..token });
    World::new(Options { token, require_token: true, ..Options::default() }).await
}

fn credentials(world: &World, style: CredentialStyle) -> Auth {
    Auth::ClientCredentials {
        token_url: world.receiver.url("/token").parse().expect("a URL"),
        client_id: "me".into(),
        client_secret: SECRET.into(),
        style,
    }
}

fn connect(world: &World, auth: Auth) {
    world.connect(Destination { auth, retry: RetryPolicy::Aep, ..world.destination() });
}

#[tokio::test]
async fn both_forms_of_client_credentials_are_as_documented() {
    for (style, content_type, fields) in [
        (
            CredentialStyle::Body,
            "application/x-www-form-urlencoded;charset=UTF-8",
            vec!["grant_type", "client_id", "client_secret"],
        ),
        (CredentialStyle::Basic, "application/x-www-form-urlencoded; charset=UTF-8", vec!["grant_type"]),
    ] {
        let world = world(TokenOptions::default()).await;
        connect(&world, credentials(&world, style));
        for seq in 1..=20 {
            world.export(seq as u8, seq);
        }
        world.settle(20).await;
        let requests = world.receiver.token_requests();
        assert_eq!(requests.len(), 1, "one request serves all");
        assert_eq!(
            (requests[0].content_type.as_str(), requests[0].basic),
            (content_type, style == CredentialStyle::Basic)
        );
        assert_eq!(
            (requests[0].grant_type.as_str(), &requests[0].fields),
            ("client_credentials", &fields.iter().map(|f| f.to_string()).collect())
        );
        assert_eq!((world.metrics().delivered, world.metrics().tokens_fetched), (20, 1));
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let world = world(TokenOptions { expires_in_s: 3_600, ..TokenOptions::default() }).await;
    connect(&world, credentials(&world, CredentialStyle::Body));
    for (seq, advance, fetched) in [(1, 0, 1), (2, 3_539_999, 1), (3, 1, 2)] {
        world.clock.advance(advance).expect("manual");
        world.export(1, seq);
        world.settle(seq as usize).await;
        assert_eq!(world.receiver.token_requests().len(), fetched);
    }
    assert!(world.came().iter().all(|(_, _, status)| *status == 200), "never refused");
}

#[tokio::test]
async fn a_refused_token_is_replaced_within_the_same_attempt() {
    let world = world(TokenOptions::default()).await;
    connect(&world, credentials(&world, CredentialStyle::Basic));
    world.export(1, 1);
    world.settle(1).await;
    world.receiver.revoke_tokens();
    world.export(1, 2);
    world.settle(2).await;
    assert_eq!(attempts(&world.outcome(1, 2)), 1);
    assert_eq!(world.came(), [(1, 1, 200), (1, 2, 401), (1, 2, 200)]);
    assert_eq!(world.receiver.token_requests().len(), 2);
}

#[tokio::test]
async fn tokens_that_live_shorter_than_a_request_end_as_dead_with_401() {
    let world = world(TokenOptions { expires_in_s: 0, ..TokenOptions::default() }).await;
    connect(&world, credentials(&world, CredentialStyle::Body));
    world.export(1, 1);
    world.drive(1).await;
    assert_eq!(reason(&world.outcome(1, 1)), "status 401 Unauthorized");
    assert_eq!(world.receiver.token_requests().len(), 2);
}

#[tokio::test]
async fn password_grant_and_refresh_tokens() {
    let user = Some(("ines".to_owned(), SECRET.to_owned()));
    let world = world(TokenOptions { user, refresh: true, expires_in_s: 120, ..TokenOptions::default() }).await;
    let auth = Auth::Password {
        token_url: world.receiver.url("/token").parse().expect("a URL"),
        client_id: "me".into(),
        client_secret: SECRET.into(),
        username: "ines".into(),
        password: SECRET.into(),
    };
    connect(&world, auth);
    for seq in 1..=3 {
        world.export(1, seq);
        world.settle(seq as usize).await;
        world.clock.advance(60_000).expect("manual");
    }
    let grants: Vec<String> = world.receiver.token_requests().into_iter().map(|r| r.grant_type).collect();
    assert_eq!(grants, ["password", "refresh_token", "refresh_token"]);
    assert_eq!(world.metrics().delivered, 3);
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_counts_as_failed_attempts_and_shows_no_secret() {
    let world = world(TokenOptions::default()).await;
    let mut auth = credentials(&world, CredentialStyle::Body);
    if let Auth::ClientCredentials { client_secret, .. } = &mut auth {
        *client_secret = "wrong-secret".into();
    }
    let destination = Destination { auth: auth.clone(), ..world.destination() };
    assert!(!format!("{auth:?}{destination:?}").contains("wrong-secret"));
    connect(&world, auth);
    world.export(1, 1);
    world.drive(1).await;
    let outcome = world.outcome(1, 1);
    assert_eq!((attempts(&outcome), reason(&outcome)), (3, "token endpoint: status 401 (invalid_client)"));
    assert_eq!((world.receiver.counts().requests, world.metrics().failures.token), (0, 3));
}

#[tokio::test]
async fn many_waiters_share_one_failed_fetch() {
    let world = World::new(Options::default()).await;
    // A receiver that issues no tokens answers 404.
    connect(&world, credentials(&world, CredentialStyle::Body));
    for name in 1..=8 {
        world.export(name, u64::from(name));
    }
    world.drive(8).await;
    assert!(world.receiver.token_requests().len() <= 24);
    assert!(world.reported().iter().all(|(_, o)| reason(o) == "token endpoint: status 404"));
}
