//! Incremental evaluation against a naive one, over random audiences and random histories.
//!
//! After every step all memberships equal those of evaluating every rule over all events; and in the last millisecond
//! before each announced instant nothing would have changed, so no instant is missed. `DIFFERENTIAL_SEED` and
//! `DIFFERENTIAL_STEPS` choose another run; a failure prints its seed and its steps.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "every run has a seed of its own, and shows it")]

#[path = "differential/naive.rs"]
mod naive;
#[path = "differential/random.rs"]
mod random;

use audience::{Audiences, Changed, Input, Scratch, State, evaluate};
use model::time::DAY_MS;
use model::{Status, Timestamp, Value};
use naive::Naive;
use pql::EventView;
use profile::Profile;
use random::{Random, attributes, audiences, event};

/// Steps of one run; each comes with at least one comparison of all audiences.
const STEPS: usize = 100_000;
/// Steps on one profile with one set of audiences.
const STEPS_PER_WORLD: usize = 60;

#[test]
fn incremental_is_naive() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seed = number("DIFFERENTIAL_SEED").unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        since.as_nanos() as u64
    });
    let steps = number("DIFFERENTIAL_STEPS").map_or(STEPS, |n| n as usize);
    println!("DIFFERENTIAL_SEED={seed}");
    let mut done = 0;
    for world in 0.. {
        if done >= steps {
            break;
        }
        done += World::new(seed.wrapping_add(world)).run();
    }
}

/// One profile under both evaluators.
struct World {
    seed: u64,
    random: Random,
    audiences: Audiences,
    plan_n: u64,
    profile: Profile,
    state: State,
    scratch: Scratch,
    attributes: Value,
    events: Vec<EventView>,
    naive: Naive,
    now: Timestamp,
    due: Option<Timestamp>,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let audiences = Audiences::new(audiences(&mut random, 0, 12));
        World {
            seed,
            state: State::new(&audiences),
            audiences,
            plan_n: 1,
            profile: Profile::default(),
            scratch: Scratch::default(),
            attributes: Value::Object(Vec::new()),
            events: Vec::new(),
            naive: Naive::default(),
            now: Timestamp(random::START + random.below(DAY_MS as u64 * 40) as i64),
            due: None,
            log: Vec::new(),
            random,
        }
    }

    fn run(&mut self) -> usize {
        for step in 0..STEPS_PER_WORLD {
            let first = step == 0;
            match self.random.below(20) {
                0..=9 => self.add_event(first),
                10..=12 => self.write_attributes(first),
                13..=15 => self.advance(first),
                16 => self.reload(first),
                17 => self.lose_events(first),
                18 => self.replan(first),
                _ => self.touch(first, "look again"),
            }
        }
        STEPS_PER_WORLD
    }

    fn add_event(&mut self, first: bool) {
        let event = event(&mut self.random, self.now, self.events.len());
        self.log.push(format!("event {event:?}"));
        let at = self.events.partition_point(|e| (e.timestamp, &e.id) <= (event.timestamp, &event.id));
        self.events.insert(at, event.clone());
        self.evaluate(Changed { event: Some(&event), new: first, ..Changed::default() });
    }

    fn write_attributes(&mut self, first: bool) {
        let before = std::mem::replace(&mut self.attributes, attributes(&mut self.random));
        self.log.push(format!("attributes {:?}", self.attributes));
        // Sometimes the attributes before are not known any more.
        let known = [before];
        let before: &[Value] = if self.random.below(4) == 0 { &[] } else { &known };
        self.evaluate(Changed { attributes: Some(before), new: first, ..Changed::default() });
    }

    /// Moves the clock from announced instant to announced instant.
    fn advance(&mut self, first: bool) {
        if first {
            return self.touch(true, "first");
        }
        let by = [1, 1000, 3_600_000, DAY_MS / 2, 3 * DAY_MS, 40 * DAY_MS][self.random.below(6) as usize];
        let to = Timestamp(self.now.0 + self.random.below(by as u64) as i64);
        self.log.push(format!("advance to {to}"));
        for _ in 0..40 {
            let Some(due) = self.due.filter(|due| *due <= to) else { break };
            assert!(due > self.now, "seed {}: due {due} is not after {}", self.seed, self.now);
            self.nothing_before(due);
            self.now = due;
            self.evaluate(Changed::default());
        }
        if self.due.is_none_or(|due| due > to) {
            self.now = to;
            self.touch(false, "arrived");
        }
    }

    /// In the last millisecond before an instant all rules answer as they did.
    fn nothing_before(&self, due: Timestamp) {
        let mut before = self.naive.clone();
        before.evaluate(&self.audiences, &self.attributes, &self.events, Timestamp(due.0 - 1));
        for audience in self.audiences.iter() {
            let is = |naive: &Naive| naive.status(audience.no) == Some(Status::Realized);
            assert_eq!(
                is(&before),
                is(&self.naive),
                "{}",
                self.story(&format!("missed before {due}: {}", audience.query.text()))
            );
        }
    }

    /// What is kept is made anew from the events, as after a restart: the same follows from it, timers included.
    fn reload(&mut self, first: bool) {
        let (mut profile, mut state) = (self.profile.clone(), self.state.clone());
        if !first {
            self.log.push("reload".to_owned());
            self.state = State::of(&self.audiences, &self.events, self.profile.modified);
        }
        self.touch(first, "look after reload");
        let attributes = [self.attributes.clone()];
        let input = Input {
            attributes: &attributes,
            events: &self.events,
            changed: Changed { new: first, ..Changed::default() },
            previous_n: if first { self.plan_n } else { profile.plan_n },
            plan_n: self.plan_n,
            now: self.now,
        };
        let found = evaluate(&self.audiences, &mut profile, &mut state, &input, &mut Scratch::default());
        assert_eq!(found.due, self.due, "{}", self.story("another timer after a reload"));
        assert_eq!(profile.dues, self.profile.dues, "{}", self.story("other dues after a reload"));
    }

    /// Events go, as when a profile is split or deleted in part.
    fn lose_events(&mut self, first: bool) {
        let keep = self.random.below(3) as usize;
        let mut place = 0;
        self.events.retain(|_| {
            place += 1;
            place % 3 != keep
        });
        self.log.push(format!("{} events are left", self.events.len()));
        self.state = State::of(&self.audiences, &self.events, self.now);
        self.evaluate(Changed { all: true, new: first, ..Changed::default() });
    }

    /// More audiences come, and perhaps some go.
    fn replan(&mut self, first: bool) {
        if self.audiences.len() < 40 {
            self.plan_n += 1;
            let drop = self.random.below(4) == 0;
            let mut all: Vec<_> = self.audiences.iter().cloned().collect();
            if drop {
                // The last one is asked for its membership by none.
                all.pop();
            }
            let first_no = all.last().map_or(0, |a| a.no.0);
            let more = random::more(&mut self.random, &all, first_no, 2, self.plan_n);
            all.extend(more);
            self.audiences = Audiences::new(all);
            self.state = State::of(&self.audiences, &self.events, self.profile.modified);
            self.log.push(format!("plan {}", self.plan_n));
        }
        self.touch(first, "look after the plan");
    }

    fn touch(&mut self, first: bool, why: &str) {
        self.log.push(why.to_owned());
        self.evaluate(Changed { new: first, ..Changed::default() });
    }

    fn evaluate(&mut self, changed: Changed<'_>) {
        let attributes = [self.attributes.clone()];
        let previous_n = if changed.new { self.plan_n } else { self.profile.plan_n };
        let input = Input {
            attributes: &attributes,
            events: &self.events,
            changed,
            previous_n,
            plan_n: self.plan_n,
            now: self.now,
        };
        let found = evaluate(&self.audiences, &mut self.profile, &mut self.state, &input, &mut self.scratch);
        self.profile.plan_n = self.plan_n;
        self.profile.modified = self.now;
        self.due = found.due;
        self.naive.evaluate(&self.audiences, &self.attributes, &self.events, self.now);
        for audience in self.audiences.iter() {
            let (ours, theirs) = (self.profile.membership(audience.no), self.naive.membership(audience.no));
            let ours = ours.map(|m| (m.status, m.since));
            assert!(
                ours == theirs,
                "{}",
                self.story(&format!("{}: {ours:?} is not the naive {theirs:?}", audience.query.text()))
            );
        }
    }

    fn story(&self, what: &str) -> String {
        let rules: Vec<_> = self.audiences.iter().map(|a| format!("{}: {}", a.id, a.query.text())).collect();
        format!(
            "DIFFERENTIAL_SEED={} at {}: {what}\n{}\n{}",
            self.seed,
            self.now,
            rules.join("\n"),
            self.log.join("\n")
        )
    }
}
