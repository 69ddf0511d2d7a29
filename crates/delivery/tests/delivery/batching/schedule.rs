//! When a request is made again, and when it is given up.

use crate::batching::endpoint::{Conduct, Trouble};
use crate::batching::world::{Crowd, Shape};
use crate::world::{FLOW, attempts, reason};
use delivery::Outcome;
use model::Status;
use std::sync::atomic::Ordering;

const HOUR_MS: i64 = 3_600_000;

/// Milliseconds between requests, and how it ended, when the receiver answers with these statuses.
async fn played(age_secs: Option<u32>, retry_aep: bool, statuses: &[u16]) -> (Vec<i64>, Outcome) {
    let shape = Shape { age_secs, ..Shape::plain(if age_secs.is_some() { 1000 } else { 10 }) };
    let conduct = Conduct { script: statuses.iter().copied().collect(), ..Conduct::default() };
    let mut crowd = Crowd::new(0, shape, conduct).await;
    crowd.tune = if retry_aep { |batching| batching.retry_aep = true } else { |_| {} };
    crowd.connect();
    let number = crowd.tell(1, &[("a1", Status::Realized)], 1, 0);
    crowd.drive().await;
    let times = crowd.times();
    assert_eq!(times[0], i64::from(age_secs.unwrap_or(0)) * 1000, "the first request");
    (times.windows(2).map(|t| t[1] - t[0]).collect(), crowd.outcome(number))
}

#[tokio::test]
async fn the_documented_decisions() {
    let (best, configurable) = (None, Some(301));
    let half_hour = 1_800_000;
    for (aggregation, statuses, waits, delivered) in [
        (best, vec![429, 200], vec![15_000], true),
        (best, vec![403, 403, 403], vec![15_000, 30_000], false),
        (best, vec![400], vec![], false),
        (best, vec![501], vec![], false),
        (best, vec![505], vec![], false),
        (best, vec![408, 409, 200], vec![15_000, 30_000], true),
        (configurable, vec![429, 200], vec![half_hour], true),
        (configurable, vec![420, 503, 200], vec![half_hour, half_hour], true),
        (configurable, vec![500], vec![], false),
        (configurable, vec![403], vec![], false),
        (configurable, vec![409], vec![], false),
        (configurable, vec![408], vec![], false),
    ] {
        let (given, outcome) = played(aggregation, true, &statuses).await;
        assert_eq!(given, waits, "{aggregation:?} {statuses:?}");
        assert_eq!(
            matches!(outcome, Outcome::Delivered { .. }),
            delivered,
            "{aggregation:?} {statuses:?}: {outcome:?}"
        );
        assert_eq!(attempts(&outcome) as usize, waits.len() + 1, "{statuses:?}");
        let last = statuses.last().expect("a status");
        assert!(delivered || reason(&outcome).contains(&format!("status {last}")), "{outcome:?}");
    }
}

#[tokio::test]
async fn eight_attempts_over_a_day_by_default() {
    let (given, outcome) = played(None, false, &[503; 20]).await;
    assert_eq!((given.len(), attempts(&outcome)), (7, 8));
    let total = given.iter().sum::<i64>();
    assert!((24 * HOUR_MS..27 * HOUR_MS).contains(&total), "{total}");
    // One more than half a day of half hours, as nothing is documented.
    let (given, outcome) = played(Some(301), true, &[503; 60]).await;
    assert_eq!((given.len(), attempts(&outcome)), (48, 49));
}

#[tokio::test]
async fn a_login_or_a_corrected_account_is_used_at_once() {
    for corrected in [false, true] {
        let mut crowd = Crowd::new(0, Shape::plain(1), Conduct::default()).await;
        crowd.tokens.shut.store(true, Ordering::Release);
        crowd.connect();
        for name in 1..=3 {
            crowd.tell(name, &[("a1", Status::Realized)], 1, 0);
        }
        crowd.pass(2 * HOUR_MS).await;
        crowd.until(|crowd| crowd.metrics().backing_off == 3 && crowd.is_quiet()).await;
        assert!(crowd.arrivals().is_empty() && crowd.outcomes().is_empty());
        let (asked, at) = (crowd.tokens.asked.load(Ordering::Acquire), crowd.now());
        crowd.tokens.shut.store(false, Ordering::Release);
        match corrected {
            true => crowd.connect(),
            false => crowd.delivery().hurry(FLOW),
        }
        crowd.until(|crowd| crowd.outcomes().len() == 3).await;
        assert_eq!((crowd.now(), crowd.tokens.asked.load(Ordering::Acquire)), (at, asked + 3));
        assert!(crowd.outcomes().iter().all(|(_, outcome)| matches!(outcome, Outcome::Delivered { .. })));
    }
}

#[tokio::test]
async fn cutting_a_message_costs_no_retries() {
    // Two attempts find the poisoned half, and then the receiver is busy twice: the sound ones still go out.
    let conduct = Conduct {
        poisoned: [3].into(),
        script: [400, 429, 429, 400, 429, 429].into_iter().collect(),
        ..Conduct::default()
    };
    let mut crowd = Crowd::new(0, Shape::plain(8), conduct).await;
    crowd.tune = |batching| (batching.retry_aep, batching.concurrency_max) = (true, 1);
    for name in 1..=8 {
        crowd.tell(name, &[("a1", Status::Realized)], 1, 0);
    }
    crowd.connect();
    crowd.drive().await;
    crowd.check(true);
}

#[tokio::test]
async fn what_cannot_be_reached_for_a_day_is_dead_and_only_that() {
    let away =
        Conduct { troubles: vec![Trouble::Reset], trouble_percent: 100, trouble_max: u32::MAX, ..Conduct::default() };
    let mut crowd = Crowd::new(0, Shape { by_segment: true, ..Shape::plain(3) }, away).await;
    crowd.connect();
    for name in 1..=40 {
        crowd.tell(name, &[("a1", Status::Realized), ("a2", Status::Exited)], 1, 0);
    }
    crowd.pass(12 * HOUR_MS).await;
    assert_eq!(crowd.outcomes().len(), 0, "{}", crowd.state());
    let fresh: Vec<u64> = (1..=9).map(|name| crowd.tell(name + 30, &[("a1", Status::Exited)], 1, 0)).collect();
    crowd.drive_until(|crowd| crowd.outcomes().len() >= 40).await;
    let day = 24 * HOUR_MS;
    let took = crowd.now().0 - crowd.told[0].created;
    assert!((day..day + day / 5).contains(&took), "{took}");
    crowd.until(Crowd::is_quiet).await;
    assert_eq!(crowd.outcomes().len(), 40, "the others still have time");
    // By age, or by the attempts that were probes: which of both comes first is a matter of chance.
    assert!(crowd.outcomes().iter().all(|(_, o)| matches!(o, Outcome::Dead { .. })));
    crowd.endpoint.set(Conduct::default());
    crowd.drive().await;
    assert!(fresh.iter().all(|number| matches!(crowd.outcome(*number), Outcome::Delivered { .. })));
}
