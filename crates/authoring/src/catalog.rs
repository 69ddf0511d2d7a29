//! The catalog: the destinations that a sandbox can connect to, each with its connection spec and
//! its flow spec.
//!
//! Three origins. Built-in ones come with the server. A private one is the working copy, seen in its
//! author's sandbox alone, changing as the author changes it. A public one is the snapshot of an
//! approved publish request, seen in every sandbox. A destination that is private and public has
//! two cards, each with specs of its own.
//!
//! Pure over the document set; [`Catalogs`] keeps what was read last.

use crate::kind::{Kind, Parsed};
use crate::snapshot::{self, Kept, Objects, Working};
use crate::{builtin, ids, links, specs};
use destination::config::{AudienceTemplateConfig, CredentialConfig, DestinationConfig, ServerConfig};
use flows::SdkDestination;
use model::{Collection, DocSet, SandboxId, SmolStr};
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where a destination of the catalog comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It came with the server.
    BuiltIn,
    /// The working copy, in its author's sandbox.
    Private,
    /// Approved, for every sandbox.
    Public,
}

/// One destination of the catalog, with all that it refers to.
#[derive(Debug, Clone)]
pub struct CatalogEntry {
    /// Where it comes from.
    pub origin: Origin,
    /// The destination configuration's id; of a built-in one, an id that follows from its name.
    pub destination_id: SmolStr,
    /// Names the state of it.
    pub version: SmolStr,
    /// Its connection spec.
    pub connection_spec_id: SmolStr,
    /// Its flow spec.
    pub flow_spec_id: SmolStr,
    /// What is configured. Secrets in it are sealed where `secrets_sealed`.
    pub config: Arc<DestinationConfig>,
    /// The server that exports go to.
    pub server: Arc<ServerConfig>,
    /// All servers by id, with those for look-ups.
    pub servers: BTreeMap<SmolStr, Arc<ServerConfig>>,
    /// The calls that keep audiences at the receiver.
    pub audience_template: Option<Arc<AudienceTemplateConfig>>,
    /// Credentials of the platform by id; secrets sealed where `secrets_sealed`.
    pub credentials: BTreeMap<SmolStr, Arc<CredentialConfig>>,
    /// True unless it came with the server.
    pub secrets_sealed: bool,
    /// The same destination as connections and flows see it.
    pub flow: Arc<SdkDestination>,
}

/// All destinations that a sandbox sees, for both who ask: flows, and delivery.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The destinations: built-in, public, private.
    pub entries: Vec<Arc<CatalogEntry>>,
    /// The same for the flow service.
    pub flows: flows::Catalog,
}

impl Catalog {
    /// The destination of a connection spec.
    pub fn entry(&self, connection_spec_id: &str) -> Option<&Arc<CatalogEntry>> {
        self.entries.iter().find(|entry| entry.connection_spec_id == connection_spec_id)
    }
}

/// The id of the connection spec of a destination.
pub fn connection_spec_id(destination_id: &str, origin: Origin) -> SmolStr {
    match origin {
        Origin::Private => ids::derived("private connection spec", destination_id),
        Origin::BuiltIn | Origin::Public => ids::derived("connection spec", destination_id),
    }
}

fn flow_spec_id(destination_id: &str, origin: Origin) -> SmolStr {
    match origin {
        Origin::Private => ids::derived("private flow spec", destination_id),
        Origin::BuiltIn | Origin::Public => ids::derived("flow spec", destination_id),
    }
}

/// The destinations that a sandbox sees.
pub fn catalog(docs: &DocSet, sandbox: SandboxId) -> Vec<Arc<CatalogEntry>> {
    let mut entries = builtin::entries().to_vec();
    for (_, request) in docs.iter_everywhere(Collection::PublishRequest) {
        if request.body["status"] == "PUBLISHED" {
            let id = request.body["destinationId"].as_str().unwrap_or_default();
            entries.extend(entry(Origin::Public, id, &request.id, &request.body["_snapshot"]));
        }
    }
    let working = Working { docs, sandbox };
    for doc in docs.iter(sandbox, Collection::AuthoringDestination) {
        if doc.body["status"] != "DELETED" {
            let newest = newest_change(docs, sandbox, &doc.body).max(doc.changed_n);
            let snapshot = snapshot::take(&doc.body, &working);
            entries.extend(entry(Origin::Private, &doc.id, &newest.to_string(), &snapshot));
        }
    }
    entries
}

fn newest_change(docs: &DocSet, sandbox: SandboxId, destination: &Json) -> u64 {
    let named = |kind: Kind| {
        let ids = links::ids(destination, kind).into_iter();
        ids.filter_map(move |id| docs.get(sandbox, kind.collection(), id)).map(|doc| doc.changed_n)
    };
    Kind::ALL.into_iter().flat_map(named).max().unwrap_or(0)
}

/// Reads a snapshot. It was checked when it was accepted; one that a later version of this server no
/// longer reads is not offered.
pub(crate) fn entry(origin: Origin, id: &str, version: &str, snapshot: &Json) -> Option<Arc<CatalogEntry>> {
    let Ok(Parsed::Destination(config)) = Kind::Destination.parse(&snapshot["destination"]) else { return None };
    let kept = Kept(snapshot);
    let read = |kind: Kind, id: &str| kept.object(kind, id).and_then(|body| kind.parse(body).ok());
    let mut servers = BTreeMap::new();
    for id in links::ids(&config.json, Kind::Server) {
        if let Some(Parsed::Server(server)) = read(Kind::Server, id) {
            servers.insert(SmolStr::new(id), server);
        }
    }
    let mut credentials = BTreeMap::new();
    for id in links::ids(&config.json, Kind::Credential) {
        if let Some(Parsed::Credential(credential)) = read(Kind::Credential, id) {
            credentials.insert(SmolStr::new(id), credential);
        }
    }
    let template = links::ids(&config.json, Kind::AudienceTemplate).into_iter().next();
    let audience_template = match template.and_then(|id| read(Kind::AudienceTemplate, id)) {
        Some(Parsed::AudienceTemplate(template)) => Some(template),
        _ => None,
    };
    let server = servers.get(config.deliveries.first()?.destination_server_id.as_str())?.clone();
    let (connection_spec_id, flow_spec_id) = (connection_spec_id(id, origin), flow_spec_id(id, origin));
    let flow = Arc::new(SdkDestination {
        destination_id: id.into(),
        version: version.into(),
        file_based: server.is_file(),
        connection_spec: specs::connection_spec(&connection_spec_id, id, origin, &config, &server),
        flow_spec: specs::flow_spec(&flow_spec_id, &connection_spec_id, &config, &server),
        config: config.clone(),
    });
    Some(Arc::new(CatalogEntry {
        origin,
        destination_id: id.into(),
        version: version.into(),
        connection_spec_id,
        flow_spec_id,
        config,
        server,
        servers,
        audience_template,
        credentials,
        secrets_sealed: origin != Origin::BuiltIn,
        flow,
    }))
}

/// The catalogs that were asked for last, so that templates are not compiled for each request.
#[derive(Debug, Default)]
pub struct Catalogs {
    kept: Mutex<HashMap<SandboxId, (Mark, Arc<Catalog>)>>,
}

/// Names one state of all authored documents: newest change and count.
type Mark = (u64, usize);

impl Catalogs {
    /// The catalog of a sandbox.
    pub fn get(&self, docs: &DocSet, sandbox: SandboxId) -> Arc<Catalog> {
        let mark = mark(docs);
        if let Some((_, catalog)) = self.kept.lock().get(&sandbox).filter(|(kept, _)| *kept == mark) {
            return catalog.clone();
        }
        let entries = catalog(docs, sandbox);
        let flows = flows::Catalog::new(entries.iter().map(|entry| entry.flow.clone()).collect());
        let catalog = Arc::new(Catalog { entries, flows });
        self.kept.lock().insert(sandbox, (mark, catalog.clone()));
        catalog
    }
}

fn mark(docs: &DocSet) -> Mark {
    let kinds = Kind::ALL.map(Kind::collection).into_iter().chain([Collection::PublishRequest]);
    let all = kinds.flat_map(|kind| docs.iter_everywhere(kind));
    all.fold((0, 0), |(newest, count), (_, doc)| (newest.max(doc.changed_n), count + 1))
}
