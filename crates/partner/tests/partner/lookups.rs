//! Live lookups: choices and schemas, and receivers that give something else.

use crate::world::{World, answers, bearer, object, pebble, server};
use destination::config::{AuthenticationRule, DynamicEnum, DynamicSchema, LookupPath, ServerConfig};
use partner::lookup::{Choice, TargetFields};
use partner::{Account, Lookup, LookupError, Lookups};
use receiver::{Options, TokenOptions};
use serde_json::{Map, Value as Json, json};

fn choices_of(path: &str) -> DynamicEnum {
    DynamicEnum {
        query_params: Vec::new(),
        destination_server_id: "srv".into(),
        authentication_rule: AuthenticationRule::Customer,
        value: LookupPath::parse(path).expect("a path"),
    }
}

fn schema_of(name: &str) -> DynamicSchema {
    DynamicSchema {
        destination_server_id: "srv".into(),
        authentication_rule: AuthenticationRule::Customer,
        value: name.into(),
    }
}

/// The template of the worked case A.16.
const LIST: &str = r#"{% set acc = [] %}{% for r in response.body %}{% set acc = acc | merge([{"name": r.label, "value": r.code}]) %}{% endfor %}{{ {"list": acc} | toJson | raw }}"#;
/// The template of the worked case A.22.
const SCHEMA: &str = r#"{"type":"object","properties":{ {%- for d in response.body.items -%}"{{ d.key }}":{"title":"{{ d.label }}","type":"string"}{% if not loop.last %},{% endif %}{%- endfor -%} }}"#;

fn lookup_server(world: &World, name: &str, template: &str) -> ServerConfig {
    let json = json!({
        "name": "Lookup",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": {"url": pebble("http://receiver/{{ customerData.account }}/things")},
        "httpTemplate": {
            "httpMethod": "GET",
            "headers": [{"header": "X-Region", "value": pebble("{{ customerData['the-region'] }}")}],
            "queryParameters": pebble("q={{ customerData.q }}"),
        },
        "responseFields": [{"templatingStrategy": "PEBBLE_V1", "value": template, "name": name}],
    });
    server(world, json)
}

fn customer(account: &str) -> Map<String, Json> {
    object(json!({"account": account, "the-region": "eu", "q": "a b"}))
}

struct Shelf {
    world: World,
    server: ServerConfig,
    lookups: Lookups,
    account: Account,
}

impl Shelf {
    fn new(world: World, name: &str, template: &str) -> Shelf {
        let server = lookup_server(&world, name, template);
        Shelf { world, server, lookups: Lookups::default(), account: bearer("t-1") }
    }

    async fn options(&self, account: &str) -> Result<Vec<Choice>, LookupError> {
        let customer_data = customer(account);
        let lookup =
            Lookup { server_key: "srv/1", server: &self.server, customer_data: &customer_data, account: &self.account };
        self.lookups.options(&self.world.line, &choices_of("$.list"), &lookup).await
    }

    async fn schema(&self) -> Result<TargetFields, LookupError> {
        let customer_data = customer("A7");
        let lookup =
            Lookup { server_key: "srv/1", server: &self.server, customer_data: &customer_data, account: &self.account };
        self.lookups.schema(&self.world.line, &schema_of("Things"), &lookup).await
    }
}

fn choice(name: &str, value: &str) -> Choice {
    Choice { name: name.into(), value: value.into() }
}

#[tokio::test]
async fn a_dropdown_as_in_the_worked_case() {
    let body = json!([{"code": "14", "label": "North"}, {"code": "22", "label": "Coast"}]);
    let shelf = Shelf::new(World::scripted(&[answers(body)]).await, "list", LIST);
    let expected = vec![choice("North", "14"), choice("Coast", "22")];
    assert_eq!(shelf.options("A7").await, Ok(expected.clone()));
    let came = &shelf.world.came()[0];
    assert_eq!((came.method.as_str(), came.path.as_str()), ("GET", "/A7/things"));
    assert_eq!((came.query.as_deref(), came.headers["x-region"].as_str()), (Some("q=a%20b"), "eu"));
    assert!(came.headers["authorization"].starts_with("sha256:"));
    // A minute long the same request is not made again; another one is.
    assert_eq!(shelf.options("A7").await, Ok(expected.clone()));
    shelf.world.advance(59_999);
    assert_eq!(shelf.options("A7").await, Ok(expected.clone()));
    assert_eq!(shelf.world.came().len(), 1);
    shelf.options("B8").await.expect("choices");
    assert_eq!(shelf.world.came().len(), 2);
    shelf.world.advance(1);
    assert_eq!(shelf.options("A7").await, Ok(expected));
    assert_eq!(shelf.world.came().len(), 3);
}

#[tokio::test]
async fn a_schema_as_in_the_worked_case() {
    let body =
        json!({"items": [{"key": "loyalty", "label": "Loyalty level"}, {"key": "store", "label": "Home store"}]});
    let shelf = Shelf::new(World::scripted(&[answers(body)]).await, "schema", SCHEMA);
    let fields = shelf.schema().await.expect("a schema").fields;
    let seen: Vec<(&str, Option<&str>, &str)> =
        fields.iter().map(|f| (f.name.as_str(), f.title.as_deref(), f.kind.as_str())).collect();
    assert_eq!(seen, [("loyalty", Some("Loyalty level"), "string"), ("store", Some("Home store"), "string")]);
}

#[tokio::test]
async fn bad_answers_are_told() {
    for (step, told, retry) in [
        (json!({"body": "<html>"}), "the answer is no JSON (application/json, 6 bytes)", true),
        (json!({"status": 503}), "status 503", true),
        (json!({"status": 404}), "status 404", false),
        (
            json!({"status": 307, "headers": {"location": "http://10.0.0.1/"}}),
            "status 307: redirects are not followed",
            false,
        ),
        (json!({"body": "x".repeat(2 << 20)}), "the answer is longer than 1048576 bytes", true),
        (answers(json!([{"label": "no code"}])), "`$.list[0].value` must be text, not null", false),
        (answers(json!([{"code": [], "label": "a"}])), "`$.list[0].value` must be text, not a list", false),
    ] {
        let shelf = Shelf::new(World::scripted(std::slice::from_ref(&step)).await, "list", LIST);
        let error = shelf.options("A7").await.expect_err("no list");
        assert!(error.message.starts_with(told), "{error}");
        assert_eq!(error.retry, retry, "{error}");
        shelf.options("A7").await.expect_err("failures are not kept");
    }
    let shelf = Shelf::new(
        World::scripted(&[answers(json!({"items": 1}))]).await,
        "list",
        "{\"list\": {{ response.body.items }}",
    );
    let error = shelf.options("A7").await.expect_err("no JSON");
    assert!(error.message.starts_with("responseFields `list`: the rendered text is no JSON: "), "{error}");
    let shelf =
        Shelf::new(World::scripted(&[answers(json!({"items": {}}))]).await, "list", "{{ response.body | nope }}");
    let error = shelf.options("A7").await.expect_err("no filter");
    assert!(error.message.starts_with("responseFields `list`: line 1, column "), "{error}");
}

#[tokio::test]
async fn a_url_that_is_none_is_told_before_anything_is_sent() {
    let world = World::scripted(&[json!({})]).await;
    let json = json!({
        "name": "Lookup",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": {"url": pebble("{{ customerData.host }}/things")},
        "httpTemplate": {"httpMethod": "GET"},
        "responseFields": [{"templatingStrategy": "PEBBLE_V1", "value": "{}", "name": "list"}],
    });
    let server = server(&world, json);
    for (host, told) in [
        ("", "url: the rendered text is no http or https URL"),
        ("file:///etc", "url: the rendered text is no http or https URL: its scheme is `file`"),
        ("http://h\r\nx", "url: the rendered text is no http or https URL: it holds a line break"),
        ("http://user:pass@h", "a URL must not carry a user or a password"),
    ] {
        let customer_data = object(json!({ "host": host }));
        let lookup =
            Lookup { server_key: "s", server: &server, customer_data: &customer_data, account: &Account::None };
        let error = Lookups::default().options(&world.line, &choices_of("$.list"), &lookup).await.expect_err("no URL");
        assert!(error.message.starts_with(told) && !error.retry, "{host}: {error}");
    }
    assert_eq!(world.came().len(), 0);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let token = TokenOptions { expires_in_s: 86_400, ..TokenOptions::default() };
    let world = World::new(Options { token: Some(token), require_token: true, ..Options::default() }).await;
    let oauth = json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/token",
        "clientId": "receiver",
        "clientSecret": "receiver-secret",
    });
    let tokens = world.tokens(oauth, json!({}));
    let mut shelf = Shelf::new(world, "list", "{\"list\": []}");
    shelf.account = Account::OAuth2(tokens.clone());
    assert_eq!(shelf.options("A7").await, Ok(vec![]));
    shelf.world.receiver.revoke_tokens();
    assert_eq!(shelf.options("B8").await, Ok(vec![]));
    let statuses: Vec<u16> = shelf.world.came().iter().map(|r| r.status).collect();
    assert_eq!((statuses.as_slice(), tokens.fetched()), (&[200, 401, 200][..], 2));
}

#[tokio::test]
async fn what_a_lookup_depends_on_is_entered_first() {
    let shelf = Shelf::new(World::scripted(&[answers(json!([]))]).await, "list", LIST);
    for (needs, data, done) in [
        ("account", json!({"account": "A7"}), true),
        ("account", json!({"account": ""}), false),
        ("account", json!({"the": {"account": "A7"}}), true),
        ("the.account", json!({"the": {"account": "A7"}}), true),
        ("the.account", json!({"the": {"account": null}, "account": "A7"}), false),
    ] {
        let of = DynamicEnum { query_params: vec![needs.into()], ..choices_of("$.list") };
        let customer_data = object(data.clone());
        let lookup =
            Lookup { server_key: "s", server: &shelf.server, customer_data: &customer_data, account: &Account::None };
        match shelf.lookups.options(&shelf.world.line, &of, &lookup).await {
            Ok(_) => assert!(done, "{needs} {data}"),
            Err(error) => {
                assert_eq!((error.message, done), (format!("needs a value of {needs} first"), false), "{data}");
            }
        }
    }
}
