//! Lists that the partner keeps: dynamic enums and dynamic schemas (destination-sdk.md §3.4, §3.6, §4.4).

use crate::partner::{Reply, ok, status};
use crate::scene::{Scene, attribute, identity, pebble, text};
use serde_json::{Value as Json, json};

fn lookup(scene: &Scene, path: &str, name: &str, template: &str) -> String {
    scene.author(
        "destination-servers",
        &json!({
            "name": name, "destinationServerType": "URL_BASED",
            "urlBasedDestination": { "url": pebble(&format!("{}/{path}", scene.partner.url)) },
            "httpTemplate": { "httpMethod": "GET", "headers": [
                { "header": "X-Account", "value": pebble("{{customerData.acct}}") },
            ] },
            "responseFields": [{ "templatingStrategy": "PEBBLE_V1", "name": name, "value": template }],
        }),
    )
}

const LIST: &str = r#"{% set acc = [] %}{% for r in response.body %}{% set acc = acc | merge([{"name": r.label, "value": r.code}]) %}{% endfor %}{{ {"list": acc} | toJson | raw }}"#;
const SCHEMA: &str = r#"{"type":"object","properties":{ {%- for d in response.body.items -%}"{{ d.key }}":{"title":"{{ d.label }}","type":"string"}{% if not loop.last %},{% endif %}{%- endfor -%} }}"#;

fn answers(call: &crate::partner::Call) -> Reply {
    match call.path.as_str() {
        "/lists" => Reply::Json(200, json!([{ "code": "14", "label": "North" }, { "code": "22", "label": "Coast" }])),
        "/fields" => Reply::Json(
            200,
            json!({ "items": [{ "key": "loyalty", "label": "Loyalty level" }, { "key": "store", "label": "Home store" }] }),
        ),
        _ => ok(),
    }
}

/// A destination with both kinds of list; gives its card and an account.
fn prepared(scene: &Scene) -> (Json, String, String) {
    let list = lookup(scene, "lists", "list", LIST);
    let schema = lookup(scene, "fields", "schema", SCHEMA);
    let server = scene.server(&json!({}));
    let mut body = Scene::destination(&server, &json!({}));
    body["customerDataFields"] = json!([
        { "name": "acct", "title": "Account", "type": "string", "isRequired": true },
        { "name": "list", "title": "List", "type": "string", "isRequired": true, "dynamicEnum": {
            "queryParams": ["acct"], "destinationServerId": list, "authenticationRule": "CUSTOMER_AUTHENTICATION",
            "value": "$.list", "responseFormat": "NAME_VALUE",
        } },
    ]);
    body["schemaConfig"]["dynamicSchemaConfig"] = json!({ "dynamicEnum": {
        "authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": schema,
        "value": "schema", "responseFormat": "SCHEMA",
    } });
    body["customerAuthenticationConfigurations"] = json!([{ "authType": "BASIC" }]);
    body["destinationDelivery"][0]["authenticationRule"] = json!("CUSTOMER_AUTHENTICATION");
    scene.author("destinations", &body);
    let (spec, flow_spec) = scene.card("Partner", "private");
    let auth =
        json!({ "specName": spec["authSpec"][0]["name"], "params": { "username": "ada", "password": "pass-4411" } });
    let base = scene.account(&spec, &auth);
    (spec, flow_spec, base)
}

#[test]
fn only_what_the_partner_offers_is_taken() {
    let scene = Scene::new();
    scene.partner.plan(answers);
    let (spec, flow_spec, base) = prepared(&scene);
    let refused = scene.try_target(&spec, &base, &json!({ "acct": "A7", "list": "15" })).expect(400);
    assert!(refused.text.contains("list") && refused.text.contains("14"), "{refused:?}");
    let call = scene.partner.calls("/lists").remove(0);
    assert_eq!((call.method.as_str(), call.header("x-account")), ("GET", Some("A7")));
    assert!(call.header("authorization").is_some_and(|value| value.starts_with("Basic ")), "{call:?}");
    let target = text(&scene.try_target(&spec, &base, &json!({ "acct": "A7", "list": "22" })).ok(), "id");
    let to = crate::scene::Connected { flow_spec, base, target };
    let vips = scene.vips();
    let address = identity("identityMap.Email", "identityMap.email");
    let unknown = [address.clone(), attribute("person.name.lastName", "colour")];
    let refused = scene.try_flow(&to, &[&vips], &unknown).expect(400);
    assert!(refused.text.contains("colour") && refused.text.contains("loyalty"), "{refused:?}");
    let flow = scene.flow(&to, &[&vips], &[address, attribute("person.name.lastName", "store")]);
    scene.people(0..1, "Vip");
    scene.world.server.settle();
    scene.check_ledger(&flow, 1, 0);
}

#[test]
fn a_partner_that_is_silent_about_its_lists_stops_nobody() {
    let scene = Scene::new();
    let (spec, flow_spec, base) = prepared(&scene);
    for broken in [
        status(500),
        Reply::Raw(200, vec![("content-type", "application/json".into())], b"{\"not\": \"a list".to_vec()),
        Reply::Raw(200, Vec::new(), vec![b'x'; 8 << 20]),
        Reply::Raw(302, vec![("location", format!("{}/lists", scene.partner.url))], Vec::new()),
    ] {
        scene.partner.plan(move |_| broken.clone());
        scene.world.server.advance("1h");
        scene.world.api.renew();
        scene.try_target(&spec, &base, &json!({ "acct": "A7", "list": "15" })).expect(201);
    }
    scene.partner.plan(|_| status(404));
    let target = text(&scene.try_target(&spec, &base, &json!({ "acct": "A7", "list": "15" })).ok(), "id");
    let to = crate::scene::Connected { flow_spec, base, target };
    let mapping = [identity("identityMap.Email", "identityMap.email"), attribute("person.name.lastName", "colour")];
    scene.flow(&to, &[&scene.vips()], &mapping);
}
