//! The rules of envelopes, identities and events, one message a line (profile.md §4.1, §5.4, §7.2, §7.3).
#![allow(clippy::unwrap_used)]

use clock::Clock;
use engine::{
    Compiler, DatasetPlan, Engine, IdentityPath, InletPlan, Namespace, Namespaces, Options, Plan, SandboxPlan,
};
use ingest::{Ingest, Settings};
use model::{Collection, DatasetNo, DocChange, DocSet, Identity, NamespaceId, SandboxId, SmolStr, Timestamp};
use profile::{AttributeMerge, Graph, MergePolicy};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::memory::{MemoryLog, MemoryStore};

const SANDBOX: SandboxId = SandboxId(1);
/// 2026-02-02T02:40:00Z
const NOW: Timestamp = Timestamp(1_770_000_000_000);
const ORG: &str = "ACME@AdobeOrg";
const ECID: &str = "31415926535897932384626433832795028841";

fn namespaces() -> Namespaces {
    let mut all = Namespaces::default();
    for (id, code, in_graph) in
        [(4, "ECID", true), (6, "Email", true), (900, "crm", true), (901, "CRM", true), (902, "Shop", false)]
    {
        all.insert(NamespaceId(id), Namespace { code: code.into(), in_graph, rank: 0, standard: id < 100 });
    }
    all
}

fn schema(behavior: &str) -> Arc<xdm::Schema> {
    let text = || json!({ "type": "string" });
    let mut properties = json!({
        "identityMap": { "type": "object", "additionalProperties": { "type": "array", "items": {
            "type": "object", "properties": { "id": text(), "authenticatedState": text(), "primary": { "type": "boolean" } }
        } } },
        "personalEmail": { "type": "object", "properties": { "address": text() } },
        "customer": text(), "city": text(),
    });
    if behavior == "time-series" {
        properties["_id"] = text();
        properties["timestamp"] = json!({ "type": "string", "format": "date-time" });
    }
    let document = json!({ "$id": behavior, "meta:extends": [format!("https://ns.adobe.com/xdm/data/{behavior}")],
        "type": "object", "properties": properties });
    Arc::new(xdm::Schema::from_json(&document).unwrap())
}

struct TestCompiler;

impl Compiler for TestCompiler {
    fn compile(&self, docs: &DocSet) -> Plan {
        let email = |primary| IdentityPath {
            path: vec!["personalEmail".into(), "address".into()],
            namespace: NamespaceId(6),
            primary,
        };
        let customer = IdentityPath { path: vec!["customer".into()], namespace: NamespaceId(901), primary: false };
        let mut datasets = HashMap::new();
        for (no, id, behavior, paths, profile_enabled, identity_enabled) in [
            (1, "crm", "record", vec![email(true), customer.clone()], true, true),
            (2, "map", "record", vec![], true, true),
            (3, "web", "time-series", vec![email(false), customer], true, true),
            (4, "off", "record", vec![], false, true),
            (5, "unlinked", "record", vec![], true, false),
        ] {
            let plan = DatasetPlan {
                no: DatasetNo(no),
                id: id.into(),
                schema_id: behavior.into(),
                schema: schema(behavior),
                identity_paths: paths,
                profile_enabled,
                identity_enabled,
            };
            datasets.insert(SmolStr::new(id), Arc::new(plan));
        }
        let policy = MergePolicy { id: "p".into(), graph: Graph::Pdg, attributes: AttributeMerge::TimestampOrdered };
        let sandbox = SandboxPlan {
            namespaces: namespaces(),
            datasets,
            inlets: HashMap::from([("inlet".into(), InletPlan { connection: "c".into(), authenticated: false })]),
            merge_policies: vec![policy],
            ..SandboxPlan::default()
        };
        Plan { n: docs.n, sandboxes: [(SANDBOX, Arc::new(sandbox))].into() }
    }
}

struct Room {
    engine: Arc<Engine>,
    ingest: Ingest,
    runtime: tokio::runtime::Runtime,
}

impl Room {
    fn new() -> Room {
        let clock = Clock::manual(NOW);
        let options = Options {
            partitions: 2,
            workers: 1,
            cache_bytes: 1 << 20,
            backlog_bytes_max: 1 << 30,
            follow_time: true,
            on_export: Arc::new(|_, _| {}),
        };
        let (log, store) = (Arc::new(MemoryLog::new()), Arc::new(MemoryStore::new()));
        let engine = Arc::new(Engine::open(log, store, clock.clone(), Box::new(TestCompiler), options).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let change = DocChange::put(SANDBOX, Collection::Dataset, "any", json!({}), "test");
        let changed = runtime.block_on(engine.control().change(|_| Ok::<_, ()>((vec![change], ()))));
        assert!(changed.is_ok());
        let settings = Settings { future_ms_max: 300_000, xaction_seed: || [7; 16] };
        Room { ingest: Ingest::new(engine.clone(), clock, settings), engine, runtime }
    }

    /// `accepted`, `quarantined: POINTER KEYWORD …` or `STATUS message`.
    fn send(&self, message: &[u8]) -> String {
        let current = self.engine.control().current();
        let inlet = ingest::inlet(&current.plan, "inlet").unwrap();
        let before = self.engine.quarantined(SANDBOX, usize::MAX).unwrap().len();
        let sent = self.runtime.block_on(self.ingest.one(&inlet, ORG, message, false));
        if let Err(fault) = sent {
            return format!("{} {}", fault.status, fault.message);
        }
        self.engine.wait_applied().unwrap();
        let quarantined = self.engine.quarantined(SANDBOX, usize::MAX).unwrap();
        if quarantined.len() == before {
            return "accepted".into();
        }
        let newest = quarantined.iter().max_by_key(|q| (q.violations.len(), q.number)).unwrap();
        assert!(quarantined.iter().any(|q| q.message == message), "the message is kept as it came");
        let newest = quarantined.iter().find(|q| q.message == message).unwrap_or(newest);
        let violations: Json = serde_json::from_slice(&newest.violations).unwrap();
        let line = |v: &Json| format!(" {} {}", v["pointer"].as_str().unwrap(), v["keyword"].as_str().unwrap());
        format!("quarantined:{}", violations.as_array().unwrap().iter().map(line).collect::<String>())
    }

    fn identities_of(&self, namespace: u32, value: &str) -> Vec<String> {
        let identity = Identity { namespace: NamespaceId(namespace), value: value.into() };
        let found = self.engine.profile_of(SANDBOX, &identity).unwrap();
        let known = found.map(|p| p.profile.identities).unwrap_or_default();
        let mut all: Vec<String> =
            known.iter().map(|k| format!("{}:{}", k.identity.namespace, k.identity.value)).collect();
        all.sort();
        all
    }
}

fn message(dataset: &str, entity: Json) -> Json {
    let schema = if dataset == "web" { "time-series" } else { "record" };
    json!({ "header": { "schemaRef": { "id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1" },
        "imsOrgId": ORG, "datasetId": dataset },
        "body": { "xdmMeta": { "schemaRef": { "id": schema } }, "xdmEntity": entity } })
}

fn bytes(message: &Json) -> Vec<u8> {
    message.to_string().into_bytes()
}

#[test]
fn envelopes() {
    let room = Room::new();
    let entity = json!({ "personalEmail": { "address": "a@b.example" } });
    let good = message("crm", entity);
    assert_eq!(room.send(&bytes(&good)), "accepted");
    let with = |pointer: &str, value: Json| {
        let mut changed = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Json::Null => drop(parent.remove(name)),
            value => drop(parent.insert(name.into(), value)),
        }
        bytes(&changed)
    };
    let unknown = "400 Message has unknown xdm format";
    let table: Vec<(Vec<u8>, &str)> = vec![
        (with("/body/xdmMeta", Json::Null), "accepted"),
        (with("/header/schemaRef/contentType", Json::Null), "accepted"),
        (with("/header/flowId", json!("f")), "accepted"),
        (with("/header/createdAt", json!(1_770_000_000_000_i64)), "accepted"),
        (with("/header/source", json!({ "name": "crm" })), "accepted"),
        (with("/header/imsOrgId", Json::Null), "400 Message has an absent or wrong ims org in the header"),
        (with("/header/imsOrgId", json!("other@AdobeOrg")), "400 Message has an absent or wrong ims org in the header"),
        (with("/header/datasetId", Json::Null), "400 header.datasetId is missing"),
        (with("/header/datasetId", json!("nope")), "400 header.datasetId: there is no data set"),
        (with("/header/datasetId", json!("web")), "400 header.schemaRef.id is \"record\", the schema of data set web"),
        (with("/header/datasetId", json!("off")), "400 header.datasetId: data set off is not enabled for Profile"),
        (
            with("/header/schemaRef/id", json!("x")),
            "400 body.xdmMeta.schemaRef.id is \"record\", header.schemaRef.id is \"x\"",
        ),
        (
            with("/header/schemaRef/contentType", json!("text/plain")),
            "400 header.schemaRef.contentType is \"text/plain\"",
        ),
        (
            with("/body/xdmMeta/schemaRef/contentType", json!("a/b")),
            "400 body.xdmMeta.schemaRef.contentType is \"a/b\"",
        ),
        (with("/header", Json::Null), unknown),
        (with("/body", Json::Null), unknown),
        (with("/body/xdmEntity", Json::Null), unknown),
        (with("/body/xdmEntity", json!([])), unknown),
        (with("/body/xdmEntity", json!("x")), unknown),
        (with("/header/schemaRef", Json::Null), unknown),
        (with("/header/operations", json!({ "data": "merge" })), unknown),
        (with("/header/datasetId", json!(5)), unknown),
        (with("/more", json!(1)), unknown),
        (b"".to_vec(), unknown),
        (b"[]".to_vec(), unknown),
        (b"{\"header\":".to_vec(), unknown),
        (b"\xff\xfe".to_vec(), unknown),
        (vec![b'['; 100_000], unknown),
    ];
    for (message, expected) in table {
        let seen = room.send(&message);
        assert!(seen.starts_with(expected), "{}\n{seen}\n{expected}", String::from_utf8_lossy(&message));
    }
    let refused = room.ingest.counters().refused.load(Ordering::Relaxed);
    assert_eq!(refused, 23, "what is refused is counted and changes nothing");
    assert_eq!(room.engine.census().unwrap().stock[&SANDBOX].profiles, 1);
}

fn map(entries: &[(&str, Json)]) -> Json {
    let mut map = serde_json::Map::new();
    for (code, entries) in entries {
        map.insert((*code).into(), entries.clone());
    }
    json!({ "identityMap": map })
}

#[test]
fn identities() {
    let one = |id: &str| json!([{ "id": id }]);
    let primary = |id: &str| json!([{ "id": id, "primary": true }]);
    let many =
        |n: usize| Json::from((0..n).map(|i| json!({ "id": format!("i{i}"), "primary": i == 0 })).collect::<Vec<_>>());
    let none = "quarantined: /identityMap required";
    let table: Vec<(&str, Json, &str)> = vec![
        ("one identity needs no mark", map(&[("Email", one("a"))]), "accepted"),
        ("standard codes match in any case", map(&[("eMAIL", one("a"))]), "accepted"),
        (
            "custom codes match exactly",
            map(&[("Crm", one("a"))]),
            "quarantined: /identityMap/Crm namespace /identityMap required",
        ),
        ("both customs are there", map(&[("crm", primary("a")), ("CRM", one("a"))]), "accepted"),
        ("several and none primary", map(&[("Email", one("a")), ("crm", one("b"))]), none),
        ("several and one primary", map(&[("Email", primary("a")), ("crm", one("b"))]), "accepted"),
        ("two primary", map(&[("Email", primary("a")), ("crm", primary("b"))]), "quarantined: /identityMap primary"),
        (
            "two primary of one namespace",
            map(&[("Email", json!([{ "id": "a", "primary": true }, { "id": "b", "primary": true }]))]),
            "quarantined: /identityMap primary",
        ),
        (
            "the same one twice is one",
            map(&[("Email", json!([{ "id": "a" }, { "id": "a", "primary": true }]))]),
            "accepted",
        ),
        ("empty ids are dropped", map(&[("Email", json!([{ "id": "" }, { "id": "a" }]))]), "accepted"),
        ("nothing but empty ids", map(&[("Email", one(""))]), none),
        ("no map", json!({ "city": "Paris" }), none),
        ("an ECID has 38 digits", map(&[("ECID", one(ECID))]), "accepted"),
        ("not 37", map(&[("ECID", one(&ECID[1..]))]), "quarantined: /identityMap/ECID pattern /identityMap required"),
        (
            "digits only",
            map(&[("ECID", one(&ECID.replace('3', "x")))]),
            "quarantined: /identityMap/ECID pattern /identityMap required",
        ),
        ("1024 characters", map(&[("Email", one(&"é".repeat(1024)))]), "accepted"),
        (
            "not 1025",
            map(&[("Email", one(&"a".repeat(1025)))]),
            "quarantined: /identityMap/Email maxLength /identityMap required",
        ),
        ("20 identities", map(&[("Email", many(20))]), "accepted"),
        ("not 21", map(&[("Email", many(21))]), "quarantined: /identityMap maxItems"),
        ("outside graphs", map(&[("Shop", one("s"))]), "accepted"),
        (
            "against the schema",
            json!({ "identityMap": { "Email": [{ "id": "a" }] }, "city": 1 }),
            "quarantined: /city type",
        ),
    ];
    for (why, entity, expected) in table {
        assert_eq!(Room::new().send(&bytes(&message("map", entity))), expected, "{why}");
    }
}

#[test]
fn identities_of_fields_and_maps_together() {
    let room = Room::new();
    // A primary descriptor wins over the map.
    let mut entity = map(&[("ECID", json!([{ "id": ECID, "primary": true }]))]);
    entity["personalEmail"] = json!({ "address": "a@b.example" });
    entity["customer"] = json!("17");
    assert_eq!(room.send(&bytes(&message("crm", entity))), "accepted");
    let all = vec![format!("4:{ECID}"), "6:a@b.example".into(), "901:17".into()];
    for (namespace, value) in [(4, ECID), (6, "a@b.example"), (901, "17")] {
        assert_eq!(room.identities_of(namespace, value), all);
    }
    let identity = Identity { namespace: NamespaceId(6), value: "a@b.example".into() };
    let stored = room.engine.profile_of(SANDBOX, &identity).unwrap().unwrap();
    assert_eq!(stored.profile.fragments[0].identity, identity, "its fragment is the primary identity's");
    assert_eq!(stored.id, identity.xid(SANDBOX), "and names the profile");
    // The same value in map and field is one identity; values are case-sensitive and not trimmed.
    let mut entity = map(&[("Email", json!([{ "id": " A@b.example" }]))]);
    entity["personalEmail"] = json!({ "address": " A@b.example" });
    assert_eq!(room.send(&bytes(&message("crm", entity))), "accepted");
    assert_eq!(room.identities_of(6, " A@b.example"), ["6: A@b.example"]);
    assert_eq!(room.identities_of(6, "A@b.example"), Vec::<String>::new());
    // Without its primary field the record has two and no mark.
    let mut entity = map(&[("ECID", json!([{ "id": ECID }]))]);
    entity["customer"] = json!("18");
    assert_eq!(room.send(&bytes(&message("crm", entity))), "quarantined: /identityMap required");
}

#[test]
fn only_data_sets_tagged_for_identity_make_links() {
    let room = Room::new();
    let entity = map(&[("Email", json!([{ "id": "a", "primary": true }])), ("crm", json!([{ "id": "1" }]))]);
    assert_eq!(room.send(&bytes(&message("unlinked", entity.clone()))), "accepted");
    assert_eq!(room.identities_of(6, "a"), ["6:a"]);
    assert_eq!(room.identities_of(900, "1"), Vec::<String>::new());
    assert_eq!(room.send(&bytes(&message("map", entity))), "accepted");
    assert_eq!(room.identities_of(900, "1"), ["6:a", "900:1"]);
}

#[test]
fn a_primary_identity_outside_graphs_joins_nobody() {
    let room = Room::new();
    assert_eq!(room.send(&bytes(&message("map", map(&[("Email", json!([{ "id": "a" }]))])))), "accepted");
    let entity = map(&[("Shop", json!([{ "id": "s", "primary": true }])), ("Email", json!([{ "id": "a" }]))]);
    assert_eq!(room.send(&bytes(&message("map", entity))), "accepted");
    assert_eq!(
        (room.identities_of(902, "s"), room.identities_of(6, "a")),
        (vec!["902:s".into()], vec!["6:a".to_owned()])
    );
}

#[test]
fn events() {
    let event = |id: Json, timestamp: Json| {
        let mut entity = map(&[("Email", json!([{ "id": "a" }]))]);
        for (name, value) in [("_id", id), ("timestamp", timestamp)] {
            if !value.is_null() {
                entity[name] = value;
            }
        }
        bytes(&message("web", entity))
    };
    let at = |ms: i64| json!(Timestamp(NOW.0 + ms).to_string());
    let table = [
        ("as it should be", event(json!("1"), at(0)), "accepted"),
        ("again", event(json!("1"), at(0)), "accepted"),
        ("with an offset", event(json!("2"), json!("2026-02-01T00:00:00+05:30")), "accepted"),
        ("long ago", event(json!("3"), json!("1999-01-01T00:00:00Z")), "accepted"),
        ("a little ahead", event(json!("4"), at(300_000)), "accepted"),
        ("in the future", event(json!("5"), at(300_001)), "quarantined: /timestamp maximum"),
        ("without a time", event(json!("6"), Json::Null), "quarantined: /timestamp required"),
        ("a day is no instant", event(json!("7"), json!("2026-02-01")), "quarantined: /timestamp format"),
        ("without an id", event(Json::Null, at(0)), "quarantined: /_id required"),
        ("with an empty id", event(json!(""), at(0)), "quarantined: /_id required"),
    ];
    let room = Room::new();
    for (why, message, expected) in table {
        assert_eq!(room.send(&message), expected, "{why}");
    }
    assert_eq!(room.engine.census().unwrap().stock[&SANDBOX].events, 4, "a repeat is harmless");
}

#[test]
fn sizes() {
    let room = Room::new();
    let sized = |dataset: &str, size: usize| {
        let mut entity = map(&[("Email", json!([{ "id": "a" }]))]);
        entity["city"] = json!("");
        if dataset == "web" {
            entity["_id"] = json!("1");
            entity["timestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let room = size - bytes(&message(dataset, entity.clone())).len();
        entity["city"] = json!("x".repeat(room));
        bytes(&message(dataset, entity))
    };
    for (dataset, limit) in [("web", 10 * 1024), ("map", 100 * 1024)] {
        assert_eq!(room.send(&sized(dataset, limit)), "accepted");
        let expected = format!("400 the message has {} bytes; at most {limit} are taken", limit + 1);
        assert_eq!(room.send(&sized(dataset, limit + 1)), expected);
    }
}

#[test]
fn synchronous_validation_refuses_what_would_be_kept_aside() {
    let room = Room::new();
    let current = room.engine.control().current();
    let inlet = ingest::inlet(&current.plan, "inlet").unwrap();
    let wrong = bytes(&message("map", json!({ "city": 1 })));
    let fault = room.runtime.block_on(room.ingest.one(&inlet, ORG, &wrong, true)).unwrap_err();
    assert_eq!((fault.status, fault.violations.len()), (400, 1));
    assert_eq!(room.engine.quarantined(SANDBOX, 9).unwrap().len(), 0, "and keeps nothing");
    let right = bytes(&message("map", map(&[("Email", json!([{ "id": "a" }]))])));
    assert!(room.runtime.block_on(room.ingest.one(&inlet, ORG, &right, true)).is_ok());
}

#[test]
fn many_messages_are_answered_in_order_each_for_itself() {
    let room = Room::new();
    let current = room.engine.control().current();
    let inlet = ingest::inlet(&current.plan, "inlet").unwrap();
    let good = bytes(&message("map", map(&[("Email", json!([{ "id": "a" }]))])));
    let kept_aside = bytes(&message("map", json!({ "city": "Paris" })));
    let messages: [&[u8]; 4] = [&good, b"{}", &kept_aside, &good];
    let answers = room.runtime.block_on(room.ingest.many(&inlet, ORG, &messages)).unwrap();
    let taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false, true, true]);
    let ids: std::collections::HashSet<_> = answers.iter().flatten().map(|a| a.xaction_id.clone()).collect();
    assert_eq!(ids.len(), 3, "every message has a name of its own");
    let counters = room.ingest.counters();
    let counts = [&counters.accepted, &counters.quarantined, &counters.refused].map(|c| c.load(Ordering::Relaxed));
    assert_eq!(counts, [2, 1, 1]);
}
