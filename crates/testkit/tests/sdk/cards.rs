//! File-based destinations, and the built-in ones up to their flows.

use crate::partner::status;
use crate::scene::{AUTHORING, Connected, Scene, identity, text};
use serde_json::{Value as Json, json};

#[test]
fn a_file_based_destination_is_described_and_named_but_not_activated() {
    let scene = Scene::new();
    let value = |text: &str| json!({ "templatingStrategy": "PEBBLE_V1", "value": text });
    let server = scene.author("destination-servers", &json!({
        "name": "Bucket", "destinationServerType": "FILE_BASED_S3",
        "fileBasedS3Destination": { "bucket": value("{{customerData.bucket}}"), "path": value("{{customerData.path}}/%SEGMENT_ID%") },
        "fileConfigurations": { "fileType": value("{{customerData.fileType}}"), "compression": { "templatingStrategy": "NONE", "value": "GZIP" } },
    }));
    let field = |name: &str| json!({ "name": name, "title": name, "type": "string", "isRequired": true });
    let mut body = Scene::destination(
        &server,
        &json!({
            "aggregation": null, "identityNamespaces": null,
            "customerAuthenticationConfigurations": [{ "authType": "S3" }],
            "customerDataFields": [field("bucket"), field("path"), field("fileType")],
            "destinationDelivery": [{ "authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": server,
                "deliveryMatchers": [{ "type": "SOURCE", "value": ["batch"] }] }],
            "batchConfig": {
                "allowMandatoryFieldSelection": true, "allowDedupeKeyFieldSelection": true,
                "defaultExportMode": "DAILY_FULL_EXPORT", "allowedExportModes": ["DAILY_FULL_EXPORT"],
                "allowedScheduleFrequency": ["DAILY"], "defaultFrequency": "DAILY", "defaultStartTime": "00:00",
                "filenameConfig": {
                    "allowedFilenameAppendOptions": ["SEGMENT_NAME", "DATETIME"],
                    "defaultFilenameAppendOptions": ["DATETIME"], "defaultFilename": "%DESTINATION%_%SEGMENT_ID%",
                },
            },
        }),
    );
    body["uiAttributes"]["connectionType"] = json!("S3");
    body["uiAttributes"]["frequency"] = json!("Batch");
    let mut wrong = body.clone();
    wrong["batchConfig"]["filenameConfig"]["defaultFilenameAppendOptions"] = json!(["TIMESTAMP"]);
    let refused = scene.try_author("destinations", &wrong).expect(400);
    assert!(refused.text.contains("defaultFilenameAppendOptions"), "{refused:?}");
    let mut wrong = body.clone();
    wrong["aggregation"] = json!({ "aggregationType": "BEST_EFFORT", "bestEffortAggregation": { "maxUsersPerRequest": 1, "splitUserById": false } });
    assert_eq!(scene.try_author("destinations", &wrong).status, 400);
    scene.author("destinations", &body);
    let (spec, _) = scene.card("Partner", "private");
    let auth = json!({ "specName": spec["authSpec"][0]["name"], "params": { "s3AccessKey": "key", "s3SecretKey": "secret-of-the-bucket" } });
    let to = scene.connect("Partner", &auth, &json!({ "bucket": "b1", "path": "out", "fileType": "csv" }));
    let named = scene.world.api.post(&format!("{AUTHORING}/testing/destinationInstance/{}", to.target), &json!({}));
    let named = named.ok().to_string();
    assert!(named.contains("Partner_segmentid1_20260301_120000.csv") && named.contains("out/segmentid1"), "{named}");
    let refused = scene.try_flow(&to, &[&scene.vips()], &[]).expect(400);
    assert!(refused.text.contains("file") && refused.text.contains("not served yet"), "{refused:?}");
}

/// What a customer could enter for a JSON Schema: defaults, choices, or what fits these names.
fn entered(schema: &Json) -> Json {
    let mut out = json!({});
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
        if !required {
            continue;
        }
        let example = match name.as_str() {
            "accountId" if rule["pattern"] == "^act_[0-9]+$" => json!("act_1234567890"),
            "accountId" | "advertiserId" => json!("1234567890"),
            "customerId" => json!("123-456-7890"),
            "externalIdField" => json!("Rivermouth__c"),
            "sourcePlatform" => json!("RIVERMOUTH"),
            "apiVersion" => json!("202601"),
            "myDomain" => json!("acme"),
            "url" => json!("https://hooks.example.com/in"),
            _ => json!("secret-or-text-0815"),
        };
        let choice = rule["enum"][0].clone();
        let constant = rule["oneOf"][0]["const"].clone();
        let shown = [rule["default"].clone(), choice, constant].into_iter().find(|value| !value.is_null());
        out[name.as_str()] = match rule["type"].as_str() {
            Some("object") => entered(rule),
            _ => shown.unwrap_or(example),
        };
    }
    out
}

#[test]
fn every_built_in_destination_can_be_set_up() {
    let scene = Scene::new();
    let vips = scene.vips();
    let specs = scene.world.api.get(&format!("{}/connectionSpecs?limit=100", flows::BASE_PATH)).ok();
    let built_in: Vec<Json> = specs["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|spec| spec["attributes"]["origin"] == "builtIn")
        .cloned()
        .collect();
    assert_eq!(built_in.len(), 7, "{specs}");
    for spec in built_in {
        let name = text(&spec, "name");
        let (spec, flow_spec) = scene.card(&name, "builtIn");
        let ways: Vec<Json> = spec["authSpec"].as_array().cloned().unwrap_or_default();
        let auths: Vec<Json> = match ways.is_empty() {
            true => vec![Json::Null],
            false => {
                ways.iter().map(|way| json!({ "specName": way["name"], "params": entered(&way["spec"]) })).collect()
            }
        };
        for auth in &auths {
            let base = scene.account(&spec, auth);
            let schema = &spec["targetSpec"]["spec"];
            let target = scene.try_target(&spec, &base, &entered(schema));
            assert_eq!(target.status, 201, "{name}: {} {target:?}", entered(schema));
            let to = Connected { flow_spec: flow_spec.clone(), base, target: text(&target.json, "id") };
            // Without audiences nothing leaves; what is required of the mapping is asked for with them.
            assert_eq!(scene.try_flow(&to, &[], &[]).status, 201, "{name}");
            let bare = scene.try_flow(&to, &[&vips], &[]);
            assert!(bare.status == 400 && bare.text.contains("Selectors"), "{name}: {bare:?}");
        }
    }
}

#[test]
fn the_webhook_delivers() {
    let scene = Scene::new();
    let (spec, flow_spec) = scene.card("Webhook", "builtIn");
    let base = scene.account(&spec, &Json::Null);
    let params = json!({ "url": format!("{}/hook?x=1&y=2", scene.partner.url), "secret": "webhook-secret-3131" });
    let shown = scene.try_target(&spec, &base, &params).ok();
    let target = text(&shown, "id");
    let to = Connected { flow_spec, base, target };
    let vips = scene.vips();
    let mut hash = identity("identityMap.CRMID", "identityMap.id");
    hash["value"]["mapping"]["transformation"] = json!("sha256(lower($))");
    let mapping = [
        hash,
        identity("identityMap.Email", "identityMap.email"),
        crate::scene::attribute("person.name.lastName", "lastName"),
    ];
    let flow = scene.flow(&to, &[&vips], &mapping);
    scene.world.send_and_settle(&[scene.person(0, "O\"Neil <&>", "Vip")]);
    scene.check_ledger(&flow, 1, 0);
    let call = scene.partner.calls("/hook").remove(0);
    assert_eq!((call.path.as_str(), call.header("x-webhook-secret")), ("/hook?x=1&y=2", Some("webhook-secret-3131")));
    let body = call.json();
    let profile = &body["profiles"][0];
    let ids = &profile["identities"];
    assert_eq!(
        ids,
        &json!({ "id": ["122c597083bd438b7f6d72af75d025948899647711b806bdd2cd82fa69713db3"], "email": ["Person0@Example.com"] }),
        "a transformation applies where it was asked for"
    );
    assert_eq!(profile["attributes"], json!({ "lastName": "O\"Neil <&>" }));
    assert_eq!(profile["audiences"][0]["id"], json!(vips));
    assert_eq!(
        (&profile["audiences"][0]["status"], &profile["audiences"][0]["namespace"]),
        (&json!("realized"), &json!("ups"))
    );
    scene.partner.plan(|_| status(410));
    scene.people(0..1, "No");
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 1);
}
