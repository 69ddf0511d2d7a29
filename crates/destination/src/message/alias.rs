//! What the receiver calls the audiences of a flow, and the `destination` object of templates (destination-sdk.md §5.7).
//!
//! Always: an audience without a mapping id has its own id as alias (B.38); the objects without namespaces hold the
//! audiences of `ups` only.

use super::context::{key, map};
use model::{SmolStr, Timestamp};
use pebble::Value;
use rustc_hash::FxHashMap;

/// The namespace of this system's own audiences.
pub(crate) const OWN_NAMESPACE: &str = "ups";

/// One audience that a flow maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedAudience {
    /// Where it comes from: `ups`, `CustomerAudienceUpload` ….
    pub namespace: SmolStr,
    /// Its id here.
    pub id: SmolStr,
    /// Its name here.
    pub name: SmolStr,
    /// Its id at the receiver (mapping id).
    pub alias: Option<SmolStr>,
    /// Its name at the receiver; the name here unless given.
    pub partner_name: Option<SmolStr>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// When it was activated to this destination.
    pub mapping_created_at: Timestamp,
    /// When its activation was changed.
    pub mapping_updated_at: Timestamp,
}

impl MappedAudience {
    /// The alias, or the id.
    pub fn alias(&self) -> &SmolStr {
        self.alias.as_ref().unwrap_or(&self.id)
    }
}

/// All audiences that a flow maps.
#[derive(Debug, Clone, Default)]
pub struct Aliases {
    audiences: Vec<MappedAudience>,
    by_id: FxHashMap<SmolStr, Vec<usize>>,
}

impl Aliases {
    /// The audiences of a flow; of two with equal namespace and id the first counts.
    pub fn new(audiences: impl IntoIterator<Item = MappedAudience>) -> Aliases {
        let mut aliases = Aliases::default();
        for audience in audiences {
            if aliases.position(&audience.namespace, &audience.id).is_none() {
                aliases.by_id.entry(audience.id.clone()).or_default().push(aliases.audiences.len());
                aliases.audiences.push(audience);
            }
        }
        aliases
    }

    /// The mapped audiences.
    pub fn audiences(&self) -> &[MappedAudience] {
        &self.audiences
    }

    pub(crate) fn position(&self, namespace: &str, id: &str) -> Option<usize> {
        self.by_id.get(id)?.iter().copied().find(|at| self.audiences[*at].namespace == namespace)
    }

    /// The `destination` object of templates: the facts of the destination, and these audiences.
    pub(crate) fn destination(&self, facts: &[(SmolStr, Value)]) -> Value {
        let mut fields: Vec<_> = facts.iter().map(|(name, value)| (key(name), value.clone())).collect();
        let alias = |a: &MappedAudience| (a.id.clone(), Value::string(a.alias().clone()));
        let name =
            |a: &MappedAudience| (a.name.clone(), Value::string(a.partner_name.as_ref().unwrap_or(&a.name).clone()));
        let times = |a: &MappedAudience| (a.id.clone(), times(a));
        self.add(&mut fields, "namespaceSegmentAliases", "segmentAliases", &alias);
        self.add(&mut fields, "namespaceSegmentNames", "segmentNames", &name);
        self.add(&mut fields, "namespaceSegmentTimestamps", "segmentTimestamps", &times);
        map(fields)
    }

    /// Adds one object by namespace, and its deprecated twin.
    fn add(
        &self,
        fields: &mut Vec<(pebble::Key, Value)>,
        by_namespace: &str,
        own: &str,
        entry: &dyn Fn(&MappedAudience) -> (SmolStr, Value),
    ) {
        let mut namespaces: Vec<&SmolStr> = Vec::new();
        for audience in &self.audiences {
            if !namespaces.contains(&&audience.namespace) {
                namespaces.push(&audience.namespace);
            }
        }
        let of = |namespace: &str| {
            let audiences = self.audiences.iter().filter(|a| a.namespace == namespace);
            map(audiences.map(entry).map(|(name, value)| (key(&name), value)))
        };
        fields.push((key(by_namespace), map(namespaces.into_iter().map(|n| (key(n), of(n))))));
        fields.push((key(own), of(OWN_NAMESPACE)));
    }
}

/// The four UNIX timestamps, in seconds.
fn times(audience: &MappedAudience) -> Value {
    let seconds = |at: Timestamp| Value::int(at.0.div_euclid(1000));
    map([
        (key("createdAt"), seconds(audience.created_at)),
        (key("updatedAt"), seconds(audience.updated_at)),
        (key("mappingCreatedAt"), seconds(audience.mapping_created_at)),
        (key("mappingUpdatedAt"), seconds(audience.mapping_updated_at)),
    ])
}
