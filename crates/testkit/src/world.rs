//! A server with schemas, data sets, an inlet and a receiver, made through the public API.

use crate::api::{Answer, Api};
use crate::server::{Options, Server};
use crate::{RUNTIME, Receiver, ReceiverOptions, Record, until};
use serde_json::{Value as Json, json};

const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
const EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";
/// The provider of streaming inlets.
const INLET_PROVIDER: &str = "521eee4d-8cbe-4906-bb48-fb6bd4450033";
const FLOWS: &str = flows::BASE_PATH;
const SCHEMAS: &str = "/data/foundation/schemaregistry/tenant/schemas";
const DEFINITIONS: &str = "/data/core/ups/segment/definitions";

/// A data set and its schema.
#[derive(Debug, Clone)]
pub struct Target {
    /// `$id` of the schema.
    pub schema: String,
    /// Id of the data set.
    pub dataset: String,
}

/// A flow to the receiver, as it is created.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Ids of the mapped audiences.
    pub audiences: Vec<String>,
    /// Mapped attributes, dotted.
    pub attributes: Vec<String>,
    /// More parameters of the target connection.
    pub params: Json,
    /// `auth` of the account.
    pub auth: Json,
    /// More parameters of the transformation, such as `activationTriggers`.
    pub transformation: Json,
    /// Path at the receiver.
    pub path: String,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            audiences: Vec::new(),
            attributes: vec!["person.name.lastName".into(), "personalEmail.address".into()],
            params: json!({}),
            auth: json!({ "specName": "None", "params": {} }),
            transformation: json!({}),
            path: "/profiles".into(),
        }
    }
}

impl Flow {
    /// To these audiences, otherwise as by default.
    pub fn to<S: AsRef<str>>(audiences: &[S]) -> Flow {
        Flow { audiences: audiences.iter().map(|a| a.as_ref().to_owned()).collect(), ..Flow::default() }
    }
}

/// Everything that most scenarios need.
pub struct World {
    /// The process.
    pub server: Server,
    /// An API client.
    pub api: Api,
    /// The destination.
    pub receiver: Receiver,
    /// The organisation.
    pub org: String,
    /// Id of the inlet.
    pub inlet: String,
    /// Profile records: person details, personal details, identity map.
    pub profile: Target,
    /// Events: commerce, identity map.
    pub event: Target,
}

impl World {
    /// Where the manual clock of [`World::new`] starts.
    pub const START: &str = "2026-03-01T12:00:00.000Z";

    /// A world on a manual clock.
    pub fn new() -> World {
        World::start(Options::manual(World::START), ReceiverOptions::default())
    }

    /// A world of one's choice.
    pub fn start(options: Options, receiver: ReceiverOptions) -> World {
        let server = Server::start(options);
        let api = server.api();
        let receiver = RUNTIME.block_on(receiver::serve(receiver)).expect("the receiver starts");
        let namespace = json!({ "name": "CRM id", "code": "CRMID", "idType": "CROSS_DEVICE" });
        api.post("/data/core/idnamespace/identities", &namespace).ok();
        let details = |name: &str| format!("https://ns.adobe.com/xdm/context/{name}");
        let groups = [details("profile-person-details"), details("profile-personal-details")];
        let profile = target(&api, "Customers", PROFILE, &groups);
        let event = target(&api, "Purchases", EVENT, &[details("experienceevent-commerce")]);
        let org = server.credentials()["org_id"].as_str().expect("an organisation").to_owned();
        let inlet = inlet(&api, "stream", false);
        World { server, api, receiver, org, inlet, profile, event }
    }

    /// Logs in again, as after a restart at a new address.
    pub fn log_in(&mut self) {
        self.api = self.server.api();
    }

    /// Terminates and starts the server again.
    pub fn restart(&mut self) {
        self.server.restart();
        self.log_in();
    }

    /// Another inlet: its id.
    pub fn inlet(&self, name: &str, authenticated: bool) -> String {
        inlet(&self.api, name, authenticated)
    }

    /// Another schema of a class with field groups, with a data set: in the union and the profile.
    pub fn target(&self, title: &str, class: &str, groups: &[String]) -> Target {
        target(&self.api, title, class, groups)
    }

    /// Makes an audience: its id.
    pub fn audience(&self, name: &str, pql: &str) -> String {
        text(&self.try_audience(name, pql).ok(), "id")
    }

    /// Asks for an audience.
    pub fn try_audience(&self, name: &str, pql: &str) -> Answer {
        let body = json!({
            "name": name, "schema": { "name": "_xdm.context.profile" },
            "expression": { "type": "PQL", "format": "pql/text", "value": pql },
        });
        self.api.post(DEFINITIONS, &body)
    }

    /// Makes a flow to the receiver: its id.
    pub fn flow(&self, flow: &Flow) -> String {
        let create = |path: &str, body: Json| text(&self.api.post(&format!("{FLOWS}{path}"), &body).ok(), "id");
        let spec = json!({ "id": flows::HTTP_API, "version": "1.0" });
        let account = create("/connections", json!({ "name": "Account", "connectionSpec": spec, "auth": flow.auth }));
        let source = json!({ "id": flows::PROFILE_STORE, "version": "1.0" });
        let source = create("/sourceConnections", json!({ "name": "Profile store", "connectionSpec": source }));
        let mut params = json!({ "httpEndpoint": self.receiver.url(&flow.path) });
        merge(&mut params, &flow.params);
        let target =
            json!({ "name": "Receiver", "baseConnectionId": account, "connectionSpec": spec, "params": params });
        let target = create("/targetConnections", target);
        let selectors = |selectors: Vec<Json>| json!({ "selectors": selectors });
        let mut params = json!({
            "segmentSelectors": selectors(flow.audiences.iter().map(|id| audience_selector(id)).collect()),
            "profileSelectors": selectors(flow.attributes.iter().map(|path| attribute_selector(path)).collect()),
        });
        merge(&mut params, &flow.transformation);
        create(
            "/flows",
            json!({
                "name": "To the receiver", "flowSpec": { "id": flows::HTTP_API_FLOW, "version": "1.0" },
                "sourceConnectionIds": [source], "targetConnectionIds": [target],
                "transformations": [{ "name": "GeneralTransform", "params": params }],
            }),
        )
    }

    /// A flow as the API shows it.
    pub fn get_flow(&self, flow: &str) -> Json {
        self.api.get(&format!("{FLOWS}/flows/{flow}")).ok()["items"][0].clone()
    }

    /// Patches a flow at its present etag.
    pub fn patch_flow(&self, flow: &str, operations: &Json) -> Answer {
        let etag = text(&self.get_flow(flow), "etag");
        let body = Some(operations.to_string().into_bytes());
        self.api.send("PATCH", &format!("{FLOWS}/flows/{flow}"), body, &[("if-match", &etag)])
    }

    /// Maps one more audience.
    pub fn map(&self, flow: &str, audience: &str) {
        let path = "/transformations/0/params/segmentSelectors/selectors/-";
        self.patch_flow(flow, &json!([{ "op": "add", "path": path, "value": audience_selector(audience) }])).ok();
    }

    /// Removes the mapped audience at an index.
    pub fn unmap(&self, flow: &str, index: usize) {
        let path = format!("/transformations/0/params/segmentSelectors/selectors/{index}");
        self.patch_flow(flow, &json!([{ "op": "remove", "path": path }])).ok();
    }

    /// Enables or disables a flow.
    pub fn set_enabled(&self, flow: &str, enabled: bool) {
        let action = if enabled { "enable" } else { "disable" };
        self.api.send("POST", &format!("{FLOWS}/flows/{flow}/action?op={action}"), None, &[]).ok();
    }

    /// A message with an event: identities as namespace and id, the first is primary.
    pub fn event(&self, id: &str, identities: &[(&str, &str)], time: &str, kind: &str, body: Json) -> Json {
        let mut entity =
            json!({ "_id": id, "timestamp": time, "eventType": kind, "identityMap": identity_map(identities) });
        merge(&mut entity, &body);
        message(&self.org, &self.event, &entity)
    }

    /// A message with a purchase.
    pub fn purchase(&self, id: &str, identities: &[(&str, &str)], time: &str, price: f64) -> Json {
        let order = json!({ "commerce": { "order": { "priceTotal": price } } });
        self.event(id, identities, time, "commerce.purchases", order)
    }

    /// A message with an event that no purchase is, such as one that links identities.
    pub fn visit(&self, id: &str, identities: &[(&str, &str)], time: &str) -> Json {
        self.event(id, identities, time, "web.webpagedetails.pageViews", json!({}))
    }

    /// A message with a profile record; it takes the place of an earlier one of the same primary identity.
    pub fn record(&self, identities: &[(&str, &str)], body: Json) -> Json {
        let mut entity = json!({ "identityMap": identity_map(identities) });
        merge(&mut entity, &body);
        message(&self.org, &self.profile, &entity)
    }

    /// A message with a profile record of a last name and an e-mail address.
    pub fn person(&self, identities: &[(&str, &str)], last_name: &str) -> Json {
        let address = format!("{last_name}@example.com");
        self.record(
            identities,
            json!({ "person": { "name": { "lastName": last_name } }, "personalEmail": { "address": address } }),
        )
    }

    /// Sends messages as batches, all of which must be taken.
    ///
    /// # Panics
    /// When one is refused.
    pub fn send(&self, messages: &[Json]) {
        for chunk in messages.chunks(500) {
            let answer = self.send_batch(chunk).expect(207);
            let responses = answer.json["responses"].as_array().expect("responses").clone();
            assert_eq!(responses.len(), chunk.len(), "{}", answer.json);
            assert!(responses.iter().all(|r| r.get("xactionId").is_some()), "{}", answer.json);
        }
    }

    /// Sends a batch.
    pub fn send_batch(&self, messages: &[Json]) -> Answer {
        Api::new(&self.server.url).post(&format!("/collection/batch/{}", self.inlet), &json!({ "messages": messages }))
    }

    /// Sends one message; `query` is empty or begins with a question mark.
    pub fn send_one(&self, message: &Json, query: &str) -> Answer {
        Api::new(&self.server.url).post(&format!("/collection/{}{query}", self.inlet), message)
    }

    /// Sends messages, waits until they are applied and what follows is delivered.
    pub fn send_and_settle(&self, messages: &[Json]) {
        self.send(messages);
        self.server.settle();
    }

    /// Waits until everything accepted is applied.
    pub fn wait_applied(&self) {
        self.server.wait_applied();
    }

    /// Waits until everything is applied and delivered.
    pub fn wait_delivered(&self) {
        self.server.wait_delivered();
    }

    /// Moves the manual clock and waits until what follows is done.
    pub fn advance(&self, by: &str) {
        self.server.advance(by);
        self.server.settle();
        self.api.renew();
    }

    /// Moves the manual clock on by `step`, again and again, until no export waits.
    pub fn drive(&self, step: &str) {
        let look = || {
            self.server.advance(step);
            self.server.wait_applied();
            self.server.flows()
        };
        until("everything is delivered", look, |flows| flows.iter().all(|f| f["ledger"]["waiting"] == json!(0)));
        self.server.settle();
        self.api.renew();
    }

    /// Makes the receiver answer as this script says, from its start.
    pub fn script(&self, script: &Json) {
        self.receiver.set_script(script.to_string().parse().unwrap_or_else(|e| panic!("{script}: {e}")));
    }

    /// The ledger of a flow.
    pub fn ledger(&self, flow: &str) -> Json {
        let flows = self.server.flows();
        let found = flows.iter().find(|f| f["id"] == flow);
        found.unwrap_or_else(|| panic!("no flow {flow} in {flows:?}"))["ledger"].clone()
    }

    /// Members of an audience, as counted.
    pub fn members(&self, audience: &str) -> u64 {
        let status = self.server.status();
        status["audiences"][audience]["members"].as_u64().unwrap_or_else(|| panic!("no audience {audience}: {status}"))
    }

    /// Profiles and events, as counted.
    pub fn counts(&self) -> (u64, u64) {
        let status = self.server.wait_applied();
        (status["profiles"].as_u64().unwrap_or_default(), status["events"].as_u64().unwrap_or_default())
    }

    /// A profile as the operator sees it.
    pub fn show(&self, namespace: &str, id: &str) -> Answer {
        self.server.operator().get(&format!("/rivermouth/profiles?namespace={namespace}&id={id}"))
    }

    /// A profile as the entities API shows it: the entity.
    pub fn entity(&self, namespace: &str, id: &str) -> Json {
        let path = "/data/core/ups/access/entities?schema.name=_xdm.context.profile";
        let body = self.api.get(&format!("{path}&entityId={id}&entityIdNS={namespace}")).ok();
        body.as_object().and_then(|o| o.values().next()).expect("one entity").clone()
    }

    /// Deliveries after the first `n`, in the order in which they came.
    pub fn received(&self, n: usize) -> Vec<Record> {
        self.receiver.records().split_off(n)
    }

    /// How many deliveries are kept.
    pub fn received_count(&self) -> usize {
        self.receiver.records().len()
    }

    /// Bodies of the deliveries that `act` causes.
    pub fn bodies_of(&self, act: impl FnOnce()) -> Vec<Json> {
        let before = self.received_count();
        act();
        self.server.settle();
        self.received(before).into_iter().map(|r| r.body).collect()
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

/// A message for a data set.
pub fn message(org: &str, target: &Target, entity: &Json) -> Json {
    let schema = json!({ "id": target.schema, "contentType": "application/vnd.adobe.xed-full+json;version=1" });
    json!({
        "header": { "schemaRef": schema, "imsOrgId": org, "datasetId": target.dataset },
        "body": { "xdmMeta": { "schemaRef": schema }, "xdmEntity": entity },
    })
}

/// The CRM ids of a delivered body.
pub fn crm(body: &Json) -> Vec<String> {
    let all = body["identityMap"]["CRMID"].as_array().into_iter().flatten();
    all.filter_map(|i| i["id"].as_str().map(str::to_owned)).collect()
}

fn identity_map(identities: &[(&str, &str)]) -> Json {
    let mut map = json!({});
    for (index, (namespace, id)) in identities.iter().enumerate() {
        let item = json!({ "id": id, "primary": index == 0 });
        match map[*namespace].as_array_mut() {
            Some(items) => items.push(item),
            None => map[*namespace] = json!([item]),
        }
    }
    map
}

fn audience_selector(id: &str) -> Json {
    json!({ "type": "PLATFORM_SEGMENT", "value": { "id": id, "name": id } })
}

fn attribute_selector(path: &str) -> Json {
    json!({ "type": "JSON_PATH", "value": { "path": path, "operator": "EXISTS" } })
}

/// Lays the members of one object over another.
fn merge(into: &mut Json, over: &Json) {
    for (name, value) in over.as_object().into_iter().flatten() {
        into[name.as_str()] = value.clone();
    }
}

fn text(body: &Json, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("the answer lacks {member}: {body}")).to_owned()
}

fn target(api: &Api, title: &str, class: &str, groups: &[String]) -> Target {
    let first = [class, "https://ns.adobe.com/xdm/context/identitymap"];
    let refs: Vec<Json> =
        first.into_iter().chain(groups.iter().map(String::as_str)).map(|id| json!({ "$ref": id })).collect();
    let made = api.post(SCHEMAS, &json!({ "title": title, "type": "object", "allOf": refs })).ok();
    let (schema, alt) = (text(&made, "$id"), text(&made, "meta:altId"));
    let union = json!([{ "op": "add", "path": "/meta:immutableTags", "value": ["union"] }]);
    api.call("PATCH", &format!("{SCHEMAS}/{alt}"), Some(&union)).ok();
    let body = json!({
        "name": title,
        "schemaRef": { "id": schema, "contentType": "application/vnd.adobe.xed+json;version=1" },
        "tags": { "unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"] },
    });
    let made = api.post("/data/foundation/catalog/dataSets", &body).ok();
    let path = made[0].as_str().unwrap_or_else(|| panic!("no data set in {made}"));
    Target { schema, dataset: path.rsplit('/').next().unwrap_or(path).to_owned() }
}

fn inlet(api: &Api, name: &str, authenticated: bool) -> String {
    let mut params = json!({ "sourceId": name, "dataType": "xdm", "name": name });
    if authenticated {
        params["authenticationRequired"] = json!(true);
    }
    let body = json!({
        "name": name, "providerId": INLET_PROVIDER,
        "connectionSpec": { "id": flows::STREAMING_INLET, "version": "1.0" },
        "auth": { "specName": "Streaming Connection", "params": params },
    });
    let id = text(&api.post(&format!("{FLOWS}/connections"), &body).ok(), "id");
    let found = api.get(&format!("{FLOWS}/connections/{id}")).ok();
    let shown = &found["items"][0];
    let inlet = shown["auth"]["params"]["inletId"].as_str().or_else(|| shown["inletId"].as_str());
    inlet.unwrap_or_else(|| panic!("the connection shows no inletId: {found}")).to_owned()
}
