//! Specs, lists, runs and the shape of errors.

use super::*;

#[test]
fn the_error_body_has_all_shapes() {
    let world = World::new();
    let error = world.with(|caller| dataflows::get(&world.docs, caller, "nope", &|_| None)).unwrap_err();
    assert_eq!(
        error.body(),
        json!({
            "errorMessage": "flows not found with id = [nope]",
            "errorDetails": "flows not found with id = [nope]",
            "code": "1101-404",
            "title": "Entity not found",
            "status": 404,
        })
    );
}

#[test]
fn the_catalog_lists_what_is_served() {
    let all = list_connection_specs(&SHIPPED, &Query::default()).unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    for id in [HTTP_API, PROFILE_STORE, STREAMING_INLET] {
        assert_eq!(get_connection_spec(&SHIPPED, id).unwrap()["items"][0]["id"], id);
    }
    let flow_spec = &get_flow_spec(&SHIPPED, HTTP_API_FLOW).unwrap()["items"][0];
    assert_eq!(flow_spec["sourceConnectionSpecIds"], json!([PROFILE_STORE]));
    assert_eq!(flow_spec["targetConnectionSpecIds"], json!([HTTP_API]));
    assert_eq!(flow_spec["providerId"], PROVIDER);
    let sources = Query::from_pairs(&[("property", "attributes.isSource=\"true\"")]).unwrap();
    assert_eq!(list_connection_specs(&SHIPPED, &sources).unwrap()["items"].as_array().unwrap().len(), 2);
    refused(get_flow_spec(&SHIPPED, "x"), "1101-404", "flowSpecs not found with id = [x]");
    refused::<()>(
        Err(refuse_spec_write()),
        "1426-400",
        "connection specs and flow specs are fixed; they cannot be created or changed",
    );
}

#[test]
fn lists_page_filter_and_count() {
    let mut world = World::new();
    let (_, source, target) = world.ends();
    let mut ids = Vec::new();
    for i in 0..105 {
        let mut body = flow_body(&source, &target);
        body["name"] = json!(format!("Flow {i:03}"));
        let id = world.flow(&body);
        ids.push(world.id_of(id));
    }
    let first = world.list(&[("limit", "1000")]).unwrap();
    assert_eq!(first["items"].as_array().unwrap().len(), 100);
    assert_eq!(first["items"][0]["name"], "Flow 104");
    let href = first["_links"]["next"]["href"].as_str().unwrap();
    let token = href.strip_prefix("/flows?continuationToken=").unwrap();
    let second = world.list(&[("continuationToken", token)]).unwrap();
    assert_eq!((second["items"].as_array().unwrap().len(), &second["_links"]), (5, &json!({})));
    assert_eq!(world.list(&[("count", "true")]).unwrap(), json!({ "count": 105 }));
    refused(
        world.list(&[("count", "true"), ("limit", "3")]),
        "1401-400",
        "limit cannot be given together with count=true",
    );
    assert_eq!(world.list(&[("count", "False"), ("limit", "3")]).unwrap()["items"].as_array().unwrap().len(), 3);
    let one = format!("id=={}", ids[7]);
    let filters: [(&str, usize); 6] = [
        (&one, 1),
        ("name==\"Flow 003\"", 1),
        ("inheritedAttributes.properties.isDestinationFlow==true", 100),
        ("inheritedAttributes.targetConnections[].connectionSpec.id==c2f7d9a4-3b0e-4c58-9d61-7a1e5b0f4c92", 100),
        ("state==ENABLED", 100),
        ("state!=enabled", 0),
    ];
    for (filter, n) in filters {
        assert_eq!(world.list(&[("property", filter)]).unwrap()["items"].as_array().unwrap().len(), n, "{filter}");
    }
}

#[test]
fn runs_conserve_their_counts() {
    let mut world = World::new();
    let id = world.usual_flow();
    world.patch_now(&id, &json!([add("segmentSelectors", audience("aud-1"))])).unwrap();
    let no = compile(&world.docs, SandboxId(1), &SHIPPED)[0].no;
    let hour = 1_769_990_400_000;
    let figures = |hour_start_ms: i64, waiting: u64| RunFigures {
        flow: no,
        hour_start_ms,
        received: 10,
        exported: 6,
        filtered: vec![("flow_disabled".into(), 3), ("consent".into(), 0)],
        waiting,
        dead: vec![("http 400".into(), 1 - waiting)],
        audiences: vec![AudienceFigures {
            audience_id: "aud-1".into(),
            received: 10,
            exported: 6,
            filtered: 3,
            dead: 1 - waiting,
        }],
    };
    let runs = [figures(hour, 0), figures(hour + 3_600_000, 1)];
    let list = |pairs: &[(&str, &str)]| {
        let query = Query::from_pairs(pairs).unwrap();
        world.with(|c| list_runs(&world.docs, c, &runs, &query)).unwrap()["items"].as_array().unwrap().clone()
    };
    let all = list(&[("property", &format!("flowId=={id}"))]);
    assert_eq!(all.len(), 2);
    let done = &all[1];
    assert_eq!(done["metrics"]["durationSummary"], json!({ "startedAtUTC": hour, "completedAtUTC": hour + 3_600_000 }));
    assert_eq!(done["metrics"]["statusSummary"], json!({ "status": "success", "errors": [] }));
    let records = &done["metrics"]["recordSummary"];
    let n = |name: &str| records[name].as_u64().unwrap();
    assert_eq!(n("inputRecordCount"), n("outputRecordCount") + n("skippedRecordCount") + n("failedRecordCount"));
    assert_eq!(
        records["skippedInfo"],
        json!([{ "code": "ACTIVATION_STREAMING-FLOW_DISABLED-SKIP", "message": "flow_disabled", "count": 3, "type": "Warning" }])
    );
    let waiting = &all[0]["metrics"]["statusSummary"];
    assert_eq!(waiting, &json!({ "status": "processing", "errors": [], "extensions": { "waitingRecordCount": 1 } }));
    let filters: [(&str, usize); 5] = [
        ("metrics.statusSummary.status==Success", 1),
        ("metrics.durationSummary.startedAtUTC>1769990400000", 1),
        ("metrics.recordSummary.targetSummaries[].entitySummaries[].id==segment:aud-1", 2),
        ("metrics.recordSummary.sourceSummaries[].id==nope", 0),
        ("createdAt>=1769990400000", 2),
    ];
    for (filter, n) in filters {
        assert_eq!(list(&[("property", filter)]).len(), n, "{filter}");
    }
    let one = world.with(|c| get_run(&world.docs, c, &runs, done["id"].as_str().unwrap())).unwrap();
    assert_eq!(&one["items"][0], done);
    refused(world.with(|c| get_run(&world.docs, c, &runs, "x")), "1101-404", "runs not found with id = [x]");
    let flow = world.with(|c| dataflows::get(&world.docs, c, &id, &|_| Some(runs[0].clone()))).unwrap();
    assert_eq!(flow["items"][0]["lastRunDetails"]["state"], "success");
    assert_eq!(flow["items"][0]["lastRunDetails"]["id"], done["id"]);
}

#[test]
fn bodies_are_read() {
    assert_eq!(parse_body(b"").unwrap(), Json::Null);
    refused(parse_body(b"{"), "1425-400", "the body is not valid JSON: EOF while parsing an object at line 1 column 1");
    let query = Query::from_pairs(&[("property", "flowId==a,\"b\""), ("property", "id==c")]).unwrap();
    assert_eq!((query.wanted("flowId"), query.wanted("x")), (Some(vec!["a", "b"]), None));
}
