//! From a profile as this system knows it to a profile as the destination wants it.
//!
//! Always: only what is mapped is there, in the order of the configuration; equal identities of one namespace stand
//! once; a transformation is done before anything else sees the value.

use super::context::{self, node};
use super::instance::{IdentitySource, Instance, TargetNamespace};
use super::mapping::{AttributeMap, Source, transform};
use super::profile::{Identities, Member, SourceProfile, TargetProfile, Withheld};
use model::SmolStr;
use pebble::{Key, Value};

const TIME_KEY: SmolStr = SmolStr::new_static("lastQualificationTime");
const STATUS_KEY: SmolStr = SmolStr::new_static("status");
const ID_KEY: SmolStr = SmolStr::new_static("id");
const VALUE_KEY: SmolStr = SmolStr::new_static("value");

impl Instance {
    /// The profile in the target schema: what is mapped, transformed and renamed.
    pub fn target(&self, profile: &SourceProfile) -> TargetProfile {
        let mut target = TargetProfile {
            members: self.members(profile),
            identities: Vec::with_capacity(self.parts.identities.len()),
            attributes: None,
            of_audience: Vec::new(),
            withheld: None,
        };
        for namespace in &self.parts.identities {
            let ids = namespace.ids(profile);
            if !ids.is_empty() {
                target.identities.push(Identities { namespace: namespace.name.clone(), ids });
            } else if namespace.mandatory {
                target.withheld = Some(Withheld::Mandatory(namespace.name.clone()));
            }
        }
        if target.identities.is_empty() && !self.parts.identities.is_empty() && target.withheld.is_none() {
            target.withheld = Some(Withheld::NoIdentity);
        }
        self.attributes(profile, &mut target);
        target
    }

    fn members(&self, profile: &SourceProfile) -> Vec<Member> {
        let mut members = Vec::with_capacity(profile.memberships.len());
        for m in &profile.memberships {
            if self.parts.aliases.position(&m.namespace, &m.id).is_none() {
                continue;
            }
            let entry = node([
                (Key::from(TIME_KEY), Value::string(self.parts.design.times().print(m.since))),
                (Key::from(STATUS_KEY), Value::string(SmolStr::new_static(m.status.as_str()))),
            ]);
            let (namespace, id) = (m.namespace.clone(), m.id.clone());
            members.push(Member { namespace, id, status: m.status, changed: m.changed, entry });
        }
        members
    }

    fn attributes(&self, profile: &SourceProfile, target: &mut TargetProfile) {
        if self.parts.attributes.is_empty() {
            return;
        }
        let mut fields = Vec::with_capacity(self.parts.attributes.len());
        for (number, attribute) in self.parts.attributes.iter().enumerate() {
            if attribute.map.source.of_audience() {
                target.of_audience.push((fields.len(), number));
                fields.push((attribute.key.clone(), Value::null()));
                continue;
            }
            let found = attribute.map.value(profile);
            if found.is_none() && attribute.map.mandatory {
                target.withheld = Some(Withheld::Mandatory(attribute.map.target.clone()));
            }
            if let Some(shown) = attribute.map.shown(found) {
                fields.push((attribute.key.clone(), shown));
            }
        }
        target.attributes = Some(fields);
    }
}

impl TargetNamespace {
    fn ids(&self, profile: &SourceProfile) -> Vec<Value> {
        let mut seen: Vec<SmolStr> = Vec::new();
        for source in &self.sources {
            source.each(profile, &mut |value| {
                let value = transform(source.transform, value);
                if !value.is_empty() && !seen.contains(&value) {
                    seen.push(value);
                }
            });
        }
        seen.into_iter().map(|value| node([(Key::from(ID_KEY), Value::string(value))])).collect()
    }
}

impl IdentitySource {
    fn each(&self, profile: &SourceProfile, on: &mut dyn FnMut(&str)) {
        match &self.source {
            Source::Namespace(code) => {
                let found = profile.identities.iter().filter(|(namespace, _)| namespace.eq_ignore_ascii_case(code));
                found.for_each(|(_, value)| on(value));
            }
            Source::Attribute(path) => match at(&profile.attributes, path) {
                model::Value::Array(items) => {
                    items.iter().filter_map(context::scalar).for_each(|value| on(&value));
                }
                value => context::scalar(value).iter().for_each(|value| on(value)),
            },
            Source::Alias | Source::ByStatus { .. } => {}
        }
    }
}

impl AttributeMap {
    /// The value that a profile has for it.
    fn value(&self, profile: &SourceProfile) -> Option<Value> {
        match &self.source {
            Source::Attribute(path) => {
                let value = Some(at(&profile.attributes, path)).filter(|v| !v.is_null())?;
                let text = self.transform.and_then(|_| context::scalar(value));
                Some(match text {
                    Some(text) => Value::string(transform(self.transform, &text)),
                    None => context::value(value).json(),
                })
            }
            Source::Namespace(code) => {
                let found = profile.identities.iter().find(|(namespace, _)| namespace.eq_ignore_ascii_case(code));
                found.map(|(_, value)| Value::string(transform(self.transform, value)))
            }
            Source::Alias | Source::ByStatus { .. } => None,
        }
    }

    /// How templates see the value.
    pub(crate) fn shown(&self, value: Option<Value>) -> Option<Value> {
        match (self.predefined, value) {
            (true, value) => value,
            (false, Some(value)) => Some(node([(Key::from(VALUE_KEY), value)])),
            (false, None) => Some(node([])),
        }
    }
}

fn at<'a>(record: &'a model::Value, path: &[SmolStr]) -> &'a model::Value {
    path.iter().fold(record, |value, name| value.get(name))
}
