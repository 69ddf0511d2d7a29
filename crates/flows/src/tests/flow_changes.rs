//! The life of a flow: etags, patches, actions, what it compiles to.

use super::*;

#[test]
fn a_flow_shows_its_whole_chain() {
    let mut world = World::new();
    let (base, source, target) = world.ends();
    let mut body = flow_body(&source, &target);
    body["transformations"] = json!([]);
    let decision = world.flow(&body).unwrap();
    let id = decision.body["id"].as_str().unwrap().to_owned();
    assert_eq!(decision.headers, [("location", format!("/data/foundation/flowservice/flows/{id}"))]);
    let flow = world.get_flow(&id);
    assert_eq!(flow["etag"], decision.body["etag"]);
    assert_eq!(flow["version"], flow["etag"]);
    assert_eq!(flow["state"], "enabled");
    assert_eq!(flow["runs"], format!("/runs?property=flowId=={id}"));
    assert_eq!(flow["inheritedAttributes"]["properties"]["isDestinationFlow"], true);
    assert_eq!(flow["inheritedAttributes"]["sourceConnections"][0]["typeInfo"]["id"], "ups");
    assert_eq!(flow["inheritedAttributes"]["targetConnections"][0]["baseConnection"]["id"], base);
    assert_eq!(flow["transformations"][0]["params"]["segmentSelectors"]["selectors"], json!([]));
    assert!(flow.as_object().unwrap().keys().all(|name| !name.starts_with('_')));
    let tag = flow["etag"].as_str().unwrap().trim_matches('"').to_owned();
    assert_eq!(tag.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
}

#[test]
fn etags_guard_changes() {
    let mut world = World::new();
    let id = world.usual_flow();
    let rename = json!([{ "op": "replace", "path": "/name", "value": "Other" }]);
    refused(
        world.patch_flow(&id, None, &rename),
        "1403-400",
        "the If-Match header is missing; give the etag with its quotes",
    );
    let tag = world.get_flow(&id)["etag"].as_str().unwrap().to_owned();
    let unquoted = tag.trim_matches('"').to_owned();
    let detail = format!("supplied version [{unquoted}] does not match current version on entity [{tag}]");
    refused(world.patch_flow(&id, Some(&unquoted), &rename), "1404-412", &detail);
    let done = world.patch_flow(&id, Some(&tag), &rename).unwrap();
    let next = world.get_flow(&id);
    assert_eq!((done.status, &done.body["etag"], &next["name"]), (200, &next["etag"], &json!("Other")));
    assert_ne!(next["etag"], tag.as_str());
    assert_eq!(world.patch_flow(&id, Some(&tag), &rename).unwrap_err().status(), 412);
    let acted = world.act(&id, "disable", None).unwrap();
    assert_ne!(acted.body["etag"], next["etag"]);
    assert_eq!(acted.body["etag"], world.get_flow(&id)["etag"]);
}

#[test]
fn flows_are_patched_all_or_nothing() {
    let mut world = World::new();
    let id = world.usual_flow();
    let fill = json!([
        add("segmentSelectors", audience("aud-1")),
        add("segmentSelectors", audience("aud-2")),
        add("segmentSelectors", audience("aud-3")),
        add("profileSelectors", attribute("person.name.firstName")),
    ]);
    world.patch_now(&id, &fill).unwrap();
    let at = |i: usize| format!("/transformations/0/params/segmentSelectors/selectors/{i}");
    let cases = [
        (
            json!([{ "op": "move", "from": "/name", "path": "/description" }]),
            "1434-400",
            "[0].op \"move\" is not supported; use add, replace or remove",
        ),
        (
            json!([{ "op": "remove", "path": at(7) }]),
            "1455-400",
            "[0].path \"/transformations/0/params/segmentSelectors/selectors/7\" has index 7, but there are 3 items",
        ),
        (
            json!([{ "op": "remove", "path": at(0) }, { "op": "replace", "path": "/transformations/0/params/nope", "value": 1 }]),
            "1455-400",
            "[1].path \"/transformations/0/params/nope\" points at nothing",
        ),
        (
            json!([{ "op": "remove", "path": at(0) }, add("segmentSelectors", audience("aud-9"))]),
            "1455-400",
            "segmentSelectors.selectors[2].value.id aud-9 names no audience",
        ),
        (
            json!([{ "op": "replace", "path": "/state", "value": "disabled" }]),
            "1455-400",
            "path \"/state\" use the action endpoint",
        ),
        (
            json!([{ "op": "replace", "path": "/targetConnectionIds", "value": [] }]),
            "1455-400",
            "path \"/targetConnectionIds\" cannot change; create another flow",
        ),
        (
            json!([{ "op": "replace", "path": "/_mapped", "value": {} }]),
            "1455-400",
            "path \"/_mapped\" cannot be patched; known: /name, /description, /sourceConnectionIds, /transformations",
        ),
        (json!([{ "op": "add", "path": "/name" }]), "1455-400", "[0].value is missing"),
        (
            json!([{ "op": "replace", "path": "/sourceConnectionIds", "value": ["q"] }]),
            "1428-400",
            "sourceConnectionIds[0] q names no source connection",
        ),
        (json!([]), "1405-400", "the body must hold at least one patch operation"),
    ];
    let before = world.get_flow(&id);
    for (body, code, detail) in cases {
        refused(world.patch_now(&id, &body), code, detail);
    }
    assert_eq!(world.get_flow(&id), before);
    // From the highest index down, exactly the two chosen go; the dummy value is ignored.
    let remove =
        json!([{ "op": "remove", "path": at(1), "value": audience("aud-3") }, { "op": "REMOVE", "path": at(0) }]);
    world.patch_now(&id, &remove).unwrap();
    assert_eq!(mapped(&world.get_flow(&id), "segmentSelectors", "id"), ["aud-3"]);
    assert_eq!(mapped(&world.get_flow(&id), "profileSelectors", "path"), ["person.name.firstName"]);
    let operation = &world.get_flow(&id)["lastOperation"];
    assert_eq!((&operation["operation"], &operation["ops"]), (&json!("update"), &remove));
}

#[test]
fn replacing_a_selector_keeps_only_its_creation_time() {
    let mut world = World::new();
    let id = world.usual_flow();
    let mut selector = audience("aud-1");
    selector["value"]["name"] = json!("Buyers");
    selector["value"]["createTime"] = json!("1");
    let made = (world.now.0 / 1000).to_string();
    world
        .patch_now(&id, &json!([add("segmentSelectors", selector), add("segmentSelectors", audience("aud-2"))]))
        .unwrap();
    let value = |world: &World, i: usize| {
        world.get_flow(&id)["transformations"][0]["params"]["segmentSelectors"]["selectors"][i]["value"].clone()
    };
    assert_eq!(value(&world, 0), json!({ "id": "aud-1", "name": "Buyers", "createTime": made, "updateTime": made }));
    let changed = (world.now.0 / 1000).to_string();
    assert_ne!(made, changed);
    let path = "/transformations/0/params/segmentSelectors/selectors/0";
    world.patch_now(&id, &json!([{ "op": "replace", "path": path, "value": audience("aud-1") }])).unwrap();
    assert_eq!(value(&world, 0), json!({ "id": "aud-1", "createTime": made, "updateTime": changed }));
    assert_eq!(value(&world, 1), json!({ "id": "aud-2", "createTime": made, "updateTime": made }));
}

#[test]
fn actions_move_between_enabled_and_disabled() {
    let mut world = World::new();
    let id = world.usual_flow();
    let already = format!("flow {id} is enabled already");
    refused(world.act(&id, "enable", None), "1457-400", &already);
    let disabled = world.act(&id, "DISABLE", None).unwrap();
    assert_eq!((disabled.status, &world.get_flow(&id)["state"]), (200, &json!("disabled")));
    assert!(!compile(&world.docs, SandboxId(1), &SHIPPED)[0].enabled);
    refused(world.act(&id, "disable", None), "1458-400", &format!("flow {id} is disabled already"));
    refused(world.act(&id, "FINALIZE", None), "1402-400", "op FINALIZE is reserved for providers");
    refused(world.act(&id, "PUBLISH", None), "1436-400", "op PUBLISH: the flow is no draft");
    refused(world.act(&id, "explode", None), "1437-400", "op \"explode\" is not known; use enable or disable");
    refused(
        world.act(&id, "enable", Some("PROGRESS")),
        "1406-400",
        "subOp PROGRESS belongs to FINALIZE and FINALIZE_UPDATE",
    );
    refused(world.act(&id, "enable", Some("APPLY")), "1407-400", "subOp \"APPLY\" does not apply to enable");
    let marker = world.docs.n + 1;
    world.act(&id, "Enable", None).unwrap();
    let flow = &compile(&world.docs, SandboxId(1), &SHIPPED)[0];
    assert_eq!((flow.enabled, flow.enabled_since_n), (true, marker));
}

#[test]
fn compiles_for_the_engine() {
    let mut world = World::new();
    let base = world.base(&oauth(json!({ "clientCredentialsType": "Basic Authorization" })));
    let base = world.id_of(base);
    let source = world.source(&profile_store());
    let source = world.id_of(source);
    let params = json!({
        "httpEndpoint": "https://in.example.org/p?k=1",
        "queryParameters": "a=b c&d=%20",
        "headers": "X-A:1",
        "includeSegmentNames": true,
        "includeSegmentTimestamps": true,
        "statusVocabulary": "legacy",
        "retry": "aep",
        "maxConcurrency": 8,
    });
    let target = world.target(&http_target(&base, params));
    let target = world.id_of(target);
    let mut body = flow_body(&source, &target);
    body["transformations"][0]["params"]["activationTriggers"] = json!({ "identityChanges": false });
    let created = world.docs.n + 1;
    let id = world.flow(&body);
    let id = world.id_of(id);
    let first = world.docs.n + 1;
    let made_ms = world.now.0;
    world
        .patch_now(
            &id,
            &json!([add("segmentSelectors", audience("aud-1")), add("profileSelectors", attribute("loyalty.points"))]),
        )
        .unwrap();
    let expected = FlowSpec {
        no: model::FlowNo(created as u32),
        id: id.as_str().into(),
        name: "Export".into(),
        enabled: true,
        enabled_since_n: created,
        audiences: vec![MappedAudience {
            audience_id: "aud-1".into(),
            mapped_n: first,
            created_ms: made_ms,
            updated_ms: made_ms,
        }],
        attributes: vec!["loyalty.points".into()],
        triggers: Triggers { attribute: true, segmentation: true, external_segmentation: true, identity: false },
        target: Target::Http(HttpDestination {
            endpoint: "https://in.example.org/p?k=1&a=b%20c&d=%20".into(),
            headers: vec![("X-A".into(), "1".into())],
            auth: Auth::ClientCredentials {
                token_url: "https://id.example.org/token".into(),
                client_id: "me".into(),
                client_secret_sealed: "sealed:13".into(),
                form: ClientCredentialsForm::Basic,
            },
            include_names: true,
            include_timestamps: true,
            legacy_status: true,
            retry: Retry::Aep,
            max_concurrency: 8,
        }),
        source_connection_id: source.as_str().into(),
        target_connection_id: target.as_str().into(),
    };
    assert_eq!(compile(&world.docs, SandboxId(1), &SHIPPED), [expected]);
    assert_eq!(compile(&world.docs, SandboxId(2), &SHIPPED), []);
    // Unmapped and mapped again, the audience keeps the position of its first mapping.
    let path = "/transformations/0/params/segmentSelectors/selectors/0";
    world.patch_now(&id, &json!([{ "op": "remove", "path": path }])).unwrap();
    assert_eq!(compile(&world.docs, SandboxId(1), &SHIPPED)[0].audiences, []);
    let again_ms = world.now.0;
    world.patch_now(&id, &json!([add("segmentSelectors", audience("aud-1"))])).unwrap();
    let audience = &compile(&world.docs, SandboxId(1), &SHIPPED)[0].audiences[0];
    assert_eq!((audience.mapped_n, audience.created_ms), (first, again_ms));
    let used = |id: &str| dataflows::using_audience(&world.docs, SandboxId(1), id);
    assert_eq!((used("aud-1"), used("aud-2")), (Some(format!("{id} (Export)")), None));
}
