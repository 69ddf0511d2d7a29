//! A new audience over many stored profiles: how long until all are evaluated, idle and beside a stream.
//!
//! Profiles and their events are written as rows. One of ten is a member, and the last of every partition is: when all
//! members are counted, every partition was gone through to its end. `BACKFILL_PROFILES` sets the size.

use crate::cdnow::Body;
use crate::mix::{self, Random};
use crate::stock::{self, Numbers};
use crate::stream::{Site, known_id, wait, wait_applied};
use crate::{LANES, now, print};
use engine::Fill;
use model::time::DAY_MS;
use model::{PartitionNo, Timestamp};
use profile::Record;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PROFILES: u64 = 1_000_000;
const EVENTS_EACH: usize = 20;
const MEMBER_ONE_OF: usize = 10;
/// The audience holds who bought so often in 30 days.
const PURCHASES: usize = 3;
/// The stream tells of so many of the people.
const ACTIVE: u64 = 10_000;
const STREAM_SECONDS: u64 = 10;
const BODY_MESSAGES: usize = 200;
/// What a stream as fast as it is taken leaves behind must be worked off before the next figure.
const BACKLOG: [&str; 2] = ["--backlog-mb", "8"];
/// What is offered beside the backfill, of what the server takes without it.
const OFFERED: f64 = 0.6;

pub(crate) fn run() {
    let asked = std::env::var("BACKFILL_PROFILES").ok();
    let profiles = asked.map_or(PROFILES, |n| n.parse().expect("BACKFILL_PROFILES is a number"));
    let mut site = Site::start_with(&BACKLOG);
    let started = Instant::now();
    let members = stock::fill(&mut site, |fill, numbers| write(fill, numbers, profiles));
    wait_applied(&site.world);
    let status = site.world.server.status();
    print(&format!(
        "backfill: {} profiles with {} events written as rows in {:.0} s; {} MB on disk",
        status["profiles"],
        status["events"],
        started.elapsed().as_secs_f64(),
        disk_mb(&site)
    ));
    let idle = backfill(&site, "idle", "30 days", members);
    print(&format!(
        "backfill: idle, a new audience over {profiles} profiles in {idle:.1} s ({:.0} profiles/s), {members} members as expected",
        profiles as f64 / idle
    ));
    beside_a_stream(&site, profiles, members);
}

/// The stream alone goes as fast as the server takes it; beside the backfill it offers a share of that, since what waits
/// before a step of the backfill delays it.
fn beside_a_stream(site: &Site, profiles: u64, members: u64) {
    let active = ACTIVE.min(profiles);
    touch(site, active);
    let pause = || std::thread::sleep(Duration::from_secs(STREAM_SECONDS));
    let (alone, ()) = streaming(site, &Stream { run: 1, active, rate: None }, pause);
    print(&format!("backfill: the stream alone, as fast as it is taken: {alone:.0} events/s"));
    let (before, ()) = streaming(site, &Stream { run: 2, active, rate: Some(alone * OFFERED) }, pause);
    print(&format!("backfill: the stream alone, offered at {:.0} events/s: {before:.0}", alone * OFFERED));
    let offered = Stream { run: 3, active, rate: Some(alone * OFFERED) };
    let (beside, busy) = streaming(site, &offered, || backfill(site, "busy", "31 days", members));
    print(&format!(
        "backfill: beside a stream, a new audience over {profiles} profiles in {busy:.1} s; the stream, offered at {:.0} events/s, was committed at {beside:.0}, {:.2} of the {alone:.0} that the server takes alone",
        alone * OFFERED,
        beside / alone
    ));
}

/// Makes the audience and waits for its members: seconds.
fn backfill(site: &Site, name: &str, window: &str, members: u64) -> f64 {
    let rule = format!(
        r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= {window} before now].count() >= {PURCHASES}"#
    );
    let started = Instant::now();
    let id = site.world.audience(name, &rule);
    let operator = site.world.server.operator();
    wait(|| operator.get("/rivermouth/status").ok()["audiences"][&id]["members"] == json!(members));
    started.elapsed().as_secs_f64()
}

/// Writes people with their events: how many are members.
fn write(fill: &mut Fill<'_>, numbers: &Numbers, profiles: u64) -> u64 {
    let at = now();
    let order = numbers.in_order_of_rows(fill, profiles, known_id);
    let mut members = 0;
    let mut left: std::collections::BTreeMap<PartitionNo, usize> = std::collections::BTreeMap::new();
    order.iter().for_each(|(partition, ..)| *left.entry(*partition).or_default() += 1);
    for (partition, _, number) in order {
        let rest = left.entry(partition).or_default();
        *rest -= 1;
        let is_member = rest.is_multiple_of(MEMBER_ONE_OF);
        members += u64::from(is_member);
        fill.profile(&history(numbers, number, is_member, at), at).expect("the store takes rows");
    }
    members
}

/// Attributes and events of the last 25 days: purchases enough or one too few, views for the rest.
fn history(numbers: &Numbers, number: u64, is_member: bool, now: Timestamp) -> Vec<Record> {
    let (name, random) = (known_id(number), &mut Random::new(number));
    let purchases = if is_member { PURCHASES } else { PURCHASES - 1 };
    let mut records = vec![numbers.person(number, &name, now)];
    for i in 0..EVENTS_EACH {
        let at = Timestamp(now.0 - random.below(25 * DAY_MS as u64) as i64);
        let body = mix::value(if i < purchases { PURCHASE } else { VIEW });
        records.push(numbers.event(&name, &format!("stored-{number}-{i}"), at, body));
    }
    records
}

const PURCHASE: &str = r#""eventType":"commerce.purchases","commerce":{"order":{"priceTotal":49.9,"currencyCode":"EUR"}},"productListItems":[{"SKU":"SKU-7","quantity":1}]"#;
const VIEW: &str = r#""eventType":"web.webpagedetails.pageViews","web":{"webPageDetails":{"name":"page-3"}}"#;

/// Lets everybody who is active look once, so that they are in memory.
fn touch(site: &Site, active: u64) {
    let body = |first: u64| views(site, &format!("touch-{first}"), |i| (first + i).min(active - 1));
    crate::send(&site.world, &[(0..active).step_by(BODY_MESSAGES).map(body).collect()]);
    wait_applied(&site.world);
}

/// Views of active people.
struct Stream {
    /// Tells the events of streams apart.
    run: u64,
    active: u64,
    /// Events per second; as fast as they are taken without.
    rate: Option<f64>,
}

/// Streams while `act` runs: events committed per second, and what `act` gave.
fn streaming<T>(site: &Site, stream: &Stream, act: impl FnOnce() -> T) -> (f64, T) {
    let stop = AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        for lane in 0..LANES {
            let stop = &stop;
            scope.spawn(move || send_views(site, stream, lane, stop));
        }
        let operator = site.world.server.operator();
        let events = || operator.get("/rivermouth/status").ok()["events"].as_u64().expect("a count");
        // The stream must be under way.
        let before = events();
        wait(|| events() > before);
        let (started, before) = (Instant::now(), events());
        let answer = act();
        let rate = (events() - before) as f64 / started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Release);
        (rate, answer)
    });
    wait_applied(&site.world);
    answer
}

fn send_views(site: &Site, stream: &Stream, lane: usize, stop: &AtomicBool) {
    let client = crate::http_client();
    let url = format!("{}/collection/batch/{}", site.world.server.url, site.world.inlet);
    let random = &mut Random::new(stream.run * 1000 + lane as u64);
    let step = stream.rate.map(|rate| Duration::from_secs_f64((BODY_MESSAGES * LANES) as f64 / rate));
    let mut next = Instant::now();
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        if let Some(step) = step {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += step;
        }
        let body = views(site, &format!("view-{}-{lane}-{n}", stream.run), |_| random.below(stream.active));
        testkit::block_on(crate::post(&client, &url, body.bytes));
    }
}

/// A body of views that turn no member; `person` gives the number of who looked.
fn views(site: &Site, name: &str, mut person: impl FnMut(u64) -> u64) -> Body {
    let mut text = String::from("{\"messages\":[");
    for i in 0..BODY_MESSAGES {
        let entity = json!({
            "_id": format!("{name}-{i}"),
            "timestamp": now().to_string(),
            "eventType": "web.webpagedetails.pageViews",
            "identityMap": { "CRMID": [{ "id": known_id(person(i as u64)), "primary": true }] },
            "web": { "webPageDetails": { "name": "page-3" } },
        });
        text.push_str(if i == 0 { "" } else { "," });
        text.push_str(&testkit::message(&site.world.org, &site.activity, &entity).to_string());
    }
    text.push_str("]}");
    Body { bytes: Arc::new(text.into_bytes()), messages: BODY_MESSAGES }
}

fn disk_mb(site: &Site) -> u64 {
    let metrics = site.world.server.metrics();
    let row = metrics.lines().find_map(|l| l.strip_prefix("rivermouth_store_disk_bytes "));
    row.and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() as u64 >> 20
}
