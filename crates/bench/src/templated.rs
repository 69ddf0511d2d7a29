//! Delivery of a templated streaming destination, 100 profiles per message, template of bench input b2.
//!
//! - from a filled outbox into a receiver that only counts; baseline: a loop that renders the same messages
//!   with the same template and posts them with the bare HTTP client, one after the other;
//! - the whole way of the release binary: the clock moves over the end of a window, members leave an
//!   audience, and the time counts until the last of them is delivered and that is in the log.

use crate::stream::cpu_seconds;
use crate::{http_client, print};
use clock::Clock;
use delivery::{
    Access, AccessFuture, Authorize, BatchRecord, Batching, Delivery, Egress, Export, ExportKey, Outbox, Outcome,
    ProfileExport, Settings,
};
use destination::config::{DestinationConfig, ServerConfig};
use destination::message::{
    Aliases, Design, GroupKey, Instance, MappedAudience, Mapping, Setup, Slice, SourceMembership, SourceProfile,
};
use model::{FlowNo, PartitionNo, Status, Timestamp, Value, Xid};
use serde_json::{Value as Json, json};
use std::io::Read as _;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::{Options, ReceiverOptions, World};

/// Profiles per message, as the figures are given for.
const PER_MESSAGE: usize = 100;
const MESSAGES: usize = 3_000;
/// How often both sides run, by turns.
const RUNS: usize = 5;
const PARTITIONS: u16 = 64;
const FLOW: FlowNo = FlowNo(1);

pub(crate) fn run() {
    let input: Json = serde_json::from_str(crate::pebble::B2).expect("shipped JSON");
    let receiver = Counter::start();
    let instance = instance(&receiver.url, &input);
    let profiles = profiles(&input);
    let (mut ours, mut bare, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let base = baseline(&receiver, &instance, &profiles, false);
        let building = baseline(&receiver, &instance, &profiles, true);
        let (rate, cpu) = filled_outbox(&receiver, &instance, &profiles);
        print(&format!(
            "templated run {run}: {rate:.0} profiles/s from a filled outbox, {cpu:.1} µs CPU each, receiver included; render and post alone {base:.0}/s, ratio {:.2}; with contexts made in the loop {building:.0}/s, ratio {:.2}",
            rate / base,
            rate / building
        ));
        costs.push(cpu);
        ours.push(rate);
        bare.push(base);
    }
    let (rate, base, cpu) = (crate::median(ours), crate::median(bare), crate::median(costs));
    print(&format!(
        "templated: median {rate:.0} profiles/s delivered, {cpu:.1} µs CPU each, {:.2} of the bare loop ({base:.0}/s)",
        rate / base
    ));
}

/// Members of the window of the whole way.
const MEMBERS: usize = 100_000;
/// Customers per request of ingestion.
const PER_BATCH: usize = 500;
const AUTHORING: &str = "/data/core/activation/authoring";
const FLOWS: &str = "/data/foundation/flowservice";

/// The release binary: a window ends for all members at once, and each exit has to reach the wire.
pub(crate) fn whole_way() {
    let input: Json = serde_json::from_str(crate::pebble::B2).expect("shipped JSON");
    let receiver = Counter::start();
    let options = Options::manual("2026-03-18T10:00:00Z");
    let world = World::start(options, ReceiverOptions::default());
    let audience = world.audience(
        "seen",
        r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 7 days before now].count() >= 1"#,
    );
    let flow = connect(&world, &receiver.url, input["template"].as_str().expect("text"), &audience);
    fill(&world);
    wait_exported(&world, &flow, MEMBERS as u64);
    let (before, cpu, started) = (receiver.bytes(), cpu_seconds(world.server.pid()), Instant::now());
    world.server.advance("8d").expect(200);
    wait_exported(&world, &flow, 2 * MEMBERS as u64);
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(world.server.pid()) - cpu;
    print(&format!(
        "whole way: {MEMBERS} members leave at once; changed, committed, delivered and logged in {seconds:.2} s = {:.0} profiles/s, {:.1} µs CPU of the server each ({} MB on the wire)",
        MEMBERS as f64 / seconds,
        cpu * 1e6 / MEMBERS as f64,
        (receiver.bytes() - before) >> 20
    ));
}

/// Server, destination, account-less connection and flow, all through the API.
fn connect(world: &World, url: &str, template: &str, audience: &str) -> String {
    let (mut destination, server) = configurations(url, template);
    let id = |answer: Json, field: &str| answer[field].as_str().expect("an id").to_owned();
    let server = id(world.api.post(&format!("{AUTHORING}/destination-servers"), &server).ok(), "instanceId");
    destination["destinationDelivery"][0]["destinationServerId"] = json!(server);
    destination["customerAuthenticationConfigurations"] = json!([]);
    let made = id(world.api.post(&format!("{AUTHORING}/destinations"), &destination).ok(), "instanceId");
    let specs = world.api.get(&format!("{FLOWS}/connectionSpecs?limit=100")).ok();
    let mine = |spec: &&Json| spec["attributes"]["destinationId"] == json!(made);
    let spec = id(specs["items"].as_array().and_then(|all| all.iter().find(mine)).expect("a card").clone(), "id");
    let flows = world.api.get(&format!("{FLOWS}/flowSpecs?limit=100")).ok();
    let leads = |f: &&Json| f["targetConnectionSpecIds"] == json!([spec]);
    let flow_spec = id(flows["items"].as_array().and_then(|all| all.iter().find(leads)).expect("a flow").clone(), "id");
    let spec = json!({ "id": spec, "version": "1.0" });
    let make = |path: &str, body: Json| id(world.api.post(&format!("{FLOWS}/{path}"), &body).ok(), "id");
    let base = make("connections", json!({ "name": "Bench", "connectionSpec": spec }));
    let target = make(
        "targetConnections",
        json!({ "name": "Bench", "baseConnectionId": base, "connectionSpec": spec, "params": {} }),
    );
    let store = json!({ "id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0" });
    let source = make("sourceConnections", json!({ "name": "Store", "connectionSpec": store }));
    let selector = |source: &str, target: &str, identity: bool| {
        let value = json!({ "path": source, "operator": "EXISTS", "mapping": {
            "sourceType": "text/x.schema-path", "source": source, "destination": target, "identity": identity } });
        json!({ "type": "JSON_PATH", "value": value })
    };
    let mapped = [
        selector("identityMap.CRMID", "identityMap.crmid", true),
        selector("person.name.firstName", "firstName", false),
        selector("person.name.lastName", "lastName", false),
        selector("personalEmail.address", "email", false),
    ];
    let audiences = json!([{ "type": "PLATFORM_SEGMENT", "value": { "id": audience, "name": "seen" } }]);
    let params = json!({
        "profileSelectors": { "selectors": mapped }, "segmentSelectors": { "selectors": audiences },
        "activationTriggers": { "attributeChanges": false, "identityChanges": false },
    });
    make(
        "flows",
        json!({
            "name": "Bench", "flowSpec": { "id": flow_spec, "version": "1.0" },
            "sourceConnectionIds": [source], "targetConnectionIds": [target],
            "transformations": [{ "name": "GeneralTransform", "params": params }],
        }),
    )
}

/// Customers with a name and one purchase each.
fn fill(world: &World) {
    for first in (0..MEMBERS).step_by(PER_BATCH) {
        let (mut people, mut events) = (Vec::new(), Vec::new());
        for number in first..first + PER_BATCH {
            let id = format!("C{number}");
            people.push(world.record(
                &[("CRMID", &id)],
                json!({ "person": { "name": { "firstName": "Edsger", "lastName": format!("Turing{number}") } },
                    "personalEmail": { "address": format!("edsger.{number}@example.com") } }),
            ));
            events.push(world.purchase(&id, &[("CRMID", &id)], "2026-03-18T09:00:00Z", 20.0));
        }
        world.send(&people);
        world.send(&events);
    }
}

/// Waits until so many exports are delivered and in the ledger.
fn wait_exported(world: &World, flow: &str, count: u64) {
    loop {
        let ledger = world.ledger(flow);
        match ledger["exported"].as_u64() {
            Some(exported) if exported >= count => return,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Destination and server as an author writes them, with the template of b2.
pub(crate) fn configurations(url: &str, template: &str) -> (Json, Json) {
    let namespace = json!({ "acceptsAttributes": true, "acceptsCustomNamespaces": true });
    let destination = json!({
        "name": "Bench", "description": "100 profiles per message", "status": "TEST",
        "customerAuthenticationConfigurations": [],
        "uiAttributes": {
            "documentationLink": "https://www.adobe.com/go/destinations-bench-en",
            "category": "streaming", "connectionType": "Server-to-server", "frequency": "Streaming",
        },
        "schemaConfig": { "profileRequired": true, "segmentRequired": true, "identityRequired": true },
        "identityNamespaces": { "ecid": namespace, "email_lc_sha256": namespace, "gaid": namespace, "crmid": namespace },
        "destinationDelivery": [{ "authenticationRule": "NONE", "destinationServerId": "server" }],
        "segmentMappingConfig": { "mapExperiencePlatformSegmentId": true },
        "aggregation": {
            "aggregationType": "BEST_EFFORT",
            "bestEffortAggregation": { "maxUsersPerRequest": PER_MESSAGE, "splitUserById": false },
        },
    });
    let server = json!({
        "name": "Bench", "destinationServerType": "URL_BASED",
        "urlBasedDestination": { "url": { "templatingStrategy": "NONE", "value": url } },
        "httpTemplate": {
            "httpMethod": "POST", "contentType": "application/json",
            "requestBody": { "templatingStrategy": "PEBBLE_V1", "value": template },
        },
    });
    (destination, server)
}

/// The mapping of all attributes that b2 has.
fn mapping() -> Mapping {
    let names = ["firstName", "lastName", "email", "phone", "city", "country", "birthYear", "loyaltyPoints"];
    let attribute = |name: &&str| {
        let value = json!({ "path": name, "operator": "EXISTS", "mapping": {
            "sourceType": "text/x.schema-path", "source": name, "destination": name, "identity": false } });
        json!({ "type": "JSON_PATH", "value": value })
    };
    let identity = |name: &&str| {
        let (source, destination) = (format!("identityMap.{name}"), format!("identityMap.{name}"));
        let value = json!({ "path": source, "operator": "EXISTS", "mapping": {
            "sourceType": "text/x.schema-path", "source": source, "destination": destination, "identity": true } });
        json!({ "type": "JSON_PATH", "value": value })
    };
    let selectors: Vec<Json> =
        ["ecid", "email_lc_sha256", "gaid"].iter().map(identity).chain(names.iter().map(attribute)).collect();
    let (destination, _) = configurations("http://127.0.0.1/", "");
    let config = DestinationConfig::parse(&destination).expect("a valid destination");
    Mapping::parse(&json!({ "profileSelectors": { "selectors": selectors } }), &config).expect("a valid mapping")
}

fn instance(url: &str, input: &Json) -> Instance {
    let template = input["template"].as_str().expect("text");
    // b2 is timed without escaping; what comes out here is escaped as authored templates are.
    let (destination, server) = configurations(url, template);
    let config = DestinationConfig::parse(&destination).expect("a valid destination");
    let server = ServerConfig::parse(&server).expect("a valid server");
    let design = Arc::new(Design::new(&config, &server).expect("a streaming destination"));
    let mut ids: Vec<String> = Vec::new();
    for profile in input["context"]["input"]["profiles"].as_array().expect("profiles") {
        ids.extend(profile["segmentMembership"]["ups"].as_object().into_iter().flatten().map(|(id, _)| id.clone()));
    }
    ids.sort();
    ids.dedup();
    let at = Timestamp(1_790_000_000_000);
    let aliases = Aliases::new(ids.into_iter().map(|id| MappedAudience {
        namespace: "ups".into(),
        id: id.into(),
        name: "audience".into(),
        alias: None,
        partner_name: None,
        created_at: at,
        updated_at: at,
        mapping_created_at: at,
        mapping_updated_at: at,
    }));
    let setup = Setup {
        id: "flow".into(),
        customer_data: &Json::Null,
        auth_data: &Json::Null,
        mapping: mapping(),
        aliases,
        facts: &Json::Null,
    };
    Instance::new(design, setup)
}

/// The profiles of b2 in the source schema.
fn profiles(input: &Json) -> Vec<SourceProfile> {
    let profile = |json: &Json| {
        let members = json["segmentMembership"]["ups"].as_object().into_iter().flatten();
        let membership = |(id, m): (&String, &Json)| SourceMembership {
            namespace: "ups".into(),
            id: id.into(),
            status: if m["status"] == "exited" { Status::Exited } else { Status::Realized },
            since: m["lastQualificationTime"].as_str().and_then(Timestamp::parse).expect("an instant"),
            changed: true,
        };
        let identities = json["identityMap"].as_object().into_iter().flatten().flat_map(|(namespace, ids)| {
            let ids = ids.as_array().into_iter().flatten();
            ids.map(|id| (namespace.into(), id["id"].as_str().expect("text").into())).collect::<Vec<_>>()
        });
        let mut attributes = Value::Object(Vec::new());
        for (name, value) in json["attributes"].as_object().into_iter().flatten() {
            attributes.set(&[name.as_str()], Value::from(&value["value"]));
        }
        SourceProfile { memberships: members.map(membership).collect(), identities: identities.collect(), attributes }
    };
    input["context"]["input"]["profiles"].as_array().expect("profiles").iter().map(profile).collect()
}

/// Renders the same messages and posts them: profiles per second. `building`: each message's contexts are made
/// from the profiles as the outbox has them; else they are there before.
fn baseline(receiver: &Counter, instance: &Instance, profiles: &[SourceProfile], building: bool) -> f64 {
    let slices =
        || -> Vec<Slice> { profiles.iter().flat_map(|p| instance.slices(&instance.target(p.clone()))).collect() };
    let prepared = instance.entries(&slices().iter().collect::<Vec<_>>());
    let before = receiver.bytes();
    let started = Instant::now();
    runtime().block_on(async {
        let client = http_client();
        for _ in 0..MESSAGES {
            let group = GroupKey::default();
            let request = match building {
                true => instance.compose(&group, &slices().iter().collect::<Vec<_>>()),
                false => instance.compose_entries(&group, prepared.clone()),
            };
            let request = request.expect("it renders");
            let post = client.post(&request.url).header("content-type", "application/json");
            let answer = post.body(request.body.unwrap_or_default()).send().await.expect("an answer");
            assert!(answer.status().is_success());
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    assert!(receiver.bytes() > before);
    (MESSAGES * PER_MESSAGE) as f64 / seconds
}

/// Delivers from a filled outbox: profiles per second until the last outcome is reported, and the CPU time of the
/// whole process in that time, in µs per profile.
fn filled_outbox(receiver: &Counter, instance: &Instance, profiles: &[SourceProfile]) -> (f64, f64) {
    let outbox = Arc::new(Filled::new(profiles, MESSAGES * PER_MESSAGE));
    let before = receiver.bytes();
    let runtime = runtime();
    let (started, cpu) = (Instant::now(), cpu_seconds(std::process::id()));
    let delivery =
        Delivery::start(outbox.clone(), Clock::system(), Egress::open(), Settings::default(), runtime.handle().clone())
            .expect("delivery starts");
    delivery.set_batching(FLOW, Some(Batching::new(instance.clone(), Arc::new(Open(Arc::new(Json::Null))))));
    (0..PARTITIONS).for_each(|p| delivery.wake(FLOW, PartitionNo(p)));
    while outbox.reported.load(Ordering::Acquire) < MESSAGES * PER_MESSAGE {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id()) - cpu);
    assert!(receiver.bytes() > before);
    runtime.block_on(delivery.drain(Duration::from_secs(5)));
    let count = (MESSAGES * PER_MESSAGE) as f64;
    (count / seconds, cpu * 1e6 / count)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// An account that lets everything in.
struct Open(Arc<Json>);

impl Authorize for Open {
    fn access(&self, _: Option<u64>) -> AccessFuture<'_> {
        let access = Access { header: None, number: None, auth_data: self.0.clone() };
        Box::pin(async move { Ok(access) })
    }
    fn fetched(&self) -> u64 {
        0
    }
}

/// An outbox in memory: what it costs to hold is not measured here.
struct Filled {
    profiles: Vec<Arc<SourceProfile>>,
    per_partition: u64,
    reported: AtomicUsize,
    records: Mutex<Vec<BatchRecord>>,
}

impl Filled {
    fn new(profiles: &[SourceProfile], count: usize) -> Filled {
        let profiles = profiles.iter().cloned().map(Arc::new).collect();
        let per_partition = count.div_ceil(usize::from(PARTITIONS)) as u64;
        Filled { profiles, per_partition, reported: AtomicUsize::new(0), records: Mutex::default() }
    }
}

impl Outbox for Filled {
    fn fetch(&self, _: FlowNo, _: PartitionNo, _: u64, _: usize) -> Vec<Export> {
        Vec::new()
    }

    fn fetch_profiles(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<ProfileExport> {
        let total = (MESSAGES * PER_MESSAGE) as u64;
        let first = u64::from(partition.0) * self.per_partition;
        let end = self.per_partition.min(total.saturating_sub(first));
        (after_seq + 1..=end.min(after_seq + limit as u64))
            .map(|seq| {
                let number = first + seq;
                let mut profile = [0; 16];
                profile[..8].copy_from_slice(&number.to_be_bytes());
                ProfileExport {
                    key: ExportKey { flow, partition, seq },
                    profile: Xid(profile),
                    lineage: Vec::new(),
                    created: Timestamp(1_790_000_000_000),
                    source: self.profiles[number as usize % self.profiles.len()].clone(),
                }
            })
            .collect()
    }

    fn record_batch(&self, _: FlowNo, batch: &BatchRecord) {
        self.records.lock().expect("no panic").push(batch.clone());
    }

    fn batches(&self, _: FlowNo) -> Vec<BatchRecord> {
        Vec::new()
    }

    fn drop_batches(&self, batches: &[(FlowNo, u64)]) {
        self.records.lock().expect("no panic").retain(|record| !batches.iter().any(|(_, id)| *id == record.id));
    }

    fn report(&self, outcomes: Vec<(ExportKey, Outcome)>) {
        assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Delivered { .. })));
        self.reported.fetch_add(outcomes.len(), Ordering::AcqRel);
    }

    fn partitions(&self) -> u16 {
        PARTITIONS
    }
}

/// A receiver that counts bytes of bodies and answers 200, a thread per connection.
pub(crate) struct Counter {
    pub(crate) url: String,
    counted: Arc<AtomicU64>,
}

impl Counter {
    pub(crate) fn start() -> Counter {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/in", listener.local_addr().expect("an address"));
        let counted = Arc::new(AtomicU64::new(0));
        let shared = counted.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let counted = shared.clone();
                std::thread::spawn(move || answer(connection, &counted));
            }
        });
        Counter { url, counted }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.counted.load(Ordering::Acquire)
    }
}

/// Answers requests with a length until the connection ends.
fn answer(mut connection: std::net::TcpStream, counted: &AtomicU64) {
    use std::io::Write as _;
    let mut buffer = vec![0; 256 * 1024];
    let mut held = 0;
    loop {
        let head = buffer[..held].windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let end = head + 4 + length.unwrap_or(0);
            if end > buffer.len() {
                buffer.resize(end, 0);
            }
            while held < end {
                match connection.read(&mut buffer[held..]) {
                    Ok(0) | Err(_) => return,
                    Ok(n) => held += n,
                }
            }
            counted.fetch_add(length.unwrap_or(0) as u64, Ordering::AcqRel);
            buffer.copy_within(end..held, 0);
            held -= end;
            if connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
            continue;
        }
        match connection.read(&mut buffer[held..]) {
            Ok(0) | Err(_) => return,
            Ok(n) => held += n,
        }
    }
}
