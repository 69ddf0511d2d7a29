//! Bad input on the control side: precise answers, nothing changed, nobody let in.

use serde_json::{Value as Json, json};
use testkit::{Api, Flow, Options, Server, World};

const FLOWS: &str = "/data/foundation/flowservice";
const DEFINITIONS: &str = "/data/core/ups/segment/definitions";

fn message(body: &Json) -> String {
    let errors = body["errors"]["400"][0]["message"].as_str();
    let text = errors.or_else(|| body["errorMessage"].as_str()).or_else(|| body["detail"].as_str());
    text.unwrap_or_else(|| panic!("no message in {body}")).to_owned()
}

#[test]
fn a_faulty_query_is_refused_with_its_place() {
    let world = World::new();
    let before = world.api.get(DEFINITIONS).ok();
    for (pql, said) in [
        ("person.name.lastName = ", "line 1, column 24"),
        ("person.name.lastName =\n  \"a\" and (", "line 2, column"),
        ("person.name.surname = \"a\"", "surname"),
        ("xEvent[commerce.order.price > 1].count() > 1", "price"),
        ("person.name.lastName.frobnicate()", "frobnicate"),
        ("person.name.lastName > 5", "line 1, column"),
        ("xEvent[timestamp occurs <= 3 fortnights before now].count() > 0", "fortnights"),
        ("", "expression.value"),
    ] {
        let refused = world.try_audience("broken", pql).expect(400).json;
        let text = message(&refused);
        assert!(text.contains(said), "{pql}: {text}");
        assert!(pql.is_empty() || text.contains("^"), "{pql}: the place is underlined: {text}");
        assert_eq!(refused["type"], "https://ns.adobe.com/aep/errors/UPAPI-113434-400", "{refused}");
    }
    let deep = format!("{}true{}", "(".repeat(20_000), ")".repeat(20_000));
    world.try_audience("deep", &deep).expect(400);
    assert_eq!(world.api.get(DEFINITIONS).ok(), before, "nothing was made");
    world.audience("good", "person.name.lastName = \"a\"");
    world.try_audience("good", "person.name.lastName = \"b\"").expect(422);
}

#[test]
fn an_audience_that_is_faulty_elsewhere_is_refused() {
    let world = World::new();
    let good = json!({
        "name": "a", "schema": { "name": "_xdm.context.profile" },
        "expression": { "type": "PQL", "format": "pql/text", "value": "person.name.lastName = \"a\"" },
    });
    for (pointer, value, said) in [
        ("/schema/name", json!("_xdm.context.segment"), "schema.name"),
        ("/expression/format", json!("sql"), "expression.format"),
        ("/expression/type", json!("SQL"), "expression.type"),
        ("/name", json!(7), "name"),
        ("/expression", json!("person"), "expression"),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("a member") = value;
        let text = message(&world.api.post(DEFINITIONS, &body).expect(400).json);
        assert!(text.contains(said), "{text}");
    }
    let mut body = good.clone();
    body["mergePolicyId"] = json!("none");
    assert!(message(&world.api.post(DEFINITIONS, &body).expect(400).json).contains("mergePolicyId"));
    let broken = world.api.send("POST", DEFINITIONS, Some(b"{\"name\":".to_vec()), &[]).expect(400);
    assert!(broken.text.contains("line 1 column"), "{}", broken.text);
    world
        .api
        .send("POST", DEFINITIONS, Some(good.to_string().into_bytes()), &[("content-type", "text/plain")])
        .expect(400);
    world.api.get(&format!("{DEFINITIONS}/nothing")).expect(404);
}

#[test]
fn a_flow_patch_needs_the_present_etag_and_known_fields() {
    let world = World::new();
    let audience = world.audience("a", "person.name.lastName = \"a\"");
    let flow = world.flow(&Flow::to(&[&audience]));
    let path = format!("{FLOWS}/flows/{flow}");
    let before = world.get_flow(&flow);
    let rename = json!([{ "op": "add", "path": "/name", "value": "renamed" }]);
    let patch =
        |body: &Json, etag: &[(&str, &str)]| world.api.send("PATCH", &path, Some(body.to_string().into_bytes()), etag);
    let refused = patch(&rename, &[]).expect(400);
    assert_eq!(refused.json["code"], "1403-400", "{refused:?}");
    let refused = patch(&rename, &[("if-match", "\"0000-0000\"")]).expect(412);
    assert_eq!(refused.json["code"], "1404-412", "{refused:?}");
    let base = "/transformations/0/params";
    let audience_path = format!("{base}/segmentSelectors/selectors/-");
    let field_path = format!("{base}/profileSelectors/selectors/-");
    let segment = json!({ "type": "PLATFORM_SEGMENT", "value": { "id": "nothing", "name": "x" } });
    let field = |path: &str| json!({ "type": "JSON_PATH", "value": { "path": path, "operator": "EXISTS" } });
    for (body, said) in [
        (json!([{ "op": "add", "path": audience_path, "value": segment }]), "nothing"),
        (json!([{ "op": "add", "path": field_path, "value": field("person.name.surname") }]), "surname"),
        (json!([{ "op": "add", "path": field_path, "value": field("") }]), "path"),
        (json!([{ "op": "add", "path": "/state", "value": "disabled" }]), "action endpoint"),
        (json!([{ "op": "add", "path": "/colour", "value": "red" }]), "/colour"),
        (json!([{ "op": "replace", "path": "/name", "value": 7 }]), "name"),
        (json!({ "name": "renamed" }), "array"),
        (json!([]), "at least one"),
    ] {
        let refused = world.patch_flow(&flow, &body).expect(400);
        let text = message(&refused.json).to_lowercase();
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(world.get_flow(&flow), before, "nothing changed");
    let etag = before["etag"].as_str().expect("an etag");
    patch(&rename, &[("if-match", etag)]).expect(200);
    patch(&rename, &[("if-match", etag)]).expect(412);
    assert_eq!(world.get_flow(&flow)["name"], "renamed");
    world.api.get(&format!("{FLOWS}/flows/nothing")).expect(404);
    let acted = world.api.send("POST", &format!("{path}/action?op=explode"), None, &[]).expect(400);
    assert!(acted.text.contains("explode"), "{}", acted.text);
}

/// Creates an account without authentication and asks for a target connection.
fn target(api: &Api, params: &Json) -> testkit::Answer {
    let spec = json!({ "id": flows::HTTP_API, "version": "1.0" });
    let account = json!({ "name": "a", "connectionSpec": spec, "auth": { "specName": "None", "params": {} } });
    let account = api.post(&format!("{FLOWS}/connections"), &account).ok()["id"].clone();
    let body = json!({ "name": "t", "baseConnectionId": account, "connectionSpec": spec, "params": params });
    api.post(&format!("{FLOWS}/targetConnections"), &body)
}

#[test]
fn a_faulty_destination_is_refused() {
    let world = World::new();
    let with = |name: &str, value: Json| {
        let mut params = json!({ "httpEndpoint": "https://example.com/in" });
        params[name] = value;
        params
    };
    for (params, said) in [
        (with("httpEndpoint", json!("no url")), "params.httpEndpoint"),
        (with("httpEndpoint", json!("ftp://example.com/")), "ftp"),
        (with("httpEndpoint", json!("https://me:secret-word@example.com/")), "credentials"),
        (with("httpEndpoint", json!("https://example.com/#part")), "fragment"),
        (with("httpEndpoint", json!(7)), "params.httpEndpoint"),
        (json!({}), "httpEndpoint"),
        (with("headers", json!("no colon")), "header 1"),
        (with("headers", json!("a:1,b c:secret-word")), "header 2"),
        (with("headers", json!("authorization:secret-word")), "authorization"),
        (with("headers", json!("a:secret-word,A:2")), "twice"),
        (with("queryParameters", json!("a")), "params.queryParameters"),
        (with("maxConcurrency", json!(0)), "maxConcurrency"),
        (with("retry", json!("often")), "retry"),
        (with("colour", json!("red")), "colour"),
    ] {
        let refused = target(&world.api, &params).expect(400);
        assert!(message(&refused.json).contains(said), "{said}: {refused:?}");
        assert!(!refused.text.contains("secret-word"), "{refused:?}");
    }
    target(&world.api, &with("headers", json!("a:1,b:2"))).expect(201);
}

#[test]
fn a_private_target_is_refused_unless_it_is_allowed() {
    let server = Server::start(Options { private_targets_refused: true, ..Options::default() });
    let api = server.api();
    for host in ["127.0.0.1:9", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "192.168.1.1"] {
        let refused = target(&api, &json!({ "httpEndpoint": format!("http://{host}/latest") })).expect(400);
        assert!(message(&refused.json).contains("allow"), "{host}: {refused:?}");
    }
    target(&api, &json!({ "httpEndpoint": "https://example.com/in" })).expect(201);
    let listed = Server::start(
        Options { private_targets_refused: true, ..Options::default() }.with(&["--allow-targets", "10.0.0.0/8"]),
    );
    target(&listed.api(), &json!({ "httpEndpoint": "http://10.1.2.3/in" })).expect(201);
    target(&listed.api(), &json!({ "httpEndpoint": "http://127.0.0.1/in" })).expect(400);
}

#[test]
fn the_gateway_lets_nobody_in_without_the_right_headers() {
    let world = World::new();
    let (api, path) = (&world.api, "/data/foundation/flowservice/flows");
    let gateway = |code: &str, message: &str| json!({ "error_code": code, "message": message });
    let missing = gateway("403010", "Oauth token is missing.");
    let invalid = gateway("401013", "Oauth token is not valid");
    let token = api.bearer();
    let tampered = format!("Bearer {}x", &token[..token.len() - 1]);
    let ask = |api: Api, status: u16, body: &Json| assert_eq!(&api.get(path).expect(status).json, body);
    ask(api.without("authorization"), 403, &missing);
    ask(api.without("authorization").with("authorization", ""), 403, &missing);
    ask(api.without("authorization").with("authorization", "Bearer"), 401, &invalid);
    ask(api.without("authorization").with("authorization", "Bearer nonsense"), 401, &invalid);
    ask(api.without("authorization").with("authorization", &tampered), 401, &invalid);
    ask(api.without("authorization").with("authorization", &format!("Basic {token}")), 401, &invalid);
    ask(api.without("x-api-key"), 403, &gateway("403000", "Api Key is required"));
    ask(api.with("x-api-key", "somebody"), 403, &gateway("403003", "Api Key is invalid"));
    ask(api.without("x-gw-ims-org-id"), 400, &gateway("400003", "Missing header x-gw-ims-org-id"));
    ask(api.with("x-gw-ims-org-id", "0@AdobeOrg"), 403, &gateway("403025", "Profile is not valid"));
    let sandbox = api.with("x-sandbox-name", "elsewhere").get(path).expect(404);
    assert!(sandbox.json["detail"].as_str().is_some_and(|d| d.contains("\"elsewhere\"")), "{sandbox:?}");
    api.without("x-sandbox-name").get(path).expect(200);
    for path in [
        "/data/core/ups/segment/definitions",
        "/data/foundation/catalog/dataSets",
        "/data/foundation/schemaregistry/tenant/schemas",
        "/data/core/idnamespace/identities",
        "/data/core/ups/config/mergePolicies",
        "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityId=a&entityIdNS=CRMID",
        "/data/foundation/flowservice/connections",
        "/data/foundation/flowservice/runs",
    ] {
        assert_eq!(api.without("authorization").get(path).expect(403).json, missing, "{path}");
        api.with("accept", "application/vnd.adobe.xed-id+json").get(path).expect(200);
    }
    for path in ["status", "clients", "flows", "dead-letters", "quarantine", "profiles?namespace=CRMID&id=a"] {
        api.get(&format!("/rivermouth/{path}")).expect(401);
        Api::new(&world.server.url).get(&format!("/rivermouth/{path}")).expect(401);
    }
    api.post("/rivermouth/clock", &json!({ "advance": "1d" })).expect(401);
    api.get("/nowhere").expect(404);
}

#[test]
fn a_rotated_or_revoked_client_is_out() {
    let world = World::new();
    let made = world.server.command(&["clients", "create", "--name", "second", "--output", "json"]).json();
    let (id, secret) = (made["client_id"].as_str().expect("an id"), made["client_secret"].as_str().expect("a secret"));
    let second = Api::log_in(&world.server.url, &made);
    second.get(DEFINITIONS).expect(200);
    assert_eq!(second.with("x-api-key", world.api.header("x-api-key").expect("a key")).get(DEFINITIONS).status, 403);

    let rotated = world.server.command(&["clients", "rotate", id, "--output", "json"]).json();
    assert_ne!(rotated["client_secret"], secret);
    let refused = world.api.token(id, secret).expect(401);
    assert_eq!(refused.json["error"], "invalid_client", "{refused:?}");
    let after_rotation = second.get(DEFINITIONS).status;
    assert_eq!(after_rotation, 401, "a token of the old secret is dead");
    let third = Api::log_in(&world.server.url, &rotated);
    third.get(DEFINITIONS).expect(200);

    let revoked = world.server.command(&["clients", "revoke", id, "--output", "json"]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let invalid = json!({ "error_code": "401013", "message": "Oauth token is not valid" });
    assert_eq!(third.get(DEFINITIONS).expect(401).json, invalid);
    world.api.token(id, rotated["client_secret"].as_str().expect("a secret")).expect(401);
    let again = world.server.command(&["clients", "revoke", id]);
    assert_eq!((again.code, again.stderr.contains(id)), (Some(1), true), "{again:?}");
    world.api.get(DEFINITIONS).expect(200);
    let listed = world.server.command(&["clients", "list", "--output", "json"]);
    assert!(!listed.stdout.contains("secret"), "{listed:?}");
}

#[test]
fn the_token_endpoint_speaks_oauth2() {
    let server = Server::start(Options::default());
    let (plain, credentials) = (Api::new(&server.url), server.credentials());
    let (id, secret) =
        (credentials["client_id"].as_str().expect("an id"), credentials["client_secret"].as_str().expect("a secret"));
    let answer = plain.token(id, secret).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json["token_type"], "bearer");
    let wrong = plain.token(id, "wrong").expect(401);
    assert_eq!(wrong.json["error"], "invalid_client");
    assert_eq!(plain.token("nobody", secret).expect(401).json, wrong.json, "nothing tells which of both is wrong");
    let form = |body: &str| {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        plain.send("POST", "/ims/token/v3", Some(body.as_bytes().to_vec()), &kind).expect(400).json["error"].clone()
    };
    assert_eq!(form(&format!("grant_type=password&client_id={id}&client_secret={secret}")), "unsupported_grant_type");
    assert_eq!(form(&format!("client_id={id}&client_secret={secret}")), "invalid_request");
    let scope = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=everything");
    assert_eq!(form(&scope), "invalid_scope");
}

#[test]
fn a_directory_has_one_server() {
    let server = Server::start(Options::default());
    let second = Options { data_dir: Some(server.data_dir().to_owned()), ..Options::default() };
    let log = Server::try_start(second).expect_err("the directory is taken");
    assert!(log.contains("is in use by another process"), "{log}");
    assert!(log.contains(&server.pid().to_string()), "it names the holder: {log}");
    assert!(!log.contains("panicked"), "{log}");
    Api::new(&server.url).get("/health").expect(200);
}
