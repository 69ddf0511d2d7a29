//! Audience metadata: the worked case, events, macros, failures.

use crate::world::{World, answers, bearer, object};
use destination::config::{AudienceTemplateConfig, Event};
use partner::Account;
use partner::metadata::{Answer, CallError, Context, DestinationFacts, Segment, call};
use receiver::{Options, TokenOptions};
use serde_json::{Value as Json, json};

fn template(world: &World, json: &Json) -> AudienceTemplateConfig {
    let text = json.to_string().replace("http://receiver", &world.url(""));
    let json: Json = serde_json::from_str(&text).expect("JSON");
    AudienceTemplateConfig::parse(&json).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn context() -> Context {
    Context {
        segment: Some(Segment { id: "seg-harbor".into(), name: "Harbor \"visitors\"".into(), ..Segment::default() }),
        customer_data: object(json!({"accountId": "A7"})),
        destination: DestinationFacts {
            name: "Lumen".into(),
            id: "dest-1".into(),
            ims_org_id: "ORG@Org".into(),
            sandbox_name: "prod".into(),
            enrichment_attributes: json!({"ns": {"seg": [{"source": "a"}]}}),
        },
        segment_enrichment_attributes: json!([{"source": "col1"}, {"source": "col2"}]),
    }
}

/// The worked case A.23.
fn lumen() -> Json {
    json!({
        "metadataTemplate": {
            "name": "Lumen lists",
            "create": {
                "url": "http://receiver/v3/{{customerData.accountId}}/lists",
                "httpMethod": "POST",
                "requestBody": {"json": {"title": "{{segment.name}}", "ref": "{{segment.id}}", "days": 30}},
                "responseFields": [{"name": "externalAudienceId", "value": "{{body.lists[0].id}}"}],
                "responseErrorFields": [{"name": "message", "value": "{{error.message}}"}],
            },
        },
        "validations": [{"field": "accountId", "regex": "^[A-Z][0-9]+$"}],
    })
}

async fn run(world: &World, json: &Json, event: Event, account: &Account) -> Result<Option<Answer>, CallError> {
    call(&template(world, json), event, &context(), account, &world.line).await
}

#[tokio::test]
async fn create_as_in_the_worked_case() {
    let world = World::scripted(&[
        answers(json!({"lists": [{"id": "ZX-9"}]})),
        json!({"status": 400, "body": r#"{"error":{"message":"quota reached"}}"#}),
        answers(json!({"lists": []})),
        json!({"status": 503, "body": "<html>", "retry_after": 3}),
    ])
    .await;
    let account = bearer("t-1");
    let answer = run(&world, &lumen(), Event::Create, &account).await.expect("created").expect("an event");
    assert_eq!(answer.external_audience_id(), Some("ZX-9"));
    let came = &world.came()[0];
    assert_eq!((came.method.as_str(), came.path.as_str()), ("POST", "/v3/A7/lists"));
    assert_eq!(came.body, json!({"title": "Harbor \"visitors\"", "ref": "seg-harbor", "days": 30}));
    assert_eq!(came.headers["content-type"], "application/json");
    assert_eq!(came.headers["accept-encoding"], "identity", "nothing is decoded here");
    assert!(came.headers.contains_key("authorization"), "the account lets it in");
    for (message, retry, status) in [
        ("Lumen lists quota reached", false, 400),
        ("Lumen lists the answer (status 200) gives no externalAudienceId", false, 200),
        ("Lumen lists status 503", true, 503),
    ] {
        let error = run(&world, &lumen(), Event::Create, &account).await.expect_err("no id");
        assert_eq!((error.message.as_str(), error.retry, error.status), (message, retry, Some(status)));
    }
    assert_eq!(run(&world, &lumen(), Event::Delete, &account).await, Ok(None), "the template has no such event");
    assert_eq!(world.came().len(), 4);
}

/// An id is one scalar: what else there is would end up in addresses and messages.
#[tokio::test]
async fn only_a_scalar_is_an_id() {
    for (id, given) in [
        (json!("ZX-9"), Some("ZX-9")),
        (json!(12), Some("12")),
        (json!(true), Some("true")),
        (json!("{3F25-04E0}"), Some("{3F25-04E0}")),
        (json!({"a": 1}), None),
        (json!([1, "x"]), None),
        (json!([]), None),
        (json!({}), None),
        (json!(""), None),
        (json!("  "), None),
        (json!(null), None),
    ] {
        for template in ["{{body.id}}", "{{ body.id | raw }}", "{{ body.id | escape }}", "{{{body.id}}}"] {
            let world = World::scripted(&[answers(json!({"id": id}))]).await;
            let mut json = lumen();
            json["metadataTemplate"]["create"]["responseFields"][0]["value"] = template.into();
            match (run(&world, &json, Event::Create, &Account::None).await, given) {
                (Ok(Some(answer)), Some(given)) => assert_eq!(answer.external_audience_id(), Some(given)),
                (Err(error), None) => {
                    assert_eq!(error.message, "Lumen lists the answer (status 200) gives no externalAudienceId");
                }
                (other, _) => panic!("{id} by {template}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn validations_come_before_any_call() {
    let world = World::scripted(&[json!({})]).await;
    for (field, regex, told) in [
        ("accountId", "^[0-9]+$", "Lumen lists accountId: must match `^[0-9]+$`"),
        ("nothing", "^.+$", "Lumen lists nothing: is empty, must match `^.+$`"),
        ("customerData.accountId", "^B", "Lumen lists customerData.accountId: must match `^B`"),
        ("segment.name", "^B", "Lumen lists segment.name: must match `^B`"),
    ] {
        let mut json = lumen();
        json["validations"] = json!([{"field": field, "regex": regex}]);
        let error = run(&world, &json, Event::Create, &Account::None).await.expect_err("no match");
        assert_eq!((error.message.as_str(), error.retry, error.status), (told, false, None));
    }
    assert_eq!(world.came().len(), 0);
}

#[tokio::test]
async fn all_macros_have_values() {
    let step = json!({"headers": {"x-request-id": "rq-7"}, "body": r#"{"id":5,"message":"hi","list":[1]}"#});
    let world = World::scripted(&[step]).await;
    let enrichment = "{% set columns = [] %}{% for atr in segmentEnrichmentAttributes %}\
        {% set columns = columns|merge([atr.source]) %}{% endfor %}{{ columns | toJson }}";
    let json = json!({"metadataTemplate": {"name": "M", "createDestination": {
        "url": "http://receiver/{{destination.id}}",
        "httpMethod": "PUT",
        "headers": [
            {"header": "Authorization", "value": "Own {{authData.token}}"},
            {"header": "Content-Type", "value": "application/vnd.lumen+json"},
            {"header": "Accept-Encoding", "value": "br"},
        ],
        "requestBody": {"json": {
            "facts": ["{{destination.name}}", "{{destination.imsOrgId}}", "{{destination.sandboxName}}"],
            "alias": "{{segment.alias}}",
            "columns": enrichment,
            "all": "{{{segmentEnrichmentAttributes}}}",
            "of": "{{destination.enrichmentAttributes.ns.seg}}",
            "account": "{{validations.accountId}}",
            "typed": [1, 1.5, true, null],
        }},
        "responseFields": [
            {"name": "request", "value": "{{headers.X-Request-Id}}"},
            {"name": "root", "value": "{{root}}"},
            {"name": "id", "value": "{{response.id}}"},
            {"name": "message", "value": "{{message}}"},
            {"name": "nothing", "value": "{{body.nothing}}"},
        ],
        "validations": [{"field": "accountId", "regex": "^A"}],
    }}});
    let answer = run(&world, &json, Event::CreateDestination, &bearer("t-1")).await.expect("done").expect("an event");
    let fields: Vec<(&str, &str)> = answer.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let root = r#"{"id":5,"message":"hi","list":[1]}"#;
    assert_eq!(world.came()[0].headers["accept-encoding"], "br", "a template says otherwise");
    assert_eq!(fields, [("request", "rq-7"), ("root", root), ("id", "5"), ("message", "hi")]);
    let came = &world.came()[0];
    assert_eq!(
        came.body,
        json!({
            "facts": ["Lumen", "ORG@Org", "prod"],
            "alias": "",
            "columns": r#"["col1","col2"]"#,
            "all": r#"[{"source":"col1"},{"source":"col2"}]"#,
            "of": r#"[{"source":"a"}]"#,
            "account": "A7",
            "typed": [1, 1.5, true, null],
        })
    );
    assert_eq!(came.headers["content-type"], "application/vnd.lumen+json");
}

#[tokio::test]
async fn a_fresh_token_is_there_as_a_macro() {
    let token = TokenOptions { expires_in_s: 60, ..TokenOptions::default() };
    let world = World::new(Options { token: Some(token), require_token: true, ..Options::default() }).await;
    let oauth = json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/token",
        "clientId": "receiver",
        "clientSecret": "receiver-secret",
    });
    let tokens = world.tokens(oauth, json!({}));
    let account = Account::OAuth2(tokens.clone());
    let json = json!({"metadataTemplate": {"name": "M", "update": {
        "url": "http://receiver/u",
        "httpMethod": "PATCH",
        "headers": [{"header": "Authorization", "value": "Bearer {{oauth2ServiceAccessToken}}"}],
    }}});
    for _ in 0..2 {
        run(&world, &json, Event::Update, &account).await.expect("let in");
        world.advance(60_000);
    }
    run(&world, &json, Event::Update, &account).await.expect("let in");
    world.receiver.revoke_tokens();
    run(&world, &json, Event::Update, &account).await.expect("let in after a new token");
    let statuses: Vec<u16> = world.came().iter().map(|r| r.status).collect();
    assert_eq!((statuses.as_slice(), tokens.fetched()), (&[200, 200, 200, 401, 200][..], 4));
}

#[tokio::test]
async fn the_status_of_a_token_endpoint_is_not_that_of_the_receiver() {
    let world = World::scripted(&[json!({"status": 404, "body": "{}"}), json!({"status": 410, "body": "{}"})]).await;
    let oauth = json!({
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "http://receiver/t",
        "clientId": "me",
        "clientSecret": "s",
    });
    let account = Account::OAuth2(world.tokens(oauth, json!({})));
    let error = run(&world, &lumen(), Event::Create, &account).await.expect_err("no token");
    assert_eq!(error.status, None, "{error}");
    let error = run(&world, &lumen(), Event::Create, &bearer("t")).await.expect_err("gone");
    assert_eq!(error.status, Some(410), "{error}");
}

#[tokio::test]
async fn whatever_is_answered_the_message_is_bounded_and_of_one_line() {
    for (body, told) in [
        ("<html>\nno\u{7}</html>", "M <html> no </html>"),
        ("", "M status 422"),
        ("[1,2]", "M [1,2]"),
        ("\"text\"", "M text"),
    ] {
        let world = World::scripted(&[json!({"status": 422, "body": body})]).await;
        let json = json!({"metadataTemplate": {"name": "M", "delete": {
            "url": "http://receiver/d",
            "httpMethod": "DELETE",
            "responseErrorFields": [{"name": "message", "value": "{{root}}"}],
        }}});
        let error = run(&world, &json, Event::Delete, &Account::None).await.expect_err("422");
        assert_eq!((error.message.as_str(), error.status), (told, Some(422)));
    }
    let world = World::scripted(&[json!({"status": 422, "body": "x".repeat(100_000)})]).await;
    let json = json!({"metadataTemplate": {"name": "M", "validate": {
        "url": "http://receiver/d",
        "httpMethod": "GET",
        "responseErrorFields": [{"name": "message", "value": "{{root}}"}],
    }}});
    let error = run(&world, &json, Event::Validate, &Account::None).await.expect_err("422");
    assert_eq!(error.message.chars().count(), 1_003);
}
