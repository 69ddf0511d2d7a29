//! `make bench`: figures of the release binary, each with a baseline measured in the same run.
//!
//! - ingest: CDNOW through the batch endpoint to committed state, the demo's five audiences; baseline:
//!   the same bodies parsed with serde_json, appended and fsynced to one file.
//! - latency: accepted to delivered at 2,000 events a second; baseline: bare posts to the receiver.
//! - pebble: renders of templates; baseline: the reference engine.
//! - templated: delivery of 100 profiles per message; baseline: rendering and posting the same messages.
//! - whole-way: from changed membership to the wire and the ledger, with that destination.
//! - memory after CDNOW, and start of the directory that holds it.
//! - audiences: events committed under 500 audiences of a realistic mix, and the stages one by one; baseline as for ingest.
//! - growth: the same by number of audiences and by stored events per profile; draws `docs/growth.svg`.
//! - evaluation: the same in memory, without a server.
//! - naive: incremental evaluation; baseline: every rule over the whole history.
//! - backfill: a new audience over 1,000,000 stored profiles (`BACKFILL_PROFILES`), idle and beside a stream; baseline:
//!   the stream without it.
//!
//! `bench NAME…` runs these sections only. One line of figures each; ratios survive a noisy machine better than absolute numbers.

#![expect(clippy::disallowed_methods, reason = "measures the real program in real time")]

mod audiences;
mod backfill;
mod cdnow;
mod growth;
mod mix;
mod naive;
mod pebble;
mod plot;
mod pure;
mod stock;
mod stream;
mod templated;

use serde_json::{Value as Json, json};
use std::io::Write as _;
use std::time::{Duration, Instant};
use testkit::{Api, Flow, Options, ReceiverOptions, World, block_on};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 3;
const LANES: usize = 2;
const LATENCY_SECONDS: usize = 10;
const EVENTS_PER_SECOND: usize = 2_000;
const TICK_MS: usize = 10;

/// The demo's audiences.
const AUDIENCES: [(&str, &str); 5] = [
    ("repeat-buyers", r#"xEvent[eventType = "commerce.purchases"].count() >= 3"#),
    ("big-spenders", r#"xEvent[eventType = "commerce.purchases"].sum(commerce.order.priceTotal) >= 250"#),
    ("active", r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#),
    (
        "lapsed",
        r#"xEvent[eventType = "commerce.purchases"].count() >= 2 and not (exists E from xEvent where E.eventType = "commerce.purchases" and E.timestamp occurs <= 180 days before now)"#,
    ),
    (
        "bulk",
        r#"exists E from xEvent, I from E.productListItems where E.eventType = "commerce.purchases" and I.quantity >= 10"#,
    ),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let sections: [(&str, fn()); 10] = [
        ("pebble", pebble::run),
        ("templated", templated::run),
        ("whole-way", templated::whole_way),
        ("ingest", ingest),
        ("latency", latency),
        ("naive", naive::run),
        ("evaluation", growth::evaluation),
        ("audiences", audiences::run),
        ("growth", growth::run),
        ("backfill", backfill::run),
    ];
    for (name, run) in sections {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            run();
        }
    }
}

fn print(line: &str) {
    // A closed pipe ends the output, not the measurement.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The real time.
fn now() -> model::Timestamp {
    clock::Clock::system().now()
}

fn ingest() {
    let (mut rates, mut baselines) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let mut world = world(ReceiverOptions::default());
        let lanes = cdnow::lanes(&world, LANES);
        let messages: usize = lanes.iter().flatten().map(|b| b.messages).sum();
        let base = baseline(&lanes);
        let started = Instant::now();
        send(&world, &lanes);
        world.server.wait_applied();
        let seconds = started.elapsed().as_secs_f64();
        let (rate, base_rate) = (messages as f64 / seconds, messages as f64 / base);
        print(&format!(
            "ingest run {run}: {messages} messages in {seconds:.2} s = {rate:.0}/s; parse+append+fsync alone {base_rate:.0}/s; ratio {:.2}",
            rate / base_rate
        ));
        rates.push(rate);
        baselines.push(base_rate);
        if run == RUNS {
            let status = world.server.status();
            print(&format!(
                "memory: {} MB resident after CDNOW ({} profiles, {} events)",
                resident_mb(world.server.pid()),
                status["profiles"],
                status["events"]
            ));
            world.server.terminate();
            let started = Instant::now();
            world.server.restart();
            print(&format!("start: {:.0} ms for the directory of CDNOW", started.elapsed().as_secs_f64() * 1000.0));
        }
    }
    let (rate, base) = (median(rates), median(baselines));
    print(&format!("ingest: median {rate:.0}/s to committed state, {:.2} of the baseline ({base:.0}/s)", rate / base));
}

fn world(receiver: ReceiverOptions) -> World {
    let world = World::start(Options::default(), receiver);
    for (name, pql) in AUDIENCES {
        world.audience(name, pql);
    }
    world
}

/// What the same bodies cost without any of our work: seconds.
fn baseline(lanes: &[Vec<cdnow::Body>]) -> f64 {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let started = Instant::now();
    for body in lanes.iter().flatten() {
        let parsed: Json = serde_json::from_slice(&body.bytes).expect("our own JSON");
        assert!(parsed["messages"].is_array());
        file.write_all(&body.bytes).and_then(|()| file.sync_data()).expect("the disk takes it");
    }
    started.elapsed().as_secs_f64()
}

/// Posts the bodies of each lane in order, the lanes at the same time.
fn send(world: &World, lanes: &[Vec<cdnow::Body>]) {
    let url = format!("{}/collection/batch/{}", world.server.url, world.inlet);
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for lane in lanes {
            let client = http_client();
            let (url, bodies) = (url.clone(), lane.clone());
            tasks.spawn(async move {
                for body in bodies {
                    post(&client, &url, body.bytes).await;
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("a lane ends well");
        }
    });
}

fn http_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(delivery::tls_config());
    builder.build().expect("a client")
}

async fn post(client: &reqwest::Client, url: &str, body: std::sync::Arc<Vec<u8>>) {
    loop {
        let request = client.post(url).header("content-type", "application/json").body(body.to_vec());
        let answer = request.send().await.expect("the server answers");
        match answer.status().as_u16() {
            503 => tokio::time::sleep(Duration::from_millis(50)).await,
            207 => {
                answer.bytes().await.expect("a whole answer");
                return;
            }
            status => panic!("{status}: {}", answer.text().await.unwrap_or_default()),
        }
    }
}

fn resident_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running server");
    let row = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
    row.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("kB") / 1024
}

/// New customers at a steady pace; each of them enters an audience and is exported.
fn latency() {
    let receiver = ReceiverOptions { count_only: true, ..ReceiverOptions::default() };
    let world = World::start(Options::default(), receiver);
    let buyers = world.audience("buyers", AUDIENCES[2].1);
    let flow = world.flow(&Flow::to(&[buyers]));
    let per_tick = EVENTS_PER_SECOND * TICK_MS / 1000;
    let ticks = LATENCY_SECONDS * 1000 / TICK_MS;
    let yesterday = cdnow::yesterday();
    let batches: Vec<Json> = (0..ticks)
        .map(|tick| {
            let messages: Vec<Json> = (0..per_tick)
                .map(|i| {
                    let id = format!("C{tick}-{i}");
                    world.purchase(&id, &[("CRMID", &id)], &yesterday, 20.0)
                })
                .collect();
            json!({ "messages": messages })
        })
        .collect();
    let bare = bare_latency(&world);
    pace(&world, &batches);
    world.server.wait_delivered();
    let flows = world.server.flows();
    let found = flows.iter().find(|f| f["id"] == json!(flow)).expect("the flow");
    let (p50, p99) = (&found["latencyMs"]["p50"], &found["latencyMs"]["p99"]);
    print(&format!(
        "latency: p50 {p50} ms, p99 {p99} ms from accepted to delivered at {EVENTS_PER_SECOND} events/s over {LATENCY_SECONDS} s ({} exports); a bare post to the receiver: p99 {bare:.1} ms",
        found["ledger"]["exported"]
    ));
}

fn pace(world: &World, batches: &[Json]) {
    let url = format!("{}/collection/batch/{}", world.server.url, world.inlet);
    let bodies: Vec<_> = batches.iter().map(|b| std::sync::Arc::new(b.to_string().into_bytes())).collect();
    block_on(async {
        let client = http_client();
        let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS as u64));
        let mut tasks = tokio::task::JoinSet::new();
        for body in bodies {
            interval.tick().await;
            let (client, url) = (client.clone(), url.clone());
            tasks.spawn(async move { post(&client, &url, body).await });
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("a post ends well");
        }
    });
}

/// 99th percentile of sequential posts straight to the receiver, in milliseconds.
fn bare_latency(world: &World) -> f64 {
    let api = Api::new(&world.receiver.url(""));
    let mut times: Vec<f64> = (0..500)
        .map(|_| {
            let started = Instant::now();
            api.post("/profiles", &json!({ "bare": true })).expect(200);
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}
