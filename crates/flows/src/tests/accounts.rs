//! Base and source connections: accounts, inlets, secrets.

use super::*;

const UNFIT: &str = "auth.params.token must stand in an HTTP header: printable ASCII characters, no line breaks, \
                     no blank at either end";

#[test]
fn base_connections_are_checked_against_the_auth_spec() {
    let with = |member: &str, value: Json| {
        let mut body = bearer();
        body[member] = value;
        body
    };
    let unversioned = json!({ "id": HTTP_API });
    let cases = [
        (json!(null), "1405-400", "the body is empty"),
        (json!([]), "1425-400", "the body must be an object"),
        (with("name", json!(" ")), "1425-400", "name must not be empty"),
        (with("name", json!(null)), "1425-400", "name is missing"),
        (
            with("colour", json!(1)),
            "1425-400",
            "colour is not known here; known: name, description, auth, connectionSpec, providerId",
        ),
        (
            with("state", json!("enabled")),
            "1410-400",
            "state cannot be given on create; use the action endpoint afterwards",
        ),
        (with("connectionSpec", unversioned), "1425-422", "connectionSpec.version is missing"),
        (
            with("connectionSpec", json!({ "version": "1.0" })),
            "1413-400",
            "Please provide a valid spec id: connectionSpec.id is missing",
        ),
        (with("connectionSpec", spec("abc")), "1413-400", "Please provide a valid spec id: connectionSpec.id is abc"),
        (
            with("connectionSpec", spec("4fce964d-3f37-408f-9778-e597338a21ee")),
            "1413-400",
            "connectionSpec.id 4fce964d-3f37-408f-9778-e597338a21ee (Amazon S3) is not served yet",
        ),
        (
            with("providerId", json!("p")),
            "1425-400",
            &format!("providerId must be \"{PROVIDER}\" for this connection spec"),
        ),
        (with("auth", json!(null)), "1425-400", "auth must be an object {specName, params}"),
        (
            account("Basic", json!({})),
            "1415-400",
            "auth.specName \"Basic\" is not known for this connection spec; known: None, Bearer token, OAuth2 Client Credentials, OAuth2 Password",
        ),
        (
            account("None", json!({ "token": "s3cr3t-token" })),
            "1425-400",
            "auth.params.token is not known here; known: none",
        ),
        (account("Bearer token", json!({})), "1425-400", "auth.params.token is missing"),
        (account("Bearer token", json!({ "token": "" })), "1425-400", "auth.params.token must not be empty"),
        (account("Bearer token", json!({ "token": 7 })), "1425-400", "auth.params.token must be a string"),
        (
            account("Bearer token", json!({ "token": "<redacted>" })),
            "1425-400",
            "auth.params.token is the shown placeholder; give the secret itself",
        ),
        (
            oauth(json!({ "clientCredentialsType": "Digest" })),
            "1425-400",
            "auth.params.clientCredentialsType must be one of: Body Form Encoded, Basic Authorization; given: Digest",
        ),
        (
            oauth(json!({ "accessTokenUrl": "https://id.example.org/t?a=1&b=2" })),
            "1425-400",
            "auth.params.accessTokenUrl may have at most one query parameter",
        ),
        (
            oauth(json!({ "accessTokenUrl": "ftp://x/y" })),
            "1425-400",
            "auth.params.accessTokenUrl must be an http or https URL",
        ),
        (
            oauth(json!({ "Client Secret": "s3cr3t-client" })),
            "1425-400",
            "auth.params.clientSecret is given twice, under its older name too",
        ),
    ];
    for (body, code, detail) in cases {
        refused(World::new().base(&body), code, detail);
    }
}

#[test]
fn a_token_has_to_stand_in_a_header() {
    let with = |token: &str| account("Bearer token", json!({ "token": token }));
    for unfit in ["\n", "\r\nX: y", "\t", " ", "\u{e4}", "\u{7f}", "\u{0}"] {
        refused(World::new().base(&with(&format!("s3cr3t-token{unfit}"))), "1425-400", UNFIT);
        refused(World::new().base(&with(&format!("{unfit}s3cr3t-token"))), "1425-400", UNFIT);
    }
    let mut world = World::new();
    let id = world.base(&with("s3cr3t-token: +/=~!\"\\{}"));
    world.id_of(id);
}

#[test]
fn secrets_are_sealed_and_never_shown() {
    let mut world = World::new();
    let older = json!({
        "authEndpoint": "https://id.example.org/token?x=1",
        "Client ID": "me",
        "Client Secret": "s3cr3t-client",
    });
    let password = json!({
        "accessTokenUrl": "https://id.example.org/token",
        "clientId": "me",
        "clientSecret": "s3cr3t-client",
        "username": "u",
        "password": "s3cr3t-pass",
    });
    for body in [bearer(), account("OAuth 2 Client Credentials", older), account("OAuth 2 Password", password)] {
        let id = world.base(&body);
        let id = world.id_of(id);
        let shown = world.get_base(&id).to_string();
        assert!(shown.contains("<redacted>") && !shown.contains("sealed:"), "{shown}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
        let listed =
            world.with(|c| connections::list(&world.docs, c, &Query::default(), &outside())).unwrap().to_string();
        assert!(!listed.contains("sealed:"), "{listed}");
    }
    let none = world.base(&account("None", json!({})));
    let id = world.id_of(none);
    assert_eq!(world.get_base(&id)["auth"], json!({ "specName": "None", "params": {} }));
    // A filter must not tell what a secret is either: it sees what is shown.
    let query = Query::from_pairs(&[("property", "auth.params.token==sealed:12")]).unwrap();
    let found = world.with(|c| connections::list(&world.docs, c, &query, &outside())).unwrap();
    assert_eq!(found["items"], json!([]));
}

#[test]
fn base_connections_are_patched() {
    let mut world = World::new();
    let id = world.base(&bearer());
    let id = world.id_of(id);
    let patch = |world: &mut World, if_match: Option<&str>, body: Json| {
        let decision = world.with(|c| connections::patch(&world.docs, c, &id, if_match, &body, &outside()));
        world.accept(decision)
    };
    let tag = |world: &World| world.get_base(&id)["etag"].as_str().unwrap().to_owned();
    let first = tag(&world);
    let replace = json!([{ "op": "replace", "path": "/auth/params", "value": { "token": "n3w-s3cr3t" } }]);
    refused(
        patch(&mut world, None, replace.clone()),
        "1403-400",
        "the If-Match header is missing; give the etag with its quotes",
    );
    let done = patch(&mut world, Some(&first), replace.clone()).unwrap();
    assert_eq!((done.status, done.body["etag"].as_str().unwrap()), (200, tag(&world).as_str()));
    assert_eq!(
        world.docs.get(SandboxId(1), Collection::BaseConnection, &id).unwrap().body["auth"]["params"]["token"],
        "sealed:10"
    );
    let stale = patch(&mut world, Some(&first), replace).unwrap_err();
    assert_eq!((stale.status(), stale.code()), (412, "1404-412".to_owned()));
    let cases = [
        (
            json!([{ "op": "replace", "path": "/connectionSpec/id", "value": "x" }]),
            "1414-400",
            "the connection spec of a connection cannot change",
        ),
        (
            json!([{ "op": "replace", "path": "/auth/params/token", "value": "x" }]),
            "1455-400",
            "path \"/auth/params/token\" cannot be patched; known: /name, /description, /auth/params",
        ),
        (json!([{ "op": "remove", "path": "/auth/params" }]), "1425-400", "auth.params.token is missing"),
        (
            json!([{ "op": "replace", "path": "/auth/params", "value": { "token": "s3cr3t-token\r\nX: y" } }]),
            "1425-400",
            UNFIT,
        ),
        (json!([{ "op": "remove", "path": "/name" }]), "1455-400", "name is missing"),
        (json!([]), "1405-400", "the body must hold at least one patch operation"),
        (json!({ "op": "add" }), "1425-400", "the body must be an array of patch operations"),
    ];
    for (body, code, detail) in cases {
        let now = tag(&world);
        refused(patch(&mut world, Some(&now), body), code, detail);
    }
    let both = json!([
        { "op": "REMOVE", "path": "/auth/params", "value": {} },
        { "op": "Add", "path": "/auth/params", "value": { "token": "s3cr3t-token" } },
        { "op": "add", "path": "/description", "value": "d" },
    ]);
    let now = tag(&world);
    patch(&mut world, Some(&now), both).unwrap();
    assert_eq!(world.get_base(&id)["description"], "d");
}

#[test]
fn an_inlet_gets_an_id_and_a_url() {
    let mut world = World::new();
    let body = |params: Json| {
        json!({
            "name": "Web",
            "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
            "connectionSpec": spec(STREAMING_INLET),
            "auth": { "specName": "Streaming Connection", "params": params },
        })
    };
    let params = json!({ "sourceId": "web", "dataType": "xdm", "name": "Web", "authenticationRequired": true });
    let id = world.base(&body(params));
    let id = world.id_of(id);
    let shown = world.get_base(&id)["auth"]["params"].clone();
    let inlet = shown["inletId"].as_str().unwrap();
    assert!(inlet.len() == 64 && inlet.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(shown["inletUrl"], format!("http://localhost:8080/collection/{inlet}"));
    let compiled = inlets(&world.docs, SandboxId(1));
    assert_eq!((compiled.len(), compiled[0].inlet_id.as_str(), compiled[0].authentication_required), (1, inlet, true));
    let cases = [
        (
            json!({ "sourceId": "web", "dataType": "raw", "name": "Web" }),
            "auth.params.dataType must be one of: xdm; given: raw",
        ),
        (json!({ "dataType": "xdm", "name": "Web" }), "auth.params.sourceId is missing"),
        (
            json!({ "sourceId": "web", "dataType": "xdm", "name": "Web", "inletId": "x" }),
            "auth.params.inletId is not known here; known: sourceId, dataType, name, authenticationRequired",
        ),
    ];
    for (params, detail) in cases {
        refused(world.base(&body(params)), "1425-400", detail);
    }
}

#[test]
fn a_source_connection_brings_its_base_connection() {
    let mut world = World::new();
    let id = world.source(&profile_store());
    let id = world.id_of(id);
    let shown = world.with(|c| source_connections::get(&world.docs, c, &id)).unwrap()["items"][0].clone();
    assert_eq!(shown["typeInfo"], json!({ "type": "ProfileFragments", "id": "ups" }));
    assert_eq!(shown["inheritedAttributes"]["baseConnection"]["connectionSpec"], spec(PROFILE_STORE));
    assert_eq!(world.docs.count(SandboxId(1), Collection::BaseConnection), 1);
    let gone = world.with(|c| source_connections::delete(&world.docs, c, &id));
    assert_eq!(world.accept(gone).unwrap().status, 204);
    assert_eq!(world.docs.count(SandboxId(1), Collection::BaseConnection), 0);

    let base = world.base(&profile_store());
    let base = world.id_of(base);
    let mut body = profile_store();
    body["baseConnectionId"] = json!(base);
    body["data"] = json!({ "format": "CSV", "schema": null });
    body["params"] = json!({});
    world.source(&body).unwrap();
    body["baseConnectionId"] = json!("zzz");
    refused(world.source(&body), "1428-400", "baseConnectionId zzz names no base connection");
    body["baseConnectionId"] = json!(base);
    body["params"] = json!({ "x": 1 });
    refused(world.source(&body), "1425-400", "params.x is not known here; known: none");
    body["connectionSpec"] = spec(STREAMING_INLET);
    let detail = "connectionSpec.id \"bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb\" (\"HTTP API\") is not served yet as a source connection";
    refused(world.source(&body), "1413-400", detail);
}

#[test]
fn connections_in_use_stay() {
    let mut world = World::new();
    let (base, source, target) = world.ends();
    let flow = world.flow(&flow_body(&source, &target));
    let flow = world.id_of(flow);
    let delete_base = |world: &mut World| {
        let decision = world.with(|c| connections::delete(&world.docs, c, &base));
        world.accept(decision)
    };
    let used = format!("base connection {base} is used by flow {flow}; delete the flow first");
    refused(delete_base(&mut world), "1418-400", &used);
    let used = format!("connection {target} is used by flow {flow}; delete the flow first");
    refused(world.with(|c| target_connections::delete(&world.docs, c, &target)), "1447-400", &used);
    world.act(&flow, "disable", None).unwrap();
    refused(world.with(|c| target_connections::delete(&world.docs, c, &target)), "1418-400", &used);
    let gone = world.with(|c| dataflows::delete(&world.docs, c, &flow));
    let gone = world.accept(gone).unwrap();
    assert_eq!((gone.status, gone.body), (204, Json::Null));
    delete_base(&mut world).unwrap();
    let detail = format!("targetConnectionIds[0] {target}: its base connection \"{base}\" is gone");
    refused(world.flow(&flow_body(&source, &target)), "1428-400", &detail);
}
