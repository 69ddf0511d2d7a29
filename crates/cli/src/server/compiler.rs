//! Compiles documents into plans: the one place that knows all services and the engine's words.
//!
//! Schemas and audiences are compiled once and kept; a plan change that does not touch them reuses
//! what is there. The result depends on the documents alone.

use super::sdk::known_since;
use activation::{FlowPlan, MappedAudience, Triggers};
use audience::{Audience, Audiences};
use authoring::{Catalog, Catalogs};
use engine::{Compiler, DatasetPlan, IdentityPath, InletPlan, Namespace, Namespaces, Plan, SandboxPlan};
use model::{Collection, DatasetNo, DocSet, SandboxId, SmolStr, Timestamp, Type};
use profile::{AttributeMerge, Graph, MergePolicy};
use segmentation::{merge_policies, namespaces};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct PlanCompiler {
    schemas: Mutex<HashMap<SandboxId, Arc<Schemas>>>,
    queries: Mutex<Queries>,
    /// The audiences of the last plan: what is kept of profiles belongs to them, so they stay while none changes.
    audiences: Mutex<HashMap<SandboxId, Audiences>>,
    catalogs: Arc<Catalogs>,
}

/// Per audience: the state of the schemas and of its document that it was compiled from, and the result.
type Queries = HashMap<(SandboxId, SmolStr), (SchemaMark, SmolStr, Arc<Audience>)>;

/// Names one state of all schema documents of a sandbox.
type SchemaMark = (u64, usize);

struct Schemas {
    mark: SchemaMark,
    /// When the types that queries see changed last.
    typed_n: u64,
    profile: Type,
    event: Type,
    datasets: HashMap<SmolStr, Arc<DatasetPlan>>,
}

impl PlanCompiler {
    pub(super) fn new(catalogs: Arc<Catalogs>) -> PlanCompiler {
        PlanCompiler { schemas: Mutex::default(), queries: Mutex::default(), audiences: Mutex::default(), catalogs }
    }

    /// The plan of one sandbox.
    pub(super) fn sandbox(&self, docs: &DocSet, sandbox: SandboxId) -> SandboxPlan {
        let names = compile_namespaces(docs, sandbox);
        let schemas = self.schemas(docs, sandbox, &names);
        let policies = compile_policies(docs, sandbox);
        let audiences = self.audiences(docs, sandbox, &schemas, &policies);
        let catalog = self.catalogs.get(docs, sandbox);
        let flows = flows::compile(docs, sandbox, &catalog.flows);
        let flows = flows.iter().map(|f| Arc::new(flow_plan(docs, sandbox, &catalog, f, &audiences))).collect();
        SandboxPlan {
            namespaces: names,
            inlets: flows::inlets(docs, sandbox)
                .into_iter()
                .map(|i| {
                    (i.inlet_id, InletPlan { connection: i.connection_id, authenticated: i.authentication_required })
                })
                .collect(),
            datasets: schemas.datasets.clone(),
            sources: Some(sources(docs, sandbox)),
            merge_policies: policies.into_iter().map(|(_, p)| p).collect(),
            audiences,
            flows,
        }
    }

    fn schemas(&self, docs: &DocSet, sandbox: SandboxId, names: &Namespaces) -> Arc<Schemas> {
        let mark = schema_mark(docs, sandbox);
        let mut cache = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache.get(&sandbox).filter(|s| s.mark == mark) {
            return found.clone();
        }
        let (profile, event) = registry::union_types(docs, sandbox);
        let datasets = compile_datasets(docs, sandbox, names);
        let schemas = Arc::new(Schemas { mark, typed_n: typed_n(docs, sandbox), profile, event, datasets });
        cache.insert(sandbox, schemas.clone());
        schemas
    }

    fn audiences(
        &self,
        docs: &DocSet,
        sandbox: SandboxId,
        schemas: &Schemas,
        policies: &[(SmolStr, MergePolicy)],
    ) -> Audiences {
        let mut cache = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ordered = Vec::new();
        for spec in segmentation::audiences(docs, sandbox) {
            let Some(policy) = policies.iter().position(|(id, _)| *id == spec.merge_policy) else { continue };
            let key = (sandbox, spec.id.clone());
            let state = SmolStr::new(format!("{policy}:{}:{}:{}", spec.changed_n, spec.updated_ms, spec.name));
            let known = cache.get(&key).filter(|(_, s, _)| *s == state).map(|(mark, _, found)| (*mark, found.clone()));
            if let Some((_, found)) = known.as_ref().filter(|(mark, _)| *mark == schemas.mark) {
                ordered.push(found.clone());
                continue;
            }
            let Some(query) = compile_query(&spec.pql, schemas) else {
                tracing::error!(audience = %spec.id, "an accepted audience no longer compiles and is not evaluated");
                continue;
            };
            // A schema can change what a rule means, as when a text field becomes a date.
            let is_later = schemas.typed_n > spec.changed_n;
            let changed_n = if is_later && is_typed(&query) { schemas.typed_n } else { spec.changed_n };
            if let Some((_, found)) = known
                && found.changed_n == changed_n
                && found.query.means_the_same(&query)
            {
                cache.insert(key, (schemas.mark, state, found.clone()));
                ordered.push(found);
                continue;
            }
            let audience = Arc::new(Audience {
                no: spec.no,
                id: spec.id,
                name: spec.name,
                query,
                changed_n,
                policy,
                exclude_opt_out: spec.exclude_opt_out,
                created: Timestamp(spec.created_ms),
                updated: Timestamp(spec.updated_ms),
            });
            cache.insert(key, (schemas.mark, state, audience.clone()));
            ordered.push(audience);
        }
        let mut known = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.entry(sandbox).or_default();
        *before = Audiences::renewed(before, ordered);
        before.clone()
    }
}

impl Compiler for PlanCompiler {
    fn compile(&self, docs: &DocSet) -> Plan {
        let sandboxes = access::sandboxes(docs).map(|s| (s.id, Arc::new(self.sandbox(docs, s.id)))).collect();
        Plan { n: docs.n, sandboxes }
    }
}

/// An accepted query keeps running when a schema changed under it: types are only for authoring.
fn compile_query(text: &str, schemas: &Schemas) -> Option<pql::Query> {
    let typed = pql::Schema { profile: schemas.profile.clone(), event: schemas.event.clone() };
    pql::compile_segment(text, &typed).or_else(|_| pql::compile_segment(text, &pql::Schema::untyped())).ok()
}

/// Whether types decide what a query means.
fn is_typed(query: &pql::Query) -> bool {
    let untyped = pql::compile_segment(query.text(), &pql::Schema::untyped());
    !untyped.is_ok_and(|untyped| untyped.means_the_same(query))
}

/// Where the documents last changed that give queries their types. Resources are extended and not narrowed, so what
/// decides a meaning now has not been taken away by a later change.
fn typed_n(docs: &DocSet, sandbox: SandboxId) -> u64 {
    let kinds = [Collection::Class, Collection::DataType, Collection::FieldGroup, Collection::Schema];
    kinds.iter().flat_map(|kind| docs.iter(sandbox, *kind)).map(|doc| doc.changed_n).max().unwrap_or_default()
}

fn schema_mark(docs: &DocSet, sandbox: SandboxId) -> SchemaMark {
    use Collection::{Class, DataType, Dataset, Descriptor, FieldGroup, Namespace, Schema};
    let kinds = [Class, DataType, Dataset, Descriptor, FieldGroup, Namespace, Schema];
    let all = kinds.iter().flat_map(|kind| docs.iter(sandbox, *kind));
    all.fold((0, 0), |(newest, count), doc| (newest.max(doc.changed_n), count + 1))
}

fn compile_namespaces(docs: &DocSet, sandbox: SandboxId) -> Namespaces {
    let mut all = Namespaces::default();
    for namespace in namespaces::namespaces(docs, sandbox) {
        let entry = Namespace {
            code: namespace.code.clone(),
            in_graph: namespace.takes_part_in_graph(),
            rank: namespace.graph_rank(),
            standard: !namespace.custom,
        };
        all.insert(namespace.id, entry);
    }
    all
}

fn compile_datasets(docs: &DocSet, sandbox: SandboxId, names: &Namespaces) -> HashMap<SmolStr, Arc<DatasetPlan>> {
    let mut all = HashMap::new();
    for doc in docs.iter(sandbox, Collection::Dataset) {
        let Some(info) = registry::dataset(docs, sandbox, &doc.id) else { continue };
        let schema = match registry::compile_schema(docs, sandbox, &info.schema_id) {
            Ok(schema) => schema,
            Err(error) => {
                tracing::error!(dataset = %doc.id, ?error, "the schema of a data set does not compile");
                continue;
            }
        };
        let lookup = |name: &str| names.id(name).or_else(|| name.parse().ok().map(model::NamespaceId));
        let identity_paths = registry::identity_paths(docs, sandbox, &info.schema_id, &lookup)
            .into_iter()
            .map(|p| IdentityPath { path: p.path, namespace: p.namespace, primary: p.primary })
            .collect();
        let plan = DatasetPlan {
            no: info.no,
            id: doc.id.clone(),
            schema_id: info.schema_id.clone(),
            schema,
            identity_paths,
            profile_enabled: info.profile_enabled,
            identity_enabled: info.identity_enabled,
        };
        all.insert(doc.id.clone(), Arc::new(plan));
    }
    all
}

/// What records may come from, also where a schema does not compile.
fn sources(docs: &DocSet, sandbox: SandboxId) -> BTreeSet<DatasetNo> {
    let kinds = [Collection::Dataset, Collection::ExternalAudience];
    kinds.iter().flat_map(|kind| docs.iter(sandbox, *kind)).map(|doc| DatasetNo(doc.no)).collect()
}

/// Merge policies by id, the default one first.
fn compile_policies(docs: &DocSet, sandbox: SandboxId) -> Vec<(SmolStr, MergePolicy)> {
    let mut specs = merge_policies::merge_policies(docs, sandbox);
    specs.sort_by_key(|p| !p.default);
    let number = |id: &SmolStr| docs.get(sandbox, Collection::Dataset, id).map(|d| DatasetNo(d.no));
    // Uploaded memberships count under every policy.
    let uploaded = || docs.iter(sandbox, Collection::ExternalAudience).map(|doc| DatasetNo(doc.no));
    specs
        .into_iter()
        .map(|spec| {
            let policy = MergePolicy {
                id: spec.id.clone(),
                graph: match spec.graph {
                    merge_policies::IdentityGraph::Pdg => Graph::Pdg,
                    merge_policies::IdentityGraph::None => Graph::None,
                },
                attributes: match spec.order {
                    merge_policies::AttributeMerge::TimestampOrdered => AttributeMerge::TimestampOrdered,
                    merge_policies::AttributeMerge::DatasetPrecedence(ids) => {
                        AttributeMerge::DatasetPrecedence(ids.iter().filter_map(number).chain(uploaded()).collect())
                    }
                },
            };
            (spec.id, policy)
        })
        .collect()
}

fn flow_plan(
    docs: &DocSet,
    sandbox: SandboxId,
    catalog: &Catalog,
    spec: &flows::FlowSpec,
    audiences: &Audiences,
) -> FlowPlan {
    let entry = match &spec.target {
        flows::Target::Sdk(target) => catalog.entry(&target.connection_spec_id),
        flows::Target::Http(_) => None,
    };
    let template = entry.and_then(|entry| entry.audience_template.as_deref());
    let backfills = entry.is_none_or(|entry| entry.config.backfill_historical_profile_data);
    // An audience that the receiver has to be told of first counts as mapped once it was.
    let mapped_n = |m: &flows::MappedAudience| {
        let known_n = known_since(docs, sandbox, template, &spec.id, &m.audience_id)?;
        Some(if backfills { m.mapped_n.max(known_n) } else { 0 })
    };
    let mut mapped: Vec<MappedAudience> = spec
        .audiences
        .iter()
        .filter_map(|m| {
            let audience = audiences.by_id(&m.audience_id)?;
            Some(MappedAudience {
                no: audience.no,
                id: audience.id.clone(),
                name: audience.name.clone(),
                mapped_n: mapped_n(m)?,
                created: audience.created,
                updated: audience.updated,
                mapping_created: Timestamp(m.created_ms),
                mapping_updated: Timestamp(m.updated_ms),
            })
        })
        .collect();
    mapped.sort_by_key(|m| m.no);
    let http = spec.target.http();
    FlowPlan {
        no: spec.no,
        id: spec.id.clone(),
        name: spec.name.clone(),
        enabled: spec.enabled,
        audiences: mapped,
        attributes: spec.attributes.iter().map(|path| path.split('.').map(SmolStr::new).collect()).collect(),
        triggers: Triggers {
            attribute: spec.triggers.attribute,
            segmentation: spec.triggers.segmentation,
            identity: spec.triggers.identity,
        },
        include_names: http.is_some_and(|http| http.include_names),
        include_timestamps: http.is_some_and(|http| http.include_timestamps),
        legacy_status: http.is_some_and(|http| http.legacy_status),
    }
}

#[cfg(test)]
mod tests;
