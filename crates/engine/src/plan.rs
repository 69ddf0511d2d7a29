//! Plans: what the configuration documents mean, compiled once per change, immutable.
//!
//! A partition evaluates with the plan named by the last `PlanChanged` that it has applied; API
//! and ingest read the newest (design, §11.1).

use activation::FlowPlan;
use audience::Audiences;
use model::{DatasetNo, DocSet, NamespaceId, SandboxId, SmolStr};
use profile::MergePolicy;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Turns documents into a plan. Implemented above the engine, where the services are known.
pub trait Compiler: Send + Sync {
    /// The plan of a document set. Documents were validated when they were accepted, so this
    /// cannot fail; a document that no longer compiles is left out and logged.
    fn compile(&self, docs: &DocSet) -> Plan;
}

/// Everything that the hot path needs to know, as of one position of the control stream.
#[derive(Default)]
pub struct Plan {
    /// The position.
    pub n: u64,
    /// Per sandbox.
    pub sandboxes: BTreeMap<SandboxId, Arc<SandboxPlan>>,
}

/// The plan of one sandbox.
#[derive(Default)]
pub struct SandboxPlan {
    /// Identity namespaces.
    pub namespaces: Namespaces,
    /// Streaming inlets by inlet id.
    pub inlets: HashMap<SmolStr, InletPlan>,
    /// Data sets by id.
    pub datasets: HashMap<SmolStr, Arc<DatasetPlan>>,
    /// The numbers of all data sets and uploads that records may come from. Without, none is ever taken for gone.
    pub sources: Option<BTreeSet<DatasetNo>>,
    /// Merge policies; the default one is first.
    pub merge_policies: Vec<MergePolicy>,
    /// Audiences in evaluation order.
    pub audiences: Audiences,
    /// Dataflows that are set up, enabled or not.
    pub flows: Vec<Arc<FlowPlan>>,
}

impl SandboxPlan {
    /// The data set of a number.
    pub fn dataset(&self, no: DatasetNo) -> Option<&Arc<DatasetPlan>> {
        self.datasets.values().find(|d| d.no == no)
    }

    /// Whether a data set was deleted. `n`: the position of the plan; a number is the position of its document.
    pub(crate) fn is_gone(&self, dataset: DatasetNo, n: u64) -> bool {
        u64::from(dataset.0) <= n && self.sources.as_ref().is_some_and(|sources| !sources.contains(&dataset))
    }

    /// The data sets that a later plan has no more.
    pub(crate) fn sources_gone_in<'a>(&'a self, later: &'a SandboxPlan) -> impl Iterator<Item = DatasetNo> + 'a {
        let pair = self.sources.as_ref().zip(later.sources.as_ref());
        pair.into_iter().flat_map(|(before, after)| before.difference(after).copied())
    }

    /// The place of the merge policy that the audiences of a flow have.
    pub fn policy_of(&self, flow: &FlowPlan) -> usize {
        flow.audiences.iter().find_map(|m| self.audiences.by_no(m.no)).map_or(0, |audience| audience.policy)
    }

    /// The latest position at which something changed that makes stored profiles be looked at
    /// again: an audience's expression, or a newly mapped audience.
    pub fn revisit_n(&self) -> u64 {
        let audiences = self.audiences.iter().map(|a| a.changed_n);
        let mapped = self.flows.iter().flat_map(|f| f.audiences.iter().map(|m| m.mapped_n));
        audiences.chain(mapped).max().unwrap_or(0)
    }
}

/// One streaming inlet.
#[derive(Debug, Clone)]
pub struct InletPlan {
    /// The inlet's base connection.
    pub connection: SmolStr,
    /// True when a bearer token is demanded.
    pub authenticated: bool,
}

/// One data set with its schema, ready to validate.
#[derive(Debug)]
pub struct DatasetPlan {
    /// Its number in rows.
    pub no: DatasetNo,
    /// Its id.
    pub id: SmolStr,
    /// The `$id` of its schema.
    pub schema_id: SmolStr,
    /// The compiled schema.
    pub schema: Arc<xdm::Schema>,
    /// Fields that are identities.
    pub identity_paths: Vec<IdentityPath>,
    /// True when its records make profiles.
    pub profile_enabled: bool,
    /// True when its records make links.
    pub identity_enabled: bool,
}

/// A field that holds an identity (identity descriptor, profile.md §3.5).
#[derive(Debug, Clone)]
pub struct IdentityPath {
    /// The field.
    pub path: Vec<SmolStr>,
    /// The namespace of its values.
    pub namespace: NamespaceId,
    /// True for the primary identity.
    pub primary: bool,
}

/// The identity namespaces of a sandbox, by code and by number.
#[derive(Debug, Default, Clone)]
pub struct Namespaces {
    by_code: HashMap<SmolStr, NamespaceId>,
    by_id: BTreeMap<NamespaceId, Namespace>,
}

/// One identity namespace.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// The code as it is shown.
    pub code: SmolStr,
    /// False for namespaces that take no part in graphs (profile.md §5.1).
    pub in_graph: bool,
    /// Which kind goes first when a graph is too large (profile.md §5.4): 0 cookie, 1 device, 2 person.
    pub rank: u8,
    /// True for the namespaces that every organisation has; their codes match in any case.
    pub standard: bool,
}

impl Namespaces {
    /// Adds a namespace.
    pub fn insert(&mut self, id: NamespaceId, namespace: Namespace) {
        let key = if namespace.standard { fold(&namespace.code) } else { namespace.code.clone() };
        self.by_code.insert(key, id);
        self.by_id.insert(id, namespace);
    }

    /// The namespace of a code: standard codes in any case, own codes exactly (profile.md §4.1).
    pub fn id(&self, code: &str) -> Option<NamespaceId> {
        self.by_code.get(code).or_else(|| self.by_code.get(&fold(code))).copied()
    }

    /// The namespace of a number.
    pub fn get(&self, id: NamespaceId) -> Option<&Namespace> {
        self.by_id.get(&id)
    }

    /// The code of a number; an unknown number prints as itself.
    pub fn code(&self, id: NamespaceId) -> SmolStr {
        self.by_id.get(&id).map_or_else(|| SmolStr::new(id.to_string()), |n| n.code.clone())
    }
}

/// Standard codes are kept in lower case behind a space, which no custom code can contain.
fn fold(code: &str) -> SmolStr {
    SmolStr::new(format!(" {}", code.to_ascii_lowercase()))
}
