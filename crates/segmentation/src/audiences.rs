//! The compiled list of a sandbox's audiences, for the plan.

use crate::lifecycle::is_published;
use crate::merge_policies::merge_policies;
use crate::{expression, external};
use model::{AudienceNo, Collection, Doc, DocSet, SandboxId, SmolStr};
use serde_json::Value as Json;
use std::collections::HashMap;

/// One audience, ready to be compiled into a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceSpec {
    /// Its dense number.
    pub no: AudienceNo,
    /// Its id.
    pub id: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// The text of its query, which was checked when it was accepted.
    pub pql: SmolStr,
    /// Position at which query, merge policy or opt-out rule last changed.
    pub changed_n: u64,
    /// Its merge policy.
    pub merge_policy: SmolStr,
    /// True if profiles that opted out are no members.
    pub exclude_opt_out: bool,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
}

/// All audiences of a sandbox that are evaluated: the published ones, uploaded ones first; one that another
/// names in `inSegment` comes before it, else the older first.
pub fn audiences(docs: &DocSet, sandbox: SandboxId) -> Vec<AudienceSpec> {
    let policies = merge_policies(docs, sandbox);
    let default = policies.iter().find(|policy| policy.default).map(|policy| policy.id.clone()).unwrap_or_default();
    let policies: HashMap<SmolStr, u64> = policies.into_iter().map(|policy| (policy.id, policy.changed_n)).collect();
    let uploaded = docs.iter(sandbox, Collection::ExternalAudience).filter(|doc| is_published(doc));
    let mut uploaded: Vec<AudienceSpec> = uploaded.map(|doc| external::spec(doc, &default)).collect();
    uploaded.sort_by_key(|spec| spec.no);
    let mut by_age: Vec<&Doc> = docs.iter(sandbox, Collection::Audience).map(AsRef::as_ref).collect();
    by_age.retain(|doc| is_published(doc));
    by_age.sort_by_key(|doc| doc.no);
    let by_id: HashMap<&str, &Doc> = by_age.iter().map(|doc| (doc.id.as_str(), *doc)).collect();
    let mut placed = Vec::with_capacity(by_age.len());
    let mut seen = HashMap::new();
    for doc in by_age {
        place(doc, &by_id, &mut seen, &mut placed);
    }
    uploaded.into_iter().chain(placed.into_iter().map(|doc| AudienceSpec::read(doc, &policies))).collect()
}

/// Depth first without recursion: a chain of references may be as long as the list of audiences.
fn place<'a>(doc: &'a Doc, by_id: &HashMap<&str, &'a Doc>, seen: &mut HashMap<&'a str, ()>, placed: &mut Vec<&'a Doc>) {
    if seen.insert(&doc.id, ()).is_some() {
        return;
    }
    let mut open = vec![(doc, references(doc))];
    while let Some((doc, rest)) = open.last_mut() {
        match rest.next().map(|id| by_id.get(id)) {
            Some(Some(inner)) if seen.insert(&inner.id, ()).is_none() => open.push((inner, references(inner))),
            Some(_) => {}
            None => {
                placed.push(doc);
                open.pop();
            }
        }
    }
}

/// The ids that an audience names in `inSegment`.
pub(crate) fn references(doc: &Doc) -> impl Iterator<Item = &str> + use<'_> {
    doc.body["_internal"]["references"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// Position at which what the definition itself says of membership last changed.
pub(crate) fn since(doc: &Doc) -> u64 {
    doc.body["_internal"]["since"].as_u64().unwrap_or(doc.changed_n)
}

impl AudienceSpec {
    fn read(doc: &Doc, policies: &HashMap<SmolStr, u64>) -> AudienceSpec {
        let text = |value: &Json| SmolStr::new(value.as_str().unwrap_or_default());
        let merge_policy = text(&doc.body["mergePolicyId"]);
        AudienceSpec {
            no: AudienceNo(doc.no),
            id: doc.id.clone(),
            name: text(&doc.body["name"]),
            pql: expression::stored_text(&doc.body).into(),
            changed_n: since(doc).max(policies.get(&merge_policy).copied().unwrap_or(0)),
            merge_policy,
            exclude_opt_out: doc.body["dataGovernancePolicy"]["excludeOptOut"].as_bool().unwrap_or(true),
            created_ms: doc.created_at.0,
            updated_ms: doc.updated_at.0,
        }
    }
}
