//! When attempts are made again, and when not.

use crate::world::{World, attempts, reason};
use delivery::{Destination, Outcome, RetryPolicy};
use std::time::Duration;

#[tokio::test]
async fn the_documented_three_attempts() {
    let world = World::scripted(r#"{"steps":[{"status":500,"repeat":0}]}"#).await;
    world.connect(Destination { retry: RetryPolicy::Aep, ..world.destination() });
    world.export(1, 1);
    world.drive(1).await;
    let times = world.times();
    assert_eq!(times, [0, 10_000, 70_000]);
    let outcome = world.outcome(1, 1);
    assert_eq!((attempts(&outcome), reason(&outcome)), (3, "status 500 Internal Server Error"));
    assert_eq!((world.metrics().dead, world.metrics().failures.server), (1, 3));
}

#[tokio::test]
async fn eight_attempts_over_a_day() {
    let world = World::scripted(r#"{"steps":[{"status":503,"repeat":0}]}"#).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.drive(1).await;
    let times = world.times();
    assert_eq!(times.len(), 8);
    let hours = times[7] as f64 / 3_600_000.0;
    assert!((24.0..26.5).contains(&hours), "{hours}");
    assert_eq!(attempts(&world.outcome(1, 1)), 8);
}

#[tokio::test]
async fn retry_after_is_respected_in_both_forms() {
    let date = "Mon, 21 Sep 2026 16:13:20 GMT"; // two hours after the start
    let steps = format!(r#"{{"steps":[{{"status":429,"retry_after":3600}},{{"status":503,"retry_after":"{date}"}}]}}"#);
    let world = World::scripted(&steps).await;
    world.connect(world.destination());
    world.export(1, 1);
    world.drive(1).await;
    let at = model::Timestamp::parse("2026-09-21T16:13:20Z").expect("a time").0 - crate::world::START.0;
    assert_eq!(world.times(), [0, 3_600_000, at]);
    let delivered_at = model::Timestamp(crate::world::START.0 + at);
    assert_eq!(world.outcome(1, 1), Outcome::Delivered { attempts: 3, at: delivered_at });
    assert_eq!(world.metrics().latency_ms.sum(), at as u64);
}

#[tokio::test]
async fn what_is_worth_another_attempt() {
    for (step, retried) in [
        (r#"{"status":408}"#, true),
        (r#"{"status":425}"#, true),
        (r#"{"status":429}"#, true),
        (r#"{"status":500}"#, true),
        (r#"{"status":599}"#, true),
        (r#"{"reset":true}"#, true),
        (r#"{"stall_ms":60000}"#, true),
        (r#"{"status":400}"#, false),
        (r#"{"status":401}"#, false),
        (r#"{"status":404}"#, false),
        (r#"{"status":422}"#, false),
        (r#"{"status":301,"headers":{"location":"/elsewhere"}}"#, false),
        (r#"{"status":307,"headers":{"location":"/elsewhere"}}"#, false),
    ] {
        let world = World::scripted(&format!(r#"{{"steps":[{step}]}}"#)).await;
        world.connect(Destination { timeout: Duration::from_millis(100), ..world.destination() });
        world.export(1, 1);
        world.drive(1).await;
        let outcome = world.outcome(1, 1);
        assert_eq!(matches!(outcome, Outcome::Delivered { attempts: 2, .. }), retried, "{step}: {outcome:?}");
        assert_eq!(world.receiver.counts().requests, 1 + u64::from(retried), "{step}");
        assert!(world.receiver.records().iter().all(|r| r.path == "/in"));
        assert!(retried || reason(&outcome).starts_with("status "), "{outcome:?}");
    }
}

#[tokio::test]
async fn any_2xx_is_success() {
    let world =
        World::scripted(r#"{"steps":[{"status":201},{"status":202},{"status":204,"body":""},{"status":299}]}"#).await;
    world.connect(world.destination());
    for seq in 1..=4 {
        world.export(1, seq);
    }
    world.settle(4).await;
    assert_eq!(world.metrics().delivered, 4);
}

#[tokio::test]
async fn an_open_circuit_delays_attempts_and_uses_none_up() {
    let world = World::scripted(r#"{"steps":[{"reset":true,"repeat":0}]}"#).await;
    world.connect(Destination { concurrency_max: 1, ..world.destination() });
    for name in 1..=30 {
        world.export(name, u64::from(name));
    }
    world.until(|w| w.metrics().circuit_open && w.metrics().in_flight == 0).await;
    assert_eq!(world.receiver.counts().requests, 5);
    // Three probes, each after twice the pause.
    for n in 6..=8 {
        // Backoffs may end before the pause does; that starts nothing.
        while world.metrics().attempts < n {
            let at = world.clock.next_awaited().expect("a pause");
            world.clock.advance_to(at).expect("forwards");
            world.until(|w| w.metrics().in_flight == 0 && w.clock.next_awaited().is_some_and(|a| a > at)).await;
        }
        assert_eq!(world.receiver.counts().requests, n);
        assert!(world.metrics().circuit_open);
    }
    let times = world.times();
    assert_eq!(times[5..], [1_000, 3_000, 7_000].map(|t| t + times[4]));
    world.receiver.set_script(receiver::Script::default());
    world.drive(30).await;
    assert!(!world.metrics().circuit_open);
    assert!(world.reported().iter().all(|(_, o)| attempts(o) <= 4), "{:?}", world.reported());
    assert_eq!(world.metrics().delivered, 30);
}

#[tokio::test]
async fn an_overloaded_destination_gets_fewer_requests_at_a_time() {
    let world = World::scripted(r#"{"steps":[{"status":429,"repeat":40}]}"#).await;
    world.connect(Destination { concurrency_max: 16, ..world.destination() });
    for name in 1..=40 {
        world.export(name, u64::from(name));
    }
    world.until(|w| w.metrics().backing_off == 40).await;
    assert_eq!(world.metrics().concurrency, 1);
    world.drive(40).await;
    assert!(world.metrics().concurrency > 1);
    assert!(!world.metrics().circuit_open);
}
