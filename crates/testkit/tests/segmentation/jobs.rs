//! Segment jobs count members over all stored profiles.

use super::{BUYERS, GOLD, UPS, job, people};
use serde_json::json;
use testkit::World;

#[test]
fn a_job_counts_members_by_status_and_namespace() {
    let world = World::new();
    let (gold, buyers) = (world.audience("gold", GOLD), world.audience("buyers", BUYERS));
    let both = world.audience("both", &format!("inSegment(\"{gold}\") and inSegment(\"{buyers}\")"));
    people(&world);
    world.send_and_settle(&[world.person(&[("CRMID", "a"), ("Email", "a@example.com")], "gold")]);
    let first = job(&world, &[&gold, &both]);
    assert_eq!(first["status"], "SUCCEEDED", "{first}");
    let metrics = &first["metrics"];
    assert_eq!(metrics["totalProfiles"], 5, "{first}");
    assert_eq!(metrics["segmentedProfileCounter"], json!({ (gold.as_str()): 3, (both.as_str()): 2 }), "{first}");
    assert_eq!(metrics["segmentedProfileByNamespaceCounter"][&gold], json!({ "CRMID": 3, "Email": 1 }), "{first}");
    let by_status = |job: &serde_json::Value, id: &str| job["metrics"]["segmentedProfileByStatusCounter"][id].clone();
    assert_eq!(by_status(&first, &gold), json!({ "realized": 3, "existing": 0, "exited": 0 }));
    assert_eq!((&first["source"], &first["segments"][0]["segmentId"]), (&json!("api"), &json!(gold)), "{first}");
    // A later job confirms who was there, and sees who came and went.
    world.advance("1h");
    world.send_and_settle(&[world.person(&[("CRMID", "c")], "tin"), world.person(&[("CRMID", "f")], "gold")]);
    let second = job(&world, &["*"]);
    assert_eq!(by_status(&second, &gold), json!({ "realized": 1, "existing": 2, "exited": 1 }), "{second}");
    assert_eq!(by_status(&second, &both), json!({ "realized": 0, "existing": 2, "exited": 0 }), "{second}");
    assert_eq!(by_status(&second, &buyers), json!({ "realized": 3, "existing": 0, "exited": 0 }), "{second}");
    // Time alone moves who bought.
    world.advance("8d");
    let third = job(&world, &[&buyers]);
    assert_eq!(by_status(&third, &buyers), json!({ "realized": 0, "existing": 0, "exited": 3 }), "{third}");
}

#[test]
fn jobs_are_listed_filtered_and_got_in_bulk() {
    let world = World::new();
    let (gold, buyers) = (world.audience("gold", GOLD), world.audience("buyers", BUYERS));
    people(&world);
    let (a, b) = (job(&world, &[&gold]), job(&world, &[&buyers]));
    let list = |query: &str| world.api.get(&format!("{UPS}/segment/jobs?{query}")).ok();
    let ids = |page: &serde_json::Value| {
        let children = page["children"].as_array().expect("children");
        children.iter().map(|job| job["id"].clone()).collect::<Vec<_>>()
    };
    let (a, b) = (a["id"].clone(), b["id"].clone());
    for (query, expected) in [
        ("", vec![&b, &a]),
        ("sort=creationTime:asc", vec![&a, &b]),
        ("status=SUCCEEDED&limit=1", vec![&b]),
        ("status=SUCCEEDED&limit=1&start=1", vec![&a]),
        ("status=FAILED", vec![]),
        ("property=status==FAILED", vec![]),
        ("property=status==SUCCEEDED&limit=1", vec![&b]),
        ("snapshot.name=mine", vec![]),
    ] {
        assert_eq!(ids(&list(query)).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let page = list(&format!("property=segments~segmentId=={gold}"));
    assert_eq!((ids(&page), &page["_page"]), (vec![a.clone()], &json!({ "totalCount": 1, "pageSize": 1 })));
    assert_eq!(list("limit=1")["_links"]["next"]["href"], "/segment/jobs?start=1&limit=1");
    let bulk = json!({ "ids": [{ "id": a }, { "id": "nobody" }] });
    let bulk = world.api.post(&format!("{UPS}/segment/jobs/bulk-get"), &bulk).expect(207).json;
    assert_eq!(bulk["results"][a.as_str().expect("text")]["status"], "SUCCEEDED", "{bulk}");
    assert_eq!(bulk["results"]["nobody"]["status"], 404, "{bulk}");
    let path = format!("{UPS}/segment/jobs/{}", a.as_str().expect("text"));
    world.api.call("DELETE", &path, None).expect(204);
    world.api.get(&path).expect(404);
    world.api.call("DELETE", &path, None).expect(404);
}

#[test]
fn a_job_survives_a_restart() {
    let mut world = World::new();
    let gold = world.audience("gold", GOLD);
    people(&world);
    let body = json!([{ "segmentId": gold }]);
    let made = world.api.post(&format!("{UPS}/segment/jobs"), &body).ok();
    world.server.kill9();
    world.restart();
    let path = format!("{UPS}/segment/jobs/{}", made["id"].as_str().expect("an id"));
    let job = super::ended(&world, &path, &["SUCCEEDED", "FAILED"]);
    assert_eq!(job["metrics"]["segmentedProfileCounter"][&gold], 3, "{job}");
}
