//! Connecting and activating an authored destination through the flow service.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use authoring::{Kind, Origin, connection_spec_id, trial};
use destination::config::Transformation;
use destination::message::Source;
use flows::{Retry, SdkTarget, Target, dataflows, target_connections};
use serde_json::{Value as Json, json};
use world::{SECRETS, World, audience, bearer, id_of, mapped};

const CASES: &str = include_str!("cases/mapping.json");

fn specs(world: &World, id: &str) -> (String, String) {
    let catalog = world.catalog();
    let entry = catalog.entries.iter().find(|entry| entry.destination_id == id).unwrap();
    (entry.connection_spec_id.to_string(), entry.flow_spec_id.to_string())
}

fn compiled(world: &World) -> (Vec<String>, SdkTarget) {
    let catalog = world.catalog();
    let flow = flows::compile(&world.docs, world.sandbox.0, &catalog.flows).pop().unwrap();
    let attributes = flow.attributes.iter().map(ToString::to_string).collect();
    match flow.target {
        Target::Sdk(target) => (attributes, *target),
        Target::Http(_) => unreachable!("the flow goes to an authored destination"),
    }
}

#[test]
fn an_activated_destination_is_compiled() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let (spec, flow_spec) = specs(&world, &id);
    assert_eq!(spec, connection_spec_id(&id, Origin::Private));
    let shown = flows::get_connection_spec(&world.catalog().flows, &spec).unwrap()["items"][0].clone();
    assert_eq!((&shown["name"], &shown["authSpec"][0]["name"]), (&json!("Moviestar"), &json!("Bearer token")));
    let region = &shown["targetSpec"]["spec"]["properties"]["region"];
    assert_eq!(
        (&region["type"], &region["enum"], &region["title"]),
        (&json!("string"), &json!(["eu", "us"]), &json!("Region"))
    );
    let partner = &shown["targetSpec"]["attributes"]["partnerSchema"]["jsonSchema"]["properties"];
    assert!(
        partner["attributes"]["properties"]["points"].is_object()
            && partner["identityMap"]["properties"]["email"].is_object()
    );

    let base = world.base(&spec, bearer()).unwrap();
    let params = json!({ "region": "eu", "deliveryRetry": "aep", "deliveryConcurrency": 4 });
    let target = world.target(&spec, &base, params).unwrap();
    let ends = (world.source(), target);
    let mapping = json!([
        mapped("identityMap.Email", "identityMap.email"),
        mapped("personalEmail.address", "identityMap.email"),
        mapped("identityMap.crmId", "identityMap.external"),
        mapped("person.name.firstName", "firstName"),
    ]);
    let flow = world.flow(&flow_spec, &ends, &json!([audience()]), &mapping).unwrap();
    let (attributes, sdk) = compiled(&world);
    assert_eq!(attributes, ["personalEmail.address", "person.name.firstName"]);
    assert_eq!((sdk.destination_id.as_str(), sdk.auth_name.as_str()), (id.as_str(), "Bearer token"));
    assert_eq!((sdk.retry, sdk.max_concurrency), (Retry::Aep, 4));
    assert_eq!(sdk.customer_data, json!({ "region": "eu" }));
    assert_eq!(sdk.account, json!({ "token": world::seal(SECRETS[2]) }));
    let sources: Vec<&Source> = sdk.mapping.identities.iter().map(|map| &map.source).collect();
    assert_eq!(sources[0], &Source::Namespace("Email".into()));
    assert!(sdk.mapping.attributes[0].predefined);

    // Samples of the flow are in its source schema, samples of the destination in the target schema.
    let pairs = |name: &str, id: &str| vec![(name.to_owned(), id.to_owned()), ("count".to_owned(), "2".to_owned())];
    let sample = |pairs: &[(String, String)]| {
        world.with(|caller| trial::sample_profiles(&world.docs, caller, &world.catalog(), pairs)).unwrap()
    };
    let source = sample(&pairs("destinationInstanceId", &flow));
    assert_eq!(source.as_array().unwrap().len(), 2);
    assert!(source[0]["person"]["name"]["firstName"].is_string() && source[0]["identityMap"]["crmId"].is_array());
    let target = sample(&pairs("destinationId", &id));
    assert!(target[0]["attributes"]["firstName"].is_string() && target[0]["identityMap"]["external"].is_array());
}

/// Each case changes the destination, then maps; it is refused with a text, or stored as listed.
#[test]
fn mappings_follow_the_configuration() {
    let cases: Json = serde_json::from_str(CASES).unwrap();
    for case in cases.as_array().unwrap() {
        let mut world = World::new();
        let (_, id) = world.destination(|body| {
            for (pointer, value) in case["configuration"].as_object().into_iter().flatten() {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                let parent = body.pointer_mut(parent).unwrap();
                match value {
                    Json::Null => drop(parent.as_object_mut().unwrap().shift_remove(name)),
                    value => parent[name] = value.clone(),
                }
            }
        });
        let (spec, flow_spec) = specs(&world, &id);
        let ends = world.ends(&spec);
        let row = |row: &Json| match row {
            Json::Array(pair) => {
                let mut selector = mapped(pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                if let Some(transformation) = pair.get(2) {
                    selector["value"]["mapping"]["transformation"] = transformation.clone();
                }
                selector
            }
            value => json!({ "type": "JSON_PATH", "value": value }),
        };
        let mapping: Vec<Json> = case["mapping"].as_array().into_iter().flatten().map(row).collect();
        let audiences = match &case["audience"] {
            Json::Null => json!([]),
            extra => {
                let mut selector = audience();
                for (name, value) in extra.as_object().into_iter().flatten() {
                    selector["value"][name] = value.clone();
                }
                json!([selector])
            }
        };
        let answer = world.flow(&flow_spec, &ends, &audiences, &Json::Array(mapping));
        let what = &case["name"];
        match case["refused"].as_str() {
            Some(detail) => {
                let error = answer.expect_err(&format!("{what} is not refused")).to_string();
                assert_eq!(error, format!("1425-400: {detail}"), "{what}");
            }
            None => {
                answer.unwrap_or_else(|error| panic!("{what}: {error}"));
                let (_, sdk) = compiled(&world);
                let rows: Vec<String> =
                    sdk.mapping.attributes.iter().map(|map| format!("{:?} > {}", map.source, map.target)).collect();
                let expected: Vec<&str> =
                    case["attributes"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                assert_eq!(rows, expected, "{what}");
                if let Some(hashed) = case["hashed"].as_bool() {
                    let how = hashed.then_some(Transformation::Sha256Lower);
                    assert_eq!(sdk.mapping.identities[0].transform, how, "{what}");
                }
            }
        }
    }
}

#[test]
fn customer_data_is_checked() {
    let mut world = World::new();
    let (_, id) = world.destination(|body| {
        body["customerDataFields"] = json!([
            { "name": "region", "type": "string", "title": "Region", "isRequired": true, "enum": ["eu", "us"] },
            { "name": "account", "type": "string", "title": "Account", "unique": true, "pattern": "^[a-z]+$" },
            { "name": "key", "type": "string", "title": "Key", "format": "password" },
        ]);
    });
    let (spec, _) = specs(&world, &id);
    let base = world.base(&spec, bearer()).unwrap();
    let cases = [
        (json!({}), "params.region: is required"),
        (
            json!({ "region": "eu", "account": "A1" }),
            "params.account: must match \"^[a-z]+$\"; given the string \"A1\"",
        ),
        (json!({ "region": "eu", "deliveryConcurrency": 0 }), "params.deliveryConcurrency must be 1 to 256; given: 0"),
        (
            json!({ "region": "eu", "key": authoring::REDACTED }),
            "params.key is the shown placeholder; give the secret itself",
        ),
        (json!([]), "params must be an object"),
    ];
    for (params, detail) in cases {
        let error = world.target(&spec, &base, params.clone()).unwrap_err().to_string();
        assert_eq!(error, format!("1425-400: {detail}"), "{params}");
    }
    let good = json!({ "region": "eu", "account": "acme", "key": SECRETS[1] });
    let first = world.target(&spec, &base, good.clone()).unwrap();
    let error = world.target(&spec, &base, good).unwrap_err().to_string();
    assert_eq!(error, format!("1425-400: params.account must be unique; target connection {first} has the same value"));
    // The secret is not shown, and stays when the placeholder comes back.
    let shown = |world: &World| {
        world.flow_service(|docs, caller, outside, _| target_connections::get(docs, caller, &first, outside)).unwrap()
            ["items"][0]
            .clone()
    };
    let mut params = shown(&world)["params"].clone();
    assert_eq!(params["key"], authoring::REDACTED);
    params["account"] = json!("other");
    let etag = id_of(&shown(&world), "etag");
    let patch = json!([{ "op": "replace", "path": "/params", "value": params }]);
    let decision = world.flow_service(|docs, caller, outside, _| {
        target_connections::patch(docs, caller, &first, Some(&etag), &patch, outside)
    });
    world.decided(decision).unwrap();
    let doc = world.docs.get(world.sandbox.0, model::Collection::TargetConnection, &first).unwrap();
    let expected = json!({ "region": "eu", "account": "other", "key": world::seal(SECRETS[1]) });
    assert_eq!(doc.body["params"], expected);
}

/// A group only holds fields together: what is required in it is asked for when the whole group is absent.
#[test]
fn required_fields_of_an_absent_group_are_asked_for() {
    let mut world = World::new();
    let (_, id) = world.destination(|body| {
        let fields = json!([
            { "name": "in", "type": "string", "title": "In", "isRequired": true },
            { "name": "out", "type": "string", "title": "Out" },
        ]);
        body["customerDataFields"] = json!([
            { "name": "region", "type": "string", "title": "Region" },
            { "name": "grp", "type": "object", "title": "Group", "properties": fields },
        ]);
    });
    let (spec, _) = specs(&world, &id);
    let base = world.base(&spec, bearer()).unwrap();
    let shown = flows::get_connection_spec(&world.catalog().flows, &spec).unwrap()["items"][0].clone();
    assert_eq!(shown["targetSpec"]["spec"]["required"], json!(["grp"]));
    for params in [json!({ "region": "eu" }), json!({ "region": "eu", "grp": {} })] {
        let error = world.target(&spec, &base, params).unwrap_err().to_string();
        assert_eq!(error, "1425-400: params.grp.in: is required");
    }
    world.target(&spec, &base, json!({ "grp": { "in": "x" } })).unwrap();
}

#[test]
fn files_are_connected_but_not_activated() {
    let mut world = World::new();
    let files = json!({
        "name": "Files",
        "destinationServerType": "FILE_BASED_S3",
        "fileBasedS3Destination": {
            "bucketName": { "templatingStrategy": "PEBBLE_V1", "value": "{{customerData.region}}" },
            "path": { "templatingStrategy": "NONE", "value": "exports/%SEGMENT_ID%" },
        },
    });
    let server_id = id_of(&world.create(Kind::Server, &files).unwrap(), "instanceId");
    let (_, streaming) = world.destination(|_| {});
    let mut body = world.get(Kind::Destination, &streaming).unwrap()["items"][0].clone();
    let object = body.as_object_mut().unwrap();
    object.shift_remove("aggregation");
    object.shift_remove("instanceId");
    body["uiAttributes"]["frequency"] = json!("Batch");
    body["customerAuthenticationConfigurations"] = json!([{ "authType": "S3" }]);
    body["destinationDelivery"] = json!([{
        "authenticationRule": "CUSTOMER_AUTHENTICATION",
        "destinationServerId": server_id,
        "deliveryMatchers": [{ "type": "SOURCE", "value": ["batch"] }],
    }]);
    body["batchConfig"] = json!({
        "allowMandatoryFieldSelection": true,
        "defaultExportMode": "DAILY_FULL_EXPORT",
        "allowedExportModes": ["DAILY_FULL_EXPORT"],
        "allowedScheduleFrequency": ["DAILY"],
        "defaultFrequency": "DAILY",
        "defaultStartTime": "00:00",
        "filenameConfig": {
            "allowedFilenameAppendOptions": ["SEGMENT_NAME", "SEGMENT_ID"],
            "defaultFilenameAppendOptions": ["SEGMENT_ID"],
            "defaultFilename": "%DESTINATION%",
        },
    });
    let id = id_of(&world.create(Kind::Destination, &body).unwrap(), "instanceId");
    let (spec, flow_spec) = specs(&world, &id);
    let auth = json!({ "specName": "Access Key", "params": { "s3AccessKey": "me", "s3SecretKey": SECRETS[1] } });
    let base = world.base(&spec, auth).unwrap();
    let target = world.target(&spec, &base, json!({ "region": "eu" })).unwrap();
    let ends = (world.source(), target.clone());
    let error = world.flow(&flow_spec, &ends, &json!([]), &json!([])).unwrap_err().to_string();
    let rule = "file exports are not served yet: a file-based destination can be connected, not activated";
    assert_eq!(error, format!("1425-400: {rule}"));
    // While somebody is connected, files stay files.
    let mut messages = world.get(Kind::Destination, &streaming).unwrap()["items"][0].clone();
    messages["instanceId"] = json!(id);
    let error = world.replace(Kind::Destination, &id, &messages).unwrap_err().to_string();
    let rule = "messages cannot become files, nor files messages, while the destination is in use by";
    let path = "destinationDelivery[0].destinationServerId";
    assert_eq!(error, format!("{path}: {rule} target connection {target} (Target)"));
    let preview = world.with(|caller| authoring::preview_files(&world.docs, caller, &world.catalog(), &target));
    let preview = preview.unwrap().unwrap();
    assert_eq!(
        preview["files"][0],
        json!({
            "segment": "segmentid1",
            "storage": { "bucket": "eu", "path": "exports/segmentid1" },
            "fileName": "Moviestar_segmentid1.csv",
        })
    );
}

#[test]
fn templates_are_rendered_before_anything_is_connected() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let catalog = world.catalog();
    let template = world.with(|caller| trial::sample_template(&world.docs, caller, &catalog, &id)).unwrap();
    let render = |body: Json| world.with(|caller| trial::render(&world.docs, caller, &catalog, &body));
    let results = render(json!({ "destinationId": id, "template": template })).unwrap();
    assert!(
        results["results"][0]["output"]
            .as_str()
            .is_some_and(|output| output.contains("AdobeExperiencePlatformSegments"))
    );
    let error = render(json!({ "destinationId": id, "template": "{% for %}" })).unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(error.to_string().starts_with("template: "), "{error}");
    assert_eq!(render(json!({ "template": "x" })).unwrap_err().to_string(), "destinationId: is missing");
    let fields = json!({ "destinationId": id, "templates": { "url": "https://{{customerData.region}}/" } });
    let fields = world.with(|caller| trial::render_fields(&world.docs, caller, &catalog, &fields)).unwrap();
    assert!(["https://eu/", "https://us/"].contains(&fields["results"]["url"].as_str().unwrap()));
}

#[test]
fn a_flow_changes_as_any_other() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let (spec, flow_spec) = specs(&world, &id);
    let ends = world.ends(&spec);
    let flow = world.flow(&flow_spec, &ends, &json!([]), &json!([])).unwrap();
    let at = "/transformations/0/params";
    let add =
        |list: &str, value: Json| json!({ "op": "add", "path": format!("{at}/{list}/selectors/-"), "value": value });
    let mut patch = |operations: &Json| {
        let shown = world.flow_service(|docs, caller, _, _| dataflows::get(docs, caller, &flow, &|_| None)).unwrap();
        let etag = id_of(&shown["items"][0], "etag");
        let decision = world.flow_service(|docs, caller, _, lookups| {
            dataflows::patch(docs, caller, &flow, Some(&etag), operations, lookups)
        });
        world.decided(decision).map(|_| compiled(&world))
    };
    let error = patch(&json!([add("segmentSelectors", audience())])).unwrap_err().to_string();
    let rule = "at least one target identity must be mapped before or with audiences";
    assert_eq!(error, format!("1455-400: profileSelectors: {rule}; known: email, external"));
    let mapping = add("profileSelectors", mapped("identityMap.Email", "identityMap.email"));
    patch(&json!([mapping, add("segmentSelectors", audience())])).unwrap();
    let triggers = json!({ "attributeChanges": false, "identityChanges": true });
    let set = json!([{ "op": "add", "path": format!("{at}/activationTriggers"), "value": triggers }]);
    let (_, sdk) = patch(&set).unwrap();
    assert_eq!(sdk.mapping.identities.len(), 1);
    let sets = json!([{ "op": "add", "path": format!("{at}/profileMapping"), "value": { "mappingId": "m" } }]);
    let error = patch(&sets).unwrap_err().to_string();
    assert!(error.contains("profileMapping (mapping sets) is not served yet"), "{error}");
    let catalog = world.catalog();
    let compiled = flows::compile(&world.docs, world.sandbox.0, &catalog.flows);
    assert!(!compiled[0].triggers.attribute && compiled[0].triggers.identity && compiled[0].triggers.segmentation);
}

#[test]
fn lists_of_the_receiving_system_are_asked() {
    let mut world = World::new();
    let lookup = json!({
        "name": "Lists",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": { "url": { "templatingStrategy": "NONE", "value": "https://example.com/lists" } },
        "httpTemplate": { "httpMethod": "GET" },
        "responseFields": [{ "templatingStrategy": "PEBBLE_V1", "value": "{{ response.body | toJson | raw }}", "name": "schema" }],
    });
    let lookup = id_of(&world.create(Kind::Server, &lookup).unwrap(), "instanceId");
    let (_, id) = world.destination(|body| {
        body["schemaConfig"].as_object_mut().unwrap().shift_remove("profileFields");
        body["schemaConfig"]["dynamicSchemaConfig"] = json!({ "dynamicEnum": {
            "authenticationRule": "CUSTOMER_AUTHENTICATION",
            "destinationServerId": lookup,
            "value": "schema",
            "responseFormat": "SCHEMA",
        }});
        body["customerDataFields"].as_array_mut().unwrap().push(json!({
            "name": "list", "type": "string", "title": "List",
            "dynamicEnum": {
                "queryParams": ["region"],
                "destinationServerId": lookup,
                "authenticationRule": "CUSTOMER_AUTHENTICATION",
                "value": "$.list",
                "responseFormat": "NAME_VALUE",
            },
        }));
    });
    assert!(world.delete(Kind::Server, &lookup).is_err(), "a server for look-ups is referred to");
    let (spec, flow_spec) = specs(&world, &id);
    let base = world.base(&spec, bearer()).unwrap();
    let error = world.target(&spec, &base, json!({ "region": "eu", "list": "c" })).unwrap_err().to_string();
    assert!(error.starts_with("1425-400: params.list: "), "{error}");
    let target = world.target(&spec, &base, json!({ "region": "eu", "list": "b" })).unwrap();
    let ends = (world.source(), target);
    let error = world.flow(&flow_spec, &ends, &json!([]), &json!([mapped("loyalty.points", "points")])).unwrap_err();
    let rule = "destination points is not known there; known: city, country";
    assert_eq!(error.to_string(), format!("1425-400: profileSelectors.selectors[0].value.mapping.{rule}"));
    world.flow(&flow_spec, &ends, &json!([]), &json!([mapped("homeAddress.city", "city")])).unwrap();
}

#[test]
fn the_ids_of_specs_never_change() {
    let spec = |origin| connection_spec_id("b0780cb5-2bb7-4409-bf2c-c625ca818588", origin);
    assert_eq!(spec(Origin::Private), "cb93bfd9-512b-841a-af39-c3f099031b40");
    assert_eq!(spec(Origin::Public), "1de3c33f-e62b-8888-8eb9-80514f7ba2cd");
    assert_eq!(spec(Origin::BuiltIn), spec(Origin::Public));
}

#[test]
fn a_sandbox_takes_a_hundred_connections() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let (spec, _) = specs(&world, &id);
    let base = world.base(&spec, bearer()).unwrap();
    let target = world.target(&spec, &base, json!({ "region": "eu" })).unwrap();
    let kind = model::Collection::TargetConnection;
    let body = world.docs.get(world.sandbox.0, kind, &target).unwrap().body.clone();
    for i in 1..100 {
        world.apply(&[model::DocChange::put(world.sandbox.0, kind, format!("target-{i}"), body.clone(), "test")]);
    }
    let error = world.target(&spec, &base, json!({ "region": "eu" })).unwrap_err().to_string();
    assert_eq!(error, "1425-400: a sandbox takes at most 100 connections to authored destinations");
}
