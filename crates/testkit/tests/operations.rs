//! What an operator relies on: probes, metrics, stop and start, settings, deletion, lookups.

use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt as _;
use testkit::{Api, Flow, Options, Server, World, crm};

const ENTITIES: &str = "/data/core/ups/access/entities?schema.name=_xdm.context.profile";
const BUYERS: &str = r#"xEvent[eventType = "commerce.purchases"].count() >= 1"#;

/// Name, labels and value of each sample; panics at a line that the text format does not allow.
fn samples(page: &str) -> Vec<(String, String, f64)> {
    let (mut found, mut families) = (Vec::new(), Vec::new());
    let is_name = |name: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    assert!(page.ends_with('\n'), "the last line ends");
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name, rest) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
            assert!(is_name(name) && !rest.is_empty(), "{line}");
            match kind {
                Some("HELP") => {
                    assert!(!families.contains(&name.to_owned()), "{name} is given once");
                    families.push(name.to_owned());
                }
                Some("TYPE") => assert!(["counter", "gauge", "summary", "histogram"].contains(&rest), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let value = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("open labels: {line}"))),
            None => (head, ""),
        };
        assert!(is_name(name), "{line}");
        assert!(families.last().is_some_and(|family| name.starts_with(family.as_str())), "no family: {line}");
        for label in labels.split("\",").filter(|l| !l.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label) && !value.trim_end_matches('"').contains('\n'), "{line}");
        }
        found.push((name.to_owned(), labels.to_owned(), value));
    }
    found
}

#[test]
fn probes_and_metrics_tell_the_state() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let flow = world.flow(&Flow::to(&[&audience]));
    world.send_and_settle(&[world.purchase("p1", &[("CRMID", "a")], "2026-03-01T11:00:00Z", 1.0)]);
    let plain = Api::new(&world.server.url);
    assert_eq!(plain.get("/health").expect(200).json, json!({ "status": "up" }));
    assert_eq!(plain.get("/ready").expect(200).json, json!({ "ready": true, "backlog": 0 }));
    let answer = plain.get("/metrics").expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    let samples = samples(&answer.text);
    let value = |name: &str, label: &str| {
        let found = samples.iter().find(|(n, l, _)| n == name && l.contains(label));
        found.unwrap_or_else(|| panic!("{name} {label} in {}", answer.text)).2
    };
    assert_eq!(value("rivermouth_profiles", "") as u64, 1);
    assert_eq!(value("rivermouth_events", "") as u64, 1);
    assert_eq!(value("rivermouth_audience_members", &audience) as u64, 1);
    assert_eq!(value("rivermouth_ingest_messages_total", "result=\"accepted\"") as u64, 1);
    assert_eq!(value("rivermouth_flow_exports", &format!("flow=\"{flow}\",state=\"exported\"")) as u64, 1);
    assert_eq!(value("rivermouth_delivery_attempts_total", &flow) as u64, 1);
}

#[test]
fn a_stop_is_clean_and_a_start_finds_everything() {
    let mut world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let flow = world.flow(&Flow::to(&[&audience]));
    for n in 0..30 {
        let id = format!("c{n}");
        let identity = [("CRMID", id.as_str())];
        world.send(&[
            world.person(&identity, &id),
            world.purchase(&format!("p{n}"), &identity, "2026-03-01T11:00:00Z", 1.0),
        ]);
    }
    world.server.settle();
    let look = |world: &World| {
        let show = world.show("CRMID", "c7").ok();
        (
            world.counts(),
            world.members(&audience),
            world.ledger(&flow),
            world.get_flow(&flow),
            show,
            world.server.credentials(),
        )
    };
    let before = look(&world);
    assert_eq!((before.0, before.1), ((30, 30), 30));
    let token = world.api.bearer();
    let status = world.server.terminate();
    assert_eq!(status.code(), Some(0), "{}", world.server.log());
    assert!(!world.server.data_dir().join("server.json").exists(), "the marker is gone");
    let asked = world.server.command(&["status"]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    assert!(asked.stderr.contains("no server is running"), "{asked:?}");
    world.restart();
    world.server.settle();
    let after = look(&world);
    assert_eq!(before, after);
    assert_eq!(world.received_count(), 30, "nothing is sent twice after a clean stop");
    let old = Api::new(&world.server.url)
        .with("authorization", &format!("Bearer {token}"))
        .with("x-api-key", world.api.header("x-api-key").expect("a key"))
        .with("x-gw-ims-org-id", &world.org);
    old.get("/data/foundation/flowservice/flows").expect(200);
    assert_eq!(world.server.log().matches("First start").count(), 1);
}

#[test]
fn private_files_are_private() {
    let server = Server::start(Options::default());
    let mode = |path: &str| {
        let meta = std::fs::metadata(server.data_dir().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        meta.permissions().mode() & 0o777
    };
    assert_eq!(mode("credentials.json"), 0o600);
    assert_eq!(mode("keys/admin.token"), 0o600);
    assert_eq!(mode("keys"), 0o700);
    for entry in std::fs::read_dir(server.data_dir().join("keys")).expect("a directory") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("metadata").permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let room = tempfile::tempdir().expect("a directory");
    let file = room.path().join("rivermouth.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let config = file.to_str().expect("a path").to_owned();
    let tenant = |args: &[&str], env: &[(&str, &str)]| {
        let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let server = Server::start(Options { env, ..Options::default().with(args) });
        let stats = server.api().get("/data/foundation/schemaregistry/stats").ok();
        stats["tenantId"].as_str().expect("a tenant").to_owned()
    };
    write("tenant = \"fromfile\"\npartitions = 8\n");
    assert_eq!(tenant(&[], &[]), "rivermouth");
    assert_eq!(tenant(&["--config", &config], &[]), "fromfile");
    assert_eq!(tenant(&["--config", &config], &[("RIVERMOUTH_TENANT", "fromenv")]), "fromenv");
    assert_eq!(tenant(&["--config", &config, "--tenant", "fromflag"], &[("RIVERMOUTH_TENANT", "fromenv")]), "fromflag");
    let refused = |args: &[&str]| Server::try_start(Options::default().with(args)).expect_err("refused");
    write("tenants = \"x\"\n");
    let log = refused(&["--config", &config]);
    assert!(log.contains("\"tenants\""), "{log}");
    write("partitions = \"many\"\n");
    let log = refused(&["--config", &config]);
    assert!(log.contains("partitions") && log.contains("\"many\""), "{log}");
    write("partitions = \n");
    assert!(refused(&["--config", &config]).contains("rivermouth.toml"));
    assert!(refused(&["--config", "/nowhere/at/all.toml"]).contains("/nowhere/at/all.toml"));
    assert!(refused(&["--cache-mb", "0"]).contains("cache-mb"));
    assert!(refused(&["--unknown-flag", "0"]).contains("--unknown-flag"));
    let mut server = Server::start(Options::default().with(&["--partitions", "8"]));
    let dir = server.data_dir().to_owned();
    assert!(server.terminate().success());
    let other = Options { data_dir: Some(dir), ..Options::default() }.with(&["--partitions", "16"]);
    let log = Server::try_start(other).expect_err("the partitions are fixed");
    assert!(log.contains("has 8 partitions, the settings say 16"), "{log}");
}

#[test]
fn a_server_that_is_ready_stops_in_order_when_told() {
    let room = tempfile::tempdir().expect("a directory");
    let data = room.path().join("data");
    // A shell's own loop and `kill` are the quickest way from the marker to the signal.
    let script = r#""$0" serve --data-dir "$1" --listen 127.0.0.1:0 >"$1.log" 2>&1 & server=$!
        until [ -s "$1/server.json" ]; do kill -0 $server || break; done
        kill -TERM $server; wait $server"#;
    for _ in 0..20 {
        let status = std::process::Command::new("sh").args(["-c", script]).arg(testkit::binary()).arg(&data).status();
        let log = || std::fs::read_to_string(room.path().join("data.log")).unwrap_or_default();
        assert_eq!(status.expect("a shell").code(), Some(0), "{}", log());
        assert!(!data.join("server.json").exists(), "commands would be led to a dead address");
    }
}

#[test]
fn a_profile_is_found_by_identity_and_by_xid_and_can_be_deleted() {
    let world = World::new();
    let audience = world.audience("buyers", BUYERS);
    let flow = world.flow(&Flow::to(&[&audience]));
    let both = [("CRMID", "anna"), ("Email", "anna@example.com")];
    world.send_and_settle(&[
        world.person(&[("CRMID", "anna")], "anna"),
        world.visit("v1", &both, "2026-03-01T10:00:00Z"),
        world.purchase("p1", &[("Email", "anna@example.com")], "2026-03-01T11:00:00Z", 1.0),
        world.purchase("q1", &[("CRMID", "bob")], "2026-03-01T11:00:00Z", 1.0),
    ]);
    assert_eq!(world.counts(), (2, 3));
    let entity = world.entity("CRMID", "anna");
    assert_eq!(entity["entity"]["person"]["name"]["lastName"], "anna", "{entity}");
    assert_eq!(entity["entity"]["segmentMembership"]["ups"][&audience]["status"], "realized", "{entity}");
    assert_eq!(world.entity("Email", "anna@example.com")["entity"], entity["entity"]);
    let by_id = world.api.get(&format!("{ENTITIES}&entityId=anna&entityIdNS=CRMID")).ok();
    let xid = by_id.as_object().and_then(|o| o.keys().next()).expect("an XID").clone();
    let by_xid = world.api.get(&format!("{ENTITIES}&entityId={xid}")).ok();
    assert_eq!(by_xid[&xid]["entity"], entity["entity"], "{by_xid}");
    let events = world.api.get(
        "/data/core/ups/access/entities?schema.name=_xdm.context.experienceevent&relatedSchema.name=_xdm.context.profile&relatedEntityId=anna&relatedEntityIdNS=CRMID",
    );
    assert_eq!(events.ok()["children"].as_array().map(Vec::len), Some(2));
    world.api.get(&format!("{ENTITIES}&entityId=anna&entityIdNS=NOBODY")).expect(400);
    world.api.get("/data/core/ups/access/entities?entityId=anna").expect(400);

    let gone = format!("{ENTITIES}&entityId=anna&entityIdNS=CRMID");
    let bodies = world.bodies_of(|| drop(world.api.call("DELETE", &gone, None).expect(202)));
    assert_eq!(bodies.len(), 1, "an exit: {bodies:?}");
    assert_eq!(crm(&bodies[0]), ["anna"]);
    assert_eq!(bodies[0]["segmentMembership"]["ups"][&audience]["status"], "exited", "{}", bodies[0]);
    assert_eq!((world.counts(), world.members(&audience)), ((1, 1), 1));
    world.show("CRMID", "anna").expect(404);
    world.show("Email", "anna@example.com").expect(404);
    let empty = world.entity("CRMID", "anna");
    assert!(empty["entity"]["person"].is_null(), "{empty}");
    world.api.call("DELETE", &gone, None).expect(404);
    let ledger = world.ledger(&flow);
    assert_eq!((&ledger["balanced"], &ledger["waiting"]), (&json!(true), &json!(0)), "{ledger}");
    let bodies: Vec<Json> = world.bodies_of(|| world.send(&[world.purchase("n1", &both, "2026-03-01T11:30:00Z", 1.0)]));
    assert_eq!(bodies.len(), 1, "whoever comes back is new: {bodies:?}");
    assert_eq!(world.counts(), (2, 2));
}
