//! Events committed per second under 500 audiences of the mix, and where the time goes.
//!
//! End to end: bodies through the batch endpoint of the binary until the last event is committed; one event of 20 is of
//! a new person, everybody else was met before. The server shows no times of its stages, so these are measured on the
//! same bodies with the rooms themselves, each alone on one thread.

use crate::cdnow::Body;
use crate::pure::{self, Person, thread_ns};
use crate::stock::{self, Numbers};
use crate::stream::{SANDBOX, Site, Traffic};
use crate::{RUNS, baseline, median, now, print};
use engine::Fill;
use ingest::Envelope;
use model::{Identity, Timestamp, Value};
use profile::{Event, Record};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Instant;
use store::{Batch, Keyspace, Log as _, Store as _, StreamId};

const AUDIENCES: usize = 500;
const PEOPLE: u64 = 10_000;
const EVENTS: usize = 60_000;
const NEW_ONE_OF: u64 = 20;
/// Rows of so many events are committed at once, as a worker does.
const COMMIT_EVENTS: usize = 1024;
/// Evaluation alone: so many people take in so many events each.
const EVALUATED_PEOPLE: u64 = 1_000;
const EVALUATED_EACH: usize = 10;
const PROFILE_ROWS: usize = 4096;

pub(crate) fn run() {
    let mut site = Site::start();
    let started = Instant::now();
    site.create_audiences(AUDIENCES);
    print(&format!(
        "audiences: {AUDIENCES} of the mix made through the API in {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    site.introduce(PEOPLE);
    let (mut rates, mut costs, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=RUNS as u64 {
        lanes = site.bodies(&Traffic { people: PEOPLE, events: EVENTS, new_one_of: NEW_ONE_OF, run });
        let base = EVENTS as f64 / baseline(&lanes);
        let taken = site.take(&lanes);
        let (rate, cost) = (taken.events_per_second, taken.cpu_us_per_event);
        print(&format!(
            "audiences run {run}: {EVENTS} events = {rate:.0}/s committed; server {cost:.1} us of CPU per event; parse+append+fsync alone {base:.0}/s; ratio {:.2}",
            rate / base
        ));
        rates.push(rate);
        costs.push(cost);
    }
    let (rate, cost) = (median(rates), median(costs));
    let memory = crate::resident_mb(site.world.server.pid());
    print(&format!(
        "audiences: median {rate:.0} events/s committed with {AUDIENCES} audiences; server {cost:.1} us of CPU per event, {memory} MB resident"
    ));
    stages(&mut site, &lanes, cost);
}

/// Stages one by one, in microseconds of one thread per event.
fn stages(site: &mut Site, lanes: &[Vec<Body>], whole: f64) {
    let bodies: Vec<&Body> = lanes.iter().flatten().collect();
    site.world.server.terminate();
    let store = stock::open(site);
    let fill = Fill::open(&store, SANDBOX).expect("a store of a server");
    let numbers = Numbers::read(site, &fill);
    let (decode, records) = decode(site, &numbers, &bodies);
    let resolve = resolve(&fill, &records);
    let (log, sync) = log(&records, bodies.len());
    let evaluation = evaluation();
    let rows = stock::some_rows(&store, Keyspace::Profile, PROFILE_ROWS);
    let commit = commit(&records, &rows);
    let sum = decode + resolve + log + evaluation + commit;
    let rest = whole - sum;
    print(&format!(
        "audiences stages, us per event, each alone in this process: decode and validate {decode:.1}, resolve {resolve:.1}, log {log:.1} (and {sync:.1} waiting for the disk), evaluation {evaluation:.1}, store {commit:.1}; the rest of the server's {whole:.1} is {rest:.1} (HTTP, queues, compaction, new people)"
    ));
}

/// Messages of a body.
type Messages<'a> = BTreeMap<&'a str, Vec<&'a RawValue>>;

fn decode(site: &Site, numbers: &Numbers, bodies: &[&Body]) -> (f64, Vec<Record>) {
    let schema = registry::compile_schema(&numbers.docs, SANDBOX, &site.activity.schema).expect("the schema compiles");
    let mut records = Vec::new();
    let mut spent = 0;
    for body in bodies {
        let started = thread_ns();
        let messages: Messages<'_> = serde_json::from_slice(&body.bytes).expect("our own JSON");
        let mut entities = Vec::with_capacity(body.messages);
        for message in messages.values().flatten() {
            let entity = Envelope::decode(message.get().as_bytes()).expect("our own message").entity;
            assert!(xdm::validate(&schema, &entity).is_empty(), "our own event fits its schema");
            entities.push(entity);
        }
        spent += thread_ns() - started;
        records.extend(entities.into_iter().map(|entity| record(numbers, entity)));
    }
    (per_event(spent, records.len()), records)
}

/// The record of an event, as ingest makes it.
fn record(numbers: &Numbers, mut entity: Value) -> Record {
    let text = |value: Value| value.as_str().expect("a text").to_owned();
    let map = entity.take("identityMap");
    let person = map.get("CRMID").as_array().and_then(|ids| ids.first()).expect("an identity").get("id").clone();
    let at = Timestamp::parse(&text(entity.take("timestamp"))).expect("a time");
    let id = text(entity.take("_id"));
    numbers.event(&text(person), &id, at, entity)
}

fn resolve(fill: &Fill<'_>, records: &[Record]) -> f64 {
    let identities: Vec<&Identity> = records.iter().filter_map(Record::primary).collect();
    let started = thread_ns();
    let found = identities.iter().filter(|i| fill.profile_of(i).expect("the store can be read").is_some()).count();
    let spent = thread_ns() - started;
    assert_eq!(found, identities.len(), "everybody was stored");
    per_event(spent, records.len())
}

/// The work of appending and the wait for the disk, one body after the other.
fn log(records: &[Record], bodies: usize) -> (f64, f64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = store_local::LocalLog::open(dir.path()).expect("a new log");
    let (wall, cpu) = (Instant::now(), crate::stream::cpu_seconds(std::process::id()));
    for (n, group) in records.chunks(records.len().div_ceil(bodies.max(1)).max(1)).enumerate() {
        let entries = group.iter().map(|record| {
            let mut payload = Vec::with_capacity(200);
            record.encode(&mut payload);
            (StreamId(16), payload)
        });
        log.append(entries.collect(), n as i64).expect("the disk takes it");
    }
    let wall = wall.elapsed().as_secs_f64();
    let cpu = crate::stream::cpu_seconds(std::process::id()) - cpu;
    let per_event = 1e6 / records.len().max(1) as f64;
    (cpu * per_event, (wall - cpu).max(0.0) * per_event)
}

fn evaluation() -> f64 {
    let (audiences, now) = (pure::audiences(AUDIENCES), now());
    let stored = (EVENTS * RUNS) as u64 / PEOPLE;
    let people: Vec<Person> = (0..EVALUATED_PEOPLE).map(|n| Person::new(n, stored as usize, &audiences, now)).collect();
    median((0..RUNS as u64).map(|run| pure::cost(&audiences, &people, EVALUATED_EACH, run)).collect())
}

/// Event and profile rows, in batches as a worker commits them.
fn commit(records: &[Record], profiles: &[Vec<u8>]) -> f64 {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = store_local::FjallStore::open(dir.path().join("store")).expect("a new store");
    let started = thread_ns();
    for group in records.chunks(COMMIT_EVENTS) {
        let mut batch = Batch::new();
        for (i, record) in group.iter().enumerate() {
            let person = record.primary().expect("an identity").xid(SANDBOX);
            let mut key = person.0.to_vec();
            batch.put(Keyspace::Profile, key.clone(), profiles[i % profiles.len()].clone());
            key.extend_from_slice(&profile::event_name(record.dataset, &record.id));
            batch.put(Keyspace::Event, key, Event::encode(record));
        }
        store.commit(&batch).expect("the disk takes it");
    }
    per_event(thread_ns() - started, records.len())
}

fn per_event(ns: u64, events: usize) -> f64 {
    ns as f64 / 1000.0 / events.max(1) as f64
}
