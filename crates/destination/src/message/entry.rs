//! The entries of `input.profiles`: a slice as templates see it.
//!
//! In: slices. Out: values, whole or as far as the templates of the destination read them. Always: they are made where
//! a message is composed and dropped there; what is left out is never read, so that the output is the same.

use super::context::{self, node, node_list};
use super::instance::Instance;
use super::mapping::{AttributeMap, Source, transform};
use super::profile::{SourceMembership, SourceProfile, TargetIdentity};
use super::slice::Slice;
use model::{SmolStr, Status, Value as Record};
use pebble::{Key, Reads, Value};

const MEMBERSHIP: SmolStr = SmolStr::new_inline("segmentMembership");
const IDENTITIES: SmolStr = SmolStr::new_inline("identityMap");
const ATTRIBUTES: SmolStr = SmolStr::new_inline("attributes");
const TIME: SmolStr = SmolStr::new_inline("lastQualificationTime");
const STATUS: SmolStr = SmolStr::new_inline("status");
const ID: SmolStr = SmolStr::new_inline("id");
const VALUE: SmolStr = SmolStr::new_inline("value");

/// Which parts of entries are made.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) memberships: bool,
    /// With `lastQualificationTime`.
    pub(crate) times: bool,
    pub(crate) identities: bool,
    /// The numbers of the attributes; none: no `attributes` at all.
    pub(crate) attributes: Option<Vec<usize>>,
    /// Whether a target attribute is mapped twice, so that the later one counts.
    pub(crate) repeats: bool,
    /// A membership without its time, by status.
    realized: Value,
    exited: Value,
}

impl Shown {
    /// Everything that is mapped.
    pub(crate) fn whole(attributes: &[AttributeMap]) -> Shown {
        let repeats =
            (1..attributes.len()).any(|at| attributes[..at].iter().any(|a| a.target == attributes[at].target));
        let bare = |status: Status| Value::json_map_of_one(STATUS.into(), Value::string(status.as_str()));
        Shown {
            memberships: true,
            times: true,
            identities: true,
            attributes: (!attributes.is_empty()).then(|| (0..attributes.len()).collect()),
            repeats,
            realized: bare(Status::Realized),
            exited: bare(Status::Exited),
        }
    }
}

impl Shown {
    /// What is read of all that is mapped.
    pub(crate) fn read(&self, entry: &Reads, attributes: &[AttributeMap]) -> Shown {
        let part = |name: &SmolStr| entry.child(name).is_some() || entry.keys();
        let memberships = entry.child(&MEMBERSHIP);
        let read = entry.child(&ATTRIBUTES);
        let is_read = |number: &usize| match &read {
            Some(read) => read.keys() || read.child(&attributes[*number].target).is_some(),
            None => false,
        };
        let numbers = self.attributes.as_ref().filter(|_| part(&ATTRIBUTES));
        Shown {
            memberships: part(&MEMBERSHIP),
            times: memberships.is_some_and(|namespaces| {
                of_values(&namespaces, &|audiences| of_values(audiences, &|m| m.keys() || m.child(&TIME).is_some()))
            }),
            identities: part(&IDENTITIES),
            attributes: numbers.map(|numbers| numbers.iter().copied().filter(is_read).collect()),
            ..self.clone()
        }
    }
}

/// Whether this holds for what is read of some value of a map.
fn of_values(map: &Reads, holds: &dyn Fn(&Reads) -> bool) -> bool {
    match map {
        Reads::Whole => true,
        Reads::Parts(parts) => parts.named.values().chain(&parts.values).any(holds),
    }
}

impl Instance {
    /// The entries of slices with all that is mapped, in order.
    pub fn entries(&self, slices: &[&Slice]) -> Vec<Value> {
        self.entries_with(slices, &self.parts.whole)
    }

    /// The entries of slices as far as the templates of the destination read them.
    pub(crate) fn entries_read(&self, slices: &[&Slice]) -> Vec<Value> {
        self.entries_with(slices, &self.parts.read)
    }

    fn entries_with(&self, slices: &[&Slice], shown: &Shown) -> Vec<Value> {
        let mut entries = Vec::with_capacity(slices.iter().map(|slice| slice.users as usize).sum());
        slices.iter().for_each(|slice| self.add_entries(slice, shown, &mut entries));
        entries
    }

    fn add_entries(&self, slice: &Slice, shown: &Shown, out: &mut Vec<Value>) {
        let memberships = shown.memberships.then(|| self.memberships(slice, shown));
        let attributes = self.attributes(slice, shown);
        let entry = |identities: Option<Value>| {
            let mut sections = Vec::with_capacity(3);
            sections.extend(memberships.clone().map(|value| (Key::from(MEMBERSHIP), value)));
            sections.extend(identities.map(|value| (Key::from(IDENTITIES), value)));
            sections.extend(attributes.clone().map(|value| (Key::from(ATTRIBUTES), value)));
            Value::json_map_of_unique(sections)
        };
        let Some((from, to)) = slice.split else {
            return out.push(entry(shown.identities.then(|| self.identity_map(slice))));
        };
        let places = self.identities_of(&slice.profile, slice.group.identity_namespaces.as_deref());
        for at in places.skip(from as usize).take((to - from) as usize) {
            let map = |id: TargetIdentity| {
                let name = Key::from(self.namespace(&slice.profile, id).clone());
                Value::json_map_of_one(name, Value::json_list_of_one(slice.identity(at)))
            };
            out.push(entry(shown.identities.then(|| map(slice.profile.identities[at]))));
        }
    }

    /// `segmentMembership` of a slice.
    fn memberships(&self, slice: &Slice, shown: &Shown) -> Value {
        let all = &slice.profile.source.memberships;
        let entry = |(at, member): (usize, &SourceMembership)| {
            let value = match (&slice.profile.given, shown.times) {
                (Some(given), _) => given.members[at].clone(),
                (None, true) => node([
                    (Key::from(TIME), Value::string(self.parts.design.times().print(member.since))),
                    (Key::from(STATUS), Value::string(SmolStr::new_inline(member.status.as_str()))),
                ]),
                (None, false) => match member.status {
                    Status::Realized => shown.realized.clone(),
                    Status::Exited => shown.exited.clone(),
                },
            };
            (Key::from(member.id.clone()), value)
        };
        if let Some(at) = slice.member.map(|at| at as usize) {
            let namespace = Key::from(all[at].namespace.clone());
            let (id, membership) = entry((at, &all[at]));
            return Value::json_map_of_one(namespace, Value::json_map_of_one(id, membership));
        }
        let mut members = slice.profile.members();
        if let Some((_, one)) = members.next()
            && members.all(|(_, m)| m.namespace == one.namespace)
        {
            let of = node(slice.profile.members().map(entry));
            return Value::json_map_of_one(Key::from(one.namespace.clone()), of);
        }
        let mut namespaces: Vec<(&SmolStr, Vec<(Key, Value)>)> = Vec::new();
        for (at, member) in slice.profile.members() {
            let entry = entry((at, member));
            match namespaces.iter_mut().find(|(namespace, _)| *namespace == &member.namespace) {
                Some((_, entries)) => entries.push(entry),
                None => namespaces.push((&member.namespace, vec![entry])),
            }
        }
        node(namespaces.into_iter().map(|(namespace, entries)| (Key::from(namespace.clone()), node(entries))))
    }

    /// `attributes` of a slice.
    fn attributes(&self, slice: &Slice, shown: &Shown) -> Option<Value> {
        if let Some(given) = &slice.profile.given {
            return given.attributes.clone().map(node);
        }
        let SourceProfile { identities, attributes: record, .. } = &*slice.profile.source;
        let numbers = shown.attributes.as_ref()?;
        let mut fields = Vec::with_capacity(numbers.len());
        for number in numbers {
            let map = &self.parts.mapping.attributes[*number];
            let found = match map.source.of_audience() {
                true => self.of_audience(slice, map),
                false => map.value(identities, record),
            };
            if let Some(value) = map.shown(found) {
                fields.push((Key::from(map.target.clone()), value));
            }
        }
        Some(if shown.repeats { node(fields) } else { Value::json_map_of_unique(fields) })
    }

    /// A value that depends on the audience of the message; none if it is about no single one.
    fn of_audience(&self, slice: &Slice, map: &AttributeMap) -> Option<Value> {
        let member: &SourceMembership = match slice.member {
            Some(at) => slice.profile.source.memberships.get(at as usize)?,
            None => slice.profile.only_member()?,
        };
        let text = match &map.source {
            Source::ByStatus { status, then, otherwise } => {
                if member.status == *status {
                    then
                } else {
                    otherwise
                }
            }
            _ => {
                let at = self.parts.aliases.position(&member.namespace, &member.id);
                at.map_or(&member.id, |at| self.parts.aliases.audiences()[at].alias())
            }
        };
        Some(Value::string(transform(map.transform, text)))
    }

    /// `identityMap` of a slice that is not split.
    fn identity_map(&self, slice: &Slice) -> Value {
        let wanted = slice.group.identity_namespaces.as_deref();
        let mut maps = Vec::with_capacity(4);
        let mut from = 0;
        for ids in slice.profile.identities.chunk_by(|a, b| a.namespace == b.namespace) {
            let (at, name) = (from, self.namespace(&slice.profile, ids[0]));
            from += ids.len();
            if wanted.is_none_or(|names| names.contains(name)) {
                let list = match ids.len() {
                    1 => Value::json_list_of_one(slice.identity(at)),
                    _ => node_list((at..from).map(|at| slice.identity(at)).collect()),
                };
                maps.push((Key::from(name.clone()), list));
            }
        }
        Value::json_map_of_unique(maps)
    }
}

impl Slice {
    /// One identity.
    fn identity(&self, at: usize) -> Value {
        match &self.profile.given {
            Some(given) => given.identities[at].clone(),
            None => {
                let id = self.profile.id(self.profile.identities[at]);
                Value::json_map_of_one(Key::from(ID), Value::string(id.clone()))
            }
        }
    }
}

impl AttributeMap {
    /// The value that a profile has for it.
    fn value(&self, identities: &[(SmolStr, SmolStr)], attributes: &Record) -> Option<Value> {
        match &self.source {
            Source::Attribute(path) => {
                let value = Some(context::at(attributes, path)).filter(|v| !v.is_null())?;
                let text = self.transform.and_then(|_| context::scalar(value));
                Some(match text {
                    Some(text) => Value::string(transform(self.transform, &text)),
                    None => context::value(value).json(),
                })
            }
            Source::Namespace(code) => {
                let found = identities.iter().find(|(namespace, _)| namespace.eq_ignore_ascii_case(code));
                found.map(|(_, value)| Value::string(transform(self.transform, value)))
            }
            Source::Alias | Source::ByStatus { .. } => None,
        }
    }

    /// How templates see the value.
    fn shown(&self, value: Option<Value>) -> Option<Value> {
        match (self.predefined, value) {
            (true, value) => value,
            (false, Some(value)) => Some(Value::json_map_of_one(Key::from(VALUE), value)),
            (false, None) => Some(node([])),
        }
    }
}
