//! Crashes: what was acknowledged survives, is applied once, and reaches its destination.

#![expect(clippy::disallowed_methods, reason = "kills and waits for another process")]

mod disk;
mod state;
mod stream;

use serde_json::{Value as Json, json};
use state::Scene;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store_local::FjallStore;
use stream::Stream;
use testkit::{Options, PATIENCE, Random, Script, Server, until};

/// The manual clock while the stream runs: it stands still.
const START: &str = "2026-03-01T00:30:00.000Z";
/// Where it goes at the end: ten windows of "active" and "lapsed" end on the way, one a day.
const END: &str = "2026-03-11T00:30:00.000Z";
/// Kills during the stream; `RIVERMOUTH_KILLS` asks for more.
const KILLS: u64 = 20;
/// Kills while the last windows end.
const LATE_KILLS: usize = 3;

fn given(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    given("RIVERMOUTH_SEED")
        .unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |d| d.as_nanos() as u64))
}

/// Shown when the test fails.
#[expect(clippy::print_stdout, reason = "a failure must be repeatable, a skipped test must say so")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

#[test]
fn twenty_kills_change_nothing() {
    let (seed, kills) = (seed(), given("RIVERMOUTH_KILLS").unwrap_or(KILLS));
    say(&format!("RIVERMOUTH_SEED={seed}"));
    let clock = Instant::now();
    let calm = Scene::new(Options::manual(START), Script::default());
    let stream = Stream::new(&calm.world, START);
    stream.run(Duration::ZERO, || {});
    calm.world.server.settle();
    let before = calm.members(&calm.world.server);
    calm.world.server.advance_to(END);
    calm.world.server.settle();
    let expected = calm.state(&calm.world.server, &calm.world.receiver, &stream);
    assert_eq!(expected.counts.0, stream.customers().len() as u64, "one profile per customer");
    assert!(expected.members["active"] < before["active"], "windows end: {before:?}, {:?}", expected.members);
    assert!(expected.members["lapsed"] > before["lapsed"], "{before:?}, {:?}", expected.members);

    say(&format!("undisturbed: {:?}", clock.elapsed()));
    let random = Random { seed, fail_ratio: 0.12, stall_ms: 300, retry_after: 7 };
    let script = Script { random: Some(random), ..Script::default() };
    let mut rough = Scene::new(Options::manual(START), script);
    let stream = Stream::new(&rough.world, START);
    let mut chance = Chance(seed);
    stream.run(Duration::from_millis(5), || kill_during(&mut rough.world.server, &stream, kills, &mut chance));
    say(&format!("streamed through {kills} kills: {:?}", clock.elapsed()));
    drain(&rough.world.server);
    say(&format!("delivered: {:?}", clock.elapsed()));
    assert_eq!(rough.members(&rough.world.server), before, "all is there before time moves on");
    rough.world.server.advance_to(END);
    for _ in 0..LATE_KILLS {
        std::thread::sleep(Duration::from_millis(chance.below(40)));
        kill(&mut rough.world.server);
        if rough.world.server.status()["now"].as_str() < Some(END) {
            rough.world.server.advance_to(END);
        }
    }
    drain(&rough.world.server);
    rough.state(&rough.world.server, &rough.world.receiver, &stream).must_equal(&expected);
    check_ledger(&rough.world.server);
    assert!(stream.troubles().0 as u64 >= kills / 2, "kills are felt: {:?}", stream.troubles());

    let (sent, troubles) = (rough.world.receiver.counts(), stream.troubles());
    say(&format!("time moved on: {:?}; {sent:?}; requests without answer, refused: {troubles:?}", clock.elapsed()));
    rebuild_and_compare(&mut rough);
    say(&format!("rebuilt: {:?}", clock.elapsed()));
    rough.state(&rough.world.server, &rough.world.receiver, &stream).must_equal(&expected);
}

/// Kills the server after random numbers of acknowledged batches and some milliseconds more.
fn kill_during(server: &mut Server, stream: &Stream, kills: u64, chance: &mut Chance) {
    let mut moments: Vec<u64> = (0..kills).map(|_| chance.below(stream.len() as u64 * 95 / 100)).collect();
    moments.sort_unstable();
    for moment in moments {
        until("the stream goes on", || stream.acked() as u64, |acked| *acked >= moment);
        std::thread::sleep(Duration::from_micros(chance.below(15_000)));
        kill(server);
        stream.moved(&server.url);
    }
}

fn kill(server: &mut Server) {
    server.kill9();
    server.restart();
}

/// Moves the clock in growing steps, as the retries want it, until nothing waits; far less than a day.
fn drain(server: &Server) {
    let started = Instant::now();
    let (mut seen, mut quiet, mut step_s) = (u64::MAX, Instant::now(), 5.0);
    loop {
        server.wait_applied();
        let flows = server.flows();
        let sum = |of: &dyn Fn(&Json) -> &Json| flows.iter().map(|f| of(f).as_u64().unwrap_or(0)).sum::<u64>();
        let (waiting, in_flight) = (sum(&|f| &f["ledger"]["waiting"]), sum(&|f| &f["inFlight"]));
        if waiting == 0 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{waiting} exports still wait:\n{:#?}\n{}", server.flows(), server.log());
        if waiting != seen || in_flight > 0 {
            (seen, quiet) = (waiting, Instant::now());
        } else if quiet.elapsed() > Duration::from_millis(30) {
            server.advance(&format!("{}s", step_s as u64));
            (step_s, quiet) = ((step_s * 1.3f64).min(3600.0), Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    server.settle();
}

fn check_ledger(server: &Server) {
    for flow in server.flows() {
        let ledger = &flow["ledger"];
        let closed = [&ledger["balanced"], &ledger["waiting"], &ledger["dead"]];
        assert_eq!(closed, [&json!(true), &json!(0), &json!(0)], "{ledger}");
    }
}

/// The store, made anew from the log or from a backup, is the same byte for byte, and nothing is sent again.
fn rebuild_and_compare(scene: &mut Scene) {
    let server = &mut scene.world.server;
    let copy = server.data_dir().with_file_name("copy");
    server.command(&["backup", &copy.to_string_lossy()]).json();
    let before = rebuild(server);
    let done = run_on(&copy, "rebuild");
    assert!(done.status.success(), "{done:#?}");
    must_be_same(&before, &copy.join("store"));

    let requests = scene.world.receiver.counts().requests;
    server.restart();
    server.settle();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scene.world.receiver.counts().requests, requests, "nothing is sent again");
    check_ledger(server);
}

/// Stops the server, takes its store away (to where it says) and makes it anew from the log.
pub(crate) fn rebuild(server: &mut Server) -> PathBuf {
    assert!(server.terminate().success(), "{}", server.log());
    let (store, before) = (server.data_dir().join("store"), server.data_dir().with_file_name("store-before"));
    std::fs::rename(&store, &before).expect("the store can be moved away");
    let log_bytes = folder_bytes(&server.data_dir().join("log"));
    let done = server.command(&["rebuild"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    must_be_same(&before, &store);
    assert_eq!(folder_bytes(&server.data_dir().join("log")), log_bytes, "a rebuild appends nothing");
    before
}

fn run_on(data_dir: &Path, name: &str) -> std::process::Output {
    let mut command = std::process::Command::new(testkit::binary());
    command.arg(name).arg("--data-dir").arg(data_dir).output().expect("the binary can be run")
}

fn folder_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).expect("a folder");
    entries.map(|e| e.and_then(|e| e.metadata()).map_or(0, |m| m.len())).sum()
}

fn must_be_same(left: &Path, right: &Path) {
    let open = |path: &Path| FjallStore::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (left, right) = (open(left), open(right));
    let difference = store::compare(&left, &right).expect("both can be read");
    assert_eq!(difference, None);
    let digest = |s: &FjallStore| store::digest(&*store::Store::snapshot(s).expect("a view")).expect("a digest");
    let (left, right) = (digest(&left), digest(&right));
    assert!(left == right && left.rows.iter().all(|rows| *rows > 0), "{left:?} and {right:?}");
}

#[test]
fn a_backup_during_the_stream_is_a_whole_earlier_state() {
    let scene = Scene::new(Options::manual(START), Script::default());
    let stream = Stream::new(&scene.world, START);
    let server = &scene.world.server;
    let copy = server.data_dir().with_file_name("copy");
    let mut marks = Vec::new();
    stream.run(Duration::from_millis(2), || {
        until("half of the stream", || stream.acked(), |acked| *acked >= stream.len() / 2);
        marks = stream.marks();
        server.command(&["backup", &copy.to_string_lossy()]).json();
        assert!(stream.acked() < stream.len(), "the backup was taken during the stream");
    });
    server.settle();
    let expected = scene.state(server, &scene.world.receiver, &stream);

    let done = run_on(&copy, "rebuild");
    assert!(done.status.success(), "{done:#?}");
    let options = Options { data_dir: Some(copy), ..Options::manual(START) };
    let other = Server::start(options);
    other.settle();
    check_ledger(&other);
    let (acked, all) = (stream.events_until(&marks), stream.all_events());
    let found = scene.state(&other, &scene.world.receiver, &stream);
    for (customer, events) in &all {
        let kept = state::events_of(&other, *customer);
        let must = acked.get(customer).map_or(0, Vec::len);
        assert!(kept.len() >= must, "{customer}: {must} events were acknowledged, there are {kept:?}");
        let first: BTreeSet<String> = events.iter().take(kept.len()).cloned().collect();
        assert_eq!(kept, first, "{customer}: the first of {events:?}");
    }
    let total: usize = acked.values().map(Vec::len).sum();
    assert!(found.counts.1 as usize >= total && found.counts.1 < expected.counts.1, "{:?}, {total}", found.counts);

    // The copy is a server like any other: the same stream again brings it to the same state.
    let again = Stream::new(&scene.world, START);
    again.moved(&other.url);
    again.run(Duration::ZERO, || {});
    other.settle();
    scene.state(&other, &scene.world.receiver, &stream).must_equal(&expected);
    check_ledger(&other);
}
