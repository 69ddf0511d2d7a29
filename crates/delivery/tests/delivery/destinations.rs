//! What a request carries; where it may go; disabling, discarding, draining.

use crate::world::{FLOW, World, attempts, reason};
use delivery::{Auth, Destination, Egress, Outcome, Settings};
use receiver::Options;
use std::time::Duration;

#[tokio::test]
async fn a_request_carries_what_was_configured() {
    let world = World::new(Options::default()).await;
    let endpoint = world.receiver.url("/a/b?key=v&x=1").parse().expect("a URL");
    let headers = vec![("X-One".to_owned(), "1".into()), ("x-two".to_owned(), "two words".into())];
    world.connect(Destination {
        headers,
        auth: Auth::Bearer("t0ken".into()),
        send_delivery_id: true,
        ..Destination::new(endpoint)
    });
    world.export(1, 17);
    world.settle(1).await;
    let record = &world.receiver.records()[0];
    assert_eq!(
        (record.method.as_str(), record.path.as_str(), record.query.as_deref()),
        ("POST", "/a/b", Some("key=v&x=1"))
    );
    let header = |name: &str| record.headers.get(name).map(String::as_str);
    assert_eq!((header("x-one"), header("x-two")), (Some("1"), Some("two words")));
    assert_eq!(header("content-type"), Some("application/json"));
    assert!(header("authorization").is_some_and(|v| v.starts_with("sha256:")));
    assert!(header("user-agent").is_some_and(|v| v.starts_with("rivermouth/")));
    assert_eq!(header("x-rivermouth-delivery-id"), Some("11".repeat(16).as_str()));
    assert_eq!(record.body["seq"], 17);
}

#[tokio::test]
async fn a_custom_content_type_wins_and_the_delivery_id_is_off_by_default() {
    let world = World::new(Options::default()).await;
    let headers = vec![("Content-Type".to_owned(), "application/vnd.x+json".into())];
    world.connect(Destination { headers, ..world.destination() });
    world.export(1, 1);
    world.settle(1).await;
    let headers = &world.receiver.records()[0].headers;
    assert_eq!(headers["content-type"], "application/vnd.x+json");
    assert!(!headers.contains_key("x-rivermouth-delivery-id"));
}

#[tokio::test]
async fn faulty_headers_are_named_and_final() {
    let world = World::new(Options::default()).await;
    for (name, said) in [("bad name", "not a legal name"), ("Host", "belongs to the transport")] {
        let destination = Destination { headers: vec![(name.to_owned(), "v".into())], ..world.destination() };
        let error = destination.check(&Egress::open()).expect_err("faulty");
        assert!(error.contains(name) && error.contains(said), "{error}");
    }
    world.connect(Destination { headers: vec![("x".to_owned(), "a\nb".into())], ..world.destination() });
    world.export(1, 1);
    world.settle(1).await;
    assert_eq!(reason(&world.outcome(1, 1)), "header `x`: its value has illegal characters");
}

#[tokio::test]
async fn loopback_is_refused_unless_allowed() {
    let world = World::with(Options::default(), Egress::default(), Settings::default()).await;
    let port = world.receiver.addr.port();
    for (seq, host) in ["127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]"].iter().enumerate() {
        let seq = seq as u64 + 1;
        world.connect(Destination::new(format!("http://{host}:{port}/in").parse().expect("a URL")));
        world.export(1, seq);
        world.settle(seq as usize).await;
        let outcome = world.outcome(1, seq);
        assert!(reason(&outcome).contains("egress refused: ") && attempts(&outcome) == 1, "{host}: {outcome:?}");
    }
    assert_eq!(world.receiver.counts().requests, 0);
    assert_eq!(world.metrics().failures.configuration, 5);
    let allow = vec!["127.0.0.0/8".parse().expect("a net")];
    let world = World::with(Options::default(), Egress { allow_private: false, allow }, Settings::default()).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.settle(1).await;
    assert_eq!(world.metrics().delivered, 1);
}

#[tokio::test]
async fn a_disabled_flow_forgets_what_waits_and_takes_it_up_again() {
    let world = World::scripted(r#"{"steps":[{"status":500,"repeat":3}]}"#).await;
    world.connect(world.destination());
    for name in 1..=3 {
        world.export(name, u64::from(name) * 10);
        world.export(name, u64::from(name) * 10 + 1);
    }
    world.until(|w| w.metrics().backing_off == 3).await;
    world.delivery.set_destination(FLOW, None);
    world.until(|w| w.metrics().queued == 0).await;
    world.export(4, 40);
    world.clock.advance(3_600_000).expect("manual");
    assert_eq!(world.clock.next_awaited(), None);
    // The engine withdraws one; the others still wait.
    world.outbox.withdraw(20);
    world.connect(world.destination());
    world.settle(6).await;
    assert_eq!(world.receiver.counts().requests, 3 + 6);
    assert!(world.reported().iter().all(|(_, o)| matches!(o, Outcome::Delivered { attempts: 1, .. })));
    let order: Vec<u64> = world.came().into_iter().filter(|(p, _, s)| *p == 1 && *s == 200).map(|c| c.1).collect();
    assert_eq!(order, [10, 11]);
}

#[tokio::test]
async fn a_running_attempt_finishes_when_its_flow_is_disabled_and_enabled_again() {
    let world = World::scripted(r#"{"steps":[{"stall_ms":150}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.export(1, 2);
    world.until(|w| w.receiver.counts().requests == 1).await;
    world.delivery.set_destination(FLOW, None);
    world.connect(world.destination());
    world.settle(2).await;
    assert_eq!(world.came(), [(1, 1, 200), (1, 2, 200)], "each came once");
}

#[tokio::test]
async fn a_corrected_destination_is_tried_at_once() {
    let world = World::scripted(r#"{"steps":[{"status":500}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.until(|w| w.metrics().backing_off == 1).await;
    world.connect(world.destination());
    assert_eq!(world.metrics().attempts, 1, "the same destination again changes nothing");
    world.connect(Destination { send_delivery_id: true, ..world.destination() });
    world.settle(1).await;
    assert_eq!(attempts(&world.outcome(1, 1)), 2);
}

#[tokio::test]
async fn a_discarded_flow_is_gone() {
    let world = World::scripted(r#"{"steps":[{"status":500}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.until(|w| w.metrics().backing_off == 1).await;
    world.delivery.discard(FLOW);
    assert!(world.delivery.metrics().is_empty());
    world.until(|w| w.clock.next_awaited().is_none()).await;
    world.clock.advance(86_400_000).expect("manual");
    world.export(1, 2);
    assert_eq!(world.receiver.counts().requests, 1);
}

#[tokio::test]
async fn draining_finishes_running_attempts_and_starts_none() {
    let world = World::scripted(r#"{"steps":[{"stall_ms":100,"repeat":0}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.export(1, 2);
    world.until(|w| w.receiver.counts().requests == 1).await;
    assert!(world.delivery.drain(Duration::from_secs(10)).await);
    assert_eq!(world.reported().len(), 1);
    world.connect(world.destination());
    world.export(1, 3);
    assert_eq!(world.receiver.counts().requests, 1);
}

#[tokio::test]
async fn draining_gives_up_after_its_patience() {
    let world = World::scripted(r#"{"steps":[{"stall_ms":60000}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.until(|w| w.receiver.counts().requests == 1).await;
    assert!(!world.delivery.drain(Duration::from_millis(50)).await);
    assert!(world.reported().is_empty());
}
