//! CDNOW as a stream that outlives its server: batches in lanes, sent until each is acknowledged.
//!
//! The identities are those of the demo: a customer's first event carries only the e-mail, the
//! second only the CRM id, later ones and the profile record both. A lane has all of a customer and
//! sends its next batch only after the one before was acknowledged, so their order is kept.

use flate2::read::GzDecoder;
use model::Timestamp;
use model::time::{DAY_MS, days_from_civil};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::{Api, PATIENCE, World, until};

static DATA: &[u8] = include_bytes!("../../../cli/data/cdnow.txt.gz");
const LANES: usize = 4;
const BATCH: usize = 40;
/// Batches that a lane may still send when it is held.
const HELD_AFTER: usize = 5;

/// One row: customer, time, discs, dollars.
struct Purchase {
    line: usize,
    customer: u32,
    at: Timestamp,
    cds: u32,
    dollars: f64,
}

/// Every eighth customer, shifted so that the last purchase falls on the day before `now`.
fn purchases(now: &str) -> Vec<Purchase> {
    let mut text = String::new();
    GzDecoder::new(DATA).read_to_string(&mut text).expect("the shipped data is whole");
    let row = |(line, row): (usize, &str)| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let date: i64 = fields[1].parse().expect("a date");
        let day = days_from_civil(date / 10_000, date / 100 % 100, date % 100);
        let (cds, dollars) = (fields[2].parse().expect("discs"), fields[3].parse().expect("dollars"));
        Purchase { line, customer: fields[0].parse().expect("a number"), at: Timestamp(day * DAY_MS), cds, dollars }
    };
    let mut rows: Vec<Purchase> = text.lines().enumerate().skip(1).map(row).collect();
    let last = rows.iter().map(|p| p.at.0).max().expect("rows");
    let yesterday = (Timestamp::parse(now).expect("a time").0.div_euclid(DAY_MS) - 1) * DAY_MS;
    rows.retain(|p| p.customer % 8 == 0);
    for row in &mut rows {
        row.at = Timestamp(row.at.0 + yesterday - last);
    }
    rows.sort_by_key(|p| (p.at, p.line));
    rows
}

/// The CRM id of a customer.
pub(crate) fn crm_id(customer: u32) -> String {
    format!("C{customer:05}")
}

/// The e-mail address of a customer.
pub(crate) fn email(customer: u32) -> String {
    format!("customer-{customer:05}@cdnow.example")
}

/// Messages of one request.
struct Batch {
    body: Vec<u8>,
    /// Customer and event id; of records the id is empty.
    items: Vec<(u32, String)>,
}

/// All messages of a world, and how many of them were acknowledged.
pub(crate) struct Stream {
    lanes: Vec<Vec<Batch>>,
    inlet: String,
    /// Where the server is now; it moves with every start.
    address: Mutex<String>,
    acked: Vec<AtomicUsize>,
    /// By lane, the batch before which it waits.
    held_at: Vec<AtomicUsize>,
    /// Requests that ended without an answer, or with 503.
    failed: AtomicUsize,
    refused: AtomicUsize,
}

impl Stream {
    /// The whole stream for a world.
    pub(crate) fn new(world: &World, now: &str) -> Stream {
        let rows = purchases(now);
        let mut total: BTreeMap<u32, usize> = BTreeMap::new();
        for row in &rows {
            *total.entry(row.customer).or_default() += 1;
        }
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        let mut lanes: Vec<Vec<(u32, String, Json)>> = (0..LANES).map(|_| Vec::new()).collect();
        for p in &rows {
            let (nth, of) = (seen.entry(p.customer).or_default(), total[&p.customer]);
            *nth += 1;
            let (mail, crm) = (email(p.customer), crm_id(p.customer));
            let identities: &[(&str, &str)] = match (*nth, of) {
                (1, 2..) => &[("Email", &mail)],
                (2, _) => &[("CRMID", &crm)],
                _ => &[("CRMID", &crm), ("Email", &mail)],
            };
            let lane = &mut lanes[p.customer as usize / 8 % LANES];
            let id = format!("cdnow-{}", p.line);
            let order = json!({
                "commerce": { "order": { "priceTotal": p.dollars } },
                "productListItems": [{ "SKU": "CD", "quantity": p.cds }],
            });
            let event = world.event(&id, identities, &p.at.to_string(), "commerce.purchases", order);
            lane.push((p.customer, id, event));
            if *nth == of {
                let person = json!({
                    "person": { "name": { "firstName": "Customer", "lastName": crm } },
                    "personalEmail": { "address": mail },
                });
                lane.push((p.customer, String::new(), world.record(&[("CRMID", &crm), ("Email", &mail)], person)));
            }
        }
        let batches = |lane: Vec<(u32, String, Json)>| {
            let batch = |items: &[(u32, String, Json)]| {
                let messages: Vec<&Json> = items.iter().map(|(_, _, message)| message).collect();
                let items = items.iter().map(|(customer, id, _)| (*customer, id.clone())).collect();
                Batch { body: json!({ "messages": messages }).to_string().into_bytes(), items }
            };
            lane.chunks(BATCH).map(batch).collect()
        };
        Stream {
            lanes: lanes.into_iter().map(batches).collect(),
            inlet: world.inlet.clone(),
            address: Mutex::new(world.server.url.clone()),
            acked: (0..LANES).map(|_| AtomicUsize::new(0)).collect(),
            held_at: (0..LANES).map(|_| AtomicUsize::new(usize::MAX)).collect(),
            failed: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// All customers.
    pub(crate) fn customers(&self) -> Vec<u32> {
        self.events(usize::MAX).into_keys().collect()
    }

    /// How many batches there are.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(Vec::len).sum()
    }

    /// How many batches were acknowledged.
    pub(crate) fn acked(&self) -> usize {
        self.acked.iter().map(|n| n.load(Ordering::Acquire)).sum()
    }

    /// Requests that ended without an answer, and those that were answered 503.
    pub(crate) fn troubles(&self) -> (usize, usize) {
        (self.failed.load(Ordering::Acquire), self.refused.load(Ordering::Acquire))
    }

    /// Lets every lane send some more batches only.
    pub(crate) fn hold(&self) {
        for (held_at, acked) in self.held_at.iter().zip(&self.acked) {
            held_at.store(acked.load(Ordering::Acquire) + HELD_AFTER, Ordering::Release);
        }
    }

    /// Lets the lanes send the rest.
    pub(crate) fn go_on(&self) {
        self.held_at.iter().for_each(|held_at| held_at.store(usize::MAX, Ordering::Release));
    }

    /// How many batches of each lane were acknowledged.
    pub(crate) fn marks(&self) -> Vec<usize> {
        self.acked.iter().map(|n| n.load(Ordering::Acquire)).collect()
    }

    /// Events of each customer in their order, within the first batches of each lane.
    pub(crate) fn events_until(&self, marks: &[usize]) -> BTreeMap<u32, Vec<String>> {
        let mut events: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (lane, mark) in self.lanes.iter().zip(marks) {
            for (customer, id) in lane.iter().take(*mark).flat_map(|batch| &batch.items) {
                let of = events.entry(*customer).or_default();
                of.extend(Some(id.clone()).filter(|id| !id.is_empty()));
            }
        }
        events
    }

    fn events(&self, mark: usize) -> BTreeMap<u32, Vec<String>> {
        self.events_until(&vec![mark; self.lanes.len()])
    }

    /// The whole stream by customer.
    pub(crate) fn all_events(&self) -> BTreeMap<u32, Vec<String>> {
        self.events(usize::MAX)
    }

    /// Names the server's address after a start.
    pub(crate) fn moved(&self, url: &str) {
        url.clone_into(&mut self.address.lock().expect("not poisoned"));
    }

    /// Sends everything over four connections with a pause after each batch, while `meanwhile` runs.
    pub(crate) fn run(&self, pause: Duration, meanwhile: impl FnOnce()) {
        std::thread::scope(|scope| {
            for lane in 0..self.lanes.len() {
                scope.spawn(move || self.run_lane(lane, pause));
            }
            meanwhile();
        });
    }

    fn run_lane(&self, lane: usize, pause: Duration) {
        let mut api = Api::new("http://127.0.0.1:1");
        for (at, batch) in self.lanes[lane].iter().enumerate() {
            until("the lane may go on", || self.held_at[lane].load(Ordering::Acquire), |held_at| at < *held_at);
            let started = Instant::now();
            while let Err(why) = self.give(&mut api, batch) {
                let waited = started.elapsed();
                assert!(waited < PATIENCE, "lane {lane}: a batch was not acknowledged within {PATIENCE:?}: {why}");
                std::thread::sleep(Duration::from_millis(10));
            }
            self.acked[lane].fetch_add(1, Ordering::AcqRel);
            std::thread::sleep(pause);
        }
    }

    /// Sends a batch once. A dead server or one that asks for patience has not taken it, and why.
    fn give(&self, api: &mut Api, batch: &Batch) -> Result<(), String> {
        let url = self.address.lock().expect("not poisoned").clone();
        if api.base() != url {
            *api = Api::new(&url);
        }
        let path = format!("/collection/batch/{}", self.inlet);
        let sent = Instant::now();
        match api.try_send("POST", &path, Some(batch.body.clone()), &[]) {
            Err(why) => {
                self.failed.fetch_add(1, Ordering::AcqRel);
                Err(format!("{url} did not answer, after {:?}: {why}", sent.elapsed()))
            }
            Ok(answer) if answer.status == 503 => {
                assert!(answer.header("retry-after").is_some(), "503 without Retry-After: {answer:#?}");
                self.refused.fetch_add(1, Ordering::AcqRel);
                Err(answer.text)
            }
            Ok(answer) => {
                let answer = answer.expect(207);
                let taken = answer.json["responses"].as_array().expect("responses");
                assert!(
                    taken.len() == batch.items.len() && taken.iter().all(|r| r.get("xactionId").is_some()),
                    "{answer:#?}"
                );
                Ok(())
            }
        }
    }
}
