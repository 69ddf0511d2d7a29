//! From a profile as this system knows it to a profile as the destination wants it.
//!
//! Always: only what is mapped is there, in the order of the configuration; equal identities of one namespace stand
//! once; a transformation is done before anything else sees the value. Values for templates are not made here but
//! when a message is composed ([`entry`](super::entry)): profiles wait for their message, perhaps for long.

use super::context;
use super::instance::{IdentitySource, Instance, TargetNamespace};
use super::mapping::{Source, transform};
use super::profile::{Places, SourceMembership, SourceProfile, TargetIdentity, TargetProfile, Withheld};
use model::SmolStr;
use smallvec::SmallVec;
use std::sync::Arc;

impl Instance {
    /// The profile in the target schema: what is mapped, transformed and renamed.
    pub fn target(&self, source: impl Into<Arc<SourceProfile>>) -> Arc<TargetProfile> {
        let source: Arc<SourceProfile> = source.into();
        let mut withheld = None;
        let mut ids = Ids { source: &source, found: SmallVec::new(), made: Vec::new() };
        for (number, namespace) in self.parts.identities.iter().enumerate() {
            let before = ids.found.len();
            namespace.add_ids(number as u32, &mut ids);
            if ids.found.len() == before && namespace.mandatory {
                withheld = Some(Withheld::Mandatory(namespace.name.clone()));
            }
        }
        if ids.found.is_empty() && !self.parts.identities.is_empty() && withheld.is_none() {
            withheld = Some(Withheld::NoIdentity);
        }
        for map in self.parts.mapping.attributes.iter().filter(|map| map.mandatory && !map.source.of_audience()) {
            if !map.source.is_in(&source) {
                withheld = Some(Withheld::Mandatory(map.target.clone()));
            }
        }
        let Ids { found: identities, made, .. } = ids;
        let members = self.places(&source);
        Arc::new(TargetProfile { source, members, identities, made, given: None, withheld })
    }

    /// Which memberships are mapped.
    fn places(&self, source: &SourceProfile) -> Places {
        let is_mapped = |m: &SourceMembership| self.parts.aliases.position(&m.namespace, &m.id).is_some();
        let members = &source.memberships;
        match members.iter().position(|m| !is_mapped(m)) {
            None => Places::All,
            Some(first) => {
                let rest = first + 1..members.len();
                Places::Some((0..first).chain(rest.filter(|at| is_mapped(&members[*at]))).map(|at| at as u32).collect())
            }
        }
    }
}

/// The identities that a profile gets.
struct Ids<'a> {
    source: &'a SourceProfile,
    found: SmallVec<[TargetIdentity; 4]>,
    made: Vec<SmolStr>,
}

impl TargetNamespace {
    /// Adds the identities that a profile has for it; this is the namespace of this number.
    fn add_ids(&self, number: u32, ids: &mut Ids<'_>) {
        let before = ids.found.len();
        let profile = ids.source;
        for source in &self.sources {
            let plain = match (&source.source, source.transform) {
                (Source::Namespace(code), None) => Some(code),
                _ => None,
            };
            if let Some(code) = plain {
                for (at, (namespace, value)) in profile.identities.iter().enumerate() {
                    if namespace.eq_ignore_ascii_case(code) && ids.is_new(before, value) {
                        ids.found.push(TargetIdentity { namespace: number, at: at as u32 });
                    }
                }
                continue;
            }
            source.each(profile, &mut |value| {
                let value = match source.transform {
                    None => value.clone(),
                    how => transform(how, value),
                };
                if ids.is_new(before, &value) {
                    let at = (profile.identities.len() + ids.made.len()) as u32;
                    ids.made.push(value);
                    ids.found.push(TargetIdentity { namespace: number, at });
                }
            });
        }
    }
}

impl Ids<'_> {
    /// Whether an id is one, and not among those found from this place on.
    fn is_new(&self, from: usize, id: &str) -> bool {
        !id.is_empty() && !self.found[from..].iter().any(|other| other.id(self.source, &self.made) == id)
    }
}

impl IdentitySource {
    fn each(&self, profile: &SourceProfile, on: &mut dyn FnMut(&SmolStr)) {
        match &self.source {
            Source::Namespace(code) => {
                let found = profile.identities.iter().filter(|(namespace, _)| namespace.eq_ignore_ascii_case(code));
                found.for_each(|(_, value)| on(value));
            }
            Source::Attribute(path) => match context::at(&profile.attributes, path) {
                model::Value::Array(items) => {
                    items.iter().filter_map(context::scalar).for_each(|value| on(&value));
                }
                value => context::scalar(value).iter().for_each(on),
            },
            Source::Alias | Source::ByStatus { .. } => {}
        }
    }
}

impl Source {
    /// Whether a profile has a value.
    fn is_in(&self, profile: &SourceProfile) -> bool {
        match self {
            Source::Namespace(code) => profile.identities.iter().any(|(name, _)| name.eq_ignore_ascii_case(code)),
            Source::Attribute(path) => !context::at(&profile.attributes, path).is_null(),
            Source::Alias | Source::ByStatus { .. } => false,
        }
    }
}
