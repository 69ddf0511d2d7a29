//! Order per profile, whatever fails.

use crate::world::{World, attempts};
use delivery::{Egress, Outcome, Settings};
use receiver::{Options, Random, Script, Step};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// For each profile, first successes come in the order of the outbox, each once, and every
/// export ends once (the outbox of these tests panics otherwise).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_keep_their_order_under_random_failures() {
    for seed in 1..=3 {
        let random = Random { seed, fail_ratio: 0.35, stall_ms: 300, retry_after: 20 };
        let script = Script { random: Some(random), ..Script::default() };
        let settings = Settings { window: 64 };
        let world = World::with(Options { script, ..Options::default() }, Egress::open(), settings).await;
        world.connect(delivery::Destination { timeout: Duration::from_millis(100), ..world.destination() });
        let count = 180;
        for seq in 1..=count {
            world.export((seq * seed % 13 * seq % 17) as u8, seq);
        }
        world.drive(count as usize).await;
        let mut last: HashMap<u8, u64> = HashMap::new();
        let mut accepted = HashSet::new();
        for (profile, seq, _) in world.came().into_iter().filter(|(_, _, status)| *status == 200) {
            // A success that was answered too late comes again.
            if accepted.insert(seq) {
                assert!(last.insert(profile, seq).is_none_or(|before| before < seq), "profile {profile}, seed {seed}");
            }
        }
        let delivered = world.reported().iter().filter(|(_, o)| matches!(o, Outcome::Delivered { .. })).count();
        assert_eq!(world.reported().len(), count as usize);
        assert!(accepted.len() >= delivered && delivered > 170, "{delivered} of {}", accepted.len());
        let metrics = world.metrics();
        assert_eq!(metrics.attempts, metrics.failures.total() + metrics.delivered);
        assert!(metrics.failures.timeout > 0 && metrics.failures.transport > 0 && metrics.failures.throttled > 0);
    }
}

#[tokio::test]
async fn a_retry_holds_back_its_profile_only() {
    let world = World::scripted(r#"{"steps":[{"status":500}]}"#).await;
    let destination = delivery::Destination { concurrency_max: 1, ..world.destination() };
    world.put(1, 1, &[]);
    world.put(1, 2, &[]);
    world.connect(destination);
    world.until(|w| w.metrics().backing_off == 1).await;
    for seq in 3..=6 {
        world.export(2, seq);
    }
    world.settle(4).await;
    assert_eq!(world.came(), [(1, 1, 500), (2, 3, 200), (2, 4, 200), (2, 5, 200), (2, 6, 200)]);
    world.drive(6).await;
    assert_eq!(world.came()[5..], [(1, 1, 200), (1, 2, 200)]);
}

#[tokio::test]
async fn what_waits_for_merged_profiles_goes_first() {
    for woken_first in [1, 2] {
        let world = World::scripted(r#"{"steps":[{"status":500}]}"#).await;
        world.connect(world.destination());
        // 1 was merged into 2, which lies in another partition; 3 has nothing to do with them.
        world.put(1, 10, &[]);
        world.put(1, 11, &[]);
        world.put(2, 5, &[1]);
        world.put(2, 6, &[1]);
        world.wake(woken_first);
        world.wake(3 - woken_first);
        world.until(|w| w.metrics().backing_off == 1).await;
        world.export(3, 1);
        world.settle(1).await;
        world.drive(5).await;
        assert_eq!(world.came(), [(1, 10, 500), (3, 1, 200), (1, 10, 200), (1, 11, 200), (2, 5, 200), (2, 6, 200)]);
        // Once settled, the lineage costs nothing and holds nothing back.
        world.put(2, 7, &[1]);
        world.wake(2);
        world.settle(6).await;
    }
}

#[tokio::test]
async fn waiting_profiles_do_not_fill_the_window() {
    let steps = vec![Step { status: 500, repeat: 200, ..Step::default() }];
    let options = Options { script: Script { steps, random: None }, ..Options::default() };
    let world = World::with(options, Egress::open(), Settings { window: 64 }).await;
    world.connect(delivery::Destination { concurrency_max: 4, ..world.destination() });
    for name in 0..250 {
        world.export(name, u64::from(name) + 1);
    }
    world.settle(50).await;
    assert_eq!(world.metrics().backing_off, 200);
    world.drive(250).await;
    assert!(world.reported().iter().all(|(_, o)| attempts(o) <= 2));
    assert!(world.receiver.open_max() <= 4);
}

#[tokio::test]
async fn one_flow_that_stalls_does_not_slow_another() {
    use crate::world::FLOW;
    use delivery::{Export, ExportKey, Outbox};
    let world = World::scripted("{}").await;
    let stalled = World::scripted(r#"{"steps":[{"stall_ms":60000,"repeat":0}]}"#).await;
    let other = model::FlowNo(8);
    world.delivery.set_destination(other, Some(std::sync::Arc::new(stalled.destination())));
    world.connect(world.destination());
    for seq in 1..=20 {
        world.export(seq as u8, seq);
    }
    world.settle(20).await;
    let none: Vec<Export> = world.outbox.fetch(other, model::PartitionNo(0), 0, 1);
    assert!(none.is_empty());
    assert!(world.reported().iter().all(|(ExportKey { flow, .. }, _)| *flow == FLOW));
}
