//! State is a function of the log: a rebuilt store and a restored backup show what was there.

use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use testkit::{Flow, Options, Server, World, binary};

const NOW: &str = "2026-03-01T11:00:00Z";

/// Everything that can be asked about a server: counts, ledgers, quarantine, each profile.
fn portrait(server: &Server, identities: &BTreeSet<(&'static str, String)>) -> Json {
    let status = server.wait_applied();
    let operator = server.operator();
    let profiles: BTreeMap<String, Json> = identities
        .iter()
        .map(|(namespace, id)| {
            let path = format!("/rivermouth/profiles?namespace={namespace}&id={id}");
            (format!("{namespace} {id}"), operator.get(&path).json)
        })
        .collect();
    let ledgers: Vec<Json> = server.flows().into_iter().map(|f| f["ledger"].clone()).collect();
    let get = |path: &str| operator.get(path).ok();
    json!({
        "profiles": status["profiles"], "events": status["events"], "audiences": status["audiences"],
        "shown": profiles, "ledgers": ledgers,
        "quarantine": get("/rivermouth/quarantine"), "dead": get("/rivermouth/dead-letters"),
    })
}

/// Purchases and records with random links, so many that some profiles have more than fifty identities.
fn tangle(world: &World, seed: u64, count: usize) -> (Vec<Json>, BTreeSet<(&'static str, String)>) {
    let mut state = seed;
    let mut roll = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut messages, mut identities) = (Vec::new(), BTreeSet::new());
    for n in 0..count {
        let (crm, email) = (format!("c{}", roll(150)), format!("e{}@example.com", roll(150)));
        let mut both = vec![("CRMID", crm.as_str())];
        if roll(3) == 0 {
            both.push(("Email", email.as_str()));
            identities.insert(("Email", email.clone()));
        }
        identities.insert(("CRMID", crm.clone()));
        messages.push(match roll(4) {
            0 => world.person(&both, &format!("name{n}")),
            _ => world.purchase(&format!("{seed}-{n}"), &both, NOW, roll(100) as f64),
        });
    }
    (messages, identities)
}

fn world_with_a_past() -> (World, BTreeSet<(&'static str, String)>) {
    let world = World::new();
    let buyers = world.audience("buyers", r#"xEvent[eventType = "commerce.purchases"].count() >= 3"#);
    let recent = world.audience("recent", r#"xEvent[timestamp occurs <= 2 days before now].count() >= 1"#);
    world.flow(&Flow::to(&[&buyers, &recent]));
    world.script(&json!({ "steps": [{ "status": 400, "repeat": 5 }] }));
    let (first, mut identities) = tangle(&world, 11, 600);
    world.send(&first);
    world.send(&[world.event("odd", &[("CRMID", "c1")], NOW, "x", json!({ "commerce": 7 }))]);
    world.server.settle();
    world.advance("1d");
    let (second, more) = tangle(&world, 12, 600);
    identities.extend(more);
    world.send(&second);
    world.server.settle();
    world.advance("3d");
    (world, identities)
}

fn rebuild(dir: &Path) -> Json {
    let output =
        Command::new(binary()).args(["rebuild", "--data-dir"]).arg(dir).output().expect("the binary can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_rebuilt_store_is_equal() {
    let (mut world, identities) = world_with_a_past();
    let before = portrait(&world.server, &identities);
    assert_eq!(before["dead"]["deadLetters"].as_array().map(Vec::len), Some(5));
    assert_eq!(before["quarantine"]["quarantine"].as_array().map(Vec::len), Some(1));
    assert!(world.server.terminate().success());
    let done = rebuild(world.server.data_dir());
    assert_eq!((&done["profiles"], &done["events"]), (&before["profiles"], &before["events"]), "{done}");
    let sent = world.received_count();
    world.restart();
    world.server.settle();
    let after = portrait(&world.server, &identities);
    for (name, value) in before["shown"].as_object().expect("profiles") {
        assert_eq!(&after["shown"][name], value, "{name}");
    }
    assert_eq!(before, after);
    assert_eq!(world.received_count(), sent, "nothing is sent again");
}

#[test]
fn a_backup_of_a_running_server_can_be_started() {
    let (world, identities) = world_with_a_past();
    let before = portrait(&world.server, &identities);
    let room = tempfile::tempdir().expect("a directory");
    let to = room.path().join("copy");
    let text = to.to_str().expect("a path");
    let done = world.server.command(&["backup", text, "--output", "json"]).json();
    assert_eq!(done["backup"], text, "{done}");
    let again = world.server.command(&["backup", text]);
    assert_eq!((again.code, again.stderr.contains("exists already")), (Some(1), true), "{again:?}");
    rebuild(&to);
    let copy = Server::start(Options { data_dir: Some(to), ..Options::manual(World::START) });
    let after = portrait(&copy, &identities);
    assert_eq!(before, after);
    world.server.operator().get("/rivermouth/status").expect(200);
}

#[test]
fn beyond_fifty_identities_nothing_is_lost() {
    let (world, identities) = world_with_a_past();
    let shown = portrait(&world.server, &identities);
    let (mut profiles, mut largest) = (BTreeMap::new(), 0);
    for (name, profile) in shown["shown"].as_object().expect("profiles") {
        if let Some(id) = profile["id"].as_str() {
            let count = |member: &Json| {
                member.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_array()).map(Vec::len).sum()
            };
            let known: usize = count(&profile["identityMap"]);
            assert!((1..=50).contains(&known), "{name}: {known}");
            largest = largest.max(known);
            profiles.insert(id.to_owned(), profile.clone());
        }
    }
    assert_eq!(largest, 50, "the limit was reached");
    let events: usize = profiles.values().filter_map(|p| p["events"].as_array()).map(Vec::len).sum();
    assert_eq!((json!(profiles.len()), json!(events)), (shown["profiles"].clone(), shown["events"].clone()));
    for (id, audience) in shown["audiences"].as_object().expect("audiences") {
        let is_member = |p: &&Json| {
            p["audiences"].as_array().is_some_and(|all| all.iter().any(|a| a["id"] == *id && a["status"] == "realized"))
        };
        assert_eq!(audience["members"], profiles.values().filter(is_member).count(), "{audience}");
    }
}
