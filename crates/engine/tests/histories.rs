//! Random histories against a naive recomputation: the same people, memberships and exports, over
//! 1, 3 and 64 partitions, with the engine dropped, set back and rebuilt at random points.
//!
//! Every history has audiences of its own: windows, sequences, sums, expressions over the clock, rules over whole
//! histories, memberships of others. Some come, change and go on the way.
//!
//! `one_at_a_time` waits after every step and compares everything, every export included.
//! `all_at_once` never waits: what does not depend on the interleaving must be the same.
//! A failure names its seed; `RIVERMOUTH_SEED=n` runs that one alone, `RIVERMOUTH_SEEDS=n` so many for each test,
//! `RIVERMOUTH_FIRST_SEED=n` begins with another one.
#![allow(clippy::unwrap_used, clippy::print_stderr)]
#![expect(clippy::explicit_auto_deref, reason = "without the deref, the type of the choice is not found")]
#![expect(clippy::disallowed_methods, reason = "waits for worker threads")]

#[path = "histories/naive.rs"]
mod naive;
#[path = "../../audience/tests/differential/random.rs"]
#[expect(dead_code, reason = "only the texts of rules are needed")]
mod random;
#[path = "histories/shared_rows.rs"]
mod shared_rows;
#[path = "histories/world.rs"]
mod world;

use engine::Outcome;
use model::{
    AudienceNo, Collection, DatasetNo, DocChange, FlowNo, Identity, PartitionNo, ProfileId, SmolStr, Status, Timestamp,
    Value,
};
use naive::{Counts, Flow, Naive, Person, Sent};
use profile::{Record, RecordKind};
use random::Random;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use store::memory::MemoryStore;
use world::{AudienceDoc, Chance, DAY, FlowDoc, Machine, SANDBOX, identity, in_record};

const PEOPLE: usize = 16;
/// Audiences at the beginning; they grow to twice as many.
const AUDIENCES: usize = 8;
/// Rooms for profiles in memory: for none, for some, for all.
const ROOMS: &[usize] = &[1, 8_000, 20_000, 100_000_000];

/// At least 20,000 steps in all tests of this file.
const SEEDS_ONE_AT_A_TIME: u64 = 15;
const STEPS_ONE_AT_A_TIME: usize = 220;
const SEEDS_ALL_AT_ONCE: u64 = 10;
const STEPS_ALL_AT_ONCE: usize = 350;

struct Run {
    what: String,
    chance: Chance,
    /// Makes rules, events and attributes.
    random: Random,
    machine: Machine,
    naive: Naive,
    sent_events: Vec<Record>,
    numbers: HashMap<&'static str, FlowNo>,
    /// Exports of the engine, by flow and profile, in order; and how far each partition was read.
    seen: BTreeMap<(FlowNo, ProfileId), Vec<Sent>>,
    read: HashMap<(FlowNo, u16), u64>,
    counter: usize,
    /// Names that audiences have had.
    named: usize,
    /// Two for attributes, one for events.
    datasets: [DatasetNo; 3],
}

impl Run {
    fn new(seed: u64, partitions: u16, workers: usize, what: &str) -> Run {
        let what = format!("{what} seed={seed} partitions={partitions}");
        let (mut chance, mut random) = (Chance(seed), Random::new(seed));
        let start = Timestamp(random::START + random.below(40 * DAY as u64) as i64);
        let machine = Machine::new(partitions, workers, *chance.pick(ROOMS), start);
        let mut run = Run {
            what,
            chance,
            random,
            machine,
            naive: Naive::default(),
            sent_events: Vec::new(),
            numbers: HashMap::new(),
            seen: BTreeMap::new(),
            read: HashMap::new(),
            counter: 0,
            named: 0,
            datasets: [DatasetNo(0); 3],
        };
        (0..3).for_each(|at| run.add_dataset(at));
        (0..AUDIENCES).for_each(|_| run.add_audience());
        let n = run.machine.position();
        let all = [true, true, true];
        let ids: Vec<SmolStr> = run.naive.rules.iter().map(|r| r.doc.id.clone()).collect();
        run.add_flow(flow("f1", all, &["loyalty.tier", "score"], &ids, n + 1));
        run.add_flow(flow("f2", [false, true, false], &["city"], &ids[3..6], n + 2));
        run.add_flow(flow("f3", all, &["city", "loyalty"], &ids[..1], n + 3));
        run
    }

    /// A rule that may ask for the membership of those before it.
    fn rule(&mut self, id: SmolStr) -> AudienceDoc {
        let known: Vec<SmolStr> = self.naive.rules.iter().map(|r| r.doc.id.clone()).filter(|k| *k < id).collect();
        AudienceDoc { id, pql: random::rule(&mut self.random, &known, 2), opt_out: self.chance.one_in(2) }
    }

    fn add_audience(&mut self) {
        self.named += 1;
        let doc = self.rule(SmolStr::new(format!("a{:03}", self.named)));
        self.machine.change(vec![doc.change()]);
        let no = AudienceNo(self.machine.position() as u32);
        self.naive.set_audience(no, doc, self.now());
    }

    /// An audience comes, has another rule, or goes. Between its coming and its mapping it can be waited for the look
    /// at all profiles.
    fn change_audiences(&mut self, wait: bool) {
        match self.chance.below(4) {
            0 | 1 if self.naive.rules.len() < 2 * AUDIENCES => {
                self.add_audience();
                self.map("f1", wait);
            }
            2 => {
                let at = self.chance.below(self.naive.rules.len());
                let (no, id) = (self.naive.rules[at].no, self.naive.rules[at].doc.id.clone());
                let doc = self.rule(id);
                self.machine.change(vec![doc.change()]);
                self.naive.set_audience(no, doc, self.now());
            }
            _ => self.remove_audience(),
        }
    }

    /// Maps the newest audience to a flow.
    fn map(&mut self, flow: &str, wait: bool) {
        let id = self.naive.rules[self.naive.rules.len() - 1].doc.id.to_string();
        let mut doc = self.naive.flows.iter().find(|f| f.doc.id == flow).unwrap().doc.clone();
        if wait {
            self.machine.settle();
        }
        doc.mapped.insert(id, self.machine.position() + 1);
        self.machine.change(vec![doc.change()]);
        self.naive.set_flow(doc, self.now());
    }

    /// One that no other asks for goes; dataflows let go of it first, as the API demands.
    fn remove_audience(&mut self) {
        let at = self.chance.below(self.naive.rules.len());
        let id = self.naive.rules[at].doc.id.clone();
        let named = format!("\"{id}\"");
        if self.naive.rules.len() < 4 || self.naive.rules.iter().any(|r| r.doc.pql.contains(&named)) {
            return;
        }
        for at in 0..self.naive.flows.len() {
            let mut doc = self.naive.flows[at].doc.clone();
            if doc.mapped.remove(id.as_str()).is_some() {
                self.machine.change(vec![doc.change()]);
                self.naive.set_flow(doc, self.now());
            }
        }
        self.machine.change(vec![DocChange::delete(SANDBOX, Collection::Audience, id.clone(), "test")]);
        self.naive.remove_audience(&id);
    }

    fn add_dataset(&mut self, at: usize) {
        let id = SmolStr::new(format!("d{}", self.machine.position()));
        self.machine.change(vec![DocChange::put(SANDBOX, Collection::Dataset, id, json!({}), "test")]);
        self.datasets[at] = DatasetNo(self.machine.position() as u32);
    }

    /// A data set goes with all that came from it; another one takes its place.
    fn remove_dataset(&mut self) {
        let at = self.chance.below(3);
        let no = self.datasets[at];
        let id = SmolStr::new(format!("d{}", no.0 - 1));
        self.machine.change(vec![DocChange::delete(SANDBOX, Collection::Dataset, id, "test")]);
        self.naive.erase(no, self.now());
        self.add_dataset(at);
    }

    fn add_flow(&mut self, doc: FlowDoc) {
        self.machine.change(vec![doc.change()]);
        self.numbers.insert(doc.id, FlowNo(self.machine.position() as u32));
        let empty = (Counts::default(), Vec::new(), Vec::new(), BTreeMap::new());
        self.naive.flows.push(Flow { doc, counts: empty.0, waiting: empty.1, dead: empty.2, history: empty.3 });
    }

    fn now(&self) -> Timestamp {
        self.machine.clock.now()
    }

    fn advance(&mut self, ms: i64) {
        self.machine.clock.advance(ms).unwrap();
    }

    fn record(&mut self) -> Record {
        let chance = &mut self.chance;
        if !self.sent_events.is_empty() && chance.one_in(12) {
            return chance.pick(&self.sent_events).clone();
        }
        let person = chance.below(PEOPLE);
        // A device is shared by two people now and then: a merge of strangers.
        let device = if chance.one_in(25) { (person + 1) % PEOPLE } else { person };
        let mut identities = vec![
            identity(6, &format!("p{person}@example.org")),
            identity(4, &format!("{device:038}")),
            identity(11, &format!("crm-{person}")),
        ];
        let first = chance.below(3);
        identities.swap(0, first);
        identities.truncate(if chance.one_in(4) { 2 + chance.below(2) } else { 1 });
        let identities = identities.into_iter().enumerate().map(|(i, id)| in_record(id, i == 0)).collect();
        let now = self.now();
        if self.chance.one_in(3) {
            let mut body = random::attributes(&mut self.random);
            let chance = &mut self.chance;
            body.set(&["loyalty", "tier"], text(*chance.pick(&["gold", "silver"])));
            body.set(&["score"], Value::Int(chance.below(1000) as i64));
            if chance.one_in(2) {
                body.set(&["city"], text(*chance.pick(&["Paris", "Lyon"])));
            }
            let dataset = self.datasets[chance.below(2)];
            return Record { kind: RecordKind::Attributes, dataset, id: "".into(), timestamp: now, identities, body };
        }
        self.counter += 1;
        let event = random::event(&mut self.random, now, self.counter);
        let record = Record {
            kind: RecordKind::Event,
            dataset: self.datasets[2],
            id: event.id,
            timestamp: event.timestamp,
            identities,
            body: event.body,
        };
        self.sent_events.push(record.clone());
        record
    }

    /// Reads exports that came since the last look.
    fn collect(&mut self) {
        for flow in self.numbers.values() {
            for partition in 0..self.machine.partitions {
                let after = self.read.entry((*flow, partition)).or_default();
                let waiting = self.machine.engine().waiting(*flow, PartitionNo(partition), *after, usize::MAX).unwrap();
                for entry in waiting {
                    *after = entry.seq;
                    let export = entry.export;
                    let sent = Sent {
                        at: export.at,
                        reasons: export.reasons,
                        memberships: export
                            .memberships
                            .iter()
                            .map(|m| (m.audience, m.status, m.since, m.changed))
                            .collect(),
                        identities: export.identities,
                        attributes: export.attributes,
                    };
                    self.seen.entry((*flow, export.profile)).or_default().push(sent);
                }
            }
        }
    }

    /// Reports the fate of everything that waits.
    fn report(&mut self, dead: bool) {
        let mut outcomes = Vec::new();
        for (id, flow) in &self.numbers {
            let mine = self.naive.flows.iter_mut().find(|f| f.doc.id == *id).unwrap();
            for (profile, _) in mine.waiting.drain(..) {
                if dead {
                    mine.counts.dead += 1;
                    mine.dead.push(profile);
                } else {
                    mine.counts.exported += 1;
                }
            }
            for partition in 0..self.machine.partitions {
                // What came since the last look is not delivered unseen.
                let seen = self.read.get(&(*flow, partition)).copied().unwrap_or(0);
                let waiting = self.machine.engine().waiting(*flow, PartitionNo(partition), 0, usize::MAX).unwrap();
                for entry in waiting.into_iter().filter(|w| w.seq <= seen) {
                    let outcome = match dead {
                        true => Outcome::Dead { reason: "410".into(), attempts: 1 },
                        false => Outcome::Delivered,
                    };
                    outcomes.push((*flow, PartitionNo(partition), entry.seq, outcome));
                }
            }
        }
        // A report that is repeated changes nothing.
        self.machine.engine().report(outcomes.clone()).unwrap();
        self.machine.engine().report(outcomes).unwrap();
    }

    fn replay(&mut self) {
        let id = *self.chance.pick(&["f1", "f2", "f3"]);
        let letters = self.machine.engine().dead_letters(self.numbers[id], usize::MAX).unwrap();
        let names: Vec<_> = letters.iter().map(|(partition, seq, _)| (*partition, *seq)).collect();
        self.machine.run(self.machine.engine().replay_dead(self.numbers[id], &names)).unwrap();
        self.naive.replay(id, self.now());
    }

    fn change_flow(&mut self) {
        let at = self.chance.below(self.naive.flows.len());
        let mut doc = self.naive.flows[at].doc.clone();
        let id = self.naive.rules[self.chance.below(self.naive.rules.len())].doc.id.to_string();
        if self.chance.one_in(2) {
            doc.enabled = !doc.enabled;
        } else if doc.mapped.remove(&id).is_none() {
            doc.mapped.insert(id, self.machine.position() + 1);
        }
        self.machine.change(vec![doc.change()]);
        self.naive.set_flow(doc, self.now());
    }

    fn rebuild(&mut self) {
        let room = *self.chance.pick(ROOMS);
        self.machine.rebuild_and_compare(&self.what, room);
    }

    fn delete(&mut self) {
        let ids = self.machine.engine().profile_ids(SANDBOX, usize::MAX).unwrap();
        if ids.is_empty() {
            return;
        }
        let id = *self.chance.pick(&ids);
        self.machine.run(self.machine.engine().delete_profile(SANDBOX, id)).unwrap();
        self.naive.delete(id, self.now());
    }

    fn rules(&self) -> String {
        let line = |r: &naive::Rule| format!("{} {:?}", r.no, r.doc);
        self.naive.rules.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn compare(&mut self) {
        let what = &self.what;
        let engine = self.machine.engine();
        let ids: HashSet<ProfileId> = engine.profile_ids(SANDBOX, usize::MAX).unwrap().into_iter().collect();
        let expected: HashSet<ProfileId> =
            self.naive.people.iter().filter(|(_, p)| p.exists).map(|(id, _)| *id).collect();
        assert_eq!(ids, expected, "{what}: profiles");
        for (id, person) in self.naive.people.iter().filter(|(_, p)| p.exists) {
            let stored = engine.profile(SANDBOX, *id).unwrap().unwrap().profile;
            // What is left of audiences that went is swept away with the next change of the profile.
            let is_known = |no: AudienceNo| self.naive.rules.iter().any(|r| r.no == no);
            let known = stored.memberships.iter().filter(|(no, _)| is_known(*no));
            let memberships: Vec<_> = known.map(|(no, m)| (no, (m.status, m.since))).collect();
            let wanted: Vec<_> = person.memberships.iter().map(|(no, m)| (*no, *m)).collect();
            assert_eq!(memberships, wanted, "{what}: memberships of {id}\n{}", self.rules());
            assert_eq!(person.missed(&self.naive.rules, self.now()), None, "{what}: time turned it for {id}");
            assert!(stored.awaiting.is_empty(), "{what}: {id} awaits nothing");
            same_person(what, engine, *id, person, true);
        }
        let census = engine.census().unwrap();
        let stock = census.stock.get(&SANDBOX).copied().unwrap_or_default();
        let events: usize = self.naive.people.values().map(|p| p.events.len()).sum();
        assert_eq!((stock.profiles, stock.events), (expected.len() as u64, events as u64), "{what}: census");
        for rule in &self.naive.rules {
            let members = self.naive.people.values().filter(|p| p.realized().contains(&rule.no)).count() as u64;
            let counted = census.members.of(rule.no);
            assert_eq!(counted, members, "{what}: members of {}", rule.doc.id);
        }
        for flow in &self.naive.flows {
            let no = self.numbers[flow.doc.id];
            for (id, history) in &flow.history {
                let seen = self.seen.get(&(no, *id)).cloned().unwrap_or_default();
                for (i, (seen, wanted)) in seen.iter().zip(history).enumerate() {
                    assert_eq!(seen, wanted, "{what}: export {i} of {} for {id}", flow.doc.id);
                }
                let last = [&seen[..], history].map(|h| h.last().cloned());
                assert_eq!(
                    seen.len(),
                    history.len(),
                    "{what}: exports of {} for {id}: {last:?}\n{}\n{:?}",
                    flow.doc.id,
                    self.rules(),
                    flow.doc
                );
            }
            let count: usize = self.seen.iter().filter(|((f, _), _)| *f == no).map(|(_, e)| e.len()).sum();
            assert_eq!(
                count,
                flow.history.values().map(Vec::len).sum::<usize>(),
                "{what}: all exports of {}",
                flow.doc.id
            );
            let ledger = engine.ledger(no).unwrap();
            assert!(ledger.is_balanced(), "{what}: {ledger:?}");
            let counts = Counts {
                received: ledger.received,
                exported: ledger.exported,
                dead: ledger.dead,
                filtered: ledger.filtered,
            };
            assert_eq!(counts, flow.counts, "{what}: ledger of {}", flow.doc.id);
            assert_eq!(ledger.waiting, flow.waiting.len() as u64, "{what}: waiting of {}", flow.doc.id);
            let mut hours = engine::Ledger::default();
            engine.ledger_by_hour(no).unwrap().iter().for_each(|(_, hour)| hours.add(hour));
            assert_eq!(hours, ledger, "{what}: hours add up");
        }
    }
}

fn same_person(what: &str, engine: &engine::Engine, id: ProfileId, person: &Person, in_order: bool) {
    let stored = engine.profile(SANDBOX, id).unwrap().unwrap().profile;
    let mut identities: Vec<Identity> = stored.identities.iter().map(|k| k.identity.clone()).collect();
    let mut wanted = person.identities.clone();
    if !in_order {
        identities.sort();
        wanted.sort();
    }
    assert_eq!(identities, wanted, "{what}: identities of {id}");
    for identity in &identities {
        let found = engine.profile_of(SANDBOX, identity).unwrap().map(|p| p.id);
        assert_eq!(found, Some(id), "{what}: {identity:?} leads to its profile");
    }
    let view = profile::attributes(&stored, &world::policy(), None);
    assert_eq!(sorted(view), sorted(person.view()), "{what}: attributes of {id}");
    let mut events: Vec<_> = engine.events(SANDBOX, id).unwrap().into_iter().map(|e| (e.dataset, e.view.id)).collect();
    let mut wanted: Vec<_> = person.events.iter().map(|(name, _)| name.clone()).collect();
    events.sort();
    wanted.sort();
    assert_eq!(events, wanted, "{what}: events of {id}");
    assert_eq!(stored.events, events.len() as u64, "{what}: count of events of {id}");
}

/// Fields by name: their order follows the order of writes.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(n, v)| (n, sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields)
        }
        other => other,
    }
}

fn text(text: &str) -> Value {
    Value::Str(text.into())
}

fn flow(id: &'static str, triggers: [bool; 3], attributes: &[&'static str], mapped: &[SmolStr], n: u64) -> FlowDoc {
    let mapped = mapped.iter().map(|a| (a.to_string(), n)).collect();
    FlowDoc { id, enabled: true, triggers, attributes: attributes.to_vec(), mapped }
}

fn seeds(count: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse().ok());
    match number("RIVERMOUTH_SEED") {
        Some(seed) => vec![seed],
        None => {
            let first = number("RIVERMOUTH_FIRST_SEED").unwrap_or(100);
            (first..first + number("RIVERMOUTH_SEEDS").unwrap_or(count)).collect()
        }
    }
}

fn one_at_a_time(partitions: u16) {
    for seed in seeds(SEEDS_ONE_AT_A_TIME) {
        let mut run = Run::new(seed, partitions, 1, "one_at_a_time");
        eprintln!("{}", run.what);
        let mut old: Option<Arc<MemoryStore>> = None;
        for step in 0..STEPS_ONE_AT_A_TIME {
            match run.chance.below(43) {
                0..=26 => {
                    run.advance(1);
                    // The step of the clock may let a timer fire before the record comes.
                    run.machine.settle();
                    let now = run.now();
                    run.naive.time_passed(now);
                    let record = run.record();
                    run.naive.record(&record, now);
                    run.machine.append(vec![record]);
                }
                27..=29 => {
                    let most = if run.chance.one_in(5) { 40 * DAY } else { 2 * DAY };
                    let ms = run.chance.below(most as usize) as i64;
                    run.advance(ms);
                    run.machine.settle();
                    run.naive.time_passed(run.machine.clock.now());
                }
                30 | 31 => {
                    let dead = run.chance.one_in(3);
                    run.report(dead);
                }
                32 => run.replay(),
                33 => run.change_flow(),
                34 => run.delete(),
                35 => run.machine.reopen(),
                36 => old = Some(run.machine.copy_rows()),
                37 => {
                    if let Some(old) = old.take() {
                        run.machine.reopen_on(old);
                    }
                }
                38 => run.rebuild(),
                39 => run.remove_dataset(),
                _ => run.change_audiences(true),
            }
            run.machine.settle();
            run.collect();
            if step % 10 == 9 {
                run.compare();
            }
        }
        run.compare();
        run.rebuild();
        run.compare();
    }
}

#[test]
fn one_at_a_time_over_1_partition() {
    one_at_a_time(1);
}

#[test]
fn one_at_a_time_over_3_partitions() {
    one_at_a_time(3);
}

#[test]
fn one_at_a_time_over_64_partitions() {
    one_at_a_time(64);
}

fn all_at_once(partitions: u16) {
    for seed in seeds(SEEDS_ALL_AT_ONCE) {
        let mut run = Run::new(seed, partitions, 3, "all_at_once");
        eprintln!("{}", run.what);
        let mut old: Option<Arc<MemoryStore>> = None;
        for _ in 0..STEPS_ALL_AT_ONCE {
            run.advance(1);
            let record = run.record();
            run.naive.record(&record, run.machine.clock.now());
            run.machine.append(vec![record]);
            match run.chance.below(100) {
                0 | 1 => run.machine.reopen(),
                2 => old = Some(run.machine.copy_rows()),
                3 => {
                    if let Some(old) = old.take() {
                        run.machine.reopen_on(old);
                    }
                }
                4..=7 => {
                    let hours = run.chance.below(30) as i64;
                    run.advance(hours * 3_600_000);
                }
                8 | 9 => {
                    run.machine.settle();
                    run.rebuild();
                }
                // Some at once, as of an import: a plan is followed by others before it was looked at.
                21..=23 => (0..=run.chance.below(4)).for_each(|_| run.change_audiences(false)),
                10..=12 => {
                    let doc = run.naive.flows[1].doc.clone();
                    let doc = FlowDoc { enabled: !doc.enabled, ..doc };
                    run.machine.change(vec![doc.change()]);
                    run.naive.flows[1].doc = doc;
                }
                13..=20 => {
                    // Outcomes race with plan changes that withdraw the same entries.
                    run.collect();
                    run.naive.flows.iter_mut().for_each(|f| f.waiting.clear());
                    run.report(false);
                }
                _ => {}
            }
        }
        run.machine.settle();
        run.naive.everybody(None, run.machine.clock.now());
        run.collect();
        let engine = run.machine.engine();
        let mut ids: Vec<ProfileId> = engine.profile_ids(SANDBOX, usize::MAX).unwrap();
        ids.sort();
        assert_eq!(ids, run.naive.people.keys().copied().collect::<Vec<_>>(), "{}: profiles", run.what);
        for (id, person) in &run.naive.people {
            let stored = engine.profile(SANDBOX, *id).unwrap().unwrap().profile;
            let mut realized = stored.realized();
            realized.retain(|no| run.naive.rules.iter().any(|r| r.no == *no));
            assert_eq!(realized, person.realized(), "{}: memberships of {id}\n{}", run.what, run.rules());
            same_person(&run.what, engine, *id, person, false);
        }
        for flow in &run.naive.flows {
            let ledger = engine.ledger(run.numbers[flow.doc.id]).unwrap();
            assert!(ledger.is_balanced(), "{}: {ledger:?}", run.what);
            let waiting: usize = (0..run.machine.partitions)
                .map(|p| engine.waiting(run.numbers[flow.doc.id], PartitionNo(p), 0, usize::MAX).unwrap().len())
                .sum();
            assert_eq!(ledger.waiting, waiting as u64, "{}: waiting of {}", run.what, flow.doc.id);
        }
        last_payloads(&run);
        run.rebuild();
    }
}

/// Records, merges and deletions of data sets race; whatever comes first, nothing of a deleted one is left.
#[test]
fn a_deleted_data_set_leaves_nothing_behind() {
    for seed in seeds(4 * SEEDS_ALL_AT_ONCE) {
        let mut run = Run::new(seed, 5, 3, "a_deleted_data_set");
        eprintln!("{}", run.what);
        for _ in 0..12 {
            let records = (0..run.chance.below(40)).map(|_| run.record()).collect();
            run.machine.append(records);
            run.remove_dataset();
            if run.chance.one_in(3) {
                run.machine.settle();
            }
        }
        run.machine.settle();
        let engine = run.machine.engine();
        let (mut profiles, mut events) = (0, 0);
        for id in engine.profile_ids(SANDBOX, usize::MAX).unwrap() {
            let stored = engine.profile(SANDBOX, id).unwrap().unwrap().profile;
            let of_events = engine.events(SANDBOX, id).unwrap().into_iter().map(|e| e.dataset);
            let of_events: Vec<DatasetNo> = of_events.collect();
            assert_eq!(stored.events, of_events.len() as u64, "{}: count of events of {id}", run.what);
            (profiles, events) = (profiles + 1, events + stored.events);
            let all = stored.fragments.iter().map(|f| f.dataset).chain(of_events);
            let left: Vec<DatasetNo> = all.filter(|dataset| !run.datasets.contains(dataset)).collect();
            assert_eq!(left, [], "{}: left of deleted data sets in {id}", run.what);
        }
        let stock = engine.census().unwrap().stock[&SANDBOX];
        assert_eq!((stock.profiles, stock.events), (profiles, events), "{}: census", run.what);
        run.rebuild();
    }
}

/// The first flow maps all audiences and attributes that are in every record, so the last export of
/// a member says what the profile is now.
fn last_payloads(run: &Run) {
    for (id, person) in &run.naive.people {
        let wanted = person.realized();
        if wanted.is_empty() {
            continue;
        }
        let what = format!("{}: last payload of {id}", run.what);
        let seen = run.seen.get(&(run.numbers["f1"], *id)).and_then(|all| all.last());
        let Some(last) = seen else {
            // Everything was withdrawn or delivered between two looks.
            panic!("{what}: none");
        };
        let mut realized: Vec<_> = last.memberships.iter().filter(|m| m.1 == Status::Realized).map(|m| m.0).collect();
        realized.retain(|no| run.naive.rules.iter().any(|r| r.no == *no));
        assert_eq!(realized, wanted, "{what}: memberships");
        let (mut identities, mut expected) = (last.identities.clone(), person.identities.clone());
        identities.sort();
        expected.sort();
        assert_eq!(identities, expected, "{what}: identities");
        let view = person.view();
        assert_eq!(last.attributes.at("loyalty.tier"), view.at("loyalty.tier"), "{what}: tier");
        assert_eq!(last.attributes.at("score"), view.at("score"), "{what}: score");
    }
}

#[test]
fn all_at_once_over_1_partition() {
    all_at_once(1);
}

#[test]
fn all_at_once_over_3_partitions() {
    all_at_once(3);
}

#[test]
fn all_at_once_over_64_partitions() {
    all_at_once(64);
}

#[test]
fn the_documents_of_this_world_are_what_the_compiler_reads() {
    let run = Run::new(0, 1, 1, "documents");
    let current = run.machine.engine().control().current();
    assert_eq!(current.docs.count(SANDBOX, Collection::Flow), 3);
    let plan = &current.plan.sandboxes[&SANDBOX];
    assert_eq!((plan.audiences.len(), plan.flows.len()), (AUDIENCES, 3));
}
