//! The mix end to end: a server with audiences of it, people, and a stream of events through the batch endpoint.

use crate::cdnow::Body;
use crate::mix::{self, Random};
use crate::{now, stock};
use model::{Collection, DocChange, SandboxId, SmolStr, Timestamp};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::{Options, ReceiverOptions, Target, World};

const EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";
const GROUPS: [&str; 2] = ["experienceevent-commerce", "experienceevent-web"];
const BODY_BYTES: usize = 900_000;
/// The server's own tick for processor time, per second.
const TICKS_PER_SECOND: f64 = 100.0;
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// What nothing here takes.
const TOO_LONG: Duration = Duration::from_secs(900);
/// The sandbox that every server begins with.
pub(crate) const SANDBOX: SandboxId = SandboxId(1);

/// A server with the schema of the mix.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) activity: Target,
    /// Ids of the audiences, in the order of the mix.
    pub(crate) ids: Vec<String>,
}

/// Who sends, and what.
pub(crate) struct Traffic {
    /// People there are.
    pub(crate) people: u64,
    pub(crate) events: usize,
    /// One of so many events is of a person that nobody knows; 0 for none.
    pub(crate) new_one_of: u64,
    /// Tells the events of runs apart.
    pub(crate) run: u64,
}

/// What a timed stream took.
pub(crate) struct Taken {
    pub(crate) events_per_second: f64,
    pub(crate) cpu_us_per_event: f64,
}

impl Site {
    /// Without audiences. The cache holds the people of a run.
    pub(crate) fn start() -> Site {
        Site::start_with(&[])
    }

    /// The same with more arguments of the server.
    pub(crate) fn start_with(args: &[&str]) -> Site {
        let options = Options::default().with(&["--cache-mb", "512", "--snapshot-minutes", "0", "--log-level", "warn"]);
        let options = options.with(args);
        let world = World::start(options, ReceiverOptions::default());
        let groups = GROUPS.map(|name| format!("https://ns.adobe.com/xdm/context/{name}"));
        let activity = world.target("Activity", EVENT, &groups);
        Site { world, activity, ids: Vec::new() }
    }

    /// Makes audiences of the mix through the API until there are so many.
    pub(crate) fn create_audiences(&mut self, count: usize) {
        for number in self.ids.len()..count {
            let id = self.world.audience(&format!("audience {number}"), &mix::audience(number, &self.ids));
            self.ids.push(id);
        }
        wait_applied(&self.world);
    }

    /// The same for numbers that the API would take minutes for: the first and the last go through it, the others are
    /// written as their documents.
    pub(crate) fn fill_audiences(&mut self, count: usize) {
        self.create_audiences(1);
        let mut ids = std::mem::take(&mut self.ids);
        stock::fill(self, |fill, numbers| {
            let first = numbers.docs.get(SANDBOX, Collection::Audience, &ids[0]).expect("the first audience");
            let mut changes = Vec::with_capacity(count);
            for number in 1..count - 1 {
                let text = mix::audience(number, &ids);
                let named: Vec<&String> =
                    ids.iter().take(mix::REFERRED).filter(|id| text.contains(id.as_str())).collect();
                let mut body = first.body.clone();
                body["_internal"]["references"] = json!(named);
                body["name"] = json!(format!("audience {number}"));
                body["expression"]["value"] = text.into();
                let id = format!("00000000-0000-4000-8000-{number:012}");
                changes.push(DocChange::put(SANDBOX, Collection::Audience, SmolStr::new(&id), body, &first.created_by));
                ids.push(id);
            }
            fill.change(&changes, now()).expect("the store takes documents");
        });
        self.ids = ids;
        self.create_audiences(count);
    }

    /// Everybody's attributes and a first event each, so that everybody is in memory.
    pub(crate) fn introduce(&self, people: u64) {
        let random = &mut Random::new(7);
        let at = now();
        let mut lanes = Lanes::default();
        for number in 0..people {
            let id = known_id(number);
            let record = members(&self.world.record(&[("CRMID", &id)], json!({})), &mix::person(number));
            lanes.push(number, &record);
            lanes.push(number, &self.message(random, &format!("first-{number}"), &id, at));
        }
        crate::send(&self.world, &lanes.close());
        wait_applied(&self.world);
    }

    /// A first event of everybody, so that everybody is in memory.
    pub(crate) fn touch(&self, people: u64) {
        let random = &mut Random::new(8);
        let at = now();
        let mut lanes = Lanes::default();
        for number in 0..people {
            lanes.push(number, &self.message(random, &format!("touch-{number}"), &known_id(number), at));
        }
        crate::send(&self.world, &lanes.close());
        wait_applied(&self.world);
    }

    /// Bodies of live events, in lanes that keep the order per person.
    pub(crate) fn bodies(&self, traffic: &Traffic) -> Vec<Vec<Body>> {
        let random = &mut Random::new(traffic.run + 100);
        let at = now();
        let mut lanes = Lanes::default();
        for i in 0..traffic.events as u64 {
            let is_new = traffic.new_one_of > 0 && random.below(traffic.new_one_of) == 0;
            let number = random.below(traffic.people);
            let id = if is_new { format!("N{}-{i}", traffic.run) } else { known_id(number) };
            let when = mix::live_time(random, at);
            lanes.push(number, &self.message(random, &format!("live-{}-{i}", traffic.run), &id, when));
        }
        lanes.close()
    }

    /// One event of the mix as a message.
    pub(crate) fn message(&self, random: &mut Random, event: &str, person: &str, at: Timestamp) -> String {
        let entity = json!({
            "_id": event,
            "timestamp": at.to_string(),
            "identityMap": { "CRMID": [{ "id": person, "primary": true }] },
        });
        members(&testkit::message(&self.world.org, &self.activity, &entity), &mix::event(random))
    }

    /// Sends the bodies and waits until the server has committed them.
    pub(crate) fn take(&self, lanes: &[Vec<Body>]) -> Taken {
        let events: usize = lanes.iter().flatten().map(|b| b.messages).sum();
        let pid = self.world.server.pid();
        let (started, cpu) = (Instant::now(), cpu_seconds(pid));
        crate::send(&self.world, lanes);
        wait_applied(&self.world);
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
        Taken { events_per_second: events as f64 / seconds, cpu_us_per_event: cpu * 1e6 / events as f64 }
    }
}

/// Adds members, given as text, to the entity of a message.
fn members(message: &Json, more: &str) -> String {
    let mut text = message.to_string();
    // The entity is the last object of the body, which is the last of the message.
    assert!(text.ends_with("}}}"), "{text}");
    text.truncate(text.len() - 3);
    text + "," + more + "}}}"
}

/// The CRM id of a known person.
pub(crate) fn known_id(number: u64) -> String {
    format!("K{number}")
}

/// Waits until everything accepted is applied, however long that takes.
pub(crate) fn wait_applied(world: &World) {
    let operator = world.server.operator();
    wait(|| {
        let status = operator.get("/rivermouth/backlog").ok();
        status["backlog"] == json!(0) && status["ready"] == json!(true)
    });
}

/// Looks now and then until it is so. Looking costs the server something too.
pub(crate) fn wait(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < TOO_LONG, "nothing moves any more");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Processor time of a process so far.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running server");
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// Bodies under way, per lane.
struct Lanes {
    open: Vec<(String, usize)>,
    closed: Vec<Vec<Body>>,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { open: vec![(String::new(), 0); crate::LANES], closed: vec![Vec::new(); crate::LANES] }
    }
}

impl Lanes {
    /// A person's messages stay in one lane.
    fn push(&mut self, person: u64, message: &str) {
        let lane = person as usize % self.open.len();
        if self.open[lane].0.len() + message.len() > BODY_BYTES {
            self.close_lane(lane);
        }
        let (text, messages) = &mut self.open[lane];
        text.push_str(if *messages == 0 { "{\"messages\":[" } else { "," });
        text.push_str(message);
        *messages += 1;
    }

    fn close_lane(&mut self, lane: usize) {
        let (mut text, messages) = std::mem::take(&mut self.open[lane]);
        if messages > 0 {
            text.push_str("]}");
            self.closed[lane].push(Body { bytes: Arc::new(text.into_bytes()), messages });
        }
    }

    fn close(mut self) -> Vec<Vec<Body>> {
        (0..self.open.len()).for_each(|lane| self.close_lane(lane));
        self.closed
    }
}
