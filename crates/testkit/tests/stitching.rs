//! Merges under load and with exports on their way (design, §11.2 and §11.3).

use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Flow, World, crm, until};

const BUYERS: &str = r#"xEvent[eventType = "commerce.purchases"].count() >= 1"#;
const NOW: &str = "2026-03-01T11:00:00Z";

/// A number sequence that is the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Which identities are one profile, by the simplest union-find.
#[derive(Default)]
struct Graph(BTreeMap<String, String>);

impl Graph {
    fn root(&mut self, id: &str) -> String {
        let mut at = id.to_owned();
        while let Some(up) = self.0.get(&at).filter(|up| **up != at) {
            at = up.clone();
        }
        self.0.entry(at.clone()).or_insert(at).clone()
    }

    fn link(&mut self, a: &str, b: &str) {
        let (a, b) = (self.root(a), self.root(b));
        self.0.insert(a, b);
    }

    fn roots(&mut self) -> BTreeSet<String> {
        let all: Vec<String> = self.0.keys().cloned().collect();
        all.iter().map(|id| self.root(id)).collect()
    }
}

#[test]
fn links_from_many_sides_at_once_give_one_profile_each() {
    const LANES: u64 = 4;
    const EACH: u64 = 600;
    const IDS: u64 = 200;
    let mut world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let twice = world.audience("twice", r#"xEvent[eventType = "commerce.purchases"].count() >= 2"#);
    let flow = world.flow(&Flow::to(&[&audience, &twice]));
    let (mut graph, mut events) = (Graph::default(), BTreeMap::<String, u64>::new());
    let mut lanes: Vec<Vec<Json>> = Vec::new();
    for lane in 0..LANES {
        let mut dice = Dice(7 + lane);
        let mut messages = Vec::new();
        for n in 0..EACH {
            // Eight of each kind at most become one profile, far from the limit of identities.
            let person = dice.roll(IDS);
            let crm = format!("c{person}");
            let email = format!("e{}@example.com", person / 8 * 8 + dice.roll(8));
            let _ = graph.root(&crm);
            *events.entry(crm.clone()).or_default() += 1;
            let mut identities = vec![("CRMID", crm.as_str())];
            if dice.roll(3) == 0 {
                graph.link(&crm, &email);
                identities.push(("Email", email.as_str()));
            }
            messages.push(world.purchase(&format!("l{lane}-{n}"), &identities, NOW, 1.0));
        }
        lanes.push(messages);
    }
    std::thread::scope(|scope| {
        for lane in &lanes {
            let world = &world;
            scope.spawn(move || lane.chunks(7).for_each(|chunk| world.send(chunk)));
        }
    });
    world.server.settle();
    let roots = graph.roots();
    let mut by_root = BTreeMap::<String, u64>::new();
    for (id, n) in &events {
        *by_root.entry(graph.root(id)).or_default() += n;
    }
    for round in 0..2 {
        assert_eq!(world.counts(), (roots.len() as u64, LANES * EACH), "round {round}");
        assert_eq!(world.members(&audience), by_root.len() as u64);
        assert_eq!(world.members(&twice), by_root.values().filter(|n| **n >= 2).count() as u64);
        let mut profiles = BTreeMap::<String, String>::new();
        for id in events.keys() {
            let shown = world.show("CRMID", id).ok();
            let own = shown["events"].as_array().map(Vec::len).unwrap_or_default() as u64;
            let root = graph.root(id);
            assert_eq!(own, by_root[&root], "{id}");
            let profile = shown["id"].as_str().expect("an id").to_owned();
            assert_eq!(profiles.entry(root).or_insert(profile.clone()), &profile, "{id}");
        }
        let ledger = world.ledger(&flow);
        assert_eq!((&ledger["balanced"], &ledger["waiting"], &ledger["dead"]), (&json!(true), &json!(0), &json!(0)));
        world.restart();
    }
    // What the receiver heard last of each profile is what is true.
    let mut last = BTreeMap::<String, Json>::new();
    for record in world.receiver.records() {
        let id = crm(&record.body).first().cloned().expect("a CRM id");
        last.insert(graph.root(&id), record.body);
    }
    for (root, n) in by_root {
        let ups = &last.get(&root).unwrap_or_else(|| panic!("nothing came of {root}"))["segmentMembership"]["ups"];
        assert_eq!(ups[&audience]["status"], "realized", "{root}: {ups}");
        assert_eq!(ups[&twice]["status"] == "realized", n >= 2, "{root}: {ups}");
    }
}

#[test]
fn the_earlier_entry_is_kept_whichever_side_had_it() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    // The winner is the profile that was there first; the loser was a member first.
    world.send_and_settle(&[world.visit("v0", &[("CRMID", "c")], NOW)]);
    world.advance("1d");
    world.send_and_settle(&[world.purchase("p1", &[("Email", "e@example.com")], NOW, 1.0)]);
    world.advance("1d");
    world.send_and_settle(&[world.purchase("p2", &[("CRMID", "c")], NOW, 1.0)]);
    world.advance("1d");
    world.send_and_settle(&[world.visit("v1", &[("CRMID", "c"), ("Email", "e@example.com")], NOW)]);
    let shown = world.show("CRMID", "c").ok();
    let found = shown["audiences"].as_array().and_then(|a| a.iter().find(|a| a["id"] == audience)).expect("a member");
    assert_eq!((&found["status"], &found["since"]), (&json!("realized"), &json!("2026-03-02T12:00:00Z")), "{shown}");
    assert_eq!(shown["created"], "2026-03-01T12:00:00Z", "{shown}");
}

#[test]
fn what_waits_for_a_merged_profile_goes_out_before_what_came_after() {
    let mut world = World::new();
    let audience = world.audience("known", "person.name.lastName.isNotNull()");
    let flow = world.flow(&Flow::to(&[&audience]));
    world.script(&json!({ "steps": [{ "status": 503, "repeat": 0 }] }));
    let name = |name: &str| json!({ "person": { "name": { "lastName": name } } });
    world.send(&[world.record(&[("CRMID", "c")], name("winner"))]);
    world.wait_applied();
    world.send(&[world.record(&[("Email", "e@example.com")], name("loser"))]);
    world.wait_applied();
    until("both wait", || world.ledger(&flow), |l| l["waiting"] == 2);
    world.send(&[world.visit("v1", &[("CRMID", "c"), ("Email", "e@example.com")], NOW)]);
    world.wait_applied();
    // The newer of both records wins, so it must be newer.
    world.server.advance("1s");
    world.send(&[world.record(&[("CRMID", "c")], name("merged"))]);
    world.wait_applied();
    until("all wait", || world.ledger(&flow), |l| l["waiting"].as_u64() >= Some(4));
    world.restart();
    world.script(&json!({}));
    let before = world.received_count();
    world.drive("10m");
    let names: Vec<Json> =
        world.received(before).iter().map(|r| r.body["person"]["name"]["lastName"].clone()).collect();
    let place = |name: &str| names.iter().rposition(|n| n == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    assert!(place("winner") < place("merged") && place("loser") < place("merged"), "{names:?}");
    assert_eq!(names.last(), Some(&json!("merged")), "{names:?}");
    let ledger = world.ledger(&flow);
    assert_eq!(
        (&ledger["balanced"], &ledger["waiting"], &ledger["dead"]),
        (&json!(true), &json!(0), &json!(0)),
        "{ledger}"
    );
}

#[test]
fn the_order_within_a_batch_holds_for_a_profile_that_is_new() {
    let world = World::new();
    let audience = world.audience("known", "person.name.lastName.isNotNull()");
    world.flow(&Flow::to(&[&audience]));
    let mut messages = Vec::new();
    for round in 0..10 {
        for profile in 0..30 {
            messages.push(world.person(&[("CRMID", &format!("n{profile}"))], &format!("v{round}")));
        }
    }
    world.send_and_settle(&messages);
    let mut last = BTreeMap::<String, Vec<Json>>::new();
    for record in world.receiver.records() {
        last.entry(crm(&record.body).remove(0)).or_default().push(record.body["person"]["name"]["lastName"].clone());
    }
    assert_eq!(last.len(), 30);
    let wanted: Vec<Json> = (0..10).map(|n| json!(format!("v{n}"))).collect();
    for (id, names) in last {
        assert_eq!(names, wanted, "{id}");
        assert_eq!(world.show("CRMID", &id).ok()["attributes"]["person"]["name"]["lastName"], "v9");
    }
}

#[test]
fn an_exit_is_shown_for_thirty_days() {
    let world = World::new();
    let audience = world.audience("recent", r#"xEvent[timestamp occurs <= 1 days before now].count() >= 1"#);
    world.send_and_settle(&[world.visit("v1", &[("CRMID", "c")], "2026-03-01T12:00:00.000Z")]);
    let status = || {
        let shown = world.show("CRMID", "c").ok();
        let found = shown["audiences"].as_array().and_then(|a| a.iter().find(|a| a["id"] == audience).cloned());
        found.map(|a| a["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(status().as_deref(), Some("realized"));
    world.advance("25h");
    assert_eq!(status().as_deref(), Some("exited"));
    world.advance("28d");
    assert_eq!(status().as_deref(), Some("exited"));
    world.advance("3d");
    assert_eq!(status(), None, "the exit is forgotten");
}

#[test]
fn a_changed_rule_is_in_force_for_all_profiles_and_exports_what_flips() {
    let world = World::new();
    let audience = world.audience("changing", r#"person.name.lastName = "a""#);
    let flow = world.flow(&Flow::to(&[&audience]));
    let names = ["a", "b", "a", "b", "c"];
    let people: Vec<Json> =
        names.iter().enumerate().map(|(n, name)| world.person(&[("CRMID", &format!("p{n}"))], name)).collect();
    world.send_and_settle(&people);
    assert_eq!((world.received_count(), world.members(&audience)), (2, 2));
    let path = format!("/data/core/ups/segment/definitions/{audience}");
    let rule = json!({ "type": "PQL", "format": "pql/text", "value": r#"person.name.lastName = "b""# });
    let bodies = world.bodies_of(|| {
        world.api.call("PATCH", &path, Some(&json!({ "expression": rule }))).ok();
    });
    let mut seen: Vec<(String, String)> = bodies
        .iter()
        .map(|b| {
            (crm(b).remove(0), b["segmentMembership"]["ups"][&audience]["status"].as_str().unwrap_or("").to_owned())
        })
        .collect();
    seen.sort();
    let wanted = [("p0", "exited"), ("p1", "realized"), ("p2", "exited"), ("p3", "realized")];
    assert_eq!(seen, wanted.map(|(p, s)| (p.to_owned(), s.to_owned())));
    assert_eq!(world.members(&audience), 2);
    assert_eq!(world.ledger(&flow)["balanced"], true);
    let refused = world.api.call("DELETE", &path, None);
    assert_eq!(refused.status, 400, "a flow maps it: {refused:?}");
}

#[test]
fn many_windows_that_end_together_all_end() {
    const PROFILES: usize = 3_000;
    let world = World::new();
    let audience = world.audience("recent", r#"xEvent[timestamp occurs <= 7 days before now].count() >= 1"#);
    let flow = world.flow(&Flow::to(&[&audience]));
    let visits: Vec<Json> =
        (0..PROFILES).map(|n| world.visit(&format!("v{n}"), &[("CRMID", &format!("m{n}"))], NOW)).collect();
    world.send_and_settle(&visits);
    assert_eq!(world.members(&audience), PROFILES as u64);
    let ids = |bodies: &[Json]| bodies.iter().flat_map(crm).collect::<BTreeSet<String>>().len();
    let bodies = world.bodies_of(|| world.advance("8d"));
    assert_eq!((bodies.len(), ids(&bodies)), (PROFILES, PROFILES));
    assert_eq!(world.members(&audience), 0);
    assert_eq!(world.ledger(&flow)["exported"], 2 * PROFILES);
}
