//! Tests of the clock.

#![expect(clippy::disallowed_methods, reason = "measures that a wait is as long as it says")]

use super::*;
use std::sync::mpsc;

#[test]
fn a_manual_clock_moves_only_forwards_and_only_when_told() {
    let clock = Clock::manual(Timestamp(1000));
    assert_eq!(clock.now(), Timestamp(1000));
    assert_eq!(clock.advance(500), Ok(Timestamp(1500)));
    assert_eq!(clock.clone().now(), Timestamp(1500));
    assert_eq!(clock.advance(-1), Err(ClockError::Backwards));
    assert_eq!(clock.advance_to(Timestamp(1499)), Err(ClockError::Backwards));
    assert_eq!(clock.advance(i64::MAX), Err(ClockError::OutOfRange));
    clock.raise_to(Timestamp(1200));
    assert_eq!(clock.now(), Timestamp(1500));
    clock.raise_to(Timestamp(2000));
    assert_eq!(clock.now(), Timestamp(2000));
}

#[test]
fn a_system_clock_cannot_be_set_but_raised() {
    let clock = Clock::system();
    assert_eq!(clock.advance(1), Err(ClockError::NotManual));
    assert_eq!(clock.advance_to(Timestamp(i64::MAX)), Err(ClockError::NotManual));
    let ahead = Timestamp(clock.now().0 + 60_000);
    clock.raise_to(ahead);
    assert_eq!(clock.now(), ahead);
}

#[test]
fn a_thread_waits_for_an_advance_or_a_stop() {
    let clock = Clock::manual(Timestamp(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let waiter = {
        let (clock, stop) = (clock.clone(), stop.clone());
        std::thread::spawn(move || {
            tell.send(clock.wait_until(Timestamp(10), &stop)).expect("listener");
            tell.send(clock.wait_until(Timestamp(20), &stop)).expect("listener");
        })
    };
    while clock.next_awaited() != Some(Timestamp(10)) {
        std::thread::yield_now();
    }
    clock.advance(9).expect("manual");
    assert!(told.try_recv().is_err());
    clock.advance(1).expect("manual");
    assert_eq!(told.recv(), Ok(true));
    stop.store(true, Ordering::Release);
    clock.nudge();
    assert_eq!(told.recv(), Ok(false));
    waiter.join().expect("ended");
    assert_eq!(clock.next_awaited(), None);
}

#[test]
fn watchers_hear_of_each_advance() {
    let clock = Clock::manual(Timestamp(0));
    let (tell, told) = mpsc::channel();
    clock.on_advance(move || tell.send(()).expect("listener"));
    clock.advance(1).expect("manual");
    clock.advance_to(Timestamp(5)).expect("manual");
    assert_eq!(told.try_iter().count(), 2);
    assert_eq!(clock.deadline(Timestamp(6)), Deadline::WhenAdvanced);
    assert_eq!(clock.deadline(Timestamp(5)), Deadline::Passed);
}

#[tokio::test]
async fn tasks_wake_in_order_of_their_instants() {
    let clock = Clock::manual(Timestamp(0));
    let tasks: Vec<_> = [30, 10, 20]
        .into_iter()
        .map(|at| {
            let clock = clock.clone();
            tokio::spawn(async move {
                clock.sleep_until(Timestamp(at)).await;
                (at, clock.now())
            })
        })
        .collect();
    for at in [10, 20, 30] {
        while clock.next_awaited() != Some(Timestamp(at)) {
            tokio::task::yield_now().await;
        }
        clock.advance_to(Timestamp(at)).expect("manual");
    }
    for task in tasks {
        let (at, woke) = task.await.expect("ended");
        assert!(woke >= Timestamp(at));
    }
}

#[tokio::test]
async fn a_system_clock_sleeps_about_as_long_as_asked() {
    let clock = Clock::system();
    let start = Instant::now();
    let at = Timestamp(clock.now().0 + 20);
    clock.sleep_until(at).await;
    assert!(clock.now() >= at);
    assert!(start.elapsed() >= Duration::from_millis(15));
    assert!(clock.wait_until(Timestamp(clock.now().0 + 5), &AtomicBool::new(false)));
}
