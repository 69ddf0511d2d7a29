//! Everything the demo needs, made through the public API: namespace, schemas, data sets, inlet,
//! audiences, and a flow to the receiver.

use super::cdnow::CRM;
use crate::client::Client;
use receiver::{Options, Running, TokenOptions};
use serde_json::{Value as Json, json};

const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
const EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";

/// The audiences: name and rule.
pub(super) const AUDIENCES: &[(&str, &str)] = &[
    ("repeat-buyers", r#"xEvent[eventType = "commerce.purchases"].count() >= 3"#),
    ("big-spenders", r#"xEvent[eventType = "commerce.purchases"].sum(commerce.order.priceTotal) >= 250"#),
    ("active", r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#),
    (
        "lapsed",
        r#"xEvent[eventType = "commerce.purchases"].count() >= 2 and not (exists E from xEvent where E.eventType = "commerce.purchases" and E.timestamp occurs <= 180 days before now)"#,
    ),
    (
        "bulk",
        r#"exists E from xEvent, I from E.productListItems where E.eventType = "commerce.purchases" and I.quantity >= 10"#,
    ),
];

/// What the stream needs to know.
pub(super) struct World {
    pub(super) org: String,
    pub(super) inlet: String,
    pub(super) event: Target,
    pub(super) profile: Target,
}

/// A data set and its schema.
pub(super) struct Target {
    pub(super) schema: String,
    pub(super) dataset: String,
}

/// A receiver that wants tokens and remembers the last deliveries.
pub(super) async fn receiver() -> Result<Running, String> {
    let options =
        Options { token: Some(TokenOptions::default()), require_token: true, kept_max: 200, ..Options::default() };
    receiver::serve(options).await.map_err(|e| e.to_string())
}

/// Logs in: a client with the headers of every AEP call.
async fn log_in(url: &str, credentials: &Json) -> Result<Client, String> {
    let text = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=openid",
        text("client_id"),
        text("client_secret")
    );
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/ims/token/v3";
    let token = Client::new(url)?.send("POST", path, Some(form.into_bytes()), &kind).await?.expect("POST", path)?;
    let token = token["access_token"].as_str().ok_or("the token endpoint gave no access_token")?;
    Ok(Client::new(url)?
        .with("authorization", format!("Bearer {token}"))
        .with("x-api-key", text("client_id"))
        .with("x-gw-ims-org-id", text("org_id"))
        .with("x-sandbox-name", "prod".into()))
}

pub(super) async fn set_up(url: &str, credentials: &Json, endpoint: &str, token_url: &str) -> Result<World, String> {
    let api = log_in(url, credentials).await?;
    let namespace = json!({ "name": "CRM id", "code": CRM, "idType": "CROSS_DEVICE" });
    api.call("POST", "/data/core/idnamespace/identities", Some(&namespace)).await?;
    let profile = target(
        &api,
        "CDNOW customers",
        PROFILE,
        &[
            "https://ns.adobe.com/xdm/context/profile-person-details",
            "https://ns.adobe.com/xdm/context/profile-personal-details",
        ],
    )
    .await?;
    let event =
        target(&api, "CDNOW purchases", EVENT, &["https://ns.adobe.com/xdm/context/experienceevent-commerce"]).await?;
    let inlet = inlet(&api).await?;
    let mut audiences = Vec::new();
    for (name, pql) in AUDIENCES {
        let body = json!({
            "name": name, "schema": { "name": "_xdm.context.profile" },
            "expression": { "type": "PQL", "format": "pql/text", "value": pql },
        });
        let made = api.call("POST", "/data/core/ups/segment/definitions", Some(&body)).await?;
        audiences.push((made["id"].as_str().unwrap_or_default().to_owned(), *name));
    }
    flow(&api, endpoint, token_url, &audiences).await?;
    Ok(World { org: credentials["org_id"].as_str().unwrap_or_default().to_owned(), inlet, event, profile })
}

/// A schema in the union, and a data set for it.
async fn target(api: &Client, title: &str, class: &str, groups: &[&str]) -> Result<Target, String> {
    const SCHEMAS: &str = "/data/foundation/schemaregistry/tenant/schemas";
    let refs: Vec<Json> = [class, "https://ns.adobe.com/xdm/context/identitymap"]
        .iter()
        .chain(groups)
        .map(|id| json!({ "$ref": id }))
        .collect();
    let made = api.call("POST", SCHEMAS, Some(&json!({ "title": title, "type": "object", "allOf": refs }))).await?;
    let (schema, alt) = (text(&made, "$id")?, text(&made, "meta:altId")?);
    let union = json!([{ "op": "add", "path": "/meta:immutableTags", "value": ["union"] }]);
    api.call("PATCH", &format!("{SCHEMAS}/{alt}"), Some(&union)).await?;
    let body = json!({
        "name": title,
        "schemaRef": { "id": schema, "contentType": "application/vnd.adobe.xed+json;version=1" },
        "tags": { "unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"] },
    });
    let made = api.call("POST", "/data/foundation/catalog/dataSets", Some(&body)).await?;
    let dataset = made[0].as_str().and_then(|path| path.rsplit('/').next()).ok_or("the catalog named no data set")?;
    Ok(Target { schema, dataset: dataset.to_owned() })
}

fn text(body: &Json, member: &str) -> Result<String, String> {
    body[member].as_str().map(str::to_owned).ok_or_else(|| format!("an answer lacks {member}: {body}"))
}

const FLOWS: &str = "/data/foundation/flowservice";

async fn inlet(api: &Client) -> Result<String, String> {
    let body = json!({
        "name": "CDNOW stream", "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
        "connectionSpec": { "id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0" },
        "auth": { "specName": "Streaming Connection", "params": { "sourceId": "cdnow", "dataType": "xdm", "name": "CDNOW stream" } },
    });
    let made = api.call("POST", &format!("{FLOWS}/connections"), Some(&body)).await?;
    let path = format!("{FLOWS}/connections/{}", text(&made, "id")?);
    let found = api.call("GET", &path, None).await?;
    let params = &found["items"][0]["auth"]["params"];
    let id = params["inletId"].as_str().or_else(|| found["items"][0]["inletId"].as_str());
    id.map(str::to_owned).ok_or_else(|| format!("the connection shows no inletId: {found}"))
}

/// Account, connections, flow; then audiences and two attributes by PATCH with If-Match.
async fn flow(api: &Client, endpoint: &str, token_url: &str, audiences: &[(String, &str)]) -> Result<(), String> {
    let create = async |path: &str, body: Json| {
        let made = api.call("POST", &format!("{FLOWS}{path}"), Some(&body)).await?;
        text(&made, "id")
    };
    let spec = json!({ "id": flows::HTTP_API, "version": "1.0" });
    let account = create(
        "/connections",
        json!({
            "name": "Receiver account", "connectionSpec": spec,
            "auth": { "specName": "OAuth2 Client Credentials", "params": {
                "accessTokenUrl": token_url, "clientId": "receiver", "clientSecret": "receiver-secret",
                "clientCredentialsType": "Body Form Encoded",
            } },
        }),
    )
    .await?;
    let source = json!({ "id": flows::PROFILE_STORE, "version": "1.0" });
    let source = create("/sourceConnections", json!({ "name": "Profile store", "connectionSpec": source })).await?;
    let target = create(
        "/targetConnections",
        json!({
            "name": "Receiver", "baseConnectionId": account, "connectionSpec": spec,
            "params": { "httpEndpoint": endpoint, "headers": "x-demo:cdnow", "includeSegmentNames": true },
        }),
    )
    .await?;
    let flow = create(
        "/flows",
        json!({
            "name": "CDNOW to receiver", "flowSpec": { "id": flows::HTTP_API_FLOW, "version": "1.0" },
            "sourceConnectionIds": [source], "targetConnectionIds": [target],
            "transformations": [{ "name": "GeneralTransform", "params": {
                "profileSelectors": { "selectors": [] }, "segmentSelectors": { "selectors": [] },
            } }],
        }),
    )
    .await?;
    let path = format!("{FLOWS}/flows/{flow}");
    let found = api.call("GET", &path, None).await?;
    let etag = text(&found["items"][0], "etag")?;
    let base = "/transformations/0/params";
    let mut patch: Vec<Json> = audiences
        .iter()
        .map(|(id, name)| {
            let selector = json!({ "type": "PLATFORM_SEGMENT", "value": { "id": id, "name": name } });
            json!({ "op": "add", "path": format!("{base}/segmentSelectors/selectors/-"), "value": selector })
        })
        .collect();
    for attribute in ["person.name.lastName", "personalEmail.address"] {
        let selector = json!({ "type": "JSON_PATH", "value": { "path": attribute, "operator": "EXISTS" } });
        patch.push(json!({ "op": "add", "path": format!("{base}/profileSelectors/selectors/-"), "value": selector }));
    }
    let body = Json::Array(patch).to_string().into_bytes();
    api.send("PATCH", &path, Some(body), &[("if-match", &etag)]).await?.expect("PATCH", &path).map(drop)
}
