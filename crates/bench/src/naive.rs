//! Incremental evaluation against evaluating every rule over the whole history, in the same run.
//!
//! Both see the same people and events, and must find the same members.

use crate::mix::Random;
use crate::pure::{Person, audiences, over_whole_histories, thread_ns};
use crate::{RUNS, median, print};
use audience::Scratch;

const AUDIENCES: usize = 100;
const STORED: [usize; 3] = [10, 100, 1_000];
const PEOPLE: u64 = 20;
const EVENTS_EACH: usize = 5;

pub(crate) fn run() {
    let audiences = audiences(AUDIENCES);
    let whole = over_whole_histories(&audiences);
    print(&format!("naive: {whole} of {AUDIENCES} audiences have a part that reads whole histories"));
    for stored in STORED {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..RUNS as u64 {
            let (incremental, naive) = compare(&audiences, stored, run);
            ours.push(incremental);
            theirs.push(naive);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        print(&format!(
            "naive: {stored} events per profile, {AUDIENCES} audiences: incremental {ours:.1} us per event, every rule over all events {theirs:.0} us; ratio {:.0}",
            theirs / ours
        ));
    }
}

/// Microseconds per event of both.
fn compare(audiences: &audience::Audiences, stored: usize, run: u64) -> (f64, f64) {
    let now = crate::now();
    let random = &mut Random::new(0xba5e + run);
    let mut scratch = Scratch::default();
    let (mut ours, mut theirs) = (0, 0);
    let first = run * PEOPLE;
    let mut people: Vec<Person> = (first..first + PEOPLE).map(|n| Person::new(n, stored, audiences, now)).collect();
    let rounds: Vec<Vec<_>> =
        (0..EVENTS_EACH).map(|i| people.iter().map(|p| p.live_event(random, i)).collect()).collect();
    for round in &rounds {
        let started = thread_ns();
        for (person, event) in people.iter_mut().zip(round) {
            // The history is kept for the naive side.
            person.take(audiences, event, &mut scratch, true);
        }
        ours += thread_ns() - started;
        let started = thread_ns();
        let found: Vec<_> = people.iter().map(|p| p.naive(audiences)).collect();
        theirs += thread_ns() - started;
        for (person, found) in people.iter().zip(found) {
            assert_eq!(person.members(audiences), found, "both find the same members");
        }
    }
    let per_event = |ns: u64| ns as f64 / 1000.0 / (EVENTS_EACH * people.len()) as f64;
    (per_event(ours), per_event(theirs))
}
