//! Merge policies: how the fragments of one profile become one set of attributes (profile.md §6.2, §6.3).
//!
//! Leaf by leaf: objects recurse, everything else (arrays too) is taken whole from the winner.
//! `timestampOrdered`: the latest ingestion time wins; ties go to the smaller data set, then the
//! smaller identity. `dataSetPrecedence`: the first listed data set with a value wins, others are
//! left out; ties inside one by time.

use crate::fragment::Fragment;
use crate::row::Profile;
use model::{DatasetNo, Identity, NamespaceId, SmolStr, Value};

/// Which fragments take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// All fragments of the stitched profile.
    Pdg,
    /// Only those of the one identity that was asked for.
    None,
}

/// Which fragment wins a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeMerge {
    /// The latest write.
    TimestampOrdered,
    /// The first data set of the list that has a value.
    DatasetPrecedence(Vec<DatasetNo>),
}

/// One merge policy, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergePolicy {
    /// Its id.
    pub id: SmolStr,
    /// Stitching.
    pub graph: Graph,
    /// Precedence.
    pub attributes: AttributeMerge,
}

/// The merged attributes of a profile; `asked` narrows the fragments where the policy has no graph.
pub fn attributes(profile: &Profile, policy: &MergePolicy, asked: Option<&Identity>) -> Value {
    let mut fragments: Vec<&Fragment> = profile
        .fragments
        .iter()
        .filter(|f| policy.graph == Graph::Pdg || asked.is_none_or(|i| f.identity == *i))
        .collect();
    match &policy.attributes {
        AttributeMerge::TimestampOrdered => {
            fragments.sort_by(|a, b| {
                b.written.cmp(&a.written).then_with(|| (a.dataset, &a.identity).cmp(&(b.dataset, &b.identity)))
            });
        }
        AttributeMerge::DatasetPrecedence(order) => {
            let rank = |f: &Fragment| order.iter().position(|d| *d == f.dataset);
            fragments.retain(|f| rank(f).is_some());
            fragments.sort_by(|a, b| {
                rank(a).cmp(&rank(b)).then(b.written.cmp(&a.written)).then_with(|| a.identity.cmp(&b.identity))
            });
        }
    }
    let mut merged = Value::Object(Vec::new());
    for fragment in fragments {
        fill(&mut merged, &fragment.body);
    }
    merged
}

/// Adds to `winner` the leaves that only `other` has.
fn fill(winner: &mut Value, other: &Value) {
    let (Value::Object(fields), Value::Object(more)) = (winner, other) else { return };
    for (name, value) in more {
        match fields.iter_mut().find(|(n, _)| n == name) {
            Some((_, mine)) if mine.is_null() => *mine = value.clone(),
            Some((_, mine)) => fill(mine, value),
            None => fields.push((name.clone(), value.clone())),
        }
    }
}

/// The `identityMap` of a profile: all identities, all namespaces (activation.md §3.5).
pub fn identity_map<'a>(
    identities: impl IntoIterator<Item = &'a Identity>,
    code: &dyn Fn(NamespaceId) -> SmolStr,
) -> Value {
    let mut map: Vec<(SmolStr, Value)> = Vec::new();
    for identity in identities {
        let entry = Value::Object(vec![(SmolStr::new_static("id"), Value::Str(identity.value.clone()))]);
        let name = code(identity.namespace);
        match map.iter_mut().find(|(n, _)| *n == name) {
            Some((_, Value::Array(items))) => items.push(entry),
            _ => map.push((name, Value::Array(vec![entry]))),
        }
    }
    Value::Object(map)
}
