//! External audiences: members come from CSV files and leave when their time is over.

use super::{UPS, ended, message, with_consent};
use serde_json::{Value as Json, json};
use testkit::{Answer, Flow, World};

const AIS: &str = "/data/core/ais/external-audience";

fn submission() -> Json {
    json!({
        "name": "Guests", "description": "People of the fair", "audienceType": "people", "originName": "CUSTOM_UPLOAD",
        "fields": [{ "name": "crm", "type": "string", "identityNs": "CRMID" }, { "name": "booth", "type": "integer" }],
        "sourceSpec": { "params": {
            "path": "dlz-user-container/fair", "type": "file", "sourceType": "Cloud Storage", "cloudType": "DLZ",
        } },
        "ttlInDays": "10", "labels": ["core/C1"],
    })
}

fn submitted(world: &World, body: &Json) -> String {
    let made = world.api.post(&format!("{AIS}/submit"), body).expect(202).json;
    let operation = made["operationId"].as_str().expect("an id");
    let task = world.api.get(&format!("{AIS}/task/{operation}")).ok();
    assert_eq!((&task, &task["status"]), (&made, &json!("SUCCESS")));
    task["audienceId"].as_str().expect("an id").to_owned()
}

fn upload(world: &World, audience: &str, csv: &str) -> Answer {
    let path = format!("{AIS}/{audience}/upload");
    world.api.send("POST", &path, Some(csv.as_bytes().to_vec()), &[("content-type", "text/csv")])
}

fn loaded(world: &World, audience: &str, answer: Answer) -> Json {
    let run = answer.json["runId"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    ended(world, &format!("{AIS}/{audience}/runs/{run}"), &["SUCCESS", "FAILED"])
}

fn membership(world: &World, id: &str, audience: &str) -> Json {
    world.entity("CRMID", id)["entity"]["segmentMembership"]["CustomerAudienceUpload"][audience].clone()
}

#[test]
fn uploaded_members_enter_and_leave_with_their_time() {
    let world = World::new();
    let audience = submitted(&world, &submission());
    let outer = world.audience("outer", &format!("inSegment(\"{audience}\")"));
    let flow = world.flow(&Flow::to(&[&outer]));
    let run = loaded(&world, &audience, upload(&world, &audience, "crm,booth\na,7\n\"b\",\nc,x\n,1\nd\n").expect(202));
    let metrics = &run["metrics"];
    assert_eq!((&metrics["rows"], &metrics["ingestedRows"], &metrics["failedRows"]), (&json!(5), &json!(2), &json!(3)));
    let faults: Vec<&str> = run["errors"].as_array().expect("faults").iter().filter_map(Json::as_str).collect();
    assert!(faults[0].contains("line 4: the column `booth` must be integer, is `x`"), "{faults:?}");
    assert!(faults[1].contains("line 5: the identity must have 1 to 1024 characters, has 0"), "{faults:?}");
    assert!(faults[2].contains("line 6: has 1 cells, the first line has 2"), "{faults:?}");
    assert_eq!(
        membership(&world, "a", &audience),
        json!({
            "lastQualificationTime": "2026-03-01T12:00:00Z", "status": "realized",
            "validUntil": "2026-03-11T12:00:00Z", "payload": { "booth": 7 },
        })
    );
    assert_eq!((world.members(&audience), world.members(&outer)), (2, 2));
    assert!(world.entity("CRMID", "a")["entity"]["_externalAudiences"].is_null(), "kept for the service");
    // Another upload renews a membership.
    world.advance("5d");
    loaded(&world, &audience, upload(&world, &audience, "booth,crm\n8,a\n").expect(202));
    assert_eq!(membership(&world, "a", &audience)["validUntil"], "2026-03-16T12:00:00Z");
    assert_eq!(membership(&world, "a", &audience)["lastQualificationTime"], "2026-03-01T12:00:00Z");
    world.advance("5d");
    world.server.settle();
    assert_eq!((world.members(&audience), world.members(&outer)), (1, 1), "b's time is over");
    assert_eq!(membership(&world, "b", &audience)["status"], "exited");
    world.advance("5d");
    world.server.settle();
    assert_eq!((world.members(&audience), world.members(&outer)), (0, 0));
    world.wait_delivered();
    assert_eq!(world.ledger(&flow)["balanced"], true);
}

#[test]
fn runs_take_files_of_the_landing_zone() {
    let mut world = World::new();
    let audience = submitted(&world, &submission());
    let runs = format!("{AIS}/{audience}/runs");
    let failed = loaded(&world, &audience, world.api.post(&format!("{AIS}/{audience}/run"), &json!({})).expect(200));
    assert_eq!(failed["status"], "FAILED", "{failed}");
    assert!(failed["errors"][0].as_str().is_some_and(|e| e.contains("the landing zone has no `fair`")), "{failed}");
    let zone = world.server.data_dir().join("landing-zone/fair");
    std::fs::create_dir_all(&zone).expect("a directory");
    std::fs::write(zone.join("one.csv"), "crm,booth\na,1\n").expect("written");
    std::fs::write(zone.join("two.csv"), "crm,booth\nb,2\nc,3\n").expect("written");
    std::fs::write(zone.join("notes.txt"), "not rows").expect("written");
    let run = loaded(&world, &audience, world.api.post(&runs, &json!({ "dataFilterStartTime": 1 })).expect(200));
    assert_eq!((&run["status"], &run["metrics"]["ingestedRows"]), (&json!("SUCCESS"), &json!(3)), "{run}");
    let late = json!({ "dataFilterStartTime": 4_000_000_000u64 });
    let none = loaded(&world, &audience, world.api.post(&runs, &late).expect(200));
    assert!(none["errors"][0].as_str().is_some_and(|e| e.contains("written in the time asked for")), "{none}");
    std::fs::write(zone.join("two.csv"), "crm,shoe\nb,2\n").expect("written");
    let bad = loaded(&world, &audience, world.api.post(&runs, &json!({})).expect(200));
    assert!(bad["errors"][0].as_str().is_some_and(|e| e.contains("two.csv: the column `shoe` is no field")), "{bad}");
    let list = world.api.get(&runs).ok();
    assert_eq!((&list["_page"]["totalCount"], &list["runs"][0]["runId"]), (&json!(4), &bad["runId"]), "{list}");
    world.restart();
    world.server.settle();
    assert_eq!((world.api.get(&runs).ok(), world.members(&audience)), (list, 3));
}

/// The files of uploads that are kept.
fn kept(world: &World) -> Vec<String> {
    let uploads = world.server.data_dir().join("landing-zone/uploads");
    let files = std::fs::read_dir(uploads).into_iter().flatten().flatten();
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn uploads_are_kept_until_their_run_is_over() {
    let mut world = World::new();
    let audience = submitted(&world, &submission());
    let none_left = |world: &World| testkit::until("no upload is kept", || kept(world), Vec::is_empty);
    for (csv, status) in [("crm,booth\na,7\n", "SUCCESS"), ("shoe\na\n", "FAILED")] {
        assert_eq!(loaded(&world, &audience, upload(&world, &audience, csv).expect(202))["status"], status);
        none_left(&world);
    }
    assert_eq!(upload(&world, "nobody", "crm\n").status, 404);
    none_left(&world);
    // A server that is killed leaves the run, which the next one ends, or a file that no run knows.
    world.server.kill9();
    let uploads = world.server.data_dir().join("landing-zone/uploads");
    std::fs::write(uploads.join("0f0e0d0c-0b0a-4908-8706-050403020100.csv"), "crm,booth\nb,7\n").expect("written");
    world.server.restart();
    world.log_in();
    none_left(&world);
    let rows: String = (0..20_000).map(|n| format!("p{n},1\n")).collect();
    let run = upload(&world, &audience, &format!("crm,booth\n{rows}")).expect(202);
    world.server.kill9();
    world.server.restart();
    world.log_in();
    assert_eq!(loaded(&world, &audience, run)["status"], "SUCCESS", "the file was there for it");
    none_left(&world);
    world.server.settle();
    assert_eq!(world.members(&audience), 20_001);
    // An audience that is deleted under its run.
    upload(&world, &audience, &format!("crm,booth\n{rows}")).expect(202);
    world.api.call("DELETE", &format!("{AIS}/{audience}"), None).expect(204);
    none_left(&world);
}

/// General opt-out keeps out of uploaded audiences as out of others (profile.md §11.2).
#[test]
fn who_opted_out_is_not_uploaded() {
    let world = World::new();
    let audience = submitted(&world, &submission());
    with_consent(&world, "in", "in");
    with_consent(&world, "out", "out");
    let rows = "crm,booth\nin,1\nout,2\nnew,3\n";
    let run = loaded(&world, &audience, upload(&world, &audience, rows).expect(202));
    assert_eq!(run["metrics"]["ingestedRows"], 3, "{run}");
    assert_eq!(world.members(&audience), 2);
    assert!(membership(&world, "out", &audience).is_null());
    assert_eq!(membership(&world, "in", &audience)["status"], "realized");
    // Back in: the row is still valid.
    world.advance("1h");
    with_consent(&world, "out", "in");
    assert_eq!(membership(&world, "out", &audience)["status"], "realized");
}

#[test]
fn an_external_audience_has_its_own_name_and_no_rule() {
    let world = World::new();
    let audience = submitted(&world, &submission());
    let taken = world.try_audience("Guests", "true").expect(422).json;
    let said = format!("name: the external audience {audience} has the name `Guests` already");
    assert_eq!(message(&taken), said);
    world.audience("gold", super::GOLD);
    let mut second = submission();
    second["name"] = json!("gold");
    let taken = world.api.post(&format!("{AIS}/submit"), &second).expect(422).json;
    assert!(message(&taken).starts_with("name: the segment definition"), "{taken}");
    loaded(&world, &audience, upload(&world, &audience, "crm,booth\na,7\n").expect(202));
    let operator = world.server.operator();
    let why = operator.get("/rivermouth/why?profile=CRMID:a&audience=Guests").ok();
    assert_eq!((&why["audience"]["id"], &why["audience"]["expression"]), (&json!(audience), &Json::Null), "{why}");
    let part = &why["rule"]["parts"][0];
    assert_eq!(
        (&part["kind"], &part["holds"], &part["since"]["known"]),
        (&json!("uploaded"), &json!(true), &json!(false))
    );
    assert_eq!(part["attributes"][0]["path"], "validUntil", "{part}");
    assert!(!why.to_string().contains("_externalAudiences"), "{why}");
    assert_eq!(why["turns"]["at"], "2026-03-11T12:00:00Z", "{why}");
    let plan = json!({ "expression": "true", "audience": "Guests" });
    let refused = operator.post("/rivermouth/plan/audience", &plan).expect(400).json;
    let detail = "the audience \"Guests\" is external: its members are uploaded; plans are for audiences with a rule";
    assert_eq!(refused["detail"], detail);
}

#[test]
fn an_external_audience_is_an_audience() {
    let world = World::new();
    let audience = submitted(&world, &submission());
    loaded(&world, &audience, upload(&world, &audience, "crm,booth\na,7\n").expect(202));
    let path = format!("{UPS}/audiences/{audience}");
    let shown = world.api.get(&path).ok();
    assert_eq!((&shown["type"], &shown["namespace"]), (&json!("ExternalSegment"), &json!("CustomerAudienceUpload")));
    let patch = |op: Json| world.api.call("PATCH", &path, Some(&json!([op])));
    let renamed = patch(json!({ "op": "replace", "path": "/name", "value": "Visitors" })).expect(201).json;
    assert_eq!((&renamed["name"], &renamed["lifecycleState"]), (&json!("Visitors"), &json!("published")), "{renamed}");
    assert_eq!(world.api.call("PUT", &path, Some(&renamed)).expect(201).json["name"], "Visitors", "what was shown");
    let stale = world.api.call("PUT", &path, Some(&renamed)).expect(400).json;
    assert!(message(&stale).starts_with("_etag: must be"), "{stale}");
    let state = |to: &str| json!({ "op": "add", "path": "/lifecycleState", "value": to });
    patch(state("inactive")).expect(201);
    let refused = upload(&world, &audience, "crm,booth\nb,7\n").expect(400).json;
    assert!(message(&refused).contains("only a published one takes members"), "{refused}");
    assert_eq!(membership(&world, "a", &audience), Json::Null);
    patch(state("published")).expect(201);
    world.server.settle();
    assert_eq!(membership(&world, "a", &audience)["status"], "realized");
    world.api.call("DELETE", &format!("{AIS}/{audience}"), None).expect(204);
    world.api.get(&path).expect(404);
    assert_eq!(membership(&world, "a", &audience), Json::Null);
}
