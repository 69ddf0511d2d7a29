//! Turns the flows of a sandbox into what the engine and delivery work with.
//!
//! Pure over the document set: the same set gives the same flows, in the order of their ids.
//! Secrets stay sealed; delivery opens them.

use crate::rules::{Rules, dotted};
use crate::transformation::{TRIGGERS, stored_selectors};
use crate::{Catalog, HTTP_API_FLOW, STREAMING_INLET};
use crate::{SdkDestination, http_target, mapping, sdk_target, specs};
use destination::message::Mapping;
use model::{Collection, Doc, DocSet, FlowNo, SandboxId, SmolStr};
use serde_json::Value as Json;
use std::sync::Arc;

/// One flow, ready to be matched and delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowSpec {
    /// Dense number, stable for the life of the flow.
    pub no: FlowNo,
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// False: nothing is exported.
    pub enabled: bool,
    /// Revision marker of the latest enabling: that change lies at this control position or after.
    pub enabled_since_n: u64,
    /// Mapped audiences, in mapping order.
    pub audiences: Vec<MappedAudience>,
    /// Mapped source attributes as dotted paths, in mapping order, each once.
    pub attributes: Vec<SmolStr>,
    /// Which kinds of change export.
    pub triggers: Triggers,
    /// Where and how.
    pub target: Target,
    /// For runs.
    pub source_connection_id: SmolStr,
    /// For runs.
    pub target_connection_id: SmolStr,
}

/// An audience of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedAudience {
    /// Its id.
    pub audience_id: SmolStr,
    /// Revision marker of the first time that this flow mapped it: the document set's position
    /// while deciding, plus one. Unmapping and mapping again leaves it as it was.
    pub mapped_n: u64,
    /// When the present mapping was made.
    pub created_ms: i64,
    /// When the present mapping was last changed.
    pub updated_ms: i64,
}

/// The switches of "when to activate". All are on unless the flow says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triggers {
    /// A mapped attribute was written.
    pub attribute: bool,
    /// A mapped audience was entered or left.
    pub segmentation: bool,
    /// The same for audiences that another system evaluates.
    pub external_segmentation: bool,
    /// An identity came or went.
    pub identity: bool,
}

/// What a flow sends to.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The HTTP API destination.
    Http(HttpDestination),
    /// An authored destination.
    Sdk(Box<SdkTarget>),
}

impl Target {
    /// The HTTP API destination, if it is one.
    pub fn http(&self) -> Option<&HttpDestination> {
        match self {
            Target::Http(destination) => Some(destination),
            Target::Sdk(_) => None,
        }
    }
}

/// One customer's connection to an authored destination. Secrets in it are sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct SdkTarget {
    /// The connection spec, by which the catalog finds the destination.
    pub connection_spec_id: SmolStr,
    /// The destination configuration.
    pub destination_id: SmolStr,
    /// The state of the destination that this was compiled with.
    pub version: SmolStr,
    /// The base connection, which later token answers belong to.
    pub base_connection_id: SmolStr,
    /// What the customer entered; fields of format `password` are sealed.
    pub customer_data: Json,
    /// Customer data fields of format `password`, as JSON pointers into `customer_data`.
    pub customer_secrets: Vec<String>,
    /// How the account authenticates: the `authSpec` name; empty where there is no account.
    pub auth_name: SmolStr,
    /// The parameters of the account; those that the spec marks `password` are sealed.
    pub account: Json,
    /// Parameters of the account that are sealed.
    pub account_secrets: Vec<SmolStr>,
    /// What is mapped onto the target schema.
    pub mapping: Mapping,
    /// Mapping ids that the customer entered, by audience id.
    pub mapping_ids: Vec<(SmolStr, SmolStr)>,
    /// Which retry schedule.
    pub retry: Retry,
    /// Most requests under way at the same time, 1 to 256.
    pub max_concurrency: u16,
    /// When the flow was created.
    pub created_ms: i64,
    /// When the flow was last changed.
    pub updated_ms: i64,
}

/// An HTTP endpoint that receives exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDestination {
    /// The URL, query parameters included.
    pub endpoint: String,
    /// Extra headers; a `content-type` here takes the place of `application/json`.
    pub headers: Vec<(SmolStr, SmolStr)>,
    /// How to authenticate.
    pub auth: Auth,
    /// Add names to mapped audiences.
    pub include_names: bool,
    /// Add times to mapped audiences.
    pub include_timestamps: bool,
    /// `existing` for members whose entry is not part of the change.
    pub legacy_status: bool,
    /// Which retry schedule.
    pub retry: Retry,
    /// Most requests under way at the same time, 1 to 256.
    pub max_concurrency: u16,
}

/// Authentication towards an endpoint. `…_sealed` is what the sealing function returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// No header.
    None,
    /// A fixed token.
    Bearer {
        /// The token.
        token_sealed: String,
    },
    /// OAuth2 client credentials.
    ClientCredentials {
        /// Token endpoint.
        token_url: String,
        /// Client id.
        client_id: String,
        /// Client secret.
        client_secret_sealed: String,
        /// How the credentials travel.
        form: ClientCredentialsForm,
    },
    /// OAuth2 resource owner password.
    Password {
        /// Token endpoint.
        token_url: String,
        /// Client id.
        client_id: String,
        /// Client secret.
        client_secret_sealed: String,
        /// User name.
        username: String,
        /// Password.
        password_sealed: String,
    },
}

/// How client credentials travel to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCredentialsForm {
    /// In the form body.
    Body,
    /// In a basic `Authorization` header.
    Basic,
}

/// The retry schedule of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Eight attempts over 24 hours.
    Default,
    /// The documented three attempts.
    Aep,
}

/// A streaming inlet that takes messages at `/collection/{inletId}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlet {
    /// 64 hexadecimal digits.
    pub inlet_id: SmolStr,
    /// Its base connection.
    pub connection_id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// The producer, in the words of the one who made the inlet.
    pub source_id: SmolStr,
    /// Messages need a bearer token.
    pub authentication_required: bool,
}

/// All flows of a sandbox. A flow whose connections are gone, or whose destination left the catalog,
/// is left out; deletes refuse that.
pub fn compile(docs: &DocSet, sandbox: SandboxId, catalog: &Catalog) -> Vec<FlowSpec> {
    docs.iter(sandbox, Collection::Flow).filter_map(|doc| flow(docs, sandbox, catalog, doc)).collect()
}

/// All streaming inlets of a sandbox.
pub fn inlets(docs: &DocSet, sandbox: SandboxId) -> Vec<Inlet> {
    docs.iter(sandbox, Collection::BaseConnection)
        .filter(|doc| doc.body["connectionSpec"]["id"] == STREAMING_INLET)
        .map(|doc| {
            let params = &doc.body["auth"]["params"];
            Inlet {
                inlet_id: text(&doc.body["_inletId"]),
                connection_id: doc.id.clone(),
                name: text(&doc.body["name"]),
                source_id: text(&params["sourceId"]),
                authentication_required: params["authenticationRequired"] == true,
            }
        })
        .collect()
}

fn flow(docs: &DocSet, sandbox: SandboxId, catalog: &Catalog, doc: &Arc<Doc>) -> Option<FlowSpec> {
    let body = &doc.body;
    let target_id = text(&body["targetConnectionIds"][0]);
    let target = docs.get(sandbox, Collection::TargetConnection, &target_id)?;
    let base = docs.get(sandbox, Collection::BaseConnection, target.body["baseConnectionId"].as_str()?)?;
    let transformations = &body["transformations"];
    let audiences = stored_selectors(transformations, "segmentSelectors").iter();
    let target_spec = match body["flowSpec"]["id"] == HTTP_API_FLOW {
        true => Target::Http(destination(&target.body["params"], &base.body["auth"])?),
        false => {
            let authored = catalog.destination(target.body["connectionSpec"]["id"].as_str()?)?;
            Target::Sdk(Box::new(sdk(authored, doc, target, base)))
        }
    };
    Some(FlowSpec {
        no: FlowNo(doc.no),
        id: doc.id.clone(),
        name: text(&body["name"]),
        enabled: body["state"] == "enabled",
        enabled_since_n: body["_enabledSince"].as_u64().unwrap_or_default(),
        audiences: audiences.map(|selector| audience(&selector["value"], &body["_mapped"])).collect(),
        attributes: attributes(stored_selectors(transformations, "profileSelectors"), &target_spec),
        triggers: triggers(&transformations[0]["params"]["activationTriggers"]),
        target: target_spec,
        source_connection_id: text(&body["sourceConnectionIds"][0]),
        target_connection_id: target_id,
    })
}

/// The profile attributes that a flow reads.
fn attributes(selectors: &[Json], target: &Target) -> Vec<SmolStr> {
    let Target::Sdk(target) = target else {
        return selectors.iter().map(|selector| text(&selector["value"]["path"])).collect();
    };
    let identities = target.mapping.identities.iter().map(|map| &map.source);
    let mut paths: Vec<SmolStr> = Vec::new();
    for path in identities.chain(target.mapping.attributes.iter().map(|map| &map.source)).filter_map(dotted) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn sdk(destination: &SdkDestination, flow: &Doc, target: &Doc, base: &Doc) -> SdkTarget {
    let transformations = &flow.body["transformations"];
    let rules = Rules::new(&destination.config, None);
    let mapping = mapping::read(stored_selectors(transformations, "profileSelectors"), &rules);
    let entered = stored_selectors(transformations, "segmentSelectors").iter().filter_map(|selector| {
        let value = &selector["value"];
        Some((text(&value["id"]), SmolStr::new(value["mappingId"].as_str()?)))
    });
    let params = &target.body["params"];
    let (customer_data, extra) = sdk_target::split(params);
    let schema = &destination.connection_spec["targetSpec"]["spec"];
    let auth_name = text(&base.body["auth"]["specName"]);
    let auth_spec = specs::auth_spec(&destination.connection_spec, &auth_name);
    SdkTarget {
        connection_spec_id: text(&destination.connection_spec["id"]),
        destination_id: destination.destination_id.clone(),
        version: destination.version.clone(),
        base_connection_id: base.id.clone(),
        customer_secrets: sdk_target::secret_pointers(schema, &customer_data),
        customer_data,
        account_secrets: auth_spec
            .into_iter()
            .flat_map(|spec| specs::secrets(&spec["spec"]))
            .map(SmolStr::new)
            .collect(),
        auth_name,
        account: base.body["auth"]["params"].clone(),
        mapping,
        mapping_ids: entered.collect(),
        retry: if extra["deliveryRetry"] == "aep" { Retry::Aep } else { Retry::Default },
        max_concurrency: extra["deliveryConcurrency"].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(32),
        created_ms: flow.created_at.0,
        updated_ms: flow.updated_at.0,
    }
}

fn audience(value: &Json, mapped: &Json) -> MappedAudience {
    let audience_id = text(&value["id"]);
    let ms = |name: &str| value[name].as_str().and_then(|s| s.parse::<i64>().ok()).unwrap_or_default() * 1000;
    MappedAudience {
        mapped_n: mapped[audience_id.as_str()].as_u64().unwrap_or_default(),
        created_ms: ms("createTime"),
        updated_ms: ms("updateTime"),
        audience_id,
    }
}

fn triggers(given: &Json) -> Triggers {
    let [attribute, segmentation, external_segmentation, identity] = TRIGGERS.map(|name| given[name] != false);
    Triggers { attribute, segmentation, external_segmentation, identity }
}

fn destination(params: &Json, account: &Json) -> Option<HttpDestination> {
    Some(HttpDestination {
        endpoint: http_target::endpoint(params).ok()?.into(),
        headers: http_target::headers(params["headers"].as_str().unwrap_or_default()).ok()?,
        auth: auth(account)?,
        include_names: params["includeSegmentNames"] == true,
        include_timestamps: params["includeSegmentTimestamps"] == true,
        legacy_status: params["statusVocabulary"] == "legacy",
        retry: if params["retry"] == "aep" { Retry::Aep } else { Retry::Default },
        max_concurrency: params["maxConcurrency"].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(32),
    })
}

fn auth(account: &Json) -> Option<Auth> {
    let params = &account["params"];
    let text = |name: &str| params[name].as_str().map(str::to_owned);
    Some(match account["specName"].as_str()? {
        "None" => Auth::None,
        "Bearer token" => Auth::Bearer { token_sealed: text("token")? },
        "OAuth2 Client Credentials" => Auth::ClientCredentials {
            token_url: text("accessTokenUrl")?,
            client_id: text("clientId")?,
            client_secret_sealed: text("clientSecret")?,
            form: match params["clientCredentialsType"].as_str() {
                Some("Basic Authorization") => ClientCredentialsForm::Basic,
                _ => ClientCredentialsForm::Body,
            },
        },
        "OAuth2 Password" => Auth::Password {
            token_url: text("accessTokenUrl")?,
            client_id: text("clientId")?,
            client_secret_sealed: text("clientSecret")?,
            username: text("username")?,
            password_sealed: text("password")?,
        },
        _ => return None,
    })
}

fn text(value: &Json) -> SmolStr {
    SmolStr::new(value.as_str().unwrap_or_default())
}
