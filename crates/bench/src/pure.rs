//! The audiences of the mix over people in memory: evaluation alone, incremental and naive.
//!
//! Times are those of the thread on its processor, so that a busy machine spoils them little.

use crate::mix::{self, Random};
use audience::{Audience, Audiences, Changed, Input, Scratch, State, evaluate};
use model::{AudienceNo, SmolStr, Timestamp, Value};
use pql::EventView;
use pql::incremental::AtomKind;
use profile::Profile;
use std::collections::HashSet;
use std::sync::Arc;

/// Time between two events of a person, in milliseconds.
const STEP_MS: i64 = 1_000;

/// Audiences of the mix, untyped.
pub(crate) fn audiences(count: usize) -> Audiences {
    let mut ids: Vec<String> = Vec::with_capacity(count);
    let mut made = Vec::with_capacity(count);
    for number in 0..count {
        let text = mix::audience(number, &ids);
        let query = pql::compile_segment(&text, &pql::Schema::untyped()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        ids.push(format!("audience-{number}"));
        made.push(Arc::new(Audience {
            no: AudienceNo(number as u32 + 1),
            id: SmolStr::new(&ids[number]),
            name: SmolStr::new(&ids[number]),
            query,
            changed_n: 1,
            policy: 0,
            exclude_opt_out: false,
            created: Timestamp(0),
            updated: Timestamp(0),
        }));
    }
    Audiences::new(made)
}

/// How many of them have a part that can only be evaluated over whole histories.
pub(crate) fn over_whole_histories(audiences: &Audiences) -> usize {
    let whole = |a: &&Arc<Audience>| a.query.split().atoms.iter().any(|atom| matches!(atom.kind(), AtomKind::Whole(_)));
    audiences.iter().filter(whole).count()
}

/// Nanoseconds that this thread has spent on a processor.
pub(crate) fn thread_ns() -> u64 {
    // The count is brought up to date when the thread offers to step aside.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells what a thread has used");
    text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("nanoseconds")
}

/// A person with a history.
#[derive(Clone)]
pub(crate) struct Person {
    attributes: [Value; 1],
    /// Held where somebody reads whole histories.
    events: Vec<EventView>,
    profile: Profile,
    state: State,
    now: Timestamp,
}

impl Person {
    /// A person with so many stored events, evaluated.
    pub(crate) fn new(number: u64, stored: usize, audiences: &Audiences, now: Timestamp) -> Person {
        let random = &mut Random::new(0x9e45 + number);
        let event = |i: usize| {
            let at = mix::stored_time(random, now);
            mix::view(random, &format!("stored-{i}"), at)
        };
        let mut events: Vec<EventView> = (0..stored).map(event).collect();
        events.sort_by(|a, b| (a.timestamp, &a.id).cmp(&(b.timestamp, &b.id)));
        let state = State::of(audiences, &events, now);
        let attributes = [mix::value(&mix::person(number))];
        let mut person = Person { attributes, events, profile: Profile::default(), state, now };
        person.evaluate(audiences, Changed { all: true, new: true, ..Changed::default() }, &mut Scratch::default());
        person
    }

    /// Leaves the history to the state alone, as the engine does where nobody reads whole histories.
    pub(crate) fn forget_events(&mut self, audiences: &Audiences) {
        if !audiences.read_whole_events() {
            self.events = Vec::new();
        }
    }

    fn evaluate(&mut self, audiences: &Audiences, changed: Changed<'_>, scratch: &mut Scratch) {
        let input = Input {
            attributes: &self.attributes,
            events: &self.events,
            changed,
            previous_n: 1,
            plan_n: 1,
            now: self.now,
        };
        evaluate(audiences, &mut self.profile, &mut self.state, &input, scratch);
    }

    /// Takes in an event.
    pub(crate) fn take(&mut self, audiences: &Audiences, event: &EventView, scratch: &mut Scratch, holds_events: bool) {
        self.now = Timestamp(self.now.0 + STEP_MS);
        if holds_events {
            let at = self.events.partition_point(|e| (e.timestamp, &e.id) <= (event.timestamp, &event.id));
            self.events.insert(at, event.clone());
        }
        self.evaluate(audiences, Changed { event: Some(event), ..Changed::default() }, scratch);
    }

    /// The audiences that hold, found by evaluating every rule over all events.
    pub(crate) fn naive(&self, audiences: &Audiences) -> HashSet<SmolStr> {
        let mut members: HashSet<SmolStr> = HashSet::new();
        for audience in audiences.iter() {
            let is_member = |id: &str| members.contains(id);
            let world =
                pql::World { profile: &self.attributes[0], events: &self.events, is_member: &is_member, now: self.now };
            if audience.query.eval_bool(&world).holds {
                members.insert(audience.id.clone());
            }
        }
        members
    }

    /// The audiences that it is a member of.
    pub(crate) fn members(&self, audiences: &Audiences) -> HashSet<SmolStr> {
        audiences.iter().filter(|a| self.profile.is_member(a.no)).map(|a| a.id.clone()).collect()
    }

    /// A live event.
    pub(crate) fn live_event(&self, random: &mut Random, number: usize) -> EventView {
        let at = mix::live_time(random, self.now);
        mix::view(random, &format!("live-{number}"), at)
    }
}

/// Microseconds per event when each of `people` takes in `each` live events in turn.
pub(crate) fn cost(audiences: &Audiences, people: &[Person], each: usize, run: u64) -> f64 {
    let random = &mut Random::new(0x11fe + run);
    let mut people = people.to_vec();
    let whole = audiences.read_whole_events();
    people.iter_mut().for_each(|p| p.forget_events(audiences));
    let events: Vec<Vec<EventView>> =
        (0..each).map(|i| people.iter().map(|p| p.live_event(random, i)).collect()).collect();
    let mut scratch = Scratch::default();
    let started = thread_ns();
    for round in &events {
        for (person, event) in people.iter_mut().zip(round) {
            person.take(audiences, event, &mut scratch, whole);
        }
    }
    (thread_ns() - started) as f64 / 1000.0 / (each * people.len()) as f64
}
