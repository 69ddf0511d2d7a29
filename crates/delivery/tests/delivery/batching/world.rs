//! A batching flow made from configurations, changes of profiles, and what has to arrive of them.

#![expect(clippy::disallowed_methods, reason = "real requests on loopback take real time")]

use crate::batching::chance::Chance;
use crate::batching::endpoint::{Arrival, Conduct, Dialect, Endpoint, Entry};
use crate::world::{FLOW, Memory, PARTITIONS, START, profile};
use clock::Clock;
use delivery::{
    Access, AccessFuture, Authorize, Batching, Delivery, Egress, ExportKey, FlowMetrics, Outcome, ProfileExport,
    Refusal, Settings,
};
use destination::config::{DestinationConfig, ServerConfig};
use destination::message::{
    Aliases, AttributeMap, Design, IdentityMap, Instance, MappedAudience, Mapping, Setup, Source, SourceMembership,
    SourceProfile,
};
use model::{PartitionNo, SmolStr, Status, Timestamp};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(60);
const NAMESPACES: [&str; 2] = ["email", "phone"];
pub(crate) const AUDIENCES: [&str; 3] = ["a1", "a2", "a3"];

/// Identities as part of the aggregation key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Groups {
    Any,
    All,
    Each,
    /// Only the e-mail addresses.
    Email,
}

/// What a destination is configured as.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) users_max: u32,
    /// None for best effort.
    pub(crate) age_secs: Option<u32>,
    pub(crate) split: bool,
    pub(crate) by_segment: bool,
    pub(crate) by_status: bool,
    pub(crate) groups: Groups,
    pub(crate) dialect: Dialect,
    /// Further header templates.
    pub(crate) headers: Json,
    /// Stands in the template at the beginning of each record.
    pub(crate) in_record: &'static str,
}

impl Shape {
    pub(crate) fn plain(users_max: u32) -> Shape {
        Shape {
            users_max,
            age_secs: None,
            split: false,
            by_segment: false,
            by_status: false,
            groups: Groups::Any,
            dialect: Dialect::Whole,
            headers: json!([]),
            in_record: "",
        }
    }

    /// Whether a change may have more than one piece.
    pub(crate) fn many_pieces(&self) -> bool {
        self.by_segment || self.groups == Groups::Each || self.split
    }

    fn destination(&self) -> Json {
        let grouped = self.by_segment || self.groups != Groups::Any;
        let key = grouped.then(|| {
            json!({
                "includeSegmentId": self.by_segment,
                "includeSegmentStatus": self.by_status,
                "includeIdentity": self.groups != Groups::Any,
                "oneIdentityPerGroup": self.groups == Groups::Each,
                "groups": if self.groups == Groups::Email { json!([{"namespaces": ["email"]}]) } else { Json::Null },
            })
        });
        let mut policy = json!({"splitUserById": self.split});
        if let Some(key) = key {
            policy["aggregationKey"] = key;
        }
        let aggregation = match self.age_secs {
            None => {
                policy["maxUsersPerRequest"] = json!(self.users_max);
                json!({"aggregationType": "BEST_EFFORT", "bestEffortAggregation": policy})
            }
            Some(age) => {
                policy["maxBatchAgeInSecs"] = json!(age);
                policy["maxNumEventsInBatch"] = json!(self.users_max);
                json!({"aggregationType": "CONFIGURABLE_AGGREGATION", "configurableAggregation": policy})
            }
        };
        json!({
            "name": "Crowd",
            "schemaConfig": {
                "segmentRequired": true, "identityRequired": true, "profileRequired": true,
                "segmentNamespaceDenyList": [],
            },
            "identityNamespaces": {
                "email": {"acceptsCustomNamespaces": true},
                "phone": {"acceptsCustomNamespaces": true},
            },
            "destinationDelivery": [{"authenticationRule": "NONE", "destinationServerId": "s"}],
            "aggregation": aggregation,
        })
    }

    fn body(&self) -> String {
        let segment = if self.by_segment { "{{ input.aggregationKey.segmentId }}" } else { "" };
        let namespaces = match self.groups {
            Groups::Any => "",
            _ => "{{ input.aggregationKey.identityNamespaces | join(',') }}",
        };
        format!(
            "{{\"segment\": \"{segment}\", \"namespaces\": \"{namespaces}\", \"records\": [\
             {{% for p in input.profiles %}}{}{{\"export\": {{{{ p.attributes.export.value }}}}, \"ids\": \"\
             {{% for e in p.identityMap %}}{{% for i in e.value %}}{{{{ i.id }}}};{{% endfor %}}{{% endfor %}}\"}}\
             {{% if not loop.last %}},{{% endif %}}{{% endfor %}}]}}",
            self.in_record
        )
    }

    fn server(&self, url: &str) -> Json {
        let mut json = json!({
            "name": "Crowd",
            "destinationServerType": "URL_BASED",
            "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": url}},
            "httpTemplate": {
                "httpMethod": "POST",
                "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": self.body()},
                "contentType": "application/json",
                "headers": self.headers,
            },
        });
        let id = "{{ entry.attributes.export.value }}:\
                  {% for e in entry.identityMap %}{% for i in e.value %}{{ i.id }};{% endfor %}{% endfor %}";
        let outcome = match self.dialect {
            Dialect::Whole => return json,
            Dialect::StatusList => json!({
                "type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok"],
                "retry": ["later"], "message": "$.error.message",
            }),
            Dialect::FailedIndexes => json!({
                "type": "FAILED_INDEXES", "list": "$.errors", "index": "$.index", "firstIndex": 1,
                "state": "$.status", "retry": ["later"], "message": "$.why",
            }),
            Dialect::FailedIds => json!({
                "type": "FAILED_IDS", "list": "$.invalid", "id": "$.id", "state": "$.status", "retry": ["later"],
                "message": "$.why", "entryId": {"templatingStrategy": "PEBBLE_V1", "value": id},
            }),
            Dialect::Counts => json!({"type": "COUNTS", "failed": "$.failed"}),
        };
        json["responseOutcome"] = outcome;
        json
    }

    pub(crate) fn design(&self, url: &str) -> Arc<Design> {
        let destination = DestinationConfig::parse(&self.destination()).expect("a destination");
        let server = ServerConfig::parse(&self.server(url)).expect("a server");
        Arc::new(Design::new(&destination, &server).expect("a design"))
    }

    /// What has to arrive of a change, by the letter of the grouping algorithm.
    fn entries(&self, change: &Told) -> Vec<Entry> {
        let groups: Vec<(&str, Vec<&str>)> = match self.groups {
            Groups::Any => vec![("", NAMESPACES.to_vec())],
            Groups::All => vec![("email,phone", NAMESPACES.to_vec())],
            Groups::Each => NAMESPACES.iter().map(|n| (*n, vec![*n])).collect(),
            Groups::Email => vec![("email", vec!["email"])],
        };
        let segments: Vec<&str> = match self.by_segment {
            true => change.segments.iter().map(|(id, _)| *id).collect(),
            false => vec![""],
        };
        let mut entries = Vec::new();
        for segment in segments {
            for (namespaces, within) in &groups {
                // E-mail addresses are told first, as they are configured first.
                let ids = change.ids.iter().filter(|(n, _)| within.contains(n));
                let ids: Vec<String> = ids.map(|(_, id)| format!("{id};")).collect();
                let texts = if self.split { ids } else { Vec::from_iter((!ids.is_empty()).then(|| ids.concat())) };
                entries.extend(texts.into_iter().map(|ids| Entry {
                    export: change.number,
                    segment: segment.to_owned(),
                    namespaces: (*namespaces).to_owned(),
                    ids,
                }));
            }
        }
        entries
    }
}

pub(crate) fn instance(design: &Arc<Design>) -> Instance {
    let identity = |n: &str| IdentityMap {
        source: Source::Namespace(n.into()),
        target: n.into(),
        transform: None,
        mandatory: false,
    };
    let attribute = |n: &str| AttributeMap {
        source: Source::path(n).expect("a path"),
        target: n.into(),
        transform: None,
        predefined: false,
        mandatory: false,
    };
    let audience = |id: &str| MappedAudience {
        namespace: "ups".into(),
        id: id.into(),
        name: id.into(),
        alias: None,
        partner_name: None,
        created_at: START,
        updated_at: START,
        mapping_created_at: START,
        mapping_updated_at: START,
    };
    let setup = Setup {
        id: "flow".into(),
        customer_data: &json!({}),
        auth_data: &json!({}),
        mapping: Mapping {
            identities: NAMESPACES.into_iter().map(identity).collect(),
            attributes: ["export", "name"].into_iter().map(attribute).collect(),
        },
        aliases: Aliases::new(AUDIENCES.into_iter().map(audience)),
        facts: &json!({}),
    };
    Instance::new(design.clone(), setup)
}

/// Tokens that count up.
#[derive(Default)]
pub(crate) struct Tokens {
    current: AtomicU64,
    fetched: AtomicU64,
    /// Nobody has logged in: there is no access.
    pub(crate) shut: AtomicBool,
    /// How often access was asked for.
    pub(crate) asked: AtomicU64,
}

impl Authorize for Tokens {
    fn access(&self, refused: Option<u64>) -> AccessFuture<'_> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        if self.shut.load(Ordering::Acquire) {
            let refusal = Refusal { reason: "nobody has logged in".to_owned(), retry: false, retry_after_ms: None };
            return Box::pin(std::future::ready(Err(refusal)));
        }
        if let Some(refused) = refused
            && self.current.compare_exchange(refused, refused + 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            self.fetched.fetch_add(1, Ordering::AcqRel);
        }
        let number = self.current.load(Ordering::Acquire);
        let header = format!("Bearer t{number}").parse().ok();
        Box::pin(std::future::ready(Ok(Access { header, number: Some(number), auth_data: Arc::new(json!({})) })))
    }

    fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Acquire)
    }
}

/// A change that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) key: ExportKey,
    pub(crate) name: u8,
    pub(crate) created: i64,
    segments: Vec<(&'static str, Status)>,
    ids: Vec<(&'static str, String)>,
}

/// A flow with all that belongs to it.
pub(crate) struct Crowd {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) outbox: Arc<Memory>,
    delivery: Option<Delivery>,
    runtime: Option<Runtime>,
    pub(crate) endpoint: Endpoint,
    pub(crate) shape: Shape,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) told: Vec<Told>,
    seqs: HashMap<u16, u64>,
    design: Arc<Design>,
    connected: AtomicBool,
    /// Applied to each batching.
    pub(crate) tune: fn(&mut Batching),
}

impl Crowd {
    pub(crate) async fn new(seed: u64, shape: Shape, conduct: Conduct) -> Crowd {
        let clock = Clock::manual(START);
        let endpoint = Endpoint::start(seed, conduct, clock.clone()).await;
        let design = shape.design(&endpoint.url);
        let mut crowd = Crowd {
            seed,
            clock,
            outbox: Arc::new(Memory::default()),
            delivery: None,
            runtime: None,
            endpoint,
            shape,
            tokens: Arc::default(),
            told: Vec::new(),
            seqs: HashMap::new(),
            design,
            connected: AtomicBool::new(false),
            tune: |_| {},
        };
        crowd.start(tokio::runtime::Handle::current());
        crowd
    }

    fn start(&mut self, runtime: tokio::runtime::Handle) {
        let (outbox, clock) = (self.outbox.clone(), self.clock.clone());
        let started = Delivery::start(outbox, clock, Egress::open(), Settings::default(), runtime);
        self.delivery = Some(started.expect("started"));
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        self.delivery.as_ref().expect("running")
    }

    pub(crate) fn batching(&self) -> Batching {
        let mut batching = Batching::new(instance(&self.design), self.tokens.clone());
        (self.tune)(&mut batching);
        batching
    }

    pub(crate) fn connect(&self) {
        self.connected.store(true, Ordering::Release);
        self.delivery().set_batching(FLOW, Some(self.batching()));
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    pub(crate) fn disable(&self) {
        self.connected.store(false, Ordering::Release);
        self.delivery().set_batching(FLOW, None);
    }

    /// Another design takes the place of the present one.
    pub(crate) fn redesign(&mut self, shape: Shape) {
        self.design = shape.design(&self.endpoint.url);
        self.shape = shape;
    }

    /// The process ends as if it were killed, and another one starts.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        self.start(runtime.handle().clone());
        self.runtime = Some(runtime);
        self.connect();
    }

    /// The process ends as if it were killed.
    pub(crate) async fn stop(&mut self) {
        let runtime = self.runtime.take();
        let delivery = self.delivery.take();
        tokio::task::spawn_blocking(move || {
            // Attempts end where they are; what is being written is written.
            runtime.into_iter().for_each(|runtime| runtime.shutdown_timeout(PATIENCE));
            drop(delivery);
        })
        .await
        .expect("stopped");
    }

    /// Commits a change and wakes the flow.
    pub(crate) fn tell(&mut self, name: u8, segments: &[(&'static str, Status)], emails: usize, phones: usize) -> u64 {
        self.tell_of(name, &[], segments, emails, phones)
    }

    /// The same of a profile that others were merged into.
    pub(crate) fn tell_of(
        &mut self,
        name: u8,
        lineage: &[u8],
        segments: &[(&'static str, Status)],
        emails: usize,
        phones: usize,
    ) -> u64 {
        let partition = u16::from(name) % PARTITIONS;
        let seq = self.seqs.entry(partition).or_default();
        *seq += 1;
        let key = ExportKey { flow: FLOW, partition: PartitionNo(partition), seq: *seq };
        let number = self.told.len() as u64 + 1;
        let emails = (0..emails).map(|n| ("email", format!("p{name}e{n}")));
        let ids: Vec<_> = emails.chain((0..phones).map(|n| ("phone", format!("p{name}t{n}")))).collect();
        let created = self.clock.now();
        let told = Told { number, key, name, created: created.0, segments: segments.to_vec(), ids };
        let membership = |(id, status): &(&'static str, Status)| SourceMembership {
            namespace: "ups".into(),
            id: SmolStr::new(id),
            status: *status,
            since: created,
            changed: true,
        };
        self.outbox.commit(ProfileExport {
            key,
            profile: profile(name),
            lineage: lineage.iter().copied().map(profile).collect(),
            created,
            source: Arc::new(SourceProfile {
                memberships: segments.iter().map(membership).collect(),
                identities: told.ids.iter().map(|(n, id)| (SmolStr::new(n), id.into())).collect(),
                attributes: model::Value::from(&json!({"export": number, "name": name_of(name)})),
            }),
        });
        self.told.push(told);
        if let Some(delivery) = &self.delivery {
            delivery.wake(FLOW, PartitionNo(partition));
        }
        number
    }

    /// A change of some profile, in some audiences.
    pub(crate) fn tell_any(&mut self, chance: &mut Chance, profiles: u64) {
        let name = chance.below(profiles) as u8 + 1;
        let count = chance.below(3) as usize + 1;
        let mut segments: Vec<(&'static str, Status)> = Vec::new();
        for _ in 0..count {
            let id = chance.pick(&AUDIENCES);
            if segments.iter().all(|(known, _)| *known != id) {
                segments.push((id, chance.pick(&[Status::Realized, Status::Exited])));
            }
        }
        // Now and then a profile has nothing to be known by.
        let (emails, phones) = (chance.below(3) as usize, chance.below(2) as usize);
        self.tell(name, &segments, emails, phones);
    }

    pub(crate) fn metrics(&self) -> FlowMetrics {
        self.delivery().metrics().into_iter().find(|m| m.flow == FLOW).unwrap_or_default()
    }

    pub(crate) fn outcomes(&self) -> Vec<(ExportKey, Outcome)> {
        self.outbox.outcomes()
    }

    pub(crate) fn outcome(&self, number: u64) -> Outcome {
        let key = self.told[number as usize - 1].key;
        self.outcomes().into_iter().find(|(k, _)| *k == key).expect("an outcome").1
    }

    /// All that was committed is known or ended, and nothing runs.
    pub(crate) fn is_quiet(&self) -> bool {
        let metrics = self.metrics();
        metrics.in_flight == 0 && metrics.queued + self.outcomes().len() == self.told.len()
    }

    pub(crate) async fn until(&self, what: impl Fn(&Crowd) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < PATIENCE, "seed {}: waited in vain: {}", self.seed, self.state());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn state(&self) -> String {
        format!("{} of {} ended, {:?}", self.outcomes().len(), self.told.len(), self.metrics())
    }

    /// Moves the clock to what is waited for, whenever nothing runs, until all has ended.
    pub(crate) async fn drive(&self) {
        self.drive_until(|crowd| crowd.outcomes().len() == crowd.told.len()).await;
    }

    pub(crate) async fn drive_until(&self, done: impl Fn(&Crowd) -> bool) {
        self.drive_to(Timestamp(i64::MAX), done).await;
    }

    async fn drive_to(&self, end: Timestamp, done: impl Fn(&Crowd) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "seed {}: driven in vain: {}", self.seed, self.state());
            if self.is_quiet() {
                // What is queued waits for some instant, now or in a moment.
                let nothing_waits = self.metrics().queued == 0 && end.0 < i64::MAX;
                if let Some(at) = self.clock.next_awaited().or(nothing_waits.then_some(end)) {
                    // If it is past already, the sleeper is about to wake.
                    let _ = self.clock.advance_to(at.min(end).max(self.now()));
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets time pass, stopping wherever something is due.
    pub(crate) async fn pass(&self, ms: i64) {
        let end = Timestamp(self.now().0 + ms);
        self.drive_to(end, |crowd| crowd.now() >= end).await;
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.endpoint.arrivals()
    }

    /// Milliseconds since the start at which requests came.
    pub(crate) fn times(&self) -> Vec<i64> {
        self.arrivals().iter().map(|a| a.at - START.0).collect()
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.clock.advance(ms).expect("manual");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What every run has to end with. `exactly`: nothing was taken twice.
    pub(crate) fn check(&self, exactly: bool) {
        let seed = self.seed;
        let ends: BTreeMap<ExportKey, Outcome> = self.outcomes().into_iter().collect();
        assert_eq!(ends.len(), self.told.len(), "seed {seed}: one outcome for each change");
        let state = self.endpoint.state.lock();
        let mut expected = BTreeSet::new();
        for told in &self.told {
            let entries = self.shape.entries(told);
            let poisoned = state.conduct.poisoned.contains(&told.number);
            let context = || format!("seed {seed}: {told:?} {:?}", ends[&told.key]);
            for entry in &entries {
                let (taken, refused) = (state.taken.get(entry).copied(), state.refused.get(entry).copied());
                match poisoned {
                    true => assert!(taken.is_none() && refused.is_some(), "{} {taken:?} {refused:?}", context()),
                    false => assert!(refused.is_none() && taken.is_some(), "{} {entry:?} was lost", context()),
                }
                let requests = || {
                    let with = state.arrivals.iter().enumerate().filter(|(_, a)| a.entries.contains(entry));
                    let shown = |(n, a): (usize, &Arrival)| {
                        let held: Vec<u64> = a.entries.iter().map(|e| e.export).collect();
                        format!("\n  request {n} {} at {}: {held:?} -> {}, {} done", a.id, a.at, a.status, a.done.len())
                    };
                    with.map(shown).collect::<String>()
                };
                let times = taken.unwrap_or(1);
                assert!(!exactly || times == 1, "{} was taken {times} times{}", context(), requests());
            }
            match &ends[&told.key] {
                Outcome::Filtered(_) => assert!(entries.is_empty(), "{}", context()),
                Outcome::Delivered { .. } => assert!(!entries.is_empty() && !poisoned, "{}", context()),
                Outcome::Dead { reason, .. } => {
                    assert!(poisoned && !entries.is_empty(), "{}", context());
                    let words = match self.shape.dialect {
                        Dialect::Whole => "400".to_owned(),
                        Dialect::Counts => "refused".to_owned(),
                        _ => format!("person {} is not wanted", told.number),
                    };
                    assert!(reason.contains(&words), "{}", context());
                }
            }
            expected.extend(entries);
        }
        assert!(state.taken.keys().all(|e| expected.contains(e)), "seed {seed}: nothing else was sent");
        drop(state);
        self.check_order();
        self.check_caps();
    }

    /// In each lane nothing comes after what is later.
    pub(crate) fn check_order(&self) {
        // What comes again, as it may after a restart, was in order when it came first.
        let mut seen = HashSet::new();
        let mut latest: HashMap<(u8, String, String), (u64, usize)> = HashMap::new();
        for (nth, arrival) in self.arrivals().iter().enumerate().filter(|(_, a)| !a.repeated) {
            for entry in arrival.done.iter().filter(|e| seen.insert((*e).clone())) {
                let told = &self.told[entry.export as usize - 1];
                let lane = (told.name, entry.segment.clone(), entry.namespaces.clone());
                let known = latest.entry(lane).or_insert((0, nth));
                assert!(
                    known.0 <= told.key.seq,
                    "seed {}: {entry:?} came in request {nth}, after seq {} of its lane in request {}",
                    self.seed,
                    known.0,
                    known.1
                );
                *known = (told.key.seq, nth);
            }
        }
    }

    fn check_caps(&self) {
        let mut bodies: HashMap<String, String> = HashMap::new();
        for arrival in self.arrivals() {
            let body = bodies.entry(arrival.id.clone()).or_insert_with(|| arrival.body.clone());
            assert_eq!(*body, arrival.body, "seed {}: one delivery id, two bodies", self.seed);
        }
        for arrival in self.arrivals() {
            let users = arrival.entries.len();
            assert!(users <= self.shape.users_max as usize, "seed {}: {users} users in a request", self.seed);
            let exports: HashSet<&Entry> = arrival.entries.iter().collect();
            assert_eq!(exports.len(), users, "seed {}: a record twice in a request", self.seed);
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// One name is no header value.
fn name_of(name: u8) -> String {
    match name {
        200 => "two\nlines".to_owned(),
        _ => format!("n{name}"),
    }
}

/// Runs a case per seed, several at a time. `BATCHING_CASES` multiplies them by so many hundredths.
pub(crate) fn for_seeds<F: Future<Output = ()> + Send + 'static>(cases: u64, case: fn(u64) -> F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (first, cases) = match std::env::var("BATCHING_SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => (seed, 1),
        None => (0, cases * std::env::var("BATCHING_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100) / 100),
    };
    runtime.block_on(async {
        let mut running = tokio::task::JoinSet::new();
        for seed in first..first + cases {
            running.spawn(case(seed));
            if running.len() >= 8 {
                finished(running.join_next().await);
            }
        }
        while let Some(ended) = running.join_next().await {
            finished(Some(ended));
        }
    });
}

fn finished(ended: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
