//! Authored objects: how they are stored and shown, what is refused, who refers to whom.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use authoring::{Error, Kind};
use serde_json::{Value as Json, json};
use world::{SECRETS, World, destination, id_of, server};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: authoring::Result<T>, detail: &str) -> Json {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), detail);
    error.body()
}

#[test]
fn an_object_comes_back_with_what_the_server_sets() {
    let mut world = World::new();
    let created = world.create(Kind::Server, &server()).unwrap();
    let server_id = id_of(&created, "instanceId");
    assert_eq!(created["createdDate"], "2026-02-02T02:40:04.123000Z");
    assert_eq!(world.get(Kind::Server, &server_id).unwrap(), created);
    let (_, id) = world.destination(|_| {});
    let shown = world.get(Kind::Destination, &id).unwrap();
    let item = &shown["items"][0];
    assert_eq!(item["instanceId"], json!(id));
    assert_eq!((&item["imsOrg"], &item["sandboxName"]), (&json!("ORG@AdobeOrg"), &json!("prod")));
    assert_eq!((&item["sandboxId"], &item["status"]), (&json!("uuid-of-prod"), &json!("TEST")));
    assert!(item["destConfigId"].is_string());
    // What was shown can be sent back as it is.
    let again = world.replace(Kind::Destination, &id, item).unwrap();
    for name in ["createdDate", "destConfigId", "schemaConfig", "identityNamespaces"] {
        assert_eq!(again[name], item[name], "{name}");
    }
    assert_ne!(again["lastModifiedDate"], item["lastModifiedDate"]);
    assert_eq!(world.list(Kind::Destination)["items"].as_array().unwrap().len(), 1);
    // Other sandboxes do not see it.
    world.sandbox = world::DEV;
    assert_eq!(world.list(Kind::Destination), json!({ "items": [] }));
    let missing = world.get(Kind::Destination, &id).unwrap_err();
    assert_eq!(missing.status(), 404);
}

#[test]
fn every_fault_is_named() {
    let mut world = World::new();
    let mut body = destination("no-such-server");
    body["colour"] = json!("red");
    body["customerDataFields"][0]["pattern"] = json!("(");
    body["aggregation"]["bestEffortAggregation"]["maxUsersPerRequest"] = json!(0);
    let error = world.create(Kind::Destination, &body).unwrap_err();
    let body = error.body();
    assert_eq!((body["status"].as_u64(), body["title"].as_str()), (Some(400), Some("BadRequestError")));
    let paths: Vec<&str> = body["errors"].as_array().unwrap().iter().filter_map(|e| e["path"].as_str()).collect();
    for path in ["colour", "customerDataFields[0].pattern", "aggregation.bestEffortAggregation.maxUsersPerRequest"] {
        assert!(paths.contains(&path), "{path} is not among {paths:?}");
    }
    assert!(body["detail"].as_str().unwrap().starts_with(paths[0]));
    let server = id_of(&world.create(Kind::Server, &server()).unwrap(), "instanceId");
    let mut body = destination(&server);
    body["customerDataFields"][0]["name"] = json!("deliveryRetry");
    let taken = "customerDataFields[0].name: deliveryRetry is a setting of every connection";
    refused(world.create(Kind::Destination, &body), taken);
    // A document that is right in itself may still point nowhere.
    let dangling = world.create(Kind::Destination, &destination("no-such-server"));
    let path = "destinationDelivery[0].destinationServerId";
    let body = refused(dangling, &format!("{path}: no destination server has the id \"no-such-server\""));
    assert_eq!(body["errors"][0]["path"], path);
}

#[test]
fn what_is_referred_to_stays() {
    let mut world = World::new();
    let template = json!({
        "metadataTemplate": {
            "name": "Audiences",
            "create": {
                "url": "https://example.com/audiences",
                "httpMethod": "POST",
                "responseFields": [{ "name": "externalAudienceId", "value": "{{response.id}}" }],
                "requestBody": { "json": { "name": "{{segment.name}}" } },
            },
        },
    });
    let template = world.create(Kind::AudienceTemplate, &template).unwrap();
    let template = id_of(&template, "instanceId");
    let (server_id, id) = world.destination(|body| {
        body["segmentMappingConfig"] = json!({});
        body["audienceMetadataConfig"] = json!({ "audienceTemplateId": template });
    });
    let user = format!("is in use by destination configuration {id} (Moviestar)");
    refused(world.delete(Kind::Server, &server_id), &format!("destination server {server_id} {user}"));
    refused(world.delete(Kind::AudienceTemplate, &template), &format!("audience template {template} {user}"));
    // A change that a destination cannot live with is refused too.
    let files = json!({
        "name": "Files",
        "destinationServerType": "FILE_BASED_S3",
        "fileBasedS3Destination": {
            "bucketName": { "templatingStrategy": "NONE", "value": "bucket" },
            "path": { "templatingStrategy": "NONE", "value": "path" },
        },
    });
    let error = world.replace(Kind::Server, &server_id, &files).unwrap_err().to_string();
    assert!(error.starts_with(&format!("destination configuration {id} (Moviestar) would no longer fit: ")), "{error}");
    world.delete(Kind::Destination, &id).unwrap();
    world.delete(Kind::Server, &server_id).unwrap();
    world.delete(Kind::AudienceTemplate, &template).unwrap();
    assert!(matches!(world.delete(Kind::Server, &server_id), Err(Error::NotFound(_))));
}

#[test]
fn secrets_are_sealed_and_kept() {
    let mut world = World::new();
    let body = json!({ "basicAuthentication": { "username": "me", "password": SECRETS[0] } });
    let created = world.create(Kind::Credential, &body).unwrap();
    let id = id_of(&created, "instanceId");
    assert_eq!(created["basicAuthentication"], json!({ "username": "me", "password": authoring::REDACTED }));
    assert_eq!(created["type"], "basic");
    let stored = |world: &World| {
        let doc = world.docs.get(world.sandbox.0, Kind::Credential.collection(), &id).unwrap();
        doc.body["basicAuthentication"].clone()
    };
    let sealed = stored(&world)["password"].clone();
    let mut shown = created;
    shown["basicAuthentication"]["username"] = json!("you");
    world.replace(Kind::Credential, &id, &shown).unwrap();
    assert_eq!(stored(&world), json!({ "username": "you", "password": sealed }));
    let placeholder = json!({ "basicAuthentication": { "username": "me", "password": authoring::REDACTED } });
    let detail = "basicAuthentication.password: is the shown placeholder; give the secret itself";
    refused(world.create(Kind::Credential, &placeholder), detail);
    // A client secret of an OAuth 2 grant, and a fixed value of format password.
    let (_, id) = world.destination(|body| {
        body["customerAuthenticationConfigurations"] = json!([{
            "authType": "OAUTH2",
            "grant": "OAUTH2_PASSWORD",
            "accessTokenUrl": "https://id.example.com/token",
            "clientId": "platform",
            "clientSecret": SECRETS[0],
            "authenticationDataFields": [
                { "name": "key", "title": "Key", "type": "string", "format": "password", "source": "PARTNER", "value": SECRETS[1] },
                { "name": "tenant", "title": "Tenant", "type": "string", "isRequired": true, "source": "CUSTOMER" },
            ],
        }]);
    });
    let shown = world.get(Kind::Destination, &id).unwrap()["items"][0].clone();
    let authentication = &shown["customerAuthenticationConfigurations"][0];
    assert_eq!(authentication["clientSecret"], authoring::REDACTED);
    assert_eq!(authentication["authenticationDataFields"][0]["value"], authoring::REDACTED);
    world.replace(Kind::Destination, &id, &shown).unwrap();
    // Customers enter what is theirs.
    let catalog = world.catalog();
    let entry = catalog.entries.iter().find(|entry| entry.destination_id == id).unwrap();
    let spec = &entry.flow.connection_spec["authSpec"][0];
    assert_eq!(spec["name"], "OAuth2 Password");
    assert_eq!(spec["spec"]["required"], json!(["username", "password", "tenant"]));
    assert_eq!(spec["spec"]["properties"]["password"]["format"], "password");
}

#[test]
fn status_follows_the_review() {
    let mut world = World::new();
    let server_id = id_of(&world.create(Kind::Server, &server()).unwrap(), "instanceId");
    let mut body = destination(&server_id);
    body["status"] = json!("PUBLISHED");
    let rule = "PUBLISHED is set when a publish request is approved (POST /authoring/destinations/publish)";
    refused(world.create(Kind::Destination, &body), &format!("status: {rule}; use TEST"));
    body["status"] = json!("DELETED");
    let id = id_of(&world.create(Kind::Destination, &body).unwrap(), "instanceId");
    assert!(!world.catalog().entries.iter().any(|entry| entry.destination_id == id));
}
