//! Target connections and their parameters.

use super::*;

#[test]
fn target_parameters_are_checked() {
    let mut world = World::new();
    let base = world.base(&bearer());
    let base = world.id_of(base);
    let good = "https://in.example.org/p";
    let cases = [
        (json!(null), "params must be an object"),
        (json!({}), "params.httpEndpoint is missing"),
        (
            json!({ "httpEndpoint": "nope" }),
            "params.httpEndpoint must be an http or https URL: relative URL without a base",
        ),
        (json!({ "httpEndpoint": "ftp://a/b" }), "params.httpEndpoint must be an http or https URL; its scheme is ftp"),
        (
            json!({ "httpEndpoint": "https://u:p@a/b" }),
            "params.httpEndpoint must not hold credentials; give them in the base connection",
        ),
        (json!({ "httpEndpoint": "https://a/b#c" }), "params.httpEndpoint must not have a fragment"),
        (
            json!({ "httpEndpoint": good, "queryParameters": "a" }),
            "params.queryParameters: \"a\" has no =; write name=value&name=value",
        ),
        (
            json!({ "httpEndpoint": good, "queryParameters": "=a" }),
            "params.queryParameters: \"=a\" has no name before =",
        ),
        (json!({ "httpEndpoint": good, "retry": "never" }), "params.retry must be one of: default, aep; given: never"),
        (json!({ "httpEndpoint": good, "maxConcurrency": 0 }), "params.maxConcurrency must be 1 to 256; given: 0"),
        (json!({ "httpEndpoint": good, "maxConcurrency": 257 }), "params.maxConcurrency must be 1 to 256; given: 257"),
        (
            json!({ "httpEndpoint": good, "includeSegmentNames": "yes" }),
            "params.includeSegmentNames must be true or false",
        ),
        (
            json!({ "httpEndpoint": good, "path": "x" }),
            "params.path is not known here; known: httpEndpoint, headers, queryParameters, includeSegmentNames, includeSegmentTimestamps, statusVocabulary, retry, maxConcurrency",
        ),
    ];
    for (params, detail) in cases {
        refused(world.target(&http_target(&base, params)), "1425-400", detail);
    }
    let mut wrong = http_target(&base, json!({ "httpEndpoint": good }));
    wrong["connectionSpec"] = spec(PROFILE_STORE);
    refused(
        world.target(&wrong),
        "1413-400",
        &format!("connectionSpec.id \"{PROFILE_STORE}\" (\"Profile store\") is not a destination"),
    );
}

#[test]
fn what_the_operator_does_not_let_out_to_is_refused() {
    let mut world = World::new();
    let base = world.base(&bearer());
    let base = world.id_of(base);
    let params = json!({ "httpEndpoint": "http://10.0.0.1/in" });
    refused(world.target(&http_target(&base, params)), "1425-400", "params.httpEndpoint: 10.0.0.1 is private");
    let auth = json!({ "accessTokenUrl": "http://10.0.0.1/token", "clientId": "a", "clientSecret": "b" });
    let base = world.base(&account("OAuth2 Client Credentials", auth));
    refused(base, "1425-400", "auth.params.accessTokenUrl: 10.0.0.1 is private");
}

#[test]
fn header_grammar() {
    let params = |headers: &str| json!({ "httpEndpoint": "https://a/b", "headers": headers });
    let cases = [
        ("", Ok(vec![])),
        ("X-A:1", Ok(vec![("X-A", "1")])),
        (" X-A : 1 , x-b:http://c:80/d ", Ok(vec![("X-A", "1"), ("x-b", "http://c:80/d")])),
        ("X-A", Err("params.headers: header 1 has no colon; write name:value,name:value, no comma in a value")),
        ("X-A:1,", Err("params.headers: header 2 has no colon; write name:value,name:value, no comma in a value")),
        ("X A:1", Err("params.headers: header 1 has the invalid name \"X A\"")),
        (":1", Err("params.headers: header 1 has the invalid name \"\"")),
        ("X-A:", Err("params.headers: the value of header X-A must be visible ASCII text")),
        ("X-A:é", Err("params.headers: the value of header X-A must be visible ASCII text")),
        ("X-A:1\r\nX-B:2", Err("params.headers: the value of header X-A must be visible ASCII text")),
        ("X-A:1,x-a:2", Err("params.headers: header x-a is given twice")),
        ("HOST:a", Err("params.headers: header HOST is set by the transport or the authentication; leave it out")),
        (
            "Authorization:a",
            Err("params.headers: header Authorization is set by the transport or the authentication; leave it out"),
        ),
        (
            "Content-Length:3",
            Err("params.headers: header Content-Length is set by the transport or the authentication; leave it out"),
        ),
        (
            "Transfer-Encoding:chunked",
            Err("params.headers: header Transfer-Encoding is set by the transport or the authentication; leave it out"),
        ),
    ];
    for (text, expected) in cases {
        let read = crate::http_target::canonical(&params(text)).and_then(|p| {
            crate::http_target::headers(p["headers"].as_str().unwrap())
                .map(|list| list.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>())
        });
        let expected = expected
            .map(|list: Vec<(&str, &str)>| list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
            .map_err(str::to_owned);
        assert_eq!(read, expected, "{text:?}");
    }
    let older = json!({ "httpEndpoint": "https://a/b", "Custom Headers": "X-A:1" });
    assert_eq!(crate::http_target::canonical(&older).unwrap()["headers"], "X-A:1");
}

#[test]
fn target_connections_are_patched() {
    let mut world = World::new();
    let id = world.usual_flow();
    let target = world.get_flow(&id)["targetConnectionIds"][0].as_str().unwrap().to_owned();
    let patch = |world: &mut World, body: Json| {
        let shown = world.with(|c| target_connections::get(&world.docs, c, &target, &outside())).unwrap();
        let tag = shown["items"][0]["etag"].as_str().unwrap().to_owned();
        let decision =
            world.with(|c| target_connections::patch(&world.docs, c, &target, Some(&tag), &body, &outside()));
        world.accept(decision)
    };
    patch(&mut world, json!([{ "op": "add", "path": "/params/retry", "value": "aep" }])).unwrap();
    assert_eq!(compile(&world.docs, SandboxId(1), &SHIPPED)[0].target.http().unwrap().retry, Retry::Aep);
    let refusal = patch(&mut world, json!([{ "op": "remove", "path": "/params/httpEndpoint" }]));
    refused(refusal, "1455-400", "params.httpEndpoint is missing");
}

#[test]
fn who_is_asked_before_a_patch_is_what_is_stored() {
    let mut world = World::new();
    let (base, _, target) = world.ends();
    let patched = |body: Json| world.with(|caller| target_connections::patched(&world.docs, caller, &target, &body));
    let params = json!({ "httpEndpoint": "https://b/c" });
    let change = |path: &str, value: Json| json!({ "op": "replace", "path": path, "value": value });
    let (spec, of, next) = patched(json!([change("/params", params.clone())])).unwrap();
    assert_eq!((spec.as_str(), of, next), (HTTP_API, base, params.clone()));
    for path in ["/baseConnectionId", "/connectionSpec/id", "/name", "/paramsx", ""] {
        assert_eq!(patched(json!([change("/params", params.clone()), change(path, json!("other"))])), None, "{path}");
    }
}
