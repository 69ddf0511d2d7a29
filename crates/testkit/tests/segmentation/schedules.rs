//! Schedules start jobs and exports at their time.

use super::{GOLD, UPS, ended, message, people};
use serde_json::{Value as Json, json};
use testkit::{World, until};

fn nightly() -> Json {
    json!({
        "name": "nightly", "type": "batch_segmentation", "properties": { "segments": ["*"] },
        "schedule": "0 0 1 * * ?", "state": "inactive",
    })
}

fn jobs(world: &World) -> Vec<Json> {
    // A token does not last as long as these clocks run.
    world.api.renew();
    let page = world.api.get(&format!("{UPS}/segment/jobs?sort=creationTime:asc")).ok();
    page["children"].as_array().expect("children").clone()
}

fn jobs_ended(world: &World, n: usize) -> Vec<Json> {
    until(
        &format!("{n} jobs have ended"),
        || jobs(world),
        |jobs| jobs.len() == n && jobs.iter().all(|job| job["status"] == "SUCCEEDED"),
    )
}

#[test]
fn an_active_schedule_starts_one_job_a_day_also_after_a_restart() {
    let mut world = World::new();
    let gold = world.audience("gold", GOLD);
    people(&world);
    let path = format!("{UPS}/config/schedules");
    let made = world.api.post(&path, &nightly()).ok();
    let id = made["id"].as_str().expect("an id").to_owned();
    world.advance("2d");
    assert!(jobs(&world).is_empty(), "it is inactive");
    world.api.renew();
    let activate = json!([{ "op": "add", "path": "/state", "value": "active" }]);
    world.api.call("PATCH", &format!("{path}/{id}"), Some(&activate)).expect(204);
    assert!(jobs(&world).is_empty(), "what lies before is not made up for");
    world.server.advance_to("2026-03-04T01:00:00Z").expect(200);
    let first = jobs_ended(&world, 1);
    assert_eq!((&first[0]["source"], &first[0]["properties"]["scheduleId"]), (&json!("scheduler"), &json!(id)));
    assert_eq!(first[0]["metrics"]["segmentedProfileCounter"][&gold], 3, "{first:?}");
    world.advance("23h");
    world.server.advance_to("2026-03-05T01:00:00Z").expect(200);
    jobs_ended(&world, 2);
    // Many missed nights are one run.
    world.server.kill9();
    world.server.set_clock("2026-03-20T12:00:00.000Z");
    world.restart();
    jobs_ended(&world, 3);
    // A run that would follow within 24 hours waits for the next day.
    let later = json!([{ "op": "add", "path": "/schedule", "value": "0 0 23 * * ?" }]);
    world.api.call("PATCH", &format!("{path}/{id}"), Some(&later)).expect(204);
    world.server.advance_to("2026-03-20T23:30:00Z").expect(200);
    world.server.advance_to("2026-03-21T23:00:00Z").expect(200);
    let last = jobs_ended(&world, 4);
    assert!(last[3]["creationTime"].as_i64() >= Some(1_774_134_000_000), "{last:?}");
    world.api.call("DELETE", &format!("{path}/{id}"), None).expect(204);
    world.api.get(&format!("{path}/{id}")).expect(404);
}

#[test]
fn a_schedule_can_start_exports() {
    let world = World::new();
    let gold = world.audience("gold", GOLD);
    people(&world);
    let reference = json!({
        "id": "https://ns.adobe.com/xdm/context/profile__union",
        "contentType": "application/vnd.adobe.xed+json;version=1",
    });
    let made =
        world.api.post("/data/foundation/catalog/dataSets", &json!({ "name": "e", "schemaRef": reference })).ok();
    let dataset = made[0].as_str().and_then(|id| id.rsplit('/').next()).expect("an id").to_owned();
    let schedule = json!({
        "name": "export", "type": "export", "schedule": "0 0 2 * * ?", "state": "active",
        "properties": {
            "fields": "person.name", "schema": { "name": "_xdm.context.profile" },
            "filter": { "segments": [{ "segmentId": gold }] }, "destination": { "datasetId": dataset },
        },
    });
    world.api.post(&format!("{UPS}/config/schedules"), &schedule).ok();
    world.server.advance_to("2026-03-02T02:00:00Z").expect(200);
    world.api.renew();
    let list = || world.api.get(&format!("{UPS}/export/jobs")).ok();
    let listed = until("an export was started", list, |list| list["records"].as_array().is_some_and(|r| r.len() == 1));
    let id = listed["records"][0]["id"].to_string();
    let job = ended(&world, &format!("{UPS}/export/jobs/{id}"), &["SUCCEEDED", "FAILED"]);
    assert_eq!(job["metrics"]["totalExportedProfileCounter"], 3, "{job}");
}

#[test]
fn schedules_are_refused_for_what_is_wrong_with_them() {
    let world = World::new();
    world.audience("gold", GOLD);
    let path = format!("{UPS}/config/schedules");
    let with = |member: &str, value: Json| {
        let mut body = nightly();
        body[member] = value;
        body
    };
    for (body, said) in [
        (with("name", Json::Null), "name: is required"),
        (with("type", json!("weekly")), "type: must be `batch_segmentation` or `export`, is `weekly`"),
        (with("schedule", json!("0 0 * * * ?")), "schedule: the field hours must be one value, is `*`"),
        (with("schedule", json!("daily")), "schedule: must have 6 or 7 fields, has 1: `daily`"),
        (with("state", json!("on")), "state: must be active or inactive, is `on`"),
        (with("properties", json!({ "segments": [] })), "properties.segments: must name at least one"),
        (
            with("properties", json!({ "segments": ["x"] })),
            "properties.segments[0]: there is no segment definition `x`",
        ),
        (with("colour", json!("red")), "colour: is not a supported member"),
    ] {
        let refused = world.api.post(&path, &body).expect(400).json;
        assert!(message(&refused).starts_with(said), "{said}: {refused}");
    }
    assert_eq!(world.api.get(&path).ok()["_page"]["totalCount"], 0, "nothing was made");
    let id = world.api.post(&path, &with("state", json!("active"))).ok()["id"].as_str().expect("an id").to_owned();
    let refused = world.api.post(&path, &nightly()).expect(400).json;
    assert!(message(&refused).contains("one schedule of segment jobs"), "{refused}");
    let one = format!("{path}/{id}");
    for (operation, said) in [
        (json!({ "op": "add", "path": "/state", "value": "inactive" }), "is evaluated by streaming"),
        (json!({ "op": "add", "path": "/state", "value": "off" }), "value: must be active or inactive, is `off`"),
        (json!({ "op": "add", "path": "/schedule", "value": "x" }), "value: must have 6 or 7 fields"),
        (json!({ "op": "add", "path": "/name", "value": "x" }), "path: must be /state or /schedule, is `/name`"),
        (json!({ "op": "remove", "path": "/state" }), "op: must be add, is `remove`"),
    ] {
        let refused = world.api.call("PATCH", &one, Some(&json!([operation]))).expect(400).json;
        assert!(message(&refused).contains(said), "{said}: {refused}");
    }
    assert_eq!(world.api.get(&one).ok()["state"], "active", "nothing was changed");
}
