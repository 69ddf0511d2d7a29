//! A small world: its documents, the compiler that reads them, and an engine that can be dropped.

use activation::{FlowPlan, MappedAudience, Triggers};
use audience::{Audience, Audiences};
use clock::Clock;
use engine::{Compiler, Engine, Namespace, Namespaces, Options, Plan, SandboxPlan};
use model::{AudienceNo, Collection, DocChange, DocSet, FlowNo, Identity, NamespaceId, SandboxId, SmolStr, Timestamp};
use profile::{AttributeMerge, AuthState, Graph, MergePolicy, RecordIdentity};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::memory::{MemoryLog, MemoryStore};
use store::{Batch, Keyspace, Log, Store};

pub(crate) const SANDBOX: SandboxId = SandboxId(1);
pub(crate) const DAY: i64 = 86_400_000;

/// An audience as its document says. Ids are in evaluation order.
#[derive(Debug, Clone)]
pub(crate) struct AudienceDoc {
    pub(crate) id: SmolStr,
    pub(crate) pql: String,
    /// Opt-outs are left out.
    pub(crate) opt_out: bool,
}

impl AudienceDoc {
    pub(crate) fn change(&self) -> DocChange {
        let body = json!({ "pql": self.pql, "optOut": self.opt_out });
        DocChange::put(SANDBOX, Collection::Audience, self.id.clone(), body, "test")
    }

    pub(crate) fn query(&self) -> pql::Query {
        match pql::compile_segment(&self.pql, &pql::Schema::untyped()) {
            Ok(query) => query,
            Err(faults) => panic!("{}: {faults:?}", self.pql),
        }
    }
}

/// A flow as its document says.
#[derive(Debug, Clone)]
pub(crate) struct FlowDoc {
    pub(crate) id: &'static str,
    pub(crate) enabled: bool,
    /// attribute, segmentation, identity
    pub(crate) triggers: [bool; 3],
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) mapped: BTreeMap<String, u64>,
}

impl FlowDoc {
    pub(crate) fn change(&self) -> DocChange {
        let body = json!({ "enabled": self.enabled, "triggers": self.triggers, "attributes": self.attributes,
            "mapped": self.mapped });
        DocChange::put(SANDBOX, Collection::Flow, self.id, body, "test")
    }
}

/// Keeps what it compiled, as the real one does.
#[derive(Default)]
pub(crate) struct TestCompiler {
    known: Mutex<(Compiled, Audiences)>,
}

/// By id, number and last change.
type Compiled = HashMap<(SmolStr, u32, u64), Arc<Audience>>;

impl Compiler for TestCompiler {
    fn compile(&self, docs: &DocSet) -> Plan {
        let mut sandboxes = BTreeMap::new();
        if docs.n > 0 {
            sandboxes.insert(SANDBOX, Arc::new(self.sandbox(docs)));
        }
        Plan { n: docs.n, sandboxes }
    }
}

impl TestCompiler {
    fn sandbox(&self, docs: &DocSet) -> SandboxPlan {
        let mut known = self.known.lock().expect("no panic while it is held");
        let (queries, before) = &mut *known;
        let ordered = docs.iter(SANDBOX, Collection::Audience).map(|doc| {
            let key = (doc.id.clone(), doc.no, doc.changed_n);
            queries.entry(key).or_insert_with(|| Arc::new(audience(doc))).clone()
        });
        let ordered: Vec<Arc<Audience>> = ordered.collect();
        // Now and then the audiences that stayed the same come in a table of their own.
        let audiences =
            if docs.n.is_multiple_of(3) { Audiences::new(ordered) } else { Audiences::renewed(before, ordered) };
        *before = audiences.clone();
        let flows = docs.iter(SANDBOX, Collection::Flow).map(|d| Arc::new(flow(d, &audiences))).collect();
        SandboxPlan {
            namespaces: namespaces(),
            sources: Some(docs.iter(SANDBOX, Collection::Dataset).map(|doc| model::DatasetNo(doc.no)).collect()),
            merge_policies: vec![policy()],
            audiences,
            flows,
            ..SandboxPlan::default()
        }
    }
}

fn audience(doc: &model::Doc) -> Audience {
    let pql = doc.body["pql"].as_str().expect("text").to_owned();
    let spec = AudienceDoc { id: doc.id.clone(), pql, opt_out: doc.body["optOut"] == true };
    Audience {
        no: AudienceNo(doc.no),
        id: doc.id.clone(),
        name: doc.id.clone(),
        query: spec.query(),
        changed_n: doc.changed_n,
        policy: 0,
        exclude_opt_out: spec.opt_out,
        created: doc.created_at,
        updated: doc.updated_at,
    }
}

fn flow(doc: &model::Doc, audiences: &Audiences) -> FlowPlan {
    let flag = |v: &Json| v.as_bool().expect("a flag");
    let mut mapped: Vec<MappedAudience> = doc.body["mapped"]
        .as_object()
        .expect("a map")
        .iter()
        .filter_map(|(id, n)| {
            let audience = audiences.by_id(id)?;
            Some(MappedAudience {
                no: audience.no,
                id: audience.id.clone(),
                name: audience.name.clone(),
                mapped_n: n.as_u64().expect("a number"),
                created: audience.created,
                updated: audience.updated,
                mapping_created: audience.created,
                mapping_updated: audience.created,
            })
        })
        .collect();
    mapped.sort_by_key(|m| m.no);
    let triggers = &doc.body["triggers"];
    FlowPlan {
        no: FlowNo(doc.no),
        id: doc.id.clone(),
        name: doc.id.clone(),
        enabled: flag(&doc.body["enabled"]),
        audiences: mapped,
        attributes: doc.body["attributes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|p| p.as_str().expect("text").split('.').map(SmolStr::new).collect())
            .collect(),
        triggers: Triggers {
            attribute: flag(&triggers[0]),
            segmentation: flag(&triggers[1]),
            identity: flag(&triggers[2]),
        },
        include_names: false,
        include_timestamps: false,
        legacy_status: false,
    }
}

pub(crate) fn policy() -> MergePolicy {
    MergePolicy { id: "default".into(), graph: Graph::Pdg, attributes: AttributeMerge::TimestampOrdered }
}

fn namespaces() -> Namespaces {
    let mut all = Namespaces::default();
    for (id, code, rank) in [(4, "ECID", 0), (6, "Email", 2), (11, "CRM", 2)] {
        all.insert(NamespaceId(id), Namespace { code: code.into(), in_graph: true, rank, standard: id < 10 });
    }
    all
}

pub(crate) fn identity(namespace: u32, value: &str) -> Identity {
    Identity { namespace: NamespaceId(namespace), value: value.into() }
}

pub(crate) fn in_record(identity: Identity, primary: bool) -> RecordIdentity {
    RecordIdentity { identity, state: AuthState::default(), primary, mapped: true, in_graph: true }
}

/// A deterministic source of chance.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A log, a store and an engine over them.
pub(crate) struct Machine {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Clock,
    pub(crate) partitions: u16,
    pub(crate) workers: usize,
    /// Room for profiles in memory.
    pub(crate) cache_bytes: usize,
    engine: Option<Engine>,
    runtime: tokio::runtime::Runtime,
}

impl Machine {
    pub(crate) fn new(partitions: u16, workers: usize, cache_bytes: usize, start: Timestamp) -> Machine {
        let mut machine = Machine {
            log: Arc::new(MemoryLog::new()),
            store: Arc::new(MemoryStore::new()),
            clock: Clock::manual(start),
            partitions,
            workers,
            cache_bytes,
            engine: None,
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
        };
        machine.open();
        machine
    }

    fn open(&mut self) {
        let size = (self.partitions, self.workers, self.cache_bytes);
        self.engine = Some(open(&self.log, &self.store, &self.clock, size));
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("open")
    }

    /// Stops the engine after the batch in hand and opens it again on the same rows.
    pub(crate) fn reopen(&mut self) {
        self.engine = None;
        self.open();
    }

    /// The same on older rows, as after a crash of a store that was not synced.
    pub(crate) fn reopen_on(&mut self, store: Arc<MemoryStore>) {
        self.engine = None;
        self.store = store;
        self.open();
    }

    /// Makes the rows anew from the log alone, with another room for profiles, and asserts that they are the same.
    pub(crate) fn rebuild_and_compare(&mut self, what: &str, cache_bytes: usize) {
        self.settle();
        self.engine = None;
        // A tick for a timer that was set anew meanwhile may be in the log and not applied.
        self.open();
        self.engine = None;
        let before = self.log.bytes();
        let fresh = Arc::new(MemoryStore::new());
        let clock = Clock::manual(self.clock.now());
        drop(open(&self.log, &fresh, &clock, (self.partitions, 1, cache_bytes)));
        assert_eq!(self.log.bytes(), before, "{what}: a rebuild appends nothing to the log");
        if let Some(d) = store::compare(&*self.store, &*fresh).expect("compare") {
            let text = |row: &Option<Vec<u8>>| {
                row.as_ref().map(|r| match d.keyspace {
                    Keyspace::Profile => format!("{:?}", profile::Row::decode(r)),
                    _ => format!("{r:?}"),
                })
            };
            panic!("{what}: {:?} {:?}\n stored  {:?}\n rebuilt {:?}", d.keyspace, d.key, text(&d.left), text(&d.right));
        }
        self.store = fresh;
        self.open();
    }

    /// A copy of the rows as they are.
    pub(crate) fn copy_rows(&self) -> Arc<MemoryStore> {
        let (view, copy) = (self.store.snapshot().expect("snapshot"), MemoryStore::new());
        for keyspace in Keyspace::ALL {
            let mut batch = Batch::new();
            let visit = &mut |key: &[u8], value: &[u8]| {
                batch.put(keyspace, key, value);
                ControlFlow::Continue(())
            };
            view.scan(keyspace, Bound::Unbounded, Bound::Unbounded, visit).expect("scan");
            copy.commit(&batch).expect("commit");
        }
        Arc::new(copy)
    }

    /// Waits until everything is applied and no timer is due.
    pub(crate) fn settle(&self) {
        let started = Instant::now();
        let engine = self.engine();
        loop {
            if engine.backlog_entries() == 0 && !self.has_due_timer() && engine.backlog_entries() == 0 {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "the engine does not come to rest");
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    fn has_due_timer(&self) -> bool {
        let now = self.clock.now().0;
        (0..self.partitions).any(|p| {
            let mut prefix = vec![b't'];
            prefix.extend_from_slice(&p.to_be_bytes());
            let mut due = false;
            let visit = &mut |key: &[u8], _: &[u8]| {
                let at = u64::from_be_bytes(key[3..11].try_into().expect("eight bytes")) ^ (1 << 63);
                due = at as i64 <= now;
                ControlFlow::Break(())
            };
            self.store.scan_prefix(Keyspace::Queue, &prefix, visit).expect("scan");
            due
        })
    }

    /// Changes documents; answers the position of the last change.
    pub(crate) fn change(&self, changes: Vec<DocChange>) {
        let control = self.engine().control();
        let changed = self.runtime.block_on(control.change(|_| Ok::<_, ()>((changes, ()))));
        assert!(changed.is_ok(), "a change was not accepted");
    }

    pub(crate) fn position(&self) -> u64 {
        self.engine().control().current().docs.n
    }

    pub(crate) fn append(&self, records: Vec<profile::Record>) {
        let engine = self.engine();
        let placed = records.into_iter().map(|r| engine.place(SANDBOX, r).expect("placed")).collect();
        self.run(engine.append(placed)).expect("appended");
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// The size: partitions, workers, room for profiles.
fn open(log: &Arc<MemoryLog>, store: &Arc<MemoryStore>, clock: &Clock, size: (u16, usize, usize)) -> Engine {
    let (partitions, workers, cache_bytes) = size;
    let options = Options {
        partitions,
        workers,
        cache_bytes,
        backlog_bytes_max: u64::MAX,
        follow_time: true,
        on_export: Arc::new(|_, _| {}),
    };
    Engine::open(log.clone(), store.clone(), clock.clone(), Box::new(TestCompiler::default()), options).expect("opened")
}
