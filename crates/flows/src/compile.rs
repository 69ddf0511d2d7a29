//! Turns the flows of a sandbox into what the engine and delivery work with.
//!
//! Pure over the document set: the same set gives the same flows, in the order of their ids.
//! Secrets stay sealed; delivery opens them.

use crate::http_target;
use crate::transformation::{TRIGGERS, stored_selectors};
use crate::{HTTP_API_FLOW, STREAMING_INLET};
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
    /// Mapped attributes as dotted paths, in mapping order.
    pub attributes: Vec<SmolStr>,
    /// Which kinds of change export.
    pub triggers: Triggers,
    /// Where and how.
    pub destination: HttpDestination,
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

/// All flows of a sandbox. A flow whose connections are gone is left out; deletes refuse that.
pub fn compile(docs: &DocSet, sandbox: SandboxId) -> Vec<FlowSpec> {
    docs.iter(sandbox, Collection::Flow).filter_map(|doc| flow(docs, sandbox, doc)).collect()
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

fn flow(docs: &DocSet, sandbox: SandboxId, doc: &Arc<Doc>) -> Option<FlowSpec> {
    let body = &doc.body;
    if body["flowSpec"]["id"] != HTTP_API_FLOW {
        return None;
    }
    let target_id = text(&body["targetConnectionIds"][0]);
    let target = docs.get(sandbox, Collection::TargetConnection, &target_id)?;
    let base = docs.get(sandbox, Collection::BaseConnection, target.body["baseConnectionId"].as_str()?)?;
    let transformations = &body["transformations"];
    let audiences = stored_selectors(transformations, "segmentSelectors").iter();
    let attributes = stored_selectors(transformations, "profileSelectors").iter();
    Some(FlowSpec {
        no: FlowNo(doc.no),
        id: doc.id.clone(),
        name: text(&body["name"]),
        enabled: body["state"] == "enabled",
        enabled_since_n: body["_enabledSince"].as_u64().unwrap_or_default(),
        audiences: audiences.map(|selector| audience(&selector["value"], &body["_mapped"])).collect(),
        attributes: attributes.map(|selector| text(&selector["value"]["path"])).collect(),
        triggers: triggers(&transformations[0]["params"]["activationTriggers"]),
        destination: destination(&target.body["params"], &base.body["auth"])?,
        source_connection_id: text(&body["sourceConnectionIds"][0]),
        target_connection_id: target_id,
    })
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
